"""`vox-gateway serve`: a gateway of its own, and what clients do there in words."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from served import PATIENCE, served

from vox_gateway import AuthenticationFailed, Client, IdentifyGate, Intents
from vox_gateway.cli import main, serve
from vox_gateway.cli.shared.activity import ActivityLog
from vox_gateway.cli.shared.screen import Mark
from vox_gateway.testing import Closed, ConnectionRecord, HttpRequest, Received, SessionRefused, SessionView

TOKEN = "a.very.secret-token"

posix_only = pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_it_tells_where_it_is_and_what_clients_do_until_ctrl_c() -> None:
    with served("serve", "-v", "--heartbeat-interval", "0.2") as gateway:
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
def test_heartbeats_are_not_told_unasked_and_plain_http_is() -> None:
    with served("serve", "--heartbeat-interval", "0.05") as gateway:
        with Client(token=TOKEN, url=gateway.url) as client:
            for _ in range(3):
                client.wait_for("HEARTBEAT_ACK", timeout=PATIENCE)
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


@pytest.mark.parametrize("token", [None, "made-up", "it's"])
def test_the_doctor_is_content_with_the_token_that_is_recommended(token: str | None) -> None:
    with served("serve", *([] if token is None else ["--token", token])) as gateway:
        (recommended,) = [line for line in gateway.head if "DISCORD_TOKEN=" in line]
        line = recommended.removeprefix("or with ").strip().replace(" tail ", " doctor ")
        line = line.replace("vox-gateway", f"{shlex.quote(sys.executable)} -m vox_gateway")
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    assert "the token is accepted" in " ".join(done.stdout.split())


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
