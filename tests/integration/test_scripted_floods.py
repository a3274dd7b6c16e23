"""Floods of events and heartbeat requests, and full socket buffers."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from client_helpers import MakeClient, RecordEvents, open_connection
from scripted_server import NO_HEARTBEATS, RECONNECT_TIMEOUT, ScriptedServer, message
from support import wait_until
from websockets.frames import Opcode

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


@pytest.mark.parametrize("what", ["events", "pings"])
def test_a_flood_after_op_7_does_not_delay_the_reconnect(
    server: ScriptedServer, make_client: MakeClient, what: str
) -> None:
    client, first = open_connection(make_client, server, compress=False)
    first.login()
    assert client.wait_until_ready(5)
    first.send(7)
    ended = threading.Event()
    frame = message(b"?" * 125, Opcode.PING) if what == "pings" else first.frame({"op": 0, "t": "N", "s": 2, "d": None})

    flood_data = frame * 100_000

    def flood() -> None:
        try:
            while True:
                first.sock.sendall(flood_data)
        except OSError:
            ended.set()

    flooder = threading.Thread(target=flood)
    flooder.start()
    try:
        second = server.open(RECONNECT_TIMEOUT)
        assert second.resume()["seq"] == 1
        assert ended.wait(5)
    finally:
        with contextlib.suppress(OSError):  # already closed
            first.sock.shutdown(socket.SHUT_RDWR)
        flooder.join(5)


def test_a_flood_of_heartbeat_requests_delays_no_event(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server, compress=False)
    recorded = record_events(client, "NEWS")
    peer.login(interval=NO_HEARTBEATS)
    peer.write(peer.frame({"op": 1, "d": None}) * 1000)
    peer.event("NEWS", 1)
    assert recorded.data() == 1
    for _ in range(1000):
        peer.expect(1)
    # Half of the rate limit stays reserved for commands.
    client.voice_state_update(1, None, timeout=5)
    assert peer.expect(4)
    wait_until(lambda: client.stats.beats == 1000)  # counted after the write, when the server may have seen it


def test_commands_beyond_the_socket_buffer_arrive_complete(make_client: MakeClient) -> None:
    with ScriptedServer(receive_buffer=4096) as server:
        client, peer = open_connection(make_client, server, compress=False)
        peer.login()
        for number in range(100):
            client.send_packet(50, [number, "x" * 4000], timeout=5)  # returns although the server does not read
        got = [peer.expect(50) for _ in range(100)]
        assert got == [[number, "x" * 4000] for number in range(100)]
        assert client.stats.reconnects == 0
