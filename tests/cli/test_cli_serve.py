"""`vox-gateway serve`: a gateway of its own, and what clients do there in words."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from served import PATIENCE, served

from vox_gateway import AuthenticationFailed, Client, IdentifyGate, Intents
from vox_gateway.cli import main, serve
from vox_gateway.cli.serve.feed import Feed
from vox_gateway.cli.serve.script import Step
from vox_gateway.cli.serve.stdin import read_lines
from vox_gateway.cli.serve.typed_lines import Typist
from vox_gateway.cli.shared.activity import ActivityLog, Line
from vox_gateway.cli.shared.screen import Mark
from vox_gateway.testing import (
    Closed,
    ConnectionRecord,
    HttpRequest,
    LocalGateway,
    Received,
    SessionRefused,
    SessionView,
    channel,
    guild,
)

TOKEN = "a.very.secret-token"

Bot = Callable[..., tuple[Client, "queue.SimpleQueue[dict[str, Any]]"]]

posix_only = pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")


@pytest.fixture
def early_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first heartbeat comes after 1 % of the interval, which leaves the rest of it for the acknowledgement."""
    monkeypatch.setattr("random.random", lambda: 0.01)


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_it_tells_where_it_is_and_what_clients_do_until_ctrl_c(early_heartbeat: None) -> None:
    with served("serve", "-v", "--heartbeat-interval", "10") as gateway:
        assert gateway.head[1:2] == ["every token is accepted\n"]
        with Client(token=TOKEN, url=gateway.url, intents=Intents.GUILDS) as client:
            assert client.wait_until_ready(PATIENCE)
            assert "json, zlib-stream" in gateway.line("connect ")
            assert "shard 0/1, intents: GUILDS" in gateway.line("IDENTIFY")
            assert "shard 0/1: a new session" in gateway.line("READY")
            gateway.line("HEARTBEAT")
            client.presence_update(status="dnd")
            gateway.line("PRESENCE_UPDATE")
            gateway.line('"dnd"')
            client.close(reconnect=True)
            assert "closed by the client, 4000" in gateway.line("close")
            assert "after event " in gateway.line("RESUME ")
            gateway.line("RESUMED")
        assert "closed by the client, 1000" in gateway.line("close")
        code, output, said = gateway.end()
    assert (code, said) == (0, "")
    assert output.endswith("closed\n")
    assert TOKEN not in output


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_heartbeats_are_not_told_unasked_and_plain_http_is(early_heartbeat: None) -> None:
    with served("serve", "--heartbeat-interval", "10") as gateway:
        client = Client(token=TOKEN, url=gateway.url)
        with client.stream("HEARTBEAT_ACK") as acknowledged, client:
            acknowledged.get(PATIENCE)
        with urllib.request.urlopen(gateway.url.replace("ws", "http", 1) + "/gateway") as answer:
            assert answer.status == 200
        assert "GET /gateway: 200" in gateway.line("HTTP")
        code, output, _ = gateway.end()
    assert code == 0
    assert "HEARTBEAT" not in output


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_one_token_only_is_let_in_where_it_is_given() -> None:
    with served("serve", "--token", "made-up") as gateway:
        assert gateway.head[1] == "only the token made-up is accepted\n"
        with Client(token="made-up", url=gateway.url) as client:
            assert client.wait_until_ready(PATIENCE)
        with pytest.raises(AuthenticationFailed):
            Client(token=TOKEN, url=gateway.url).connect()
        gateway.line("closed by the gateway, 4004")
        gateway.line("AUTHENTICATION_FAILED")
        assert gateway.end()[0] == 0


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_a_bot_may_come_again_at_once_unless_the_interval_says_otherwise() -> None:
    with served("serve") as gateway:
        for _ in range(2):
            with Client(token=TOKEN, url=gateway.url, identify_gate=IdentifyGate(interval=0)) as client:
                assert client.wait_until_ready(PATIENCE)
        code, output, _ = gateway.end()
    assert code == 0
    assert "INVALID_SESSION" not in output
    with served("serve", "--identify-interval", "60") as gateway:
        with Client(token=TOKEN, url=gateway.url, identify_gate=IdentifyGate(interval=0)) as client:
            assert client.wait_until_ready(PATIENCE)
        with Client(token=TOKEN, url=gateway.url, identify_gate=IdentifyGate(interval=0)):
            assert "connection 2: IDENTIFY refused: the last was " in gateway.line("INVALID_SESSION")
            assert "max_concurrency=1" in gateway.line("identify_interval=60")


@pytest.mark.parametrize("token", [None, "it's"])
def test_the_doctor_is_content_with_the_token_that_is_recommended(token: str | None) -> None:
    with served("serve", *([] if token is None else ["--token", token])) as gateway:
        (recommended,) = [line for line in gateway.head if "DISCORD_TOKEN=" in line]
        line = recommended.removeprefix("or with ").strip().replace(" tail ", " doctor ")
        line = line.replace("vox-gateway", f"{shlex.quote(sys.executable)} -m vox_gateway")
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    assert "the token is accepted" in " ".join(done.stdout.split())


@pytest.fixture
def bot() -> Iterator[Bot]:
    """Connects clients with all intents; gives what they receive but READY and guilds."""
    with contextlib.ExitStack() as stack:

        def connect(url: str, encoding: str = "json") -> tuple[Client, queue.SimpleQueue[dict[str, Any]]]:
            events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
            gate = IdentifyGate(interval=0)
            client = Client(token=TOKEN, url=url, intents=Intents.all(), encoding=encoding, identify_gate=gate)

            @client.on("DISPATCH")
            def keep(payload: dict[str, Any]) -> None:
                if payload["t"] not in ("READY", "GUILD_CREATE", "RESUMED"):
                    events.put(payload)

            stack.enter_context(client)
            assert client.wait_until_ready(PATIENCE)
            return client, events

        yield connect


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_typed_lines_become_messages_and_commands(bot: Bot) -> None:
    with served("serve") as gateway:
        assert gateway.head[4].startswith("type a message")
        gateway.type("nobody is here")
        assert "not sent: no client is" in gateway.line("ada #general: nobody is here")
        _, events = bot(gateway.url)
        gateway.type("hello", "", "alice #reading: hi there", "/roll sides=6 why='good luck'", "#nowhere: hello")
        first, second, third = (events.get(timeout=PATIENCE) for _ in range(3))
        assert (first["t"], first["d"]["content"], first["d"]["author"]["username"]) == (
            "MESSAGE_CREATE",
            "hello",
            "ada",
        )
        assert (second["d"]["content"], second["d"]["author"]["username"]) == ("hi there", "alice")
        assert third["t"] == "INTERACTION_CREATE"
        assert [option["value"] for option in third["d"]["data"]["options"]] == [6, "good luck"]
        assert "->  MESSAGE_CREATE" in gateway.line("alice #reading: hi there")
        assert "choose from #general, #reading" in gateway.line("no channel #nowhere")
        assert gateway.end()[0] == 0


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_it_goes_on_after_the_end_of_stdin(bot: Bot) -> None:
    with served("serve") as gateway:
        assert gateway.process.stdin is not None
        gateway.process.stdin.write("the last, without a newline")
        gateway.process.stdin.close()
        gateway.line("the last, without a newline")
        bot(gateway.url)
        gateway.line("READY")
        gateway.process.stdin = None  # `communicate` would flush it
        assert gateway.end()[0] == 0


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_it_serves_without_stdin() -> None:
    line = f"exec {shlex.quote(sys.executable)} -m vox_gateway serve --port 0 <&-"
    with subprocess.Popen(["sh", "-c", line], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        head = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert head[4] == "Ctrl-C to stop\n"


@posix_only
def test_a_script_and_chatter_begin_once_a_client_is_ready(bot: Bot, tmp_path: Path) -> None:
    script = tmp_path / "evening.jsonl"
    script.write_text('{"after": 0.01, "say": "alice: good evening"}\n\n', encoding="utf-8")
    with served("serve", "--script", str(script), "--chatter", "200", "-v") as gateway:
        _, events = bot(gateway.url)
        gateway.type("typed too")
        missing = {"good evening", "typed too"}
        while missing:
            missing.discard(events.get(timeout=PATIENCE)["d"].get("content"))
        gateway.line("MESSAGE_REACTION_ADD")
        # Measured, so no SIGINT: see `unmeasured`.
        assert gateway.process.stdout is not None
        gateway.process.stdout.close()
        assert gateway.process.wait(PATIENCE) == 1


def play(gateway: LocalGateway, *steps: Step, rate: float = 0, events: int = 0) -> list[Line]:
    """Play a script, or some events of chatter; return the lines that are shown."""
    lines: list[Line] = []
    feed = Feed(gateway, steps, rate, lines.append, lines.append)
    feed.start()
    feed.start()  # a second client changes nothing
    for _ in range(events or len(steps) + bool(steps)):
        assert feed.due_in is not None
        feed.send_next()
    assert bool(feed.due_in is None) is not bool(events)
    return lines


def test_each_kind_of_step_is_played(bot: Bot) -> None:
    with LocalGateway(identify_interval=0) as gateway:
        client, events = bot(gateway.url, "etf")  # which cannot represent half a surrogate pair
        lines = play(
            gateway,
            Step(0, "say", "alice: good evening"),
            Step(0.01, "event", "CHANNEL_PINS_UPDATE", {"channel_id": "1"}),
            Step(0, "event", "TYPING_START", "\ud800"),
            Step(0, "say", "#nowhere: hello"),
            Step(0, "drop", "reset"),
            Step(0, "say", "after the drop"),
        )
        found = [events.get(timeout=PATIENCE) for _ in range(3)]
        assert gateway.wait_connected(timeout=PATIENCE)
        assert [line.text for line in play(gateway, Step(0, "reconnect", True))] == ["1 connection", "the end"]
        gateway.expect_close(by="client", timeout=PATIENCE)
    assert [event["t"] for event in found] == ["MESSAGE_CREATE", "CHANNEL_PINS_UPDATE", "MESSAGE_CREATE"]
    assert found[1]["d"] == {"channel_id": "1"}
    assert found[2]["d"]["content"] == "after the drop"
    assert [line.text.partition(":")[0] for line in lines] == [
        "alice #general",
        "from the script",
        "TYPING_START",
        "no channel #nowhere",
        "reset",
        "ada #general",
        "the end",
    ]
    assert client.stats.identifies == 1


def test_chatter_is_varied(bot: Bot) -> None:
    with LocalGateway(identify_interval=0) as gateway:
        _, events = bot(gateway.url)
        lines = play(gateway, rate=1000, events=40)
        found = [events.get(timeout=PATIENCE) for _ in range(40)]
    assert len({event["t"] for event in found}) == 7
    assert len({event["d"]["guild_id"] for event in found}) == 2
    assert [line.name for line in lines] == [event["t"] for event in found]


def test_chatter_comes_at_its_rate() -> None:
    with LocalGateway() as gateway:
        feed = Feed(gateway, (), 0.5, lambda line: None)
        feed.start()
        assert feed.due_in == 0
        feed.send_next()
        assert feed.due_in is not None
        assert 0 < feed.due_in <= 2


def test_lines_are_read_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert read_lines(lines.put)
        text = "one\n\n t\u00e9 \nthree".encode()
        for part in (text[:8], text[8:]):  # in the middle of a character
            os.write(writer, part)
        os.close(writer)
        assert [lines.get(timeout=PATIENCE) for _ in range(3)] == ["one", "t\u00e9", "three"]
        for thread in threading.enumerate():
            if thread.name == "vox_gateway-stdin":
                thread.join(PATIENCE)


def test_no_lines_are_read_without_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    for nothing in (None, io.StringIO("hello")):
        monkeypatch.setattr(sys, "stdin", nothing)
        assert not read_lines(print)


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_http_requests_are_shown_and_replies_accepted(bot: Bot) -> None:
    with served("serve") as gateway, requests.Session() as session:
        api = gateway.url.replace("ws", "http", 1) + "/api/v10"
        assert api in gateway.head[0]
        session.headers["Authorization"] = f"Bot {TOKEN}"
        sent = session.post(f"{api}/channels/1/messages", json={"content": "pong"}, timeout=PATIENCE)
        assert sent.json()["id"]
        line = gateway.line("HTTP")
        assert "POST /api/v10/channels/1/messages: 200; {" in line
        assert '"content": "pong"' in line
        assert session.post(f"{api}/interactions/1/{TOKEN}/callback", json={}, timeout=PATIENCE).status_code == 204
        assert session.put(f"{api}/applications/1/commands", json=[], timeout=PATIENCE).json() == []
        assert session.get(f"{api}/guilds/1", timeout=PATIENCE).status_code == 404
        assert "GET /api/v10/guilds/1: 404, nothing expects it" in gateway.line("!!  HTTP")
        code, output, _ = gateway.end()
    assert code == 0
    assert TOKEN not in output


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "expected one of say, event, drop, reconnect"),
        ('{"say": "a", "drop": "reset"}', "expected one of say"),
        ('{"shout": "a"}', "expected one of say"),
        ('{"say": " "}', "invalid say=' '"),
        ('{"event": 1}', "invalid event=1"),
        ('{"drop": "gently"}', "invalid drop='gently'"),
        ('{"reconnect": false}', "invalid reconnect=False"),
        ('{"say": "a", "data": 1}', "data belongs to event only"),
        ('{"say": "a", "after": -1}', "invalid after=-1"),
        ('{"say": "a", "after": true}', "invalid after=True"),
        ('{"say": "a", "after": NaN}', "not valid JSON"),
        ('{"say": "a", "after": 1e9}', "invalid after=1000000000.0"),
    ],
)
def test_an_invalid_script_is_refused(
    line: str, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = tmp_path / "bad.jsonl"
    script.write_text('{"say": "hello"}\n' + line, encoding="utf-8")
    said = refused(capsys, "--port", "0", "--script", str(script))
    assert "bad.jsonl, line 2: " in said
    assert words in said


def test_a_script_that_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "cannot be read" in refused(capsys, "--port", "0", "--script", str(tmp_path))
    (tmp_path / "latin").write_bytes(b'{"say": "\xe9"}')
    assert "is not UTF-8" in refused(capsys, "--port", "0", "--script", str(tmp_path / "latin"))


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ("hello", "MESSAGE_CREATE", "ada #general: hello"),
        ("brian: hello", "MESSAGE_CREATE", "brian #general: hello"),
        ("#reading: hello", "MESSAGE_CREATE", "ada #reading: hello"),
        ("zoe #reading: a: b", "MESSAGE_CREATE", "zoe #reading: a: b"),
        ("see https://example.org/", "MESSAGE_CREATE", "ada #general: see https://example.org/"),
        (": hello", "MESSAGE_CREATE", "ada #general: : hello"),
        ("/ hello", "MESSAGE_CREATE", "ada #general: / hello"),
        ("/ping", "INTERACTION_CREATE", "ada #general: /ping"),
        ("zoe: /say text='a b' loud=true n=-3", "INTERACTION_CREATE", "zoe #general: /say text='a b' loud=true n=-3"),
    ],
)
def test_a_typed_line_has_an_author_and_a_channel(line: str, name: str, text: str) -> None:
    event = Typist(LocalGateway().guilds).event(line)
    assert (event.name, event.text) == (name, text)


def test_typed_options_have_types() -> None:
    event = Typist(LocalGateway().guilds).event("/say text='a b' loud=true n=-3")
    assert [option["value"] for option in event.data["data"]["options"]] == ["a b", True, -3]


@pytest.mark.parametrize(("line", "words"), [("/say hello", "NAME=VALUE"), ("/say a='b", "quotation"), ("#x: a", "#x")])
def test_a_typed_line_that_is_invalid_is_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Typist(LocalGateway().guilds).event(line)


def test_who_is_made_up_stays_the_same() -> None:
    typist = Typist([guild(1, channels=[channel(2, "a")])])
    ids = [typist.event(line).data["author"]["id"] for line in ("hello", "zoe: hello", "alice: hello", "zoe: again")]
    assert ids[0] == ids[2]
    assert ids[1] == ids[3]
    assert ids[0] != ids[1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says when it does not begin."""
    assert main(["serve", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_it_is_not_open_to_the_world_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    assert "add --public to allow that" in refused(capsys, "--port", "0", "--host", "0.0.0.0")
    assert "add --public to allow that" in refused(capsys, "--port", "0", "--host", "192.0.2.1")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("0.0.0.0", "clients cannot resume at"),
        ("no such host", "is not an address of this machine"),
        ("192.0.2.1", "the gateway cannot listen on 192.0.2.1"),  # TEST-NET-1, nobody's
    ],
)
def test_a_host_that_cannot_be_is_refused(host: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refused(capsys, "--port", "0", "--host", host, "--public")


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, "--port", str(port))
    assert f"cannot listen on 127.0.0.1 port {port}" in said
    assert "--port 0" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "x"],
        ["--port", "65536"],
        ["--heartbeat-interval", "0"],
        ["--identify-interval", "-1"],
        ["--identify-interval", "nan"],
        ["--identify-interval", "soon"],
        ["--chatter", "-1"],
        ["--chatter", "nan"],
        ["--chatter", "many"],
        ["--chatter", "10001"],
        ["--token", ""],
        ["--token", " "],
        ["--token", "Bot"],
        ["--token", "two words"],
        ["--token", "tok\u00e9n"],
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "run", lambda args: 0)  # it would not end
    with pytest.raises(SystemExit) as ended:
        main(["serve", *arguments])
    assert ended.value.code == 2


@pytest.mark.parametrize("command", [["serve"], ["replay", "nothing"]])
def test_a_missing_extra_is_named(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "nothing").touch()
    script = "import sys; sys.modules['websockets'] = None; from vox_gateway.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", script, *command]
    ended = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert 'pip install "vox-gateway[testing]"' in ended.stderr


# -- what clients do, in words -----------------------------------------------------------------------------------------


def told(record: object, visitors: ActivityLog | None = None) -> list[tuple[Mark, str, str]]:
    lines = (visitors or ActivityLog()).lines(record)  # type: ignore[arg-type]
    return [(line.mark, line.name, line.text) for line in lines]


def received(name: str, data: object) -> Received:
    return Received(1, name, data, 0.0, 1, None, 77)


def closed(by: str, code: int | None, sent_code: int | None, reason: str = "") -> Closed:
    return Closed(2, None, code, reason, False, by, sent_code, 0.0)


def http(
    method: str,
    path: str,
    body: bytes = b"",
    kind: str = "application/json",
    status: int | None = 200,
    problem: str | None = None,
) -> HttpRequest:
    headers = {"authorization": f"Bot {TOKEN}", "content-type": kind}
    return HttpRequest(method, path, {}, headers, body, status, 0.0, problem)


@pytest.mark.parametrize(
    ("record", "mark", "words"),
    [
        (ConnectionRecord(1, "/", {"encoding": "etf"}, {}, 0.0, 101), Mark.IN, "1: etf, no transport compression"),
        (ConnectionRecord(1, "/", {}, {}, 0.0, 503), Mark.BAD, "1: refused with HTTP 503"),
        (received("IDENTIFY", {"shard": [1, 2], "intents": 1, "token": TOKEN}), Mark.IN, "shard 1/2, intents: GUILDS"),
        (received("IDENTIFY", {"token": TOKEN}), Mark.IN, "1: no shard"),
        (received("RESUME", {"token": TOKEN, "seq": 5}), Mark.IN, "1: after event 5"),
        (received("UNREADABLE", TOKEN), Mark.IN, "1: 77 bytes"),
        (received("OP 99", {"token": TOKEN}), Mark.IN, "1: 77 bytes"),
        (received("PRESENCE_UPDATE", {"a": "\x1b[2J" + "x" * 300}), Mark.IN, '{"a": "\\u001b[2Jxxx'),
        (closed("client", 1000, None, "bye\x1b"), Mark.NOTE, "2: closed by the client, 1000 (bye?)"),
        (closed("client", 1005, None), Mark.NOTE, "2: closed by the client, without a code"),
        (closed("client", None, None), Mark.BAD, "2: gone without a close frame"),
        (closed("gateway", None, 4004), Mark.BAD, "2: closed by the gateway, 4004 AUTHENTICATION_FAILED"),
        (closed("gateway", None, 1009), Mark.BAD, "2: closed by the gateway, 1009"),
        (closed("gateway", None, None), Mark.BAD, "2: closed by the gateway"),
        (http("GET", "/x", status=None), Mark.IN, "GET /x: no response"),
        (http("GET", f"/interactions/1/{TOKEN}/callback"), Mark.IN, "GET /interactions/1/…/callback: 200"),
        (http("POST", "/x\x1b", b'{"content": "\\u001b[2J"}'), Mark.IN, 'POST /x?: 200; {"content": "\\u001b[2J"}'),
        (
            http("POST", "/x", b"{", status=400, problem="it is bad"),
            Mark.BAD,
            "/x: 400, it is bad; 1 bytes of application",
        ),
        (http("POST", "/x", b"--a", kind="multipart/form-data; boundary=a"), Mark.IN, "3 bytes of multipart/form-data"),
        (SessionRefused(2, None, False, "too soon\x1b", 0.0), Mark.BAD, "connection 2: too soon?"),
        (SessionRefused(2, 0, True, "too soon", 0.0), Mark.BAD, "connection 2: too soon; it may be resumed"),
    ],
)
def test_each_record_is_a_line_that_shows_no_token(record: object, mark: Mark, words: str) -> None:
    ((found, _, line),) = told(record)
    assert found is mark
    assert words in line
    assert TOKEN not in line
    assert line.isprintable()
    assert len(line) < 300


def test_a_session_that_was_seen_before_is_resumed() -> None:
    visitors, session = ActivityLog(), SessionView("x", (0, 1), 3, True, 0, None)
    assert told(session, visitors) == [(Mark.GOOD, "READY", "shard 0/1: a new session")]
    assert told(session, visitors) == [(Mark.GOOD, "RESUMED", "shard 0/1: resumed after event 3")]


def test_heartbeats_are_worth_a_line_only_to_who_asks() -> None:
    assert told(received("HEARTBEAT", 3)) == []
    ((_, name, words),) = told(received("HEARTBEAT", None), ActivityLog(beats=True))
    assert (name, words) == ("HEARTBEAT", "connection 1: after event null")
