"""Races between threads: each test holds one thread at the point where another must meet it."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_helpers import MakeClient, RecordEvents, start_until_ready
from log_handlers import LogGate, RaiseOnLine, installed
from support import in_background, wait_until

from vox_gateway import AuthenticationFailed, Client, IdentifyGate, NotConnected, Status, ThreadFailed
from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0

HoldAt = Callable[[str], LogGate]


@pytest.fixture
def hold_at(caplog: pytest.LogCaptureFixture) -> Iterator[HoldAt]:
    """Makes log gates; opens them at the end."""
    caplog.set_level(logging.INFO, logger="vox_gateway")
    with contextlib.ExitStack() as stack:

        def hold(text: str) -> LogGate:
            gate = stack.enter_context(installed(LogGate(text)))
            stack.callback(gate.released.set)
            return gate

        yield hold


# -- waits started while the client ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begin",
    [
        lambda client: client.wait_until_ready(),
        lambda client: client.presence_update(status="online"),
        lambda client: client.voice_state_update("1", None),
        lambda client: client.wait_for("MESSAGE_CREATE"),
        lambda client: client.fetch_guild_members("1", user_ids=["2"], timeout=None),
    ],
    ids=["wait_until_ready", "presence_update", "command", "wait_for", "question"],
)
def test_a_wait_started_while_the_client_ends_returns(
    gateway: LocalGateway, make_client: MakeClient, hold_at: HoldAt, begin: Callable[[Client], object]
) -> None:
    client = start_until_ready(make_client(gateway))
    gate = hold_at("4004")
    gateway.drop("close", code=4004)
    assert gate.entered.wait(TIMEOUT)
    call = in_background(lambda: begin(client))
    # It returns while the end of the run is held, or once the run has ended, but not later.
    try:
        error = call.exception(TIMEOUT)
    finally:
        gate.released.set()
    with pytest.raises(AuthenticationFailed):
        client.wait_closed(TIMEOUT)
    assert isinstance(error, (NotConnected, AuthenticationFailed)) or call.result() is False


def test_wait_until_ready_from_before_connect_ends_with_the_run(make_client: MakeClient) -> None:
    with LocalGateway(token="another") as gateway:
        client = make_client(gateway)
        outcome = in_background(client.wait_until_ready)
        client.connect(async_=True)
        assert outcome.result(TIMEOUT) is False
        with pytest.raises(AuthenticationFailed):
            client.wait_closed(TIMEOUT)


def test_wait_closed_in_a_handler_is_refused_when_the_client_has_failed(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = make_client(gateway)
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @client.on("READY")
    def wait(data: Any) -> None:
        gateway.drop("close", code=4004)
        try:
            results.put(client.wait_closed(0))
            client.wait_closed()
        except RuntimeError as error:
            results.put(str(error))

    client.connect(async_=True)
    assert results.get(timeout=TIMEOUT) is False
    assert "a handler must not wait until the client is closed" in results.get(timeout=TIMEOUT)
    with pytest.raises(AuthenticationFailed):
        client.wait_closed(TIMEOUT)


def test_a_dispatch_pending_loop_without_timeout_ends_with_the_client(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = start_until_ready(make_client(gateway, handlers="caller"))

    def loop() -> str:
        while client.status is not Status.CLOSED:
            client.dispatch_pending(timeout=None)
        return "ended"

    outcome = in_background(loop)
    client.close()
    assert outcome.result(TIMEOUT) == "ended"
    assert client.dispatch_pending(timeout=None) == 0
    # A later run is waited for again.
    client.connect(async_=True)
    handled: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.on("X", handled.put)
    assert client.wait_until_ready(TIMEOUT)
    outcome = in_background(loop)
    gateway.dispatch("X", {"n": 1})
    assert handled.get(timeout=TIMEOUT) == {"n": 1}
    client.close()
    assert outcome.result(TIMEOUT) == "ended"


def test_a_closed_client_never_reports_closing(gateway: LocalGateway, make_client: MakeClient) -> None:
    """The run fails while `close` is interrupted, at each of its lines in turn."""
    for number in range(1, 200):
        client = start_until_ready(make_client(gateway))
        left = number

        def at_line(frame: Any, event: str, argument: object, client: Any = client) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.endswith(("client.py", "shard.py")):
                return None
            left -= event == "line"
            if left == 0:
                sys.settrace(None)
                gateway.drop("close", code=4004)
                with contextlib.suppress(AuthenticationFailed):
                    client.wait_closed(0.5)  # times out if `close` holds a lock that the end needs
            return at_line

        def close(trace: Any = at_line, client: Any = client) -> None:
            sys.settrace(trace)
            try:
                client.close()
            finally:
                sys.settrace(None)

        assert in_background(close).result(TIMEOUT) is None
        assert client.status is Status.CLOSED
        if left > 0:
            break
    assert number > 5


# -- events ------------------------------------------------------------------------------------------------------------


def test_events_read_when_a_log_handler_fails_are_not_lost(gateway: LocalGateway, make_client: MakeClient) -> None:
    """The supervisor logs that the queue is full while the reader holds what it has read."""

    handler = RaiseOnLine("reading pauses", SystemExit())
    client = make_client(gateway, workers=1, backlog=5)
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()

    @client.on("NEWS")
    def news(data: Any) -> None:
        seen.put(data["n"])
        assert handler.raised.wait(TIMEOUT)

    start_until_ready(client)
    with installed(handler):
        for n in range(40):
            gateway.dispatch("NEWS", {"n": n})
        with pytest.raises(ThreadFailed, match="-reconnect"):
            client.wait_closed(TIMEOUT)
    client.connect(async_=True)
    assert [seen.get(timeout=TIMEOUT) for _ in range(40)] == list(range(40))


def test_an_unparsable_event_during_the_wait_to_identify_does_not_affect_the_next_session(
    make_client: MakeClient, record_events: RecordEvents, hold_at: HoldAt
) -> None:
    poisoned = threading.Event()

    def read(data: bytes) -> Any:
        if b'"POISON"' in data:
            poisoned.set()
            raise ValueError("not readable")
        return json.loads(data)

    gate, other_shard = IdentifyGate(interval=0), object()
    busy, release = threading.Event(), threading.Event()

    def slow(data: Any) -> None:
        busy.set()
        release.wait(TIMEOUT)

    with LocalGateway(max_concurrency=1000, identify_interval=0) as gateway:
        client = make_client(gateway, identify_gate=gate, json=read)
        client.on("SLOW", slow)
        client.on("POISON", lambda data: None)
        recorded = record_events(client, "NEWS")
        start_until_ready(client)
        gateway.dispatch("SLOW", {})
        assert busy.wait(TIMEOUT)
        gateway.dispatch("POISON", {})
        wait_until(lambda: client.stats.events_waiting == 1)
        assert gate.enter(0, other_shard, lambda: None, time.monotonic()) == 0.0
        waiting = hold_at("turn to IDENTIFY")
        waiting.released.set()
        gateway.invalidate()
        assert waiting.entered.wait(TIMEOUT)
        release.set()
        assert poisoned.wait(TIMEOUT)
        gate.leave(0, other_shard)
        gateway.expect("IDENTIFY", TIMEOUT)
        assert client.wait_until_ready(TIMEOUT)
        for n in range(3):
            gateway.dispatch("NEWS", {"n": n})
        assert [recorded.data(TIMEOUT)["n"] for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("key", ["guild_id", "channel_id", "user_id"])
@pytest.mark.parametrize("value", ["\ud800", 10**5000, [10**5000], {}], ids=["surrogate", "huge", "list", "dict"])
def test_workers_accept_events_with_invalid_ids(
    make_client: MakeClient, record_events: RecordEvents, key: str, value: Any
) -> None:
    def read(data: bytes) -> Any:
        payload = json.loads(data)
        if payload["t"] == "ODD":
            payload["d"] = {key: value}
        return payload

    with LocalGateway(identify_interval=0) as gateway:
        client = make_client(gateway, workers=2, json=read)
        recorded = record_events(client, "ODD", "NEWS")
        start_until_ready(client)
        gateway.dispatch("ODD", {})
        gateway.dispatch("NEWS", {})
        assert {recorded.next(TIMEOUT)[0] for _ in range(2)} == {"ODD", "NEWS"}


# -- the identify gate -------------------------------------------------------------------------------------------------


def test_a_shard_that_fails_while_connecting_releases_the_identify_slot(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pair = socket.socketpair

    def pair(*args: Any) -> Any:
        if threading.current_thread().name.endswith("0/2-reconnect"):
            raise MemoryError("no room")
        return make_pair(*args)

    monkeypatch.setattr(socket, "socketpair", pair)
    gate = IdentifyGate(interval=0)
    with LocalGateway(identify_interval=0) as gateway:
        first, second = (make_client(gateway, identify_gate=gate, shard=(shard, 2)) for shard in range(2))
        first.connect(async_=True)
        with pytest.raises(ThreadFailed, match="MemoryError"):
            first.wait_closed(TIMEOUT)
        start_until_ready(second)
