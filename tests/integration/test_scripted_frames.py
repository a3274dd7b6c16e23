"""Websocket frames and compressed messages, cut and mixed in every permitted way."""

from __future__ import annotations

import pytest
from client_helpers import MakeClient, RecordEvents, open_connection
from scripted_server import NO_HEARTBEATS, RECONNECT_TIMEOUT, SYNC_FLUSH, ScriptedServer, message, pieces
from support import wait_until
from websockets.frames import Frame, Opcode

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


def test_pings_are_answered_between_fragments(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server, compress=False)
    recorded = record_events(client, "NEWS")
    peer.login(interval=NO_HEARTBEATS)
    text = b'{"op":0,"s":2,"t":"NEWS","d":"\xc3\xa9"}'
    cut = text.index(b"\xa9")  # inside a character
    peer.write(message(text[:cut], Opcode.TEXT, final=False))
    peer.write(message(b"still there?", Opcode.PING))
    peer.write(message(b"never asked", Opcode.PONG))
    peer.write(message(b"", Opcode.CONT, final=False))
    pong = peer.receive()
    assert isinstance(pong, Frame)
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"still there?")
    peer.write(message(text[cut:], Opcode.CONT))
    assert recorded.data() == "é"
    assert client.stats.reconnects == 0


def test_json_may_arrive_in_binary_frames(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server, compress=False)
    recorded = record_events(client, "NEWS")
    peer.login()
    peer.write(message(b'{"op":0,"s":2,"t":"NEWS","d":1}', Opcode.BINARY))
    assert recorded.data() == 1


def test_uncompressed_text_may_arrive_between_compressed_messages(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server)
    recorded = record_events(client, "NEWS")
    peer.login()
    peer.write(message(b'{"op":0,"s":2,"t":"NEWS","d":"plain"}', Opcode.TEXT))
    peer.seq = 2
    peer.event("NEWS", "compressed")
    assert [recorded.data(), recorded.data()] == ["plain", "compressed"]
    wait_until(lambda: client.session.seq == 3)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_sync_flush_marker_may_be_split_anywhere(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents, size: int
) -> None:
    client, peer = open_connection(make_client, server)
    recorded = record_events(client, "NEWS")
    peer.login()
    for number in range(3):
        compressed = peer.compressed(b'{"op":0,"s":%d,"t":"NEWS","d":%d}' % (number + 2, number))
        assert compressed.endswith(SYNC_FLUSH)
        peer.write(b"".join(message(piece, Opcode.BINARY) for piece in pieces(compressed, size)))
        peer.write(message(b"", Opcode.BINARY))
    assert [recorded.data() for _ in range(3)] == [0, 1, 2]
    assert client.stats.reconnects == 0


def test_a_sync_flush_marker_inside_a_message_does_not_end_it(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server)
    recorded = record_events(client, "NEWS")
    peer.login()
    # Two flushes in one websocket message: the marker in the middle must not end it.
    text = b'{"op":0,"s":2,"t":"NEWS","d":"' + b"x" * 1000 + b'"}'
    peer.write(message(peer.compressed(text[:500]) + peer.compressed(text[500:]), Opcode.BINARY))
    assert recorded.data() == "x" * 1000


def test_each_connection_has_its_own_compression_context(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, first = open_connection(make_client, server)
    recorded = record_events(client, "NEWS")
    first.login()
    first.event("NEWS", "x" * 500)
    assert recorded.data() == "x" * 500
    first.write(message(first.compressed(b'{"op":0,"s":3,"t":"NEWS","d":"half')[:-6], Opcode.BINARY))
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "x" * 500)
    assert recorded.data() == "x" * 500


def test_a_connection_lost_within_a_frame_resumes_from_the_last_complete_event(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, first = open_connection(make_client, server, compress=False)
    recorded = record_events(client, "NEWS")
    first.login()
    first.event("NEWS", "whole")
    first.write(first.frame({"op": 0, "s": 3, "t": "NEWS", "d": "torn"})[:-3])
    first.close()
    second = server.open(RECONNECT_TIMEOUT)
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "torn")
    assert [recorded.data(), recorded.data()] == ["whole", "torn"]
