"""Handlers on the caller's thread and on workers."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from client_helpers import MakeClient, OnLogLine, RecordEvents, SendMessages, start_until_ready
from support import in_background

from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0


# -- handlers on the caller's thread -----------------------------------------------------------------------------------


def test_handlers_run_on_the_thread_that_calls_dispatch_pending(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client = make_client(gateway, handlers="caller")
    seen: list[tuple[str, int]] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *args: seen.append((name, threading.get_ident()))

    for name in ("open", "HELLO", "READY", "MESSAGE_CREATE", "close"):
        client.on(name, note(name))
    assert client.dispatch_pending() == 0
    start_until_ready(client)
    while ("READY", threading.get_ident()) not in seen:
        assert client.dispatch_pending(timeout=TIMEOUT)
    with client.stream("MESSAGE_CREATE") as events:
        send_messages(gateway, range(5))
        for _ in range(5):
            events.get(TIMEOUT)
    assert client.stats.events_waiting >= 4
    while client.dispatch_pending(limit=1) and [name for name, _ in seen].count("MESSAGE_CREATE") < 2:
        pass
    client.close()
    while "close" not in [name for name, _ in seen]:
        assert client.dispatch_pending(timeout=TIMEOUT), "lifecycle events are dispatched after the end, too"
    assert [name for name, _ in seen] == ["open", "HELLO", "READY", "MESSAGE_CREATE", "MESSAGE_CREATE", "close"]
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_a_blocking_connect_runs_handlers(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client = make_client(gateway, handlers="caller")
    threads = []

    @client.on("READY")
    def ready(data: Any) -> None:
        send_messages(gateway, range(3))

    @client.on("MESSAGE_CREATE")
    def see(message: Any) -> None:
        threads.append(threading.get_ident())
        if message["nonce"] == 2:
            client.close()

    @client.on("close")
    def closed(ending: Any) -> None:
        threads.append(threading.get_ident())

    client.connect()
    assert threads == [threading.get_ident()] * 4


def test_ctrl_c_in_a_handler_closes_the_client(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway, handlers="caller")

    @client.on("READY")
    def interrupted(data: Any) -> None:
        raise KeyboardInterrupt

    client.connect()
    assert gateway.expect_close(TIMEOUT).code == 1000


def test_reading_pauses_when_dispatch_pending_is_not_called(
    gateway: LocalGateway,
    make_client: MakeClient,
    send_messages: SendMessages,
    on_log_line: OnLogLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.STUCK_AFTER", 0.05)
    client = make_client(gateway, handlers="caller", backlog=20)
    stuck = threading.Event()
    on_log_line("so reading pauses: call dispatch_pending() more often", stuck.set)
    seen: list[int] = []
    client.on("MESSAGE_CREATE", lambda message: seen.append(message["nonce"]))
    start_until_ready(client)
    while client.status == "ready" and not stuck.is_set() and len(seen) == 0:
        send_messages(gateway, range(200))
        assert stuck.wait(TIMEOUT)
    assert client.stats.events_waiting <= 40
    while len(seen) < 200:
        assert client.dispatch_pending(timeout=TIMEOUT)
    assert seen == list(range(200))


def test_undispatched_events_are_replayed(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages, little_jitter: None
) -> None:
    client = make_client(gateway, handlers="caller")
    seen: list[int] = []
    client.on("MESSAGE_CREATE", lambda message: seen.append(message["nonce"]))
    client.connect(async_=True)
    with client.stream("MESSAGE_CREATE") as events:
        assert client.wait_until_ready(TIMEOUT)
        send_messages(gateway, range(10))
        for _ in range(10):
            events.get(TIMEOUT)
    while len(seen) < 3:
        assert client.dispatch_pending(limit=1)
    client.close(resumable=True)
    client.dispatch_pending()
    assert seen == [0, 1, 2]
    client.connect(async_=True)
    while len(seen) < 10:
        assert client.dispatch_pending(timeout=TIMEOUT)
    assert seen == list(range(10))


# -- workers -----------------------------------------------------------------------------------------------------------


def of_guild(guild: int, number: int) -> dict[str, Any]:
    return {"id": "1", "guild_id": str(guild), "channel_id": "5", "content": "", "nonce": number}


def test_workers_run_concurrently_and_keep_each_guilds_order(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway, workers=4)
    guilds, each = 8, 50
    seen: dict[str, list[int]] = {str(guild): [] for guild in range(guilds)}
    threads: dict[str, set[str]] = {guild: set() for guild in seen}
    left = threading.Semaphore(0)
    together = threading.Barrier(2, timeout=TIMEOUT)
    met = threading.Event()

    @client.on("MESSAGE_CREATE")
    def note(message: Any) -> None:
        if not met.is_set():
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait()  # passes only if two workers run at once
                met.set()
                together.reset()
        seen[message["guild_id"]].append(message["nonce"])
        threads[message["guild_id"]].add(threading.current_thread().name)
        left.release()

    start_until_ready(client)
    for number in range(each):
        for guild in range(guilds):
            gateway.dispatch("MESSAGE_CREATE", of_guild(guild, number))
    for _ in range(guilds * each):
        assert left.acquire(timeout=TIMEOUT)
    assert met.is_set()
    assert all(numbers == list(range(each)) for numbers in seen.values())
    assert all(len(names) == 1 for names in threads.values())
    assert len({name for names in threads.values() for name in names}) > 1


def test_a_blocked_worker_delays_only_its_own_guilds(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(gateway, workers=2, slow_handler_warning=0.1)
    entered, leave = threading.Event(), threading.Event()
    passed: queue.SimpleQueue[str] = queue.SimpleQueue()

    @client.on("MESSAGE_CREATE")
    def note(message: Any) -> None:
        if message["nonce"] == 0:
            entered.set()
            leave.wait(TIMEOUT)
        passed.put(message["guild_id"])

    start_until_ready(client)
    gateway.dispatch("MESSAGE_CREATE", of_guild(0, 0))
    assert entered.wait(TIMEOUT)
    for guild in range(1, 20):
        gateway.dispatch("MESSAGE_CREATE", of_guild(guild, 1))
    others = {passed.get(timeout=TIMEOUT)}
    assert "0" not in others
    leave.set()
    for _ in range(19):
        others.add(passed.get(timeout=TIMEOUT))
    assert len(others) == 20


def test_events_not_started_by_workers_are_replayed(
    gateway: LocalGateway, make_client: MakeClient, little_jitter: None
) -> None:
    client = make_client(gateway, workers=3)
    leave = threading.Event()
    entered = threading.Semaphore(0)
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()

    @client.on("MESSAGE_CREATE")
    def note(message: Any) -> None:
        entered.release()
        leave.wait(TIMEOUT)
        numbers.put(message["nonce"])

    client.connect(async_=True)
    with client.stream("MESSAGE_CREATE") as events:
        assert client.wait_until_ready(TIMEOUT)
        for number in range(30):
            gateway.dispatch("MESSAGE_CREATE", of_guild(number, number))
        for _ in range(30):
            events.get(TIMEOUT)
    for _ in range(3):
        assert entered.acquire(timeout=TIMEOUT)
    closer = in_background(lambda: client.close(resumable=True))
    assert client.wait_closed(TIMEOUT)  # does not wait for the three blocked handlers
    closer.result(TIMEOUT)
    leave.set()
    client.connect(async_=True)
    seen: set[int] = set()
    while seen != set(range(30)):
        seen.add(numbers.get(timeout=TIMEOUT))


def test_a_worker_may_close(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway, workers=2)
    client.on("READY", lambda data: client.close("done"))
    client.connect()
    assert gateway.expect_close(TIMEOUT).reason == "done"


def test_events_waiting_for_workers_count_towards_the_queue_limit(
    gateway: LocalGateway, make_client: MakeClient, on_log_line: OnLogLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.STUCK_AFTER", 0.05)
    client = make_client(gateway, workers=2, backlog=10)
    stuck, entered, leave = threading.Event(), threading.Event(), threading.Event()
    on_log_line("behind the handler of MESSAGE_CREATE, so reading pauses", stuck.set)
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()

    @client.on("MESSAGE_CREATE")
    def note(message: Any) -> None:
        entered.set()
        leave.wait(TIMEOUT)
        numbers.put(message["nonce"])

    start_until_ready(client)
    for number in range(100):
        gateway.dispatch("MESSAGE_CREATE", of_guild(7, number))
        if number == 0:
            assert entered.wait(TIMEOUT)  # first: the warning names the handler that runs
    assert stuck.wait(TIMEOUT)
    assert client.stats.events_waiting <= 20
    leave.set()
    assert [numbers.get(timeout=TIMEOUT) for _ in range(100)] == list(range(100))
