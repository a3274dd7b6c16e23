"""Bots with a session file that are stopped or killed, and restarted. Uses real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from client_helpers import TOKEN

from vox_gateway import Client, IdentifyGate, Intents
from vox_gateway.testing import LocalGateway

TIMEOUT = 15.0

BOT = """
import os, sys
from vox_gateway import Client, IdentifyGate, Intents

url, token, session_file, workers = sys.argv[1:]
client = Client(
    url=url,
    token=token,
    intents=Intents.all(),
    session_file=session_file,
    workers=int(workers),
    identify_gate=IdentifyGate(interval=0),
)

@client.on("MESSAGE_CREATE")
def handle(message):
    # The effect of the handler: complete once this line is written.
    os.write(1, b"%d\\n" % message["nonce"])

for name in ("READY", "RESUMED"):
    client.on(name, lambda data, name=name: os.write(1, b"%s\\n" % name.encode()))
"""
CONNECT = "\nclient.connect()\n"
DIE_WHEN_READY = """
import signal, threading

def replace_slowly(*args, replace=os.replace):
    threading.Event().wait(0.2)  # a slow disk
    replace(*args)

os.replace = replace_slowly
client.on("READY", lambda data: os.kill(os.getpid(), signal.SIGKILL))
"""


class Bot:
    """A bot process and its output.

    Args:
        more: code that runs before `connect`.
    """

    def __init__(self, gateway: LocalGateway, path: Path, workers: int = 0, more: str = "") -> None:
        command = [sys.executable, "-c", BOT + more + CONNECT, gateway.url, TOKEN, str(path), str(workers)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line.strip())
                self._more.notify_all()

    def wait(self, *lines: str) -> None:
        """Wait until it has printed all of `lines`."""
        with self._more:
            assert self._more.wait_for(lambda: set(lines) <= set(self.lines), TIMEOUT), self.lines[-5:]

    def end(self, how: int) -> list[str]:
        """Send the signal `how`; return the printed lines."""
        self.process.send_signal(how)
        self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.lines


def say(gateway: LocalGateway, number: int) -> None:
    guild = str(number % 5)
    gateway.dispatch("MESSAGE_CREATE", {"id": "1", "guild_id": guild, "content": "", "nonce": number})


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("workers", [0, 3])
def test_a_bot_that_is_killed_repeatedly_loses_no_events(gateway: LocalGateway, tmp_path: Path, workers: int) -> None:
    path, dice = tmp_path / "session", random.Random(workers)
    seen: list[str] = []
    number = 0
    kills = 5
    for turn in range(kills + 1):
        bot = Bot(gateway, path, workers)
        bot.wait("RESUMED" if turn else "READY")
        for _ in range(dice.randrange(1, 300)):
            say(gateway, number)
            number += 1
        if turn < kills:
            bot.wait(str(number - dice.randrange(1, 100) if number > 100 else 0))
            seen += bot.end(signal.SIGKILL)
            for _ in range(20):  # sent while no bot runs
                say(gateway, number)
                number += 1
        else:
            bot.wait(*map(str, set(range(number)) - {int(line) for line in seen if line.isdigit()}))
            seen += bot.end(signal.SIGTERM)
    assert {int(line) for line in seen if line.isdigit()} == set(range(number))
    assert [line for line in seen if not line.isdigit()] == ["READY"] + ["RESUMED"] * kills
    assert TOKEN not in path.read_text()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("workers", [0, 3])
def test_a_bot_killed_in_its_first_handler_loses_no_events(gateway: LocalGateway, tmp_path: Path, workers: int) -> None:
    path = tmp_path / "session"
    dying = Bot(gateway, path, workers, DIE_WHEN_READY)
    dying.process.wait(TIMEOUT)
    assert dying.end(signal.SIGKILL) == ["READY"]
    for number in range(10):
        say(gateway, number)
    bot = Bot(gateway, path, workers)
    bot.wait("RESUMED", *map(str, range(10)))
    assert "READY" not in bot.end(signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_processes_that_live_less_than_a_second_make_progress(gateway: LocalGateway, tmp_path: Path) -> None:
    path, pause = tmp_path / "session", threading.Event()

    def kept() -> int | None:
        return int(json.loads(path.read_text())["seq"]) if path.exists() else None

    for turn in range(8):
        before = kept()
        bot = Bot(gateway, path)
        bot.wait("RESUMED" if turn else "READY")
        say(gateway, turn)
        bot.wait(str(turn))
        end_of_life = time.monotonic() + 0.6  # in addition to the time until its first events
        while kept() == before and time.monotonic() < end_of_life:
            pause.wait(0.01)
        bot.end(signal.SIGKILL)
    resumed_at = [received.data["seq"] for received in gateway.received if received.op == 6]
    assert resumed_at == sorted(resumed_at)
    assert resumed_at[-1] > resumed_at[0]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_keeps_the_session_and_each_event_is_handled_once(gateway: LocalGateway, tmp_path: Path) -> None:
    path = tmp_path / "session"
    first = Bot(gateway, path)
    first.wait("READY")
    for number in range(10):
        say(gateway, number)
    first.wait("9")
    lines = first.end(signal.SIGINT)
    assert first.process.returncode == 0
    assert gateway.expect_close(TIMEOUT).code == 4000
    for number in range(10, 20):
        say(gateway, number)
    second = Bot(gateway, path)
    second.wait("19", "RESUMED")
    lines += second.end(signal.SIGINT)
    assert lines == ["READY", *map(str, range(10)), *map(str, range(10, 20)), "RESUMED"]


class Bound:
    """A client with a session file; entered once its handlers have seen READY or RESUMED."""

    def __init__(self, gateway: LocalGateway, path: Path) -> None:
        self.client = Client(
            url=gateway.url,
            token=TOKEN,
            intents=Intents.all(),
            identify_gate=IdentifyGate(interval=0),
            session_file=path,
        )
        self._live = threading.Event()
        for name in ("READY", "RESUMED"):
            self.client.on(name, lambda data: self._live.set())

    def __enter__(self) -> Client:
        self.client.connect(async_=True)
        assert self._live.wait(TIMEOUT)
        return self.client

    def __exit__(self, *args: Any) -> None:
        self.client.__exit__(None, None, None)


def test_close_ends_the_session_and_deletes_the_file(gateway: LocalGateway, tmp_path: Path) -> None:
    path = tmp_path / "session"
    with Bound(gateway, path):
        pass
    assert path.exists(), "leaving the block keeps the session"
    with Bound(gateway, path) as client:
        assert client.stats.resumes == 1
        client.close()
        assert client.wait_closed(TIMEOUT)
        assert not path.exists()
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("little_jitter")
def test_a_session_unknown_to_the_gateway_is_replaced(gateway: LocalGateway, tmp_path: Path) -> None:
    path = tmp_path / "session"
    with Bound(gateway, path) as client:
        old = client.session.id
    gateway.expire_sessions()
    with Bound(gateway, path) as client:
        new = client.session.id
        assert new != old
    assert json.loads(path.read_text())["session_id"] == new


def test_an_invalid_session_file_is_refused_at_connect(gateway: LocalGateway, tmp_path: Path) -> None:
    path = tmp_path / "session"
    client = Bound(gateway, path).client
    path.write_text("{}")
    with pytest.raises(ValueError, match="is not a session file"):
        client.connect()
    assert client.status == "closed"
