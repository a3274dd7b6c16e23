"""Close frames, fatal close codes, half-closed sockets and resets."""

from __future__ import annotations

import socket
import struct

import pytest
from client_helpers import MakeClient, RecordEvents, open_connection
from scripted_server import RECONNECT_TIMEOUT, ScriptedServer, message
from websockets.frames import Opcode

from vox_gateway import AuthenticationFailed

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


def test_a_close_frame_without_a_code_is_echoed_and_resumed(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, first = open_connection(make_client, server)
    closes = record_events(client, "close")
    first.login()
    assert client.wait_until_ready(5)
    first.send_close()
    assert first.expect_close().code is None
    first.expect_end(1)  # the client does not wait for the server to close
    assert closes.data()["code"] == 1005
    server.open(RECONNECT_TIMEOUT).resume()


def test_events_before_a_close_frame_count_and_later_ones_do_not(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, first = open_connection(make_client, server, compress=False)
    recorded = record_events(client, "NEWS")
    first.login()
    early, late = (first.frame({"op": 0, "s": seq, "t": "NEWS", "d": seq}) for seq in (2, 3))
    first.write(early + message(b"\x0f\xa0bye", Opcode.CLOSE) + late)
    second = server.open(RECONNECT_TIMEOUT)
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "again")
    assert [recorded.data(), recorded.data()] == [2, "again"]


@pytest.mark.parametrize("stage", ["upgraded", "identified", "live"])
def test_a_fatal_close_code_ends_the_client_at_every_stage(
    server: ScriptedServer, make_client: MakeClient, stage: str
) -> None:
    client, peer = open_connection(make_client, server)
    if stage == "identified":
        peer.hello().expect(2)
    elif stage == "live":
        peer.login()
        assert client.wait_until_ready(5)
    peer.send_close(4004, b"who are you?")
    with pytest.raises(AuthenticationFailed, match="who are you"):
        client.wait_closed(5)
    assert peer.expect_close().code == 4004
    with pytest.raises(TimeoutError):
        server.accept(0.01)


def test_a_fatal_close_code_is_reported_even_if_the_connection_breaks(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    client, peer = open_connection(make_client, server)
    peer.login()
    assert client.wait_until_ready(5)
    # The client's answer fails; the code must still be reported.
    peer.sock.shutdown(socket.SHUT_RD)
    peer.send_close(4004)
    peer.close()
    with pytest.raises(AuthenticationFailed):
        client.wait_closed(5)


def test_a_half_closed_connection_is_resumed(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, first = open_connection(make_client, server)
    closes = record_events(client, "close")
    first.login()
    assert client.wait_until_ready(5)
    first.sock.shutdown(socket.SHUT_WR)
    assert server.open(RECONNECT_TIMEOUT).resume()["seq"] == 1
    first.expect_end()
    assert closes.data()["code"] == 1006


def test_events_read_before_a_reset_count(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, first = open_connection(make_client, server)
    recorded = record_events(client, "NEWS")
    first.login()
    first.event("NEWS", 1)
    assert recorded.data() == 1
    first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    first.close()
    assert server.open(RECONNECT_TIMEOUT).resume()["seq"] == 2
    assert client.stats.identifies == 1
