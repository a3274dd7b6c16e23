"""Invariants of the delivery of events: no lost wakeup of the reader, no lost or repeated call of a handler."""

from __future__ import annotations

import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from client_helpers import MakeClient, OnLogLine, SendMessages, start_until_ready
from support import wait_until

from vox_gateway import Session
from vox_gateway.testing import LocalGateway

TIMEOUT = 20.0


@pytest.fixture
def restless() -> Iterator[None]:
    """Delays new threads at random at the start and the end of functions, to provoke rare interleavings."""
    dice, never = random.Random(1), threading.Lock()
    never.acquire()

    def linger(frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "return") and dice.random() < 0.02:
            never.acquire(timeout=dice.random() * 0.0005)

    threading.setprofile(linger)
    yield
    threading.setprofile(None)


# -- queue limits ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"handlers": "caller"}], ids=str)
@pytest.mark.parametrize("backlog", [1, 2, 5])
def test_the_reader_is_woken_each_time_the_queue_has_room(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages, options: dict[str, Any], backlog: int
) -> None:
    """The reader waits thousands of times; a lost wakeup would block it forever."""
    client, count = make_client(gateway, backlog=backlog, **options), 1000
    seen: list[int] = []
    last = threading.Event()

    @client.on("MESSAGE_CREATE")
    def take(message: Any) -> None:
        seen.append(message["nonce"])
        if message["nonce"] == count - 1:
            last.set()

    running = threading.Thread(target=client.connect, name="test-connect")  # runs handlers, with "caller"
    running.start()
    assert client.wait_until_ready(TIMEOUT)
    send_messages(gateway, range(count))
    assert last.wait(TIMEOUT)
    assert seen == list(range(count))
    client.close()
    running.join(TIMEOUT)


def test_reading_continues_when_half_of_the_queue_is_free(
    make_client: MakeClient, send_messages: SendMessages, on_log_line: OnLogLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise reader and handlers would wake each other for every event."""
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.STUCK_AFTER", 0.05)
    with LocalGateway(identify_interval=0, heartbeat_interval=0.1) as gateway:
        client = make_client(gateway, handlers="caller", backlog=20)
        stuck = threading.Event()
        on_log_line("so reading pauses", stuck.set)
        seen: list[int] = []
        client.on("MESSAGE_CREATE", lambda message: seen.append(message["nonce"]))
        client.connect(async_=True)
        while client.handled.seq != 3:  # READY and two guilds
            assert client.dispatch_pending(timeout=TIMEOUT)
        send_messages(gateway, range(200))
        assert stuck.wait(TIMEOUT)
        gateway.expect("HEARTBEAT", TIMEOUT)  # lets time pass, in which the dispatcher passes on what it has
        waiting = client.stats.events_waiting
        assert waiting > 12  # acknowledgements may wait too
        for taken in range(1, waiting - 10):
            while len(seen) < taken:  # other items are dispatched as well
                assert client.dispatch_pending(limit=1, timeout=TIMEOUT)
            gateway.expect("HEARTBEAT", TIMEOUT)
            wait_until(lambda taken=taken: client.stats.events_waiting == waiting - taken)
        while len(seen) < 200:
            assert client.dispatch_pending(timeout=TIMEOUT)
        assert seen == list(range(200))


# -- unhandled sessions ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("little_jitter")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_session_whose_ready_was_not_handled_is_not_resumed(
    gateway: LocalGateway, make_client: MakeClient, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """READY waits behind a handler of the previous session; only a new session sends READY again."""
    client, entered, leave = make_client(gateway, workers=workers), threading.Event(), threading.Event()
    sessions: queue.SimpleQueue[str] = queue.SimpleQueue()
    client.on("READY", lambda data: sessions.put(data["session_id"]))

    def stuck(data: Any) -> None:
        entered.set()
        leave.wait(TIMEOUT)

    client.connect(async_=True)
    first = sessions.get(timeout=TIMEOUT)
    assert gateway.wait_handled(client)
    client.once("NEWS", stuck)
    gateway.dispatch("NEWS", None)
    assert entered.wait(TIMEOUT)
    gateway.expire_sessions()
    gateway.expect("IDENTIFY", TIMEOUT)
    gateway.expect("IDENTIFY", TIMEOUT)
    (second,) = gateway.wait_connected(timeout=TIMEOUT)
    assert client.wait_until_ready(TIMEOUT)
    assert client.session.id == second.id
    assert client.handled.id == first
    client.close(resumable=True)
    assert client.session == Session(), "neither session can be resumed where handlers have got to"
    assert "READY was not handled, so the session is given up" in caplog.text
    leave.set()
    client.connect(async_=True)
    third = gateway.expect("IDENTIFY", TIMEOUT)
    assert third.connection == 3
    assert sessions.get(timeout=TIMEOUT) not in (first, second.id)
    assert sessions.empty()


# -- handlers ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("restless")
def test_once_calls_its_handler_once_with_concurrent_workers(gateway: LocalGateway, make_client: MakeClient) -> None:
    """Two workers start the event while the handler is still registered for both."""
    client, guilds, rounds = make_client(gateway, workers=4), range(1, 17), range(20)
    first = {number: threading.Lock() for number in rounds}
    both = {number: threading.Event() for number in rounds}
    left = threading.Semaphore(0)
    calls: list[int] = []

    def call(data: Any) -> None:
        calls.append(data["round"])
        threading.Event().wait(0.01)

    @client.on("NEWS")
    def wait_for_another(data: Any) -> None:
        if not first[data["round"]].acquire(blocking=False):
            both[data["round"]].set()
        both[data["round"]].wait(TIMEOUT)

    start_until_ready(client)
    for number in rounds:
        client.once("NEWS", call)
        client.on("NEWS", leave := lambda data: left.release())
        for guild in guilds:
            gateway.dispatch("NEWS", {"guild_id": str(guild), "round": number})
        for _ in guilds:
            assert left.acquire(timeout=TIMEOUT)
        client.remove_listener("NEWS", leave)
    assert all(both[number].is_set() for number in rounds)
    assert calls == list(rounds)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_slow_handler_that_starts_as_the_check_goes_idle_is_warned_about(
    gateway: LocalGateway,
    make_client: MakeClient,
    on_log_line: OnLogLine,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    """The handler is recorded before the check is scheduled; the clock, read in between, delays it here."""
    client = make_client(gateway, workers=workers, slow_handler_warning=0.05)
    real, warned, begins, ended = time.monotonic, threading.Event(), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []
    on_log_line("has been running", warned.set)

    def late() -> float:
        if begins.is_set() and threading.current_thread() is threads[0]:
            begins.clear()
            threading.Event().wait(0.3)  # the check runs, and finds nothing
        return real()

    @client.on("NEWS")
    def handle(number: int) -> None:
        if number == 0:
            threads.append(threading.current_thread())
            begins.set()
            monkeypatch.setattr(time, "monotonic", late)
        elif number == 1:
            warned.wait(TIMEOUT)
            ended.set()

    start_until_ready(client)
    for number in range(2):
        gateway.dispatch("NEWS", number)
    assert ended.wait(2 * TIMEOUT)
    assert warned.is_set()
    assert not begins.is_set(), "it did not ask the time: the check has not come in between"


# -- interpreter exit --------------------------------------------------------------------------------------------------


def test_log_lines_of_handlers_at_exit_are_written(gateway: LocalGateway) -> None:
    """The client is closed before logging.shutdown(), which flushes buffering handlers."""
    script = f"""
import logging, logging.handlers, sys
keeper = logging.handlers.MemoryHandler(1000, flushLevel=100, target=logging.StreamHandler(sys.stdout))
logging.basicConfig(level=logging.INFO, handlers=[keeper])
from vox_gateway import Client
client = Client(token="t", url={gateway.url!r})
client.on("close", lambda how: logging.info("closed with %d", how["code"]))
client.connect(async_=True)
assert client.wait_until_ready(10)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "closed with 1000" in ended.stdout.splitlines()
    assert gateway.expect_close(TIMEOUT).code == 1000
