"""Dispatches cut apart, and opened when their turn comes."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vox_gateway.accelerators import JSON_READERS
from vox_gateway.encoding import JSONCodec, raw_dispatch
from vox_gateway.errors import DecodeError

DECODERS = [JSONCodec(reader=name).decode for name in JSON_READERS]
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(['}{"t":', '{"t":"READY"', ',"op":0,"d":']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(["MESSAGE_CREATE", "PRESENCE_UPDATE", "GUILD_CREATE"]) | st.text(max_size=9).filter(
    lambda name: not name.startswith("R")
)
DISPATCHES = st.lists(
    st.tuples(NAMES, st.integers(0, 10**9), DATA).map(lambda of: {"t": of[0], "s": of[1], "op": 0, "d": of[2]}),
    min_size=1,
    max_size=6,
)


def written(payload: Any) -> bytes:
    """As Discord writes it: compact, keys in its order."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


@given(DISPATCHES)
def test_raw_dispatches_decode_to_their_payloads(payloads: list[Any]) -> None:
    with contextlib.suppress(UnicodeEncodeError):
        pieces = raw_dispatch.cut(b"".join(map(written, payloads)), len(payloads))
        assert pieces is not None
        for piece, payload in zip(pieces, payloads, strict=True):
            assert raw_dispatch.name(piece) in (payload["t"], None)  # None where an escape makes it hard to tell
            assert raw_dispatch.seq(piece) == payload["s"]
            for decode in DECODERS:
                with contextlib.suppress(DecodeError):  # half a surrogate pair is not UTF-8
                    opened = raw_dispatch.decode(piece, decode)
                    assert opened == payload
                    assert list(opened) == list(payload)


def test_name_and_seq_are_read_from_the_head() -> None:
    block = b'{"t":"NEWS","s":7,"op":0,"d":{"a":"}{\\"t\\":"}}{"t":"X","s":8,"op":0,"d":nonsense}'
    pieces = raw_dispatch.cut(block, 2)
    assert pieces is not None
    assert [raw_dispatch.name(piece) for piece in pieces] == ["NEWS", "X"]
    assert [raw_dispatch.seq(piece) for piece in pieces] == [7, 8]
    assert raw_dispatch.decode(pieces[0], DECODERS[0])["d"] == {"a": '}{"t":'}
    with pytest.raises(DecodeError, match="not JSON"):
        raw_dispatch.decode(pieces[1], DECODERS[0])


def test_other_keys_may_follow() -> None:
    pieces = raw_dispatch.cut(b'{"t":"X","s":8,"op":0,"d":{"a":1},"more":[2]}', 1)
    assert pieces is not None
    assert raw_dispatch.decode(pieces[0], DECODERS[0]) == {"t": "X", "s": 8, "op": 0, "d": {"a": 1}, "more": [2]}


WHOLE = b'{"t":"X","s":8,"op":0,"d":1}'


@pytest.mark.parametrize(
    ("block", "count"),
    [
        (b"", 0),
        (b"", 1),
        (b"{}", 1),
        (b'{"t":}', 1),
        (b'{"t":null,"s":null,"op":11,"d":null}', 1),
        (WHOLE + b'{"t":null,"s":null,"op":11,"d":null}', 2),
        (b'{"t":null,"s":null,"op":7,"d":null}' + WHOLE, 2),
        (b'{"t":"READY","s":1,"op":0,"d":{}}' + WHOLE, 2),
        (WHOLE + b'{"t":"RESUMED","s":1,"op":0,"d":{}}', 2),
        (WHOLE, 2),
        (WHOLE * 2, 1),
        (WHOLE + b" " + WHOLE, 2),
        (WHOLE[:-1], 1),
        (b'{"op":0,"t":"X","s":8,"d":1}', 1),
        (b'{"t":"X","s":null,"op":0,"d":1}', 1),
        (b'{"t":"X","s":8,"op":11,"d":1}', 1),
        (b'{"t":"X","s":' + b"8" * 20 + b',"op":0,"d":1}', 1),
        (b'{"t":"X","s":' + b"8" * 5000 + b',"op":0,"d":1}', 1),
        (b'{"t": "X", "s": 8, "op": 0, "d": 1}', 1),
    ],
)
def test_other_blocks_are_not_split(block: bytes, count: int) -> None:
    assert raw_dispatch.cut(block, count) is None


@pytest.mark.parametrize(
    "piece",
    [
        b'{"t":"X"}',
        b'{"t":"X","s":1,"op":7,"d":1}',
        b'{"t":5,"s":1,"op":0,"d":1}',
        b'{"t":"X","s":1,"op":0,"d":}',
        b"[]",
    ],
)
def test_a_raw_dispatch_that_decodes_to_something_else_is_refused(piece: bytes) -> None:
    with pytest.raises(DecodeError):
        raw_dispatch.decode(piece, DECODERS[0])


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.binary(max_size=30) | st.just(WHOLE) | st.just(b'}{"t":"'), max_size=6), st.integers(0, 6))
def test_garbage_raises_nothing_but_a_decode_error(parts: list[bytes], count: int) -> None:
    for piece in raw_dispatch.cut(b"".join(parts), count) or []:
        raw_dispatch.name(piece)
        raw_dispatch.seq(piece)
        with contextlib.suppress(DecodeError):
            raw_dispatch.decode(piece, DECODERS[0])


def test_the_name_cache_is_bounded() -> None:
    for number in range(2000):
        assert raw_dispatch.name(b'{"t":"N%d","s":1,"op":0,"d":1}' % number) == f"N{number}"
    assert len(raw_dispatch._names) <= 1024
    assert raw_dispatch.name(b'{"t":5,"s"') is None
    assert raw_dispatch.name(b'{"t":"\\","s"') is None
