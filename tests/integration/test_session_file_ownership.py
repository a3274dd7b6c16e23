"""Ownership of a session file: one client at a time, and its last run."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from client_helpers import TOKEN, MakeClient, SendMessages, start_until_ready
from support import wait_until

from vox_gateway import AlreadyConnected, Client
from vox_gateway.testing import LocalGateway

TIMEOUT = 15.0

OTHER_BOT = """
import sys
from vox_gateway import Client, IdentifyGate, Intents

url, token, session_file = sys.argv[1:]
client = Client(
    url=url, token=token, intents=Intents.all(), session_file=session_file, identify_gate=IdentifyGate(interval=0)
)
for name in ("READY", "RESUMED"):
    client.on(name, lambda data: print("live", flush=True))
client.connect()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.json"


def kept_seq(path: Path) -> int:
    return int(json.loads(path.read_text())["seq"])


def introductions(gateway: LocalGateway) -> list[str]:
    return [received.name for received in gateway.received if received.name in ("IDENTIFY", "RESUME")]


class Bot:
    """A client that records what it handles.

    Args:
        close: if given, the handler of message 0 calls it, connects anew, and returns when `may_return` is set.
    """

    def __init__(self, client: Client, close: Callable[[Client], None] | None = None) -> None:
        self.client = client
        self.handled: list[int | str] = []
        self.reconnected, self.may_return = threading.Event(), threading.Event()
        self._close = close
        self._more = threading.Condition()
        client.on("MESSAGE_CREATE", self._handle)
        for name in ("READY", "RESUMED"):
            client.on(name, lambda data, name=name: self._note(name))
        self.thread = client.connect(async_=True)
        self.wait("READY", "RESUMED")

    def _note(self, what: int | str) -> None:
        with self._more:
            self.handled.append(what)
            self._more.notify_all()

    def _handle(self, message: Any) -> None:
        if message["nonce"] == 0 and self._close is not None:
            self._close(self.client)
            self.client.connect(async_=True)
            self.reconnected.set()
            assert self.may_return.wait(TIMEOUT)
        self._note(message["nonce"])

    def wait(self, *any_of: int | str) -> None:
        """Wait until it has handled one of `any_of`."""
        with self._more:
            assert self._more.wait_for(lambda: set(any_of) & set(self.handled), TIMEOUT), self.handled


class MakeBot(Protocol):
    """Makes a bot whose client has the session file of the test."""

    def __call__(self, close: Callable[[Client], None] | None = None) -> Bot: ...


@pytest.fixture
def make_bot(gateway: LocalGateway, make_client: MakeClient, path: Path) -> Iterator[MakeBot]:
    """Makes bots that share one session file; releases their handlers at the end."""
    bots: list[Bot] = []

    def make(close: Callable[[Client], None] | None = None) -> Bot:
        bot = Bot(make_client(gateway, session_file=path), close)
        bots.append(bot)
        return bot

    yield make
    for bot in bots:
        bot.may_return.set()
        bot.client.close()


# -- runs of one client ------------------------------------------------------------------------------------------------


def test_a_session_closed_by_a_handler_is_not_resumed(
    gateway: LocalGateway, make_bot: MakeBot, path: Path, send_messages: SendMessages
) -> None:
    bot = make_bot(close=lambda client: client.close())
    gone = bot.client.session.id
    send_messages(gateway, range(1))
    assert bot.reconnected.wait(TIMEOUT)
    assert bot.client.wait_until_ready(TIMEOUT)
    assert introductions(gateway) == ["IDENTIFY", "IDENTIFY"]
    session = bot.client.session
    assert session.id != gone
    send_messages(gateway, range(1, 3))
    bot.wait(2)
    bot.may_return.set()
    bot.thread.join(TIMEOUT)
    bot.client.close(resumable=True)
    assert json.loads(path.read_text())["session_id"] == session.id
    assert kept_seq(path) == bot.client.session.seq


def test_an_event_whose_handler_still_runs_is_replayed_to_the_next_process(
    gateway: LocalGateway, make_bot: MakeBot, path: Path, send_messages: SendMessages
) -> None:
    """The file keeps its position although a later run has handled more."""
    bot = make_bot(close=lambda client: client.close(resumable=True))
    send_messages(gateway, range(1))
    assert bot.reconnected.wait(TIMEOUT)
    assert bot.client.wait_until_ready(TIMEOUT)
    send_messages(gateway, range(1, 6))
    bot.wait(5)
    bot.client.close(resumable=True)
    assert bot.client.wait_closed(TIMEOUT)
    assert introductions(gateway) == ["IDENTIFY", "RESUME"]
    following = make_bot()  # as in the next process
    for number in range(6):
        following.wait(number)
    assert following.client.stats.resumes == 1


def test_a_handler_of_an_earlier_run_does_not_overwrite_the_file(
    gateway: LocalGateway, make_bot: MakeBot, path: Path, send_messages: SendMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.SAVE_EVERY", 0.1)
    bot = make_bot(close=lambda client: client.close(resumable=True))
    send_messages(gateway, range(1))
    assert bot.reconnected.wait(TIMEOUT)
    assert bot.client.wait_until_ready(TIMEOUT)
    seq, pause = bot.client.session.seq, threading.Event()
    send_messages(gateway, range(1, 6))
    bot.wait(5)
    end = time.monotonic() + 0.4  # longer than the time between two saves
    while time.monotonic() < end:
        assert kept_seq(path) < seq
        pause.wait(0.05)
    bot.may_return.set()
    bot.wait(0)
    bot.thread.join(TIMEOUT)
    bot.client.close(resumable=True)
    assert bot.client.wait_closed(TIMEOUT)
    assert kept_seq(path) == bot.client.session.seq
    following = make_bot()
    send_messages(gateway, range(6, 7))
    following.wait(6)
    assert [what for what in following.handled if what != "RESUMED"] == [6]


@pytest.mark.parametrize("options", [{}, {"workers": 3}, {"handlers": "caller"}], ids=["thread", "workers", "caller"])
def test_the_file_follows_the_handlers_in_every_mode(
    gateway: LocalGateway,
    make_client: MakeClient,
    path: Path,
    send_messages: SendMessages,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    monkeypatch.setattr("vox_gateway.session.writer.SAVE_EVERY", 0.1)
    client = make_client(gateway, session_file=path, **options)
    handled = threading.Semaphore(0)
    client.on("MESSAGE_CREATE", lambda message: handled.release())
    connecting = threading.Thread(target=client.connect)  # runs the handlers with handlers="caller"
    connecting.start()
    try:
        assert client.wait_until_ready(TIMEOUT)
        for number in range(2):  # the first change is saved at once, the next is delayed
            send_messages(gateway, range(number, number + 1))
            assert handled.acquire(timeout=TIMEOUT)
            wait_until(lambda: kept_seq(path) == client.session.seq)
    finally:
        client.close(resumable=True)
        connecting.join(TIMEOUT)


def test_a_file_with_other_settings_starts_a_new_session(
    gateway: LocalGateway, make_bot: MakeBot, make_client: MakeClient, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vox_gateway")
    make_bot().client.close(resumable=True)
    start_until_ready(make_client(gateway, session_file=path, compress=False))
    assert introductions(gateway) == ["IDENTIFY", "IDENTIFY"]
    assert "its session has compress='zlib-stream', and this client compress=None: a new session begins" in caplog.text


def test_a_damaged_file_starts_a_new_session(gateway: LocalGateway, make_bot: MakeBot, path: Path) -> None:
    make_bot().client.close(resumable=True)
    torn = path.read_bytes()[:100] + bytes(100)
    path.write_bytes(torn)
    make_bot()
    assert introductions(gateway) == ["IDENTIFY", "IDENTIFY"]
    assert path.with_name("session.json.damaged").read_bytes() == torn


# -- several clients ---------------------------------------------------------------------------------------------------


def test_a_second_client_on_one_file_is_refused_until_the_first_has_closed(
    gateway: LocalGateway, make_bot: MakeBot, make_client: MakeClient, path: Path
) -> None:
    bot = make_bot()
    second = make_client(gateway, session_file=path)
    for _ in range(2):
        with pytest.raises(AlreadyConnected, match=rf"session_file='{path}' is in use by another client"):
            second.connect(async_=True)
    assert second.status == "closed"
    assert bot.client.status == "ready"
    bot.client.close(resumable=True)
    start_until_ready(second)
    assert introductions(gateway) == ["IDENTIFY", "RESUME"]
    with pytest.raises(AlreadyConnected, match="in use"):
        bot.client.connect(async_=True)


def test_a_client_continues_from_the_file_left_by_another(
    gateway: LocalGateway, make_bot: MakeBot, make_client: MakeClient, send_messages: SendMessages
) -> None:
    first = make_bot().client
    first.close(resumable=True)
    other = make_bot()
    send_messages(gateway, range(1, 4))
    other.wait(3)
    other.client.close(resumable=True)
    left = other.client.session
    with first.stream("MESSAGE_CREATE") as events:
        first.connect(async_=True)
        send_messages(gateway, range(4, 5))
        assert events.get(TIMEOUT).data["nonce"] == 4
    resumed_at = [received.data["seq"] for received in gateway.received if received.name == "RESUME"]
    assert resumed_at[1:] == [left.seq]


def test_a_failed_connect_releases_the_file(
    gateway: LocalGateway, make_bot: MakeBot, make_client: MakeClient, path: Path
) -> None:
    first = make_client(gateway, session_file=path)
    path.write_text("[settings]")
    with pytest.raises(ValueError, match="is not a session file"):
        first.connect(async_=True)
    path.unlink()
    assert make_bot().client.status == "ready"


def test_a_lock_names_its_process_and_ends_with_it(gateway: LocalGateway, make_client: MakeClient, path: Path) -> None:
    command = [sys.executable, "-c", OTHER_BOT, gateway.url, TOKEN, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "live\n"
        client = make_client(gateway, session_file=path)
        with pytest.raises(AlreadyConnected, match=rf"is in use by another client \(process {process.pid}\)"):
            client.connect(async_=True)
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT)
    start_until_ready(client)
    assert introductions(gateway) == ["IDENTIFY", "RESUME"]
