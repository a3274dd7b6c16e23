"""Heartbeats, whatever else goes on."""

from __future__ import annotations

import itertools
import json
import logging
import math
import threading
import time
from typing import Any

import pytest

from vox_gateway.testing import LocalGateway

BEAT = 0.3


@pytest.fixture
def gateway(request: pytest.FixtureRequest) -> Any:
    with LocalGateway(heartbeat_interval=getattr(request, "param", BEAT), identify_interval=0) as gateway:
        yield gateway


def test_beats_come_regularly_with_the_last_sequence_number(gateway: LocalGateway, make_client: Any) -> None:
    client = make_client(gateway)
    assert client.latency == math.inf
    client.connect(async_=True)
    identify = gateway.expect("IDENTIFY")
    beats = [gateway.expect("HEARTBEAT", 2) for _ in range(4)]
    assert identify.at <= beats[0].at <= identify.at + BEAT + 0.2
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(beats)]
    assert sum(gaps) == pytest.approx(3 * BEAT, abs=0.9 * BEAT)
    assert beats[-1].data == client.session.seq == 3  # READY and two guilds
    assert 0 < client.latency < 1
    client.close()  # a beat is counted once it is written, and the server may see it first
    assert client.stats.beats >= 4


def test_the_first_beat_follows_the_resume(gateway: LocalGateway, make_client: Any) -> None:
    client = make_client(gateway)
    client.connect(async_=True)
    assert client.wait_until_ready(5)
    gateway.drop("reset")
    gateway.expect("RESUME", 5)
    second = [one.name for one in gateway.received if one.connection == 2]
    assert second[0] == "RESUME"


def test_a_beat_that_the_server_asks_for_comes_at_once(make_client: Any) -> None:
    with LocalGateway(heartbeat_interval=60) as gateway:
        client = make_client(gateway)
        client.connect(async_=True)
        assert client.wait_until_ready(5)
        gateway.request_heartbeat()
        assert gateway.expect("HEARTBEAT", 1)
        client.close()


@pytest.mark.parametrize("reads", [True, False])
def test_a_zombie_is_left_with_4000_and_resumed(gateway: LocalGateway, make_client: Any, reads: bool) -> None:
    client = make_client(gateway)
    client.connect(async_=True)
    assert client.wait_until_ready(5)
    began = time.monotonic()
    gateway.silence()
    if not reads:
        gateway.stop_reading()
    gateway.expect("RESUME", 5)
    assert time.monotonic() - began < 2 * BEAT + 4  # two intervals at most, and the first backoff
    assert client.wait_until_ready(5)
    if reads:
        assert gateway.expect_close(2).code == 4000


def test_missing_acknowledgements_alone_make_no_zombie(
    gateway: LocalGateway, make_client: Any, send_messages: Any
) -> None:
    client = make_client(gateway)
    client.connect(async_=True)
    assert client.wait_until_ready(5)
    gateway.withhold_acks()
    for number in range(4):
        gateway.expect("HEARTBEAT", 2)
        send_messages(gateway, range(number, number + 1))
    assert client.stats.reconnects == 0


def test_a_handler_that_blocks_costs_nothing_but_its_own_time(
    gateway: LocalGateway,
    make_client: Any,
    hear: Any,
    send_messages: Any,
    caplog: pytest.LogCaptureFixture,
    when_logged: Any,
) -> None:
    client = make_client(gateway, slow_handler_warning=0.4)
    leave, warned = threading.Event(), threading.Event()
    when_logged("has been running", warned.set)
    client.once("READY", lambda data: leave.wait(20))
    messages = hear(client, "MESSAGE_CREATE")
    client.connect(async_=True)
    assert client.wait_until_ready(5)
    send_messages(gateway, range(100))
    for _ in range(6):
        gateway.expect("HEARTBEAT", 2)
    assert warned.wait(5)
    assert messages.silent
    leave.set()
    assert [messages.data()["nonce"] for _ in range(100)] == list(range(100))
    warnings = [record for record in caplog.records if "has been running" in record.getMessage()]
    assert len(warnings) == 1
    assert "leave.wait(20)" in warnings[0].getMessage()  # the line where it is
    assert client.stats.reconnects == 0


def test_beats_go_on_while_the_reader_is_busy(gateway: LocalGateway, make_client: Any) -> None:
    beaten, busy = threading.Event(), threading.Event()

    def parse(text: str | bytes) -> Any:
        payload = json.loads(text)
        if payload["op"] == 11 and not busy.is_set():
            busy.set()
            beaten.wait(20)  # the acknowledgement has been read, and is not seen before this returns
        return payload

    client = make_client(gateway, json=parse)
    client.connect(async_=True)
    assert client.wait_until_ready(5)
    assert busy.wait(5)
    for _ in range(4):
        gateway.expect("HEARTBEAT", 2)
    beaten.set()
    gateway.expect("HEARTBEAT", 2)
    assert client.stats.reconnects == 0


@pytest.mark.parametrize("gateway", [1.5], indirect=True)  # a busy machine takes a while for so many events
def test_a_full_backlog_pauses_reading_and_loses_nothing(
    gateway: LocalGateway, make_client: Any, send_messages: Any, caplog: pytest.LogCaptureFixture, when_logged: Any
) -> None:
    client = make_client(gateway, backlog=10, slow_handler_warning=100)
    seen, entered, leave, last = [], threading.Event(), threading.Event(), threading.Event()
    stuck = threading.Event()
    when_logged("backlog=10", stuck.set)
    count = 30_000

    @client.on("MESSAGE_CREATE")
    def slow(message: Any) -> None:
        entered.set()
        leave.wait(20)
        seen.append(message["nonce"])
        if message["nonce"] == count - 1:
            last.set()

    client.connect(async_=True)
    assert client.wait_until_ready(5)
    send_messages(gateway, range(count))
    assert entered.wait(5)
    assert stuck.wait(5)
    for _ in range(3):
        gateway.expect("HEARTBEAT", 4)
    assert 5 <= client.stats.events_waiting <= 10  # an acknowledgement takes up room too
    assert client.stats.reconnects == 0
    leave.set()
    assert last.wait(20)
    assert seen == list(range(count))
    assert client.stats.reconnects == 0
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert ["leave.wait(20)" in record.getMessage() for record in warnings] == [True]
