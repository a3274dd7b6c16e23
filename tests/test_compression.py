"""Websocket messages to gateway messages."""

from __future__ import annotations

import contextlib
import os
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vox_gateway import Client
from vox_gateway.accelerators import zstd_package
from vox_gateway.arguments.defaults import MAX_MESSAGE_SIZE
from vox_gateway.compression import INFLATERS, NoCompression, ZlibPayloads, ZlibStream, ZstdStream
from vox_gateway.errors import InflateError, MissingExtra

LIMIT = 100_000
zstd: Any = zstd_package()
needs_zstd = pytest.mark.skipif(zstd is None, reason="no zstd here")


def deflated(messages: list[bytes]) -> list[bytes]:
    context = zlib.compressobj()
    return [context.compress(message) + context.flush(zlib.Z_SYNC_FLUSH) for message in messages]


@given(st.lists(st.binary(max_size=200), max_size=8), st.lists(st.integers(1, 60), min_size=1))
def test_messages_survive_every_way_to_split_them(messages: list[bytes], sizes: list[int]) -> None:
    inflater, seen = ZlibStream(LIMIT), []
    for whole in deflated(messages):
        position, turn = 0, 0
        while position < len(whole):
            # A part that happens to end like a message would be one, so such a split is not made.
            size = sizes[turn % len(sizes)]
            turn += 1
            while whole[position : position + size].endswith(b"\x00\x00\xff\xff") and position + size < len(whole):
                size += 1
            seen.append(inflater.feed(whole[position : position + size]))
            position += size
    assert [message for message in seen if message is not None] == messages


def test_the_sync_flush_may_itself_be_split() -> None:
    inflater = ZlibStream(LIMIT)
    (whole,) = deflated([b"hello"])
    parts = [whole[:-4], *(bytes([byte]) for byte in whole[-4:])]
    assert [inflater.feed(part) for part in parts] == [None, None, None, None, b"hello"]
    assert inflater.feed(b"") is None


def test_the_context_is_kept_between_messages_and_new_for_each_connection() -> None:
    first, second = deflated([b"the same words again and again"] * 2)
    assert len(second) < len(first)
    inflater = ZlibStream(LIMIT)
    assert inflater.feed(first) == inflater.feed(second)
    with pytest.raises(InflateError):
        ZlibStream(LIMIT).feed(second)


@pytest.mark.parametrize("data", [b"garbage\x00\x00\xff\xff", b"\x78\x9c\xff\xff\xff\xff\x00\x00\xff\xff"])
def test_invalid_zlib_is_refused(data: bytes) -> None:
    with pytest.raises(InflateError, match="inflate"):
        ZlibStream(LIMIT).feed(data)


def test_a_bomb_is_refused_before_it_inflates() -> None:
    (bomb,) = deflated([b"\0" * (LIMIT * 50)])
    assert len(bomb) < LIMIT
    with pytest.raises(InflateError, match=f"max_message_size={LIMIT}"):
        ZlibStream(LIMIT).feed(bomb)


def test_a_message_of_endless_parts_is_refused() -> None:
    inflater = ZlibStream(1000)
    with pytest.raises(InflateError, match="max_message_size=1000"):
        for _ in range(11):
            assert inflater.feed(b"x" * 100) is None


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_tiny_parts_cost_no_more_than_they_hold(size: int) -> None:
    inflater = ZlibStream(1 << 20)
    part = b"\x00\x00\xff\xfe"[:size]
    inflater.feed(part)  # what every inflater needs is there by now
    tracemalloc.start()
    try:
        for _ in range(10_000):
            assert inflater.feed(bytes(bytearray(part))) is None  # each an object of its own
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10_000 * size * 2  # a bytearray grows by an eighth at a time


def test_a_stream_that_ends_is_refused() -> None:
    ended = zlib.compress(b"x" * 10) + b"\x00\x00\xff\xff"
    with pytest.raises(InflateError, match="no end"):
        ZlibStream(LIMIT).feed(ended)


def test_a_message_may_be_as_large_as_the_limit_and_no_larger() -> None:
    for size, fits in ((1000, True), (1001, False)):
        packed: list[tuple[Callable[[int], Any], bytes]] = [
            (ZlibStream, deflated([b"x" * size])[0]),
            (ZlibPayloads, zlib.compress(b"x" * size)),
        ]
        if zstd:
            packed.append((ZstdStream, packed_by_zstd([b"x" * size])[0]))
        for make, data in packed:
            if fits:
                assert make(1000).feed(data) == b"x" * size
            else:
                with pytest.raises(InflateError, match="max_message_size=1000"):
                    make(1000).feed(data)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.binary(max_size=40) | st.binary(max_size=40).map(lambda data: data + b"\x00\x00\xff\xff"), max_size=5)
)
def test_garbage_raises_nothing_but_an_inflate_error(pieces: list[bytes]) -> None:
    inflater = ZlibStream(LIMIT)
    with contextlib.suppress(InflateError):
        for piece in pieces:
            inflater.feed(piece)


def test_without_compression_messages_are_unchanged() -> None:
    assert NoCompression(10).feed(b"x") == b"x"
    assert INFLATERS[None] is NoCompression
    assert INFLATERS["zlib-stream"] is ZlibStream


# -- payload compression -------------------------------------------------------------------------------------------


def test_payloads_are_streams_of_their_own_and_some_are_plain() -> None:
    inflater = ZlibPayloads(LIMIT)
    for payload in (b'{"op":11}', b'{"op":10}', b"x" * LIMIT):
        assert inflater.feed(zlib.compress(payload)) == payload
    assert inflater.feed(b'{"op":11}') == b'{"op":11}'
    assert INFLATERS["payload"] is ZlibPayloads


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not exactly 1 zlib stream"),
        (b"garbage", "does not inflate"),
        (zlib.compress(b"x" * 99)[:-1], "not exactly 1 zlib stream"),
        (zlib.compress(b"x" * 99) + b"x", "not exactly 1 zlib stream"),
        (zlib.compress(b"x" * LIMIT * 50), f"max_message_size={LIMIT}"),
    ],
)
def test_a_payload_that_does_not_inflate_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InflateError, match=words):
        ZlibPayloads(LIMIT).feed(data)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: zlib.compress(data)[:-2] + data[:3]))
def test_a_garbage_payload_raises_nothing_but_an_inflate_error(data: bytes) -> None:
    with contextlib.suppress(InflateError):
        ZlibPayloads(LIMIT).feed(data)


# -- zstd-stream ---------------------------------------------------------------------------------------------------


def packed_by_zstd(messages: list[bytes]) -> list[bytes]:
    context = zstd.ZstdCompressor()
    return [context.compress(message, context.FLUSH_BLOCK) for message in messages]


@needs_zstd
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8))
def test_each_message_of_a_zstd_stream_is_one_message(messages: list[bytes]) -> None:
    inflater = ZstdStream(LIMIT)
    assert [inflater.feed(data) for data in packed_by_zstd(messages)] == messages


@needs_zstd
def test_a_zstd_context_is_kept_between_messages_and_new_for_each_connection() -> None:
    first, second = packed_by_zstd([b"the same words again and again"] * 2)
    inflater = ZstdStream(LIMIT)
    assert inflater.feed(first) == inflater.feed(second)
    with pytest.raises(InflateError, match="does not inflate"):
        ZstdStream(LIMIT).feed(second)
    assert INFLATERS["zstd-stream"] is ZstdStream


@needs_zstd
def test_a_zstd_bomb_a_garbled_stream_and_one_that_ends_are_refused() -> None:
    (bomb,) = packed_by_zstd([b"\0" * (LIMIT * 50)])
    for data, words in (
        (bomb, f"max_message_size={LIMIT}"),
        (b"garbage", "does not inflate"),
        (zstd.compress(b"whole"), "no end"),
    ):
        with pytest.raises(InflateError, match=words):
            ZstdStream(LIMIT).feed(data)


@needs_zstd
@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 30), st.binary(max_size=3))
def test_a_garbled_zstd_stream_raises_nothing_but_an_inflate_error(message: bytes, at: int, dirt: bytes) -> None:
    inflater = ZstdStream(LIMIT)
    with contextlib.suppress(InflateError):
        for data in packed_by_zstd([message, message]):
            inflater.feed(data[:at] + dirt + data[at + len(dirt) :])


@pytest.fixture
def no_zstd(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the extra was not installed."""
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)


def test_without_the_package_the_extra_to_install_is_named(no_zstd: None) -> None:
    with pytest.raises(MissingExtra, match=r'compress=.zstd-stream. needs .* pip install "vox-gateway\[zstd\]"'):
        Client(token="t", compress="zstd-stream")


# -- many at once --------------------------------------------------------------------------------------------------

PACKERS: dict[str | None, Callable[[list[bytes]], list[bytes]]] = {
    None: lambda messages: messages,
    "zlib-stream": deflated,
    "payload": lambda messages: [zlib.compress(message) for message in messages],
    **({"zstd-stream": packed_by_zstd} if zstd else {}),
}


STREAMS = [name for name in PACKERS if name in ("zlib-stream", "zstd-stream")]


@pytest.mark.parametrize("name", PACKERS)
@given(
    messages=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20),
    limit=st.sampled_from([300, 4096, 1 << 20, 1 << 28]),
    cut=st.integers(0, 20),
)
def test_a_run_inflates_to_the_same_as_its_messages(name: str, messages: list[bytes], limit: int, cut: int) -> None:
    packed = PACKERS[name](messages)
    inflater = INFLATERS[name](limit)
    blocks = [*inflater.feed_all(packed[:cut]), *inflater.feed_all(packed[cut:])]
    assert b"".join(block for block, _ in blocks) == b"".join(messages)
    assert sum(count for _, count in blocks) == len(messages)
    if limit == 1 << 28 and name in STREAMS:
        assert len(blocks) <= 2  # and so in one call


@pytest.mark.parametrize("name", STREAMS)
def test_what_the_limit_does_not_allow_to_inflate_at_once_is_joined_to_blocks_of_64_kib(name: str) -> None:
    messages = [os.urandom(500) for _ in range(200)]
    inflater = INFLATERS[name](MAX_MESSAGE_SIZE)
    blocks = list(inflater.feed_all(PACKERS[name](messages)))
    # 129 messages of a zlib-stream inflate at once, and 4 of a zstd-stream. 132 are the first multiple beyond 64 KiB.
    assert [count for _, count in blocks] == ([200] if name == "zlib-stream" else [132, 68])
    assert b"".join(block for block, _ in blocks) == b"".join(messages)


@pytest.mark.parametrize("name", STREAMS)
def test_messages_of_a_block_before_a_bomb_are_not_lost(name: str) -> None:
    packed = PACKERS[name]([b"a" * 2000, b"b" * 2000, b"\0" * 5000])
    blocks: list[Any] = []
    with pytest.raises(InflateError, match="max_message_size=4096"):
        blocks.extend(INFLATERS[name](4096).feed_all(packed))
    assert blocks == [(b"a" * 2000 + b"b" * 2000, 2)]


def test_a_message_that_ends_in_the_next_run_is_completed_there() -> None:
    first, second, third = deflated([b"one", b"two", b"three"])
    inflater = ZlibStream(LIMIT)
    assert list(inflater.feed_all([first, second[:3]])) == [(b"one", 1)]
    assert list(inflater.feed_all([second[3:], third])) == [(b"two", 1), (b"three", 1)]


@pytest.mark.parametrize("name", [name for name in PACKERS if name])
def test_messages_before_a_bomb_are_not_lost(name: str) -> None:
    packed = PACKERS[name]([b"before", b"\0" * 5000])
    blocks: list[Any] = []
    with pytest.raises(InflateError, match="max_message_size=4096"):
        blocks.extend(INFLATERS[name](4096).feed_all(packed))
    assert blocks == [(b"before", 1)]
