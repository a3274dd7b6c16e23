"""All encodings and compressions deliver the same values to handlers."""

from __future__ import annotations

import itertools
import json
import logging
import queue
import sys
import threading
import tracemalloc
import zlib
from typing import Any

import pytest
from client_helpers import MakeClient, RecordEvents, start_until_ready
from scripted_server import RECONNECT_TIMEOUT, Peer, ScriptedServer, message
from websockets.frames import Opcode

from vox_gateway import InvalidVersion
from vox_gateway.accelerators import zstd_package
from vox_gateway.encoding import ETFCodec
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")

zstd: Any = zstd_package()
needs_zstd = pytest.mark.skipif(zstd is None, reason="no zstd here")

FORMATS = [
    pytest.param(encoding, compress, id=f"{encoding}-{compress}", marks=[needs_zstd] * (compress == "zstd-stream"))
    for encoding, compress in [
        *itertools.product(["json", "etf"], [False, "zlib-stream", "zstd-stream"]),
        ("json", "payload"),
    ]
]
AWKWARD: dict[str, Any] = {
    "none": None,
    "yes": True,
    "no": False,
    "integers": [0, 1, -1, 255, 256, -256, 2**31, -(2**31), 2**53 + 1, 2**63 + 5, 2**64, -(2**64), 10**300],
    "bytes": [104, 105],
    "floats": [0.0, 1.5, -2.25, 1e300, 5e-324, 0.1],
    "text": ["", "nil", "true", "null", "é", "\u0000", "\u2028", "😀", "\U0010ffff", '"\\/', "x" * 70_000],
    "": "an empty key",
    "nil": "a key that could be an atom",
    "ключ": {"😀": {"deeper": [[], {}, [[]], [{}]]}},
    "123456789012345678": ["a key that is an id"],
    "empty": [[], {}, ""],
    "wide": {str(number): number for number in range(300)},
    "numbers": list(range(300)),
}


def same(left: Any, right: Any) -> bool:
    """Return whether both are equal and of the same types at every level; ``True`` differs from 1, and 1.0 from 1."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@pytest.mark.parametrize(("encoding", "compress"), FORMATS)
def test_awkward_values_survive_splits_disconnects_and_resumes(
    make_client: MakeClient, record_events: RecordEvents, encoding: str, compress: str | bool
) -> None:
    with LocalGateway(identify_interval=0, heartbeat_interval=0.5) as gateway:
        client = make_client(gateway, encoding=encoding, compress=compress)
        recorded, hellos = record_events(client, "AWKWARD"), record_events(client, "HELLO")
        start_until_ready(client)
        assert same(hellos.data()["d"]["heartbeat_interval"], 500)
        gateway.dispatch("AWKWARD", AWKWARD)
        assert same(recorded.data(), AWKWARD)

        gateway.faults.fragment(100)  # websocket fragments
        gateway.dispatch("AWKWARD", AWKWARD)
        assert same(recorded.data(), AWKWARD)
        gateway.faults.fragment(None)
        gateway.faults.split_writes(3)  # TCP segments
        gateway.dispatch("AWKWARD", {**AWKWARD, "text": "é"})
        assert same(recorded.data(), {**AWKWARD, "text": "é"})
        gateway.faults.split_writes(None)
        if compress == "zlib-stream":
            gateway.faults.split_messages(100)
            gateway.dispatch("AWKWARD", AWKWARD)
            assert same(recorded.data(), AWKWARD)
            gateway.faults.split_messages(None)

        gateway.drop("reset")
        for value in AWKWARD.values():
            gateway.dispatch("AWKWARD", value)
        assert gateway.expect("RESUME", RECONNECT_TIMEOUT).data["session_id"] == client.session.id
        for value in AWKWARD.values():
            assert same(recorded.data(), value)

        client.voice_state_update(2**63 + 5, None, timeout=RECONNECT_TIMEOUT)
        assert gateway.expect("VOICE_STATE_UPDATE", RECONNECT_TIMEOUT).data["guild_id"] == str(2**63 + 5)
        client.send_packet(2**9, {"d": {"é": [1, None, 2**70, 1.5, True, "😀", [], {}]}}, timeout=RECONNECT_TIMEOUT)
        closed = gateway.expect_close(RECONNECT_TIMEOUT)  # the opcode is unknown, but the payload was parsed
        assert closed is not None

        queries = [connection.query for connection in gateway.connections]
        identify = next(payload.data for payload in gateway.received if payload.name == "IDENTIFY")
        assert {query["encoding"] for query in queries} == {encoding}
        assert {query.get("compress") for query in queries} == {compress if compress in STREAMS else None}
        assert identify.get("compress", False) is (compress == "payload")


STREAMS = ("zlib-stream", "zstd-stream")


@pytest.mark.parametrize(("encoding", "compress"), FORMATS)
def test_a_flood_arrives_whole_and_in_order(make_client: MakeClient, encoding: str, compress: str | bool) -> None:
    with LocalGateway(identify_interval=0) as gateway:
        client = make_client(gateway, encoding=encoding, compress=compress)
        count, seen, last = 3000, [], threading.Event()

        @client.on("FLOOD")
        def take(data: Any) -> None:
            seen.append(data["n"])
            if data["n"] == count - 1:
                last.set()

        start_until_ready(client)
        for number in range(count):
            gateway.dispatch("FLOOD", {"n": number, "text": "é" * (number % 700)})
        assert last.wait(30)
        assert seen == list(range(count))
        assert client.stats.reconnects == 0


# -- corrupt data ends only the connection -------------------------------------------------------------------------

BOMB = 64 * 1024 * 1024
LIMIT = 1024 * 1024
ETF = ETFCodec(LIMIT)


class Stream:
    """The server's compression of one connection."""

    def __init__(self, compress: str | bool) -> None:
        self._zlib = zlib.compressobj()
        self._zstd = zstd.ZstdCompressor() if zstd else None
        self._compress = compress

    def __call__(self, data: bytes) -> bytes:
        match self._compress:
            case "zlib-stream":
                return self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
            case "zstd-stream":
                return bytes(self._zstd.compress(data, self._zstd.FLUSH_BLOCK))
            case "payload":
                return zlib.compress(data)
            case _:
                return data

    def bomb(self) -> bytes:
        """Return a message that inflates to `BOMB` bytes."""
        block = bytes(BOMB // 64)
        if self._compress == "payload":
            packer = zlib.compressobj()
            return b"".join(packer.compress(block) for _ in range(64)) + packer.flush()
        if self._compress == "zstd-stream":
            return b"".join(self._zstd.compress(block) for _ in range(64)) + self(b"")
        return b"".join(self._zlib.compress(block) for _ in range(64)) + self(b"")


class Talker:
    """The server's end of a connection in one format."""

    def __init__(self, peer: Peer, encoding: str, compress: str | bool) -> None:
        self.peer = peer
        self.stream = Stream(compress)
        self._encoding = encoding
        peer.decode = ETF.decode if encoding == "etf" else json.loads
        self._send({"op": 10, "d": {"heartbeat_interval": 60_000}, "s": None, "t": None})

    def event(self, seq: int, name: str, data: Any) -> None:
        """Dispatch an event."""
        self._send({"op": 0, "d": data, "s": seq, "t": name})

    def _send(self, payload: Any) -> None:
        data = ETF.encode(payload) if self._encoding == "etf" else json.dumps(payload).encode()
        self.peer.write(message(self.stream(data), Opcode.BINARY))


@pytest.mark.parametrize("compress", ["zlib-stream", pytest.param("zstd-stream", marks=needs_zstd), "payload"])
@pytest.mark.parametrize("size", [sys.maxsize, 1 << 100])
def test_messages_of_any_size_can_be_accepted(
    gateway: LocalGateway, make_client: MakeClient, compress: str, size: int
) -> None:
    client = make_client(gateway, compress=compress, max_message_size=size)
    start_until_ready(client)


BROKEN = [
    # encoding, compress, data, whether to compress it, text in the log, close code
    ("json", "zlib-stream", b"garbage\x00\x00\xff\xff", False, "zlib-stream does not inflate", 4000),
    ("json", "zstd-stream", b"garbage", False, "zstd-stream does not inflate", 4000),
    ("json", "payload", b"\x78\x9cgarbage", False, "compressed payload does not inflate", 4000),
    ("json", "payload", zlib.compress(b"{}" * 99)[:-4], False, "not exactly 1 zlib stream", 4000),
    ("json", "zlib-stream", b'{"op":', True, "not JSON", 4000),
    ("json", "zstd-stream", b'{"op":11,"d":NaN}', True, "not JSON", 4000),
    ("json", "payload", b"[1,2", True, "not JSON", 4000),
    ("json", False, b'{"op":11,"d":"\xff"}', False, "not UTF-8", 1007),
    ("json", "zstd-stream", b'{"op":11,"d":"\xff"}', True, "not UTF-8", 1007),
    ("etf", False, b"\x83garbage", False, "ETF", 4000),
    ("etf", "zlib-stream", b"\x83t\x00\x00\x00\x09", True, "cut short", 4000),
    ("etf", "zstd-stream", b"\x83l\x00\x00\x00\x01" * 3, True, "unknown tag", 4000),
    ("etf", False, b"\x83m\x00\x00\x00\x01\xff", False, "not UTF-8", 4000),
    ("etf", False, b"\x83j", False, "payload", 4000),
    ("json", "zlib-stream", None, False, "max_message_size=1048576", 4000),
    ("json", "zstd-stream", None, False, "max_message_size=1048576", 4000),
    ("json", "payload", None, False, "max_message_size=1048576", 4000),
    ("etf", "zlib-stream", None, False, "max_message_size=1048576", 4000),
]


@pytest.mark.parametrize(
    ("encoding", "compress", "data", "compressed", "error", "code"),
    [
        pytest.param(*row, id=f"{number}-{row[0]}-{row[1]}", marks=[needs_zstd] * (row[1] == "zstd-stream"))
        for number, row in enumerate(BROKEN)
    ],
)
def test_corrupt_data_is_logged_in_one_line_and_resumed(
    server: ScriptedServer,
    make_client: MakeClient,
    record_events: RecordEvents,
    caplog: pytest.LogCaptureFixture,
    encoding: str,
    compress: str | bool,
    data: bytes | None,
    compressed: bool,
    error: str,
    code: int,
) -> None:
    client = make_client(server, encoding=encoding, compress=compress, max_message_size=LIMIT)
    recorded = record_events(client, "NEWS")
    client.connect(async_=True)
    first = Talker(server.open(), encoding, compress)
    assert first.peer.expect(2)
    first.event(1, "READY", {"session_id": "s1"})
    first.event(2, "NEWS", "before")
    assert recorded.data() == "before"
    tracemalloc.start()
    if data is None:
        data = first.stream.bomb()
    elif compressed:
        data = first.stream(data)
    first.peer.write(message(data, Opcode.BINARY))
    assert first.peer.expect_close().code == code
    first.peer.close()
    second = Talker(server.open(RECONNECT_TIMEOUT), encoding, compress)
    assert second.peer.expect(6)["seq"] == 2
    second.event(3, "NEWS", "after")
    second.event(4, "RESUMED", {})
    assert recorded.data() == "after"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BOMB / 8
    assert client.wait_until_ready(RECONNECT_TIMEOUT)
    logged = [record for record in caplog.records if error in record.getMessage() and record.levelno >= logging.INFO]
    assert len(logged) == 1
    assert client.stats.identifies == 1


@pytest.mark.parametrize("backlog", [10_000, 2])
def test_an_unparsable_event_is_replayed_with_all_that_follow(
    server: ScriptedServer,
    make_client: MakeClient,
    record_events: RecordEvents,
    caplog: pytest.LogCaptureFixture,
    backlog: int,
) -> None:
    """Events are parsed late; those already received must be neither lost nor duplicated."""
    client = make_client(server, compress=False, backlog=backlog)
    recorded, errors, resumed = (
        record_events(client, "NEWS"),
        record_events(client, "error"),
        record_events(client, "RESUMED"),
    )
    client.connect(async_=True)
    first = server.open().login()
    first.write(b"".join(message(text, Opcode.TEXT) for text in [
        b'{"t":"NEWS","s":2,"op":0,"d":"two"}',
        b'{"t":"IGNORED","s":3,"op":0,"d":nonsense}',  # never parsed: it has no handler
        b'{"t":"NEWS","s":4,"op":0,"d":"four"}',
        b'{"t":"NEWS","s":5,"op":0,"d":"fi}',
        b'{"t":"NEWS","s":6,"op":0,"d":"six"}',
        b'{"t":"NEWS","s":7,"op":0,"d":"seven"}',
    ]))  # fmt: skip
    assert first.expect_close().code == 4000
    first.write(message(b'{"t":"NEWS","s":8,"op":0,"d":"too late"}', Opcode.TEXT))
    first.close()
    second = server.open(RECONNECT_TIMEOUT)
    assert second.resume()["seq"] == 4
    for seq, word in ((5, "five"), (6, "six"), (7, "seven"), (8, "eight")):
        second.write(message(b'{"t":"NEWS","s":%d,"op":0,"d":"%s"}' % (seq, word.encode()), Opcode.TEXT))
    second.seq = 8
    second.event("RESUMED")
    assert [recorded.data() for _ in range(6)] == ["two", "four", "five", "six", "seven", "eight"]
    resumed.data()
    assert recorded.empty
    assert errors.empty
    logged = [record for record in caplog.records if "not JSON" in record.getMessage()]
    assert len(logged) == 1
    client.close(resumable=True)
    assert client.session.seq == 9


def test_an_unparsable_event_is_replayed_even_from_a_later_connection(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    """The handler of the event before is slow, and the session has been resumed in the meantime."""
    client = make_client(server, compress=False)
    leave = threading.Event()
    client.once("NEWS", lambda word: leave.wait(10))
    recorded = record_events(client, "NEWS")
    client.connect(async_=True)
    first = server.open().login()
    first.write(message(b'{"t":"NEWS","s":2,"op":0,"d":"two"}', Opcode.TEXT))
    first.write(message(b'{"t":"NEWS","s":3,"op":0,"d":"thr}', Opcode.TEXT))
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    assert second.resume()["seq"] == 3
    second.seq = 3
    second.event("NEWS", "four")
    second.event("RESUMED")
    assert client.wait_until_ready(RECONNECT_TIMEOUT)
    leave.set()
    assert second.expect_close().code == 4000
    second.close()
    third = server.open(RECONNECT_TIMEOUT)
    assert third.resume()["seq"] == 2
    third.seq = 2
    for word in ("three", "four", "five"):
        third.event("NEWS", word)
    third.event("RESUMED")
    assert [recorded.data() for _ in range(4)] == ["two", "three", "four", "five"]
    assert recorded.empty


def test_a_handler_added_late_receives_queued_events(server: ScriptedServer, make_client: MakeClient) -> None:
    client = make_client(server, compress=False)
    seen, last = [], threading.Event()

    @client.on("READY")
    def ready(data: Any) -> None:
        @client.on("NEWS")
        def news(word: str) -> None:
            seen.append(word)
            if word == "b":
                last.set()

    client.connect(async_=True)
    peer = server.open().hello()
    peer.expect(2)
    peer.write(b"".join(message(text, Opcode.TEXT) for text in [
        b'{"t":"READY","s":1,"op":0,"d":{"session_id":"s1"}}',
        b'{"t":"NEWS","s":2,"op":0,"d":"a"}',
        b'{"t":"NEWS","s":3,"op":0,"d":"b"}',
    ]))  # fmt: skip
    assert last.wait(RECONNECT_TIMEOUT)
    assert seen == ["a", "b"]


def test_the_version_in_the_url_is_kept_also_for_a_resume(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway, url=f"{gateway.url}/?v=9&region=eu")
    readies = queue.SimpleQueue[Any]()
    client.on("READY", readies.put)
    client.connect(async_=True)
    assert readies.get(timeout=5)["v"] == 9
    gateway.drop("reset")
    gateway.expect("RESUME", 5)
    assert [connection.query["v"] for connection in gateway.connections] == ["9", "9"]
    assert gateway.connections[0].query["region"] == "eu"


def test_a_version_that_the_gateway_does_not_serve_is_fatal(gateway: LocalGateway, make_client: MakeClient) -> None:
    with pytest.raises(InvalidVersion, match="drop any v= from url"):
        make_client(gateway, url=f"{gateway.url}/?v=1").connect()
