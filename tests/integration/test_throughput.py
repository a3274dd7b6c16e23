"""Large amounts of data from a scripted server."""

from __future__ import annotations

import json
import threading
import zlib

import pytest
from client_helpers import MakeClient, RecordEvents
from scripted_server import ScriptedServer, message, pieces
from support import wait_until
from websockets.frames import Opcode


@pytest.mark.parametrize("compress", [True, False])
def test_a_hundred_thousand_events_arrive_in_order(make_client: MakeClient, compress: bool) -> None:
    count, seen, last = 100_000, [], threading.Event()
    with ScriptedServer() as server:
        client = make_client(server, compress=compress)

        @client.on("NEWS")
        def take(number: int) -> None:
            seen.append(number)
            if number == count - 1:
                last.set()

        client.connect(async_=True)
        peer = server.open().login()
        frames = [peer.frame({"op": 0, "t": "NEWS", "s": number + 2, "d": number}) for number in range(count)]
        sender = threading.Thread(target=lambda: peer.sock.sendall(b"".join(frames)))
        sender.start()
        assert last.wait(30)
        sender.join(5)
        assert seen == list(range(count))
        wait_until(lambda: client.session.seq == count + 1)  # published after the last read was handed over
        assert client.stats.events == count + 1
        assert client.stats.reconnects == 0


def test_a_slow_handler_receives_every_event(make_client: MakeClient) -> None:
    """With an event queue of one, which fills with every event."""
    count, seen, last = 5_000, [], threading.Event()
    with ScriptedServer() as server:
        client = make_client(server, backlog=1)

        @client.on("NEWS")
        def take(number: int) -> None:
            seen.append(number)
            if number == count - 1:
                last.set()

        client.connect(async_=True)
        peer = server.open().login()
        assert client.wait_until_ready(5)
        frames = [peer.frame({"op": 0, "t": "NEWS", "s": number + 2, "d": number}) for number in range(count)]
        peer.sock.sendall(b"".join(frames))
        assert last.wait(30)
        assert seen == list(range(count))


def test_a_large_event_may_span_many_frames_and_messages(make_client: MakeClient, record_events: RecordEvents) -> None:
    text = "".join(str(number) for number in range(600_000))  # several megabytes that compress to more than 500 kB
    with ScriptedServer() as server:
        client = make_client(server)
        recorded = record_events(client, "LARGE")
        client.connect(async_=True)
        peer = server.open().login()
        compressed = peer.compressed(json.dumps({"op": 0, "t": "LARGE", "s": 2, "d": text}).encode())
        assert len(compressed) > 500_000
        stream = []
        for part in pieces(compressed, 10_000):  # each a fragmented websocket message
            first, *rest = pieces(part, 999)
            stream.append(message(first, Opcode.BINARY, final=not rest))
            stream += [message(fragment, Opcode.CONT, final=fragment is rest[-1]) for fragment in rest]
        peer.sock.sendall(b"".join(stream))
        assert recorded.data(20) == text
        assert client.stats.reconnects == 0


def test_a_flood_of_control_frames_does_not_hide_an_event(make_client: MakeClient, record_events: RecordEvents) -> None:
    with ScriptedServer() as server:
        client = make_client(server)
        recorded = record_events(client, "NEWS")
        client.connect(async_=True)
        peer = server.open().login()
        pings = message(b"?", Opcode.PING) * 20_000
        sender = threading.Thread(target=lambda: peer.sock.sendall(pings + peer.frame({"op": 0, "t": "NEWS", "d": 1})))
        sender.start()
        pongs = 0
        while pongs < 20_000:
            pongs += getattr(peer.receive(10), "opcode", None) is Opcode.PONG
        sender.join(5)
        assert recorded.data() == 1


def test_the_zlib_window_spans_messages(make_client: MakeClient, record_events: RecordEvents) -> None:
    """Each message refers back to earlier ones, within the window of 32 kB."""
    with ScriptedServer() as server:
        client = make_client(server)
        recorded = record_events(client, "NEWS")
        client.connect(async_=True)
        peer = server.open().login()
        text = "".join(chr(33 + number * 7 % 90) for number in range(20_000))
        sizes = []
        for number in range(20):
            before = peer.bytes_sent
            peer.event("NEWS", f"{number}{text}")
            sizes.append(peer.bytes_sent - before)
            assert recorded.data() == f"{number}{text}"
        assert max(sizes[1:]) < sizes[0]
        assert zlib.MAX_WBITS == 15
