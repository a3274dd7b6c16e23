"""One connection's end: who says why, what it waits for, and what an old one cannot do to a new one."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from rude_server import RudeServer
from support import read_to_end

from vox_gateway import Status
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")

TIMEOUT = 10.0
#: seconds in which what must not happen would have happened
SOON = 0.4


@pytest.fixture
def server(make_client: Any) -> Iterator[RudeServer]:
    """After `make_client`, so that it goes first."""
    with RudeServer() as server:
        yield server


# -- why it ended ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["gateway", "user"])
def test_the_first_to_hang_up_says_why(server: RudeServer, make_client: Any, hear: Any, first: str) -> None:
    """Once, to the gateway and to handlers; what comes after it changes nothing."""
    client = make_client(server)
    client.connect(async_=True)
    peer = server.open().login()
    assert client.wait_until_ready(TIMEOUT)
    closes = hear(client, "close")
    if first == "gateway":
        peer.send(7)
    else:
        client.close(reconnect=True, code=4001, reason="mine")
    said = peer.expect_close()
    client.close(reconnect=True, code=4002, reason="too late")
    assert read_to_end(peer.sock) == b"", "a second close frame"
    code, reason = (4000, "") if first == "gateway" else (4001, "mine")
    assert (said.code, said.reason) == (code, reason)
    told = closes.data()
    assert (told["code"], told["reason"]) == (code, reason or "op 7")
    assert server.open(TIMEOUT).resume()["seq"] == 1


# -- old and new -------------------------------------------------------------------------------------------------------


def test_an_attempt_that_was_given_up_and_ends_late_does_nothing_to_the_connection_that_followed(
    gateway: LocalGateway, make_client: Any, hear: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, readers, answer = socket.getaddrinfo, [], threading.Event()

    def hang_once(*args: Any, **options: Any) -> Any:
        readers.append(threading.current_thread())
        if len(readers) == 1:
            answer.wait(2 * TIMEOUT)
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang_once)
    client = make_client(gateway, connect_timeout=1.0)
    closes, news = hear(client, "close"), hear(client, "NEWS")
    client.connect(async_=True)
    assert client.wait_until_ready(TIMEOUT)
    answer.set()
    readers[0].join(TIMEOUT)  # it has reported its end
    assert not readers[0].is_alive()
    with pytest.raises(AssertionError):
        gateway.wait_connection(2, SOON)
    assert "next heartbeat in" in client.explain()
    client.voice_state_update(1, None, timeout=TIMEOUT)
    gateway.expect("VOICE_STATE_UPDATE")
    gateway.dispatch("NEWS", 1)
    assert news.data() == 1
    assert client.status is Status.READY
    assert closes.silent


def test_a_close_that_comes_as_the_websocket_opens_ends_it_before_anything_is_said(
    gateway: LocalGateway, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader looks for it once the websocket is known to others."""
    real, open_, go_on, readers = websocket.WebSocket.connect, threading.Event(), threading.Event(), []

    def connect(self: Any, *args: Any, **options: Any) -> None:
        real(self, *args, **options)
        readers.append(threading.current_thread())
        open_.set()
        go_on.wait(2 * TIMEOUT)

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    client = make_client(gateway)
    client.connect(async_=True)
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


def test_a_connection_is_not_over_before_its_last_beat_is(
    server: RudeServer, make_client: Any, when_logged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its socket is kept until then, and no other connection is made: a late beat can go out on nothing else."""
    caplog.set_level(logging.DEBUG, logger="vox_gateway")
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        go_on.wait(2 * TIMEOUT)

    when_logged("> HEARTBEAT", hold)  # said when it is about to be written
    client = make_client(server)
    client.connect(async_=True)
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


def test_an_event_came_when_it_was_read(server: RudeServer, make_client: Any, hear: Any) -> None:
    """And not when what was read before it was: the time is noted before events are handed over."""
    client = make_client(server)
    news = hear(client, "NEWS")
    client.connect(async_=True)
    peer = server.open().login(interval=30.0)
    peer.expect(1)  # a beat comes after 1 % of the interval, in which nothing is read
    before = time.monotonic()
    peer.event("NEWS")
    news.data()
    since = client.health()["since_event"]
    assert since <= time.monotonic() - before + 0.0001  # to which it is rounded
    peer.send(11)
