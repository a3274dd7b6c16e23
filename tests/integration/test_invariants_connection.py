"""Invariants of the end of a connection: one cause, no late effects, no overlap."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
import websocket
from client_helpers import MakeClient, RecordEvents, start, start_until_ready
from scripted_server import ScriptedServer
from support import read_to_end, wait_until

from vox_gateway import Status
from vox_gateway.encoding.json import JSONCodec
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")

TIMEOUT = 10.0
#: seconds in which what must not happen would have happened
SOON = 0.4


# -- cause of the end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["gateway", "user"])
def test_the_first_close_determines_code_and_reason(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents, first: str
) -> None:
    """The gateway and handlers receive it once; later closes change nothing."""
    client = start(make_client(server))
    peer = server.open().login()
    assert client.wait_until_ready(TIMEOUT)
    closes = record_events(client, "close")
    if first == "gateway":
        peer.send(7)
    else:
        client.close(reconnect=True, code=4001, reason="mine")
    close_frame = peer.expect_close()
    client.close(reconnect=True, code=4002, reason="too late")
    assert read_to_end(peer.sock) == b"", "a second close frame"
    code, reason = (4000, "") if first == "gateway" else (4001, "mine")
    assert (close_frame.code, close_frame.reason) == (code, reason)
    event = closes.data()
    assert (event["code"], event["reason"]) == (code, reason or "op 7")
    assert server.open(TIMEOUT).resume()["seq"] == 1


# -- abandoned attempts ------------------------------------------------------------------------------------------------


def test_an_abandoned_attempt_that_ends_late_does_not_affect_the_next_connection(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, readers, answer = socket.getaddrinfo, [], threading.Event()

    def hang_once(*args: Any, **options: Any) -> Any:
        readers.append(threading.current_thread())
        if len(readers) == 1:
            answer.wait(2 * TIMEOUT)
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang_once)
    client = make_client(gateway, connect_timeout=1.0)
    closes, news = record_events(client, "close"), record_events(client, "NEWS")
    start_until_ready(client)
    answer.set()
    readers[0].join(TIMEOUT)  # the end was reported
    assert not readers[0].is_alive()
    with pytest.raises(AssertionError):
        gateway.wait_connection(2, SOON)
    assert "next heartbeat in" in client.explain()
    client.voice_state_update(1, None, timeout=TIMEOUT)
    gateway.expect("VOICE_STATE_UPDATE")
    gateway.dispatch("NEWS", 1)
    assert news.data() == 1
    assert client.status is Status.READY
    assert closes.empty


def test_close_as_the_websocket_opens_ends_it_before_anything_is_sent(
    gateway: LocalGateway, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader checks for a close after it has published the websocket."""
    real, open_, go_on, readers = websocket.WebSocket.connect, threading.Event(), threading.Event(), []

    def connect(self: Any, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        readers.append(threading.current_thread())
        open_.set()
        go_on.wait(2 * TIMEOUT)

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    client = start(make_client(gateway))
    assert open_.wait(TIMEOUT)
    client.close()
    assert client.status is Status.CLOSED
    before = [line.split(" ago  ")[-1] for line in client.explain().splitlines()]
    go_on.set()
    readers[0].join(TIMEOUT)
    assert not readers[0].is_alive()
    gateway.expect_close(TIMEOUT)
    assert gateway.received == ()
    assert [line.split(" ago  ")[-1] for line in client.explain().splitlines()] == before


# -- heartbeats --------------------------------------------------------------------------------------------------------


def test_a_connection_ends_after_its_last_heartbeat(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket stays open and no other connection is made, so a late heartbeat cannot reach a later connection."""
    held, go_on = threading.Event(), threading.Event()
    encode = JSONCodec.encode

    def encode_held(self: JSONCodec, payload: Any) -> bytes:
        if payload["op"] == 1:
            held.set()
            go_on.wait(2 * TIMEOUT)
        return encode(self, payload)

    monkeypatch.setattr(JSONCodec, "encode", encode_held)  # just before it is written
    start(make_client(server))
    first = server.open().login(interval=5.0)
    assert held.wait(TIMEOUT)
    first.send_close(4000)
    assert first.expect_close().code == 4000
    with pytest.raises(TimeoutError):
        first.expect_end(SOON)
    with pytest.raises(TimeoutError):
        server.accept(SOON)
    go_on.set()
    first.expect_end(TIMEOUT)
    server.open(TIMEOUT).resume()


def test_since_event_counts_from_the_time_of_reading(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    """The time is taken before events are handed over, not at the previous read."""
    client = make_client(server)
    news = record_events(client, "NEWS")
    client.connect(async_=True)
    peer = server.open().login(interval=30.0)
    peer.expect(1)  # the first heartbeat is due after 1 % of the interval, without any read
    before = time.monotonic()
    peer.event("NEWS")
    news.data()
    wait_until(lambda: client.stats.events == 2)  # published after the event was handed over
    since = client.health()["since_event"]
    assert since <= time.monotonic() - before + 0.0001  # the precision of health()
    peer.send(11)
