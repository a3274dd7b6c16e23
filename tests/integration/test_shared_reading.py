"""Connections that are read on the dispatcher, on the standby, and on their own thread again."""

from __future__ import annotations

import socket
import ssl

import pytest
from client_helpers import MakeClient, RecordEvents, open_connection, start
from scripted_server import RECONNECT_TIMEOUT, ScriptedServer
from tls_contexts import client_context, server_context

TIMEOUT = 5.0


def test_a_read_with_more_than_the_queue_takes_does_not_block_the_dispatcher(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server, backlog_bytes=1, compress=False)
    numbers = record_events(client, "NUMBER")
    peer.login()
    assert client.wait_until_ready(TIMEOUT)
    for number in range(0, 40, 2):
        event, other = (peer.frame({"op": 0, "t": "NUMBER", "s": 2 + number + i, "d": number + i}) for i in range(2))
        peer.write(event + peer.frame({"op": 11}) + other)  # in a single read, and put one after the other
        assert [numbers.data(TIMEOUT) for _ in range(2)] == [number, number + 1]


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the two records cannot be sent as one segment")
def test_the_end_of_tls_in_the_same_read_as_an_event_is_noticed(
    make_client: MakeClient, record_events: RecordEvents
) -> None:
    with ScriptedServer("wss") as server:
        client = start(make_client(server, ssl_context=client_context()))
        numbers = record_events(client, "NUMBER")
        peer = server.accept()
        peer.start_tls(server_context())
        peer.upgrade().login()
        assert client.wait_until_ready(TIMEOUT)
        peer.event("NUMBER", 1)
        assert numbers.data(TIMEOUT) == 1
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        peer.event("NUMBER", 2)
        peer.sock.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            peer.sock.unwrap()  # the stream below stays open
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        assert numbers.data(TIMEOUT) == 2
        server.accept(RECONNECT_TIMEOUT).close()
        client.close()
