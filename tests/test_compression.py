"""Websocket messages to gateway messages."""

from __future__ import annotations

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.compression import INFLATERS, NoCompression, ZlibStream
from vox_gateway.errors import InflateError

LIMIT = 100_000


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


def test_the_mark_of_the_end_may_itself_be_split() -> None:
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
def test_what_is_not_zlib_is_refused(data: bytes) -> None:
    with pytest.raises(InflateError, match="inflate"):
        ZlibStream(LIMIT).feed(data)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    (bomb,) = deflated([b"\0" * (LIMIT * 50)])
    assert len(bomb) < LIMIT
    with pytest.raises(InflateError, match=f"max_message_size={LIMIT}"):
        ZlibStream(LIMIT).feed(bomb)


def test_a_message_of_endless_parts_is_refused() -> None:
    inflater = ZlibStream(1000)
    with pytest.raises(InflateError, match="max_message_size=1000"):
        for _ in range(11):
            assert inflater.feed(b"x" * 100) is None


def test_a_stream_that_ends_is_refused() -> None:
    ended = zlib.compress(b"x" * 10) + b"\x00\x00\xff\xff"
    with pytest.raises(InflateError, match="no end"):
        ZlibStream(LIMIT).feed(ended)


@given(
    st.lists(st.binary(max_size=40) | st.binary(max_size=40).map(lambda data: data + b"\x00\x00\xff\xff"), max_size=5)
)
def test_garbage_raises_nothing_but_an_inflate_error(pieces: list[bytes]) -> None:
    inflater = ZlibStream(LIMIT)
    with contextlib.suppress(InflateError):
        for piece in pieces:
            inflater.feed(piece)


def test_without_compression_a_message_is_itself() -> None:
    assert NoCompression(10).feed(b"x") == b"x"
    assert INFLATERS[None] is NoCompression
    assert INFLATERS["zlib-stream"] is ZlibStream
