"""`vox-gateway replay`: recordings played to real clients."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket
from growing_file import await_text
from pty_support import terminal
from served import PATIENCE, Served, served
from support import running
from websockets.sync.client import connect

from vox_gateway import Client, IdentifyGate, Intents
from vox_gateway.cli import main
from vox_gateway.cli.recording import Recorded
from vox_gateway.cli.recording.reading import Line, read
from vox_gateway.cli.replay.player import Player
from vox_gateway.cli.shared.exits import CommandError
from vox_gateway.cli.shared.inbox import MainInbox
from vox_gateway.testing import LocalGateway

BOT = {"id": "1300000000000000009", "username": "xxxx"}
DEFAULT = Intents.default()
PROPERTIES = dict.fromkeys(("os", "browser", "device"), "by hand")
IDENTIFY = json.dumps({"op": 2, "d": {"token": "any", "intents": 1 << 9 | 1 << 15, "properties": PROPERTIES}})
START = 1_790_000_000.0

posix_only = pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")


def recorded(name: str, data: Any, time: float = 0.0) -> str:
    return json.dumps({"time": START + time, "seq": 7, "name": name, "data": data}) + "\n"


def message(number: int, time: float = 0.0, guild: int = 0) -> str:
    return recorded("MESSAGE_CREATE", {"id": str(number), "guild_id": str(guild << 22)}, time)


class Bot:
    """A client whose events are in an inbox.

    Attributes:
        client: the client.
        inbox: name and data of each event.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.client = Client(token="any", url=url, identify_gate=IdentifyGate(interval=0), **options)
        self.client.on("DISPATCH", lambda payload: self.inbox.put((payload["t"], payload["d"])))

    def event(self) -> tuple[str, Any]:
        """The next event."""
        return self.inbox.get(timeout=PATIENCE)

    def ids(self, count: int) -> list[int]:
        """The ids of so many events, but for those of the session."""
        found: list[int] = []
        while len(found) < count:
            name, data = self.event()
            if name not in ("READY", "RESUMED"):
                found.append(int(data["id"]))
        return found


@contextlib.contextmanager
def bot(gateway: Served, **options: Any) -> Iterator[Bot]:
    """A bot that is connected, or about to be."""
    bot = Bot(gateway.url, **options)
    with bot.client:
        yield bot


def test_all_that_the_intents_ask_for_arrives_in_order_from_the_oldest_file_on(tmp_path: Path) -> None:
    file = tmp_path / "e"
    (tmp_path / "e.10").write_text(recorded("READY", {"user": BOT}) + message(1))
    (tmp_path / "e.2").write_text(recorded("PRESENCE_UPDATE", {"user": BOT, "guild_id": "0"}) + message(2))
    file.write_text(recorded("RESUMED", {}) + recorded("GUILD_CREATE", {"id": "3", "name": "\ud83e"}) + message(4))
    with served("replay", str(file)) as gateway:
        assert gateway.head[4] == "waiting for a client to connect; Ctrl-C to stop\n"
        with bot(gateway) as one:
            name, ready = one.event()
            assert (name, ready["user"]["id"], ready["guilds"]) == ("READY", BOT["id"], [])
            assert [one.event() for _ in range(4)] == [
                ("MESSAGE_CREATE", {"id": "1", "guild_id": "0"}),
                ("MESSAGE_CREATE", {"id": "2", "guild_id": "0"}),
                ("GUILD_CREATE", {"id": "3", "name": "\ud83e"}),
                ("MESSAGE_CREATE", {"id": "4", "guild_id": "0"}),
            ]
            code, output, said = gateway.finish()
    assert (code, said) == (0, "")
    assert re.search(r"\nsent 4 events in [0-9.]+ s: 3 MESSAGE_CREATE, 1 GUILD_CREATE\n", output)
    assert "\n1 events not sent: no client has the intents for them\n" in output
    assert "shard 0/1: a new session" in output


def seconds(output: str) -> float:
    found = re.search(r"events in ([0-9.]+) s", output)
    assert found
    return float(found[1])


# Without its speed, the later ones would take longer than the command may.
@pytest.mark.parametrize(("speed", "gap", "least"), [("1", 0.6, 0.6), ("200", 120.0, 0.6), ("max", 1e6, 0.0)])
def test_it_plays_at_any_speed(speed: str, gap: float, least: float, tmp_path: Path) -> None:
    (tmp_path / "e").write_text(message(1) + message(2, time=gap) + message(3, time=gap - 50))  # a clock set back
    with served("replay", str(tmp_path / "e"), "--speed", speed) as gateway, bot(gateway) as one:
        assert one.ids(3) == [1, 2, 3]
        code, output, _ = gateway.finish()
    assert code == 0
    assert seconds(output) >= least


def test_broken_lines_are_named_and_skipped_and_end_with_1(tmp_path: Path) -> None:
    file = tmp_path / "e"
    file.write_text(message(1) + "{}\n" + message(2) + "not JSON\n" + message(3))
    with served("replay", str(file)) as gateway, bot(gateway) as one:
        assert one.ids(3) == [1, 2, 3]
        code, output, said = gateway.finish()
    assert code == 1
    assert said == (
        f"vox-gateway: {file}:2: skipped: missing time, seq, name, data\n"
        f"vox-gateway: {file}:4: skipped: not valid JSON\n"
    )
    assert output.endswith("\n2 invalid lines skipped\n")


def test_a_last_line_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "e"
    file.write_text(message(1) + message(2)[:-20])
    with served("replay", str(file)) as gateway, bot(gateway) as one:
        assert one.ids(1) == [1]
        code, _, said = gateway.finish()
    assert (code, said) == (0, f"vox-gateway: {file}:2: skipped the incomplete last line\n")


def test_an_event_that_has_no_form_in_an_encoding_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "e"
    file.write_text(recorded("ANYTHING", {"id": "\ud83e"}) + message(2))
    with served("replay", str(file)) as gateway, bot(gateway, encoding="etf") as one:
        assert one.ids(1) == [2]
        code, _, said = gateway.finish()
    assert code == 1
    assert f"{file}:1: skipped: ANYTHING cannot be sent: " in said


def test_recordings_of_shards_are_played_side_by_side_to_as_many(tmp_path: Path) -> None:
    first, second = tmp_path / "shard0", tmp_path / "shard1"
    first.write_text(message(1, 0.0, guild=2) + "{}\n" + message(3, 0.2, guild=4))
    second.write_text(message(2, 0.1, guild=3) + message(4, 0.3, guild=5))
    with served("replay", str(first), str(second), "--shards", "2", "--speed", "max") as gateway:
        assert gateway.head[4] == "waiting for 2 shards to connect; Ctrl-C to stop\n"
        with bot(gateway, shard=(1, 2)) as right:
            gateway.line("shard 1/2: a new session")
            with bot(gateway, shard=(0, 2)) as left:
                assert left.ids(2) == [1, 3]
                assert right.ids(2) == [2, 4]
                code, output, said = gateway.finish()
    assert code == 1
    assert f"{first}:2: skipped: missing" in said
    assert "sent 4 events" in output


MANY = 4000


def test_at_full_speed_a_connection_that_breaks_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "e").write_text("".join(map(message, range(MANY))))
    with served("replay", str(tmp_path / "e"), "--speed", "max") as gateway:
        one, broken = Bot(gateway.url, backlog=100), threading.Event()
        one.client.on("DISPATCH", lambda payload: payload["s"] < 100 or broken.wait(PATIENCE))  # it is not read on
        with one.client:
            found = one.ids(90)
            one.client.close(reconnect=True)
            gateway.line("RESUME ")
            broken.set()
            found += one.ids(MANY - 90)
            code, output, said = gateway.finish()
    assert found == list(range(MANY))
    assert (code, said) == (0, "")
    assert f"sent {MANY:,} events" in output


def test_it_ends_with_1_when_no_client_is_left(tmp_path: Path) -> None:
    count = 200  # for 10 seconds
    (tmp_path / "e").write_text("".join(message(number, time=number / 20) for number in range(count)))
    with served("replay", str(tmp_path / "e")) as gateway:
        with bot(gateway) as one:
            assert one.ids(1) == [0]
        code, output, said = gateway.finish()
    assert (code, said) == (1, "vox-gateway: every client left before the end of the recording\n")
    found = re.search(r"sent (\d+) events", output)
    assert found
    assert 1 <= int(found[1]) < count


def test_it_ends_with_1_when_a_client_leaves_before_it_tells_that_all_has_arrived(tmp_path: Path) -> None:
    (tmp_path / "e").write_text(message(1))
    with served("replay", str(tmp_path / "e")) as gateway:
        with connect(gateway.url + "/?v=10&encoding=json") as one:
            one.send(IDENTIFY)
            while json.loads(one.recv(PATIENCE))["op"] != 1:
                pass  # until it is asked for a heartbeat
        code, output, said = gateway.finish()
    assert (code, said) == (1, "vox-gateway: a client ended its session before it acknowledged the last event\n")
    assert "sent 1 events" in output


def test_a_session_that_begins_in_the_middle_has_missed_something(tmp_path: Path) -> None:
    (tmp_path / "e").write_text(message(1) + message(2, time=3.0) + message(3, time=3.1))
    with served("replay", str(tmp_path / "e")) as gateway, bot(gateway) as one:
        assert one.ids(1) == [1]
        with bot(gateway) as another:
            assert another.ids(2) == one.ids(2) == [2, 3]
            code, output, said = gateway.finish()
    assert (code, said) == (1, "vox-gateway: shard 0/1 began a new session after 1 events: it did not receive them\n")
    assert output.endswith("\n1 sessions began too late to receive everything\n")


def test_a_client_that_does_not_come_again_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "e").write_text("".join(map(message, range(64))))
    inbox: MainInbox[Any] = MainInbox()
    looks: list[str] = []
    with LocalGateway(guilds=()) as gateway:
        gateway.follow(inbox)
        with Client(token="any", url=gateway.url, identify_gate=IdentifyGate(interval=0)) as client:
            player = Player(
                gateway,
                inbox,
                math.inf,
                on_record=lambda _: None,
                on_warning=looks.append,
                on_progress=looks.append,
                timeout=0.3,
            )
            player.wait_for_clients(1)
            client.close(resumable=True)
            gateway.expect_close(PATIENCE)
            with pytest.raises(CommandError, match=r"did not return within 0\.3 seconds"):
                player.play(read(tmp_path / "e"))
    assert looks[-1] == "waiting for a client to reconnect"


def test_a_client_that_does_not_read_is_waited_for() -> None:
    inbox: MainInbox[Any] = MainInbox()
    data = {"id": "1", "guild_id": "1", "content": "x" * 500_000}
    large = Line(Path("e"), 1, 1, Recorded(START, 1, "MESSAGE_CREATE", data))
    last = Line(Path("e"), 2, 1, Recorded(START, 2, "MESSAGE_CREATE", {**data, "id": "the last"}))
    hungry, eaten = threading.Event(), []

    def look(words: str) -> None:
        if words == "waiting for a client to read":
            hungry.set()

    def eat() -> None:
        assert hungry.wait(PATIENCE)
        while eaten[-1:] != ["the last"]:
            event = json.loads(one.recv())
            eaten.append(event["t"] == "MESSAGE_CREATE" and event["d"]["id"])

    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(LocalGateway(guilds=()))
        # A client without a thread of its own: what nobody asks for stays in the kernel.
        one = websocket.create_connection(
            gateway.url + "/?v=10&encoding=json", timeout=PATIENCE, skip_utf8_validation=True
        )
        stack.callback(one.close)
        gateway.follow(inbox)
        one.send(IDENTIFY)
        player = Player(gateway, inbox, math.inf, on_record=lambda _: None, on_warning=pytest.fail, on_progress=look)
        player.wait_for_clients(1)
        with running(eat):
            player.play([large] * 64 + [last])
    assert eaten.count("1") == 64


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_ctrl_c_ends_it_while_it_waits_for_clients(tmp_path: Path) -> None:
    (tmp_path / "e").write_text(message(1))
    with served("replay", str(tmp_path / "e")) as gateway:
        code, output, said = gateway.end()
    assert (code, said) == (130, "vox-gateway: interrupted\n")
    assert "sent" not in output


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_ctrl_c_ends_it_in_the_middle_and_it_sums_up(tmp_path: Path) -> None:
    (tmp_path / "e").write_text(message(1) + message(2, time=1e6))
    with served("replay", str(tmp_path / "e")) as gateway, bot(gateway) as one:
        assert one.ids(1) == [1]
        code, output, said = gateway.end()
    assert (code, said) == (130, "vox-gateway: interrupted\n")
    assert re.search("\nsent 1 events in [0-9.]+ s: 1 MESSAGE_CREATE\n", output)


@posix_only
def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "e").write_text(message(1) + message(2, time=3_600))
    with terminal() as screen, served("replay", str(tmp_path / "e"), stderr=screen.child) as gateway, bot(gateway):
        assert "\r" in screen.read_until("% played 1 events, next in 3600 s")


@pytest.mark.usefixtures("unmeasured")
@posix_only
def test_what_was_recorded_is_what_a_bot_is_played(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    with LocalGateway(token="recorded-token") as discord:
        recorder = subprocess.Popen(
            [sys.executable, "-m", "vox_gateway", "record", str(file), "--url", discord.url, "--keep-content"],
            env={**os.environ, "DISCORD_TOKEN": "recorded-token"},
            stderr=subprocess.PIPE,
            text=True,
        )
        discord.wait_connected(timeout=PATIENCE)
        guilds = {guild["id"] for guild in discord.guilds}
        discord.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": "7", "author": {"id": "5"}, "content": "hello"})
        await_text(file, b"hello")
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=PATIENCE)
    with served("replay", str(file), "--speed", "max") as gateway:
        with bot(gateway, intents=DEFAULT | Intents.MESSAGE_CONTENT) as one:
            found = [one.event() for _ in range(4)]
            assert gateway.finish()[0] == 0
    assert [name for name, _ in found] == ["READY", "GUILD_CREATE", "GUILD_CREATE", "MESSAGE_CREATE"]
    assert {data["id"] for _, data in found[1:3]} == guilds
    assert found[3][1]["content"] == "hello"


# -- refused at once ---------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says when it does not begin."""
    assert main(["replay", "--port", "0", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def test_what_is_no_recording_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    letter = tmp_path / "letter"
    letter.write_text("dear Ada\n")
    assert "is not a recording: none of its first lines is an event" in refused(capsys, str(letter))
    assert "is not a regular file" in refused(capsys, str(tmp_path))
    assert f"{tmp_path / 'no'} cannot be read: No such file" in refused(capsys, str(tmp_path / "no"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "0"], "invalid speed '0'"),
        (["--speed", "nan"], "invalid speed 'nan'"),
        (["--speed", "fast"], "expected a positive number or max"),
        (["--shards", "0"], "invalid count '0'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", "e", *arguments])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
