"""Heartbeats, zombie connections, and slow handlers."""

from __future__ import annotations

import itertools
import json
import logging
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from client_helpers import TIMEOUT, MakeClient, OnLogLine, RecordEvents, SendMessages, start, start_until_ready
from log_handlers import LogGate, installed
from support import running, wait_until

from vox_gateway.concurrency.gil import HAS_GIL
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")

INTERVAL = 0.3
#: seconds by which a loaded machine may delay a heartbeat
LATE = 3.0


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> Iterator[LocalGateway]:
    """A gateway with a short heartbeat interval, which a parameter may set."""
    with LocalGateway(heartbeat_interval=getattr(request, "param", INTERVAL), identify_interval=0) as gateway:
        yield gateway


def test_heartbeats_are_periodic_and_carry_the_last_sequence_number(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = make_client(gateway)
    assert client.latency == math.inf
    client.connect(async_=True)
    identify = gateway.expect("IDENTIFY")
    beats = [gateway.expect("HEARTBEAT") for _ in range(4)]
    assert identify.at <= beats[0].at <= identify.at + INTERVAL + LATE
    assert INTERVAL <= beats[-1].at - beats[0].at <= 3 * INTERVAL + LATE
    assert beats[-1].data == 3  # READY and two guilds
    # Published a moment after the read or the write.
    wait_until(lambda: client.session.seq == 3)
    wait_until(lambda: client.stats.beats >= 4)
    wait_until(lambda: 0 < client.latency < 5)


def test_the_first_heartbeat_follows_resume(gateway: LocalGateway, make_client: MakeClient) -> None:
    start_until_ready(make_client(gateway))
    gateway.drop("reset")
    gateway.expect("RESUME", 5)
    second = [payload.name for payload in gateway.received if payload.connection == 2]
    assert second[0] == "RESUME"


def test_a_requested_heartbeat_is_sent_at_once(make_client: MakeClient) -> None:
    with LocalGateway(heartbeat_interval=60) as gateway:
        client = start_until_ready(make_client(gateway))
        gateway.request_heartbeat()
        assert gateway.expect("HEARTBEAT")
        client.close()


@pytest.mark.parametrize("reads", [True, False])
def test_a_zombie_connection_is_closed_with_4000_and_resumed(
    gateway: LocalGateway, make_client: MakeClient, reads: bool
) -> None:
    client = start_until_ready(make_client(gateway))
    began = time.monotonic()
    gateway.silence()
    if not reads:
        gateway.stop_reading()
    gateway.expect("RESUME", 5)
    assert time.monotonic() - began < 2 * INTERVAL + 4  # at most two intervals and the first delay
    assert client.wait_until_ready(5)
    if reads:
        assert gateway.expect_close().code == 4000


def test_a_connection_that_receives_events_is_a_zombie_after_three_heartbeats_without_acknowledgement(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages, caplog: pytest.LogCaptureFixture
) -> None:
    start_until_ready(make_client(gateway))
    gateway.expect("HEARTBEAT")
    gateway.withhold_acks()
    resumed = threading.Event()

    def talk() -> None:
        for number in itertools.count():
            if resumed.wait(0.1):
                return
            send_messages(gateway, range(number, number + 1))

    with running(talk):
        try:
            assert [gateway.expect("HEARTBEAT").connection for _ in range(3)] == [1, 1, 1]
            gateway.expect("RESUME", 10)
        finally:
            resumed.set()
    assert gateway.expect_close().code == 4000
    assert "3 heartbeats in a row were not acknowledged" in caplog.text


def test_a_requested_heartbeat_gives_a_latency(make_client: MakeClient, record_events: RecordEvents) -> None:
    with LocalGateway(heartbeat_interval=3600, identify_interval=0) as gateway:
        client = make_client(gateway)
        acknowledged = record_events(client, "HEARTBEAT_ACK")
        start_until_ready(client)
        assert client.latencies == ()
        gateway.request_heartbeat()
        acknowledged.next(5)
        wait_until(lambda: client.latencies)
        client.close()
        assert len(client.latencies) == 1
        assert client.latency == client.latencies[-1] == pytest.approx(client.health()["latencies"][0], abs=1e-4)


def test_the_last_five_latencies_are_kept(make_client: MakeClient) -> None:
    with LocalGateway(heartbeat_interval=3600, identify_interval=0) as gateway:
        client = start_until_ready(make_client(gateway))
        for number in range(1, 9):
            before = client.latencies
            gateway.request_heartbeat()
            wait_until(lambda before=before: client.latencies != before)
            assert len(client.latencies) == min(number, 5)
            assert client.latencies[:-1] == before[-4:]
        assert all(0 < latency < 5 for latency in client.latencies)
        client.close()


def test_a_high_latency_is_warned_of(
    gateway: LocalGateway, make_client: MakeClient, on_log_line: OnLogLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.shard.supervisor.HIGH_LATENCY", 0.0)
    warned = threading.Event()
    on_log_line("a heartbeat was acknowledged after ", warned.set)
    start_until_ready(make_client(gateway))
    assert warned.wait(5)


@pytest.mark.parametrize("line", ["> HEARTBEAT", "a heartbeat was acknowledged after "])
def test_a_log_handler_that_hangs_delays_no_heartbeat(
    gateway: LocalGateway, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """All shards of a program share the thread that sends them."""
    monkeypatch.setattr("vox_gateway.shard.supervisor.HIGH_LATENCY", 0.0)
    with installed(LogGate(line), logging.DEBUG) as gate:
        client = start(make_client(gateway))
        assert gate.entered.wait(TIMEOUT)
        for _ in range(4):
            gateway.expect("HEARTBEAT")
        gate.released.set()
        assert client.wait_until_ready(TIMEOUT)
    assert client.stats.reconnects == 0


def test_a_blocking_handler_delays_neither_heartbeats_nor_reading(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    send_messages: SendMessages,
    caplog: pytest.LogCaptureFixture,
    on_log_line: OnLogLine,
) -> None:
    client = make_client(gateway, slow_handler_warning=0.4)
    leave, warned = threading.Event(), threading.Event()
    on_log_line("has been running", warned.set)
    client.once("READY", lambda data: leave.wait(20))
    messages = record_events(client, "MESSAGE_CREATE")
    start_until_ready(client)
    send_messages(gateway, range(100))
    for _ in range(6):
        gateway.expect("HEARTBEAT")
    assert warned.wait(5)
    assert messages.empty
    leave.set()
    assert [messages.data()["nonce"] for _ in range(100)] == list(range(100))
    warnings = [record for record in caplog.records if "has been running" in record.getMessage()]
    assert len(warnings) == 1
    assert ("leave.wait(20)" in warnings[0].getMessage()) is HAS_GIL  # the line that it is at
    assert client.stats.reconnects == 0


def test_heartbeats_continue_while_the_reader_is_busy(gateway: LocalGateway, make_client: MakeClient) -> None:
    ready, beaten, busy = threading.Event(), threading.Event(), threading.Event()

    def parse(text: str | bytes) -> Any:
        payload = json.loads(text)
        if payload["op"] == 11 and ready.is_set() and not busy.is_set():
            busy.set()
            beaten.wait(20)  # the acknowledgement has been read, but not processed
        return payload

    client = start_until_ready(make_client(gateway, json=parse))
    ready.set()
    assert busy.wait(5)
    for _ in range(4):
        gateway.expect("HEARTBEAT")
    beaten.set()
    gateway.expect("HEARTBEAT")
    assert client.stats.reconnects == 0


@pytest.mark.parametrize("gateway", [1.6], indirect=True)  # long enough to send the events on a loaded machine
def test_a_full_event_queue_pauses_reading_and_loses_nothing(
    gateway: LocalGateway,
    make_client: MakeClient,
    send_messages: SendMessages,
    caplog: pytest.LogCaptureFixture,
    on_log_line: OnLogLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.STUCK_AFTER", 0.05)
    client = make_client(gateway, backlog=10, slow_handler_warning=100)
    seen, entered, leave, last = [], threading.Event(), threading.Event(), threading.Event()
    stuck = threading.Event()
    on_log_line("backlog=10", stuck.set)
    count = 2_000

    @client.on("MESSAGE_CREATE")
    def slow(message: Any) -> None:
        entered.set()
        leave.wait(20)
        seen.append(message["nonce"])
        if message["nonce"] == count - 1:
            last.set()

    start_until_ready(client)
    send_messages(gateway, range(1))
    assert entered.wait(5)  # first: the warning names the handler that runs
    send_messages(gateway, range(1, count))
    assert stuck.wait(5)
    for _ in range(2):
        gateway.expect("HEARTBEAT", 8)
    assert 5 <= client.stats.events_waiting <= 10  # acknowledgements are queued as well
    assert client.stats.reconnects == 0
    leave.set()
    assert last.wait(20)
    assert seen == list(range(count))
    assert client.stats.reconnects == 0
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["leave.wait(20)" in record.getMessage() for record in warnings] == [HAS_GIL]
