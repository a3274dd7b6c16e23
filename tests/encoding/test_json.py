"""Payloads to bytes and back."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.accelerators import JSON_READERS, zstd_package
from vox_gateway.compression import INFLATERS
from vox_gateway.encoding import CODECS, Codec, ETFCodec, JSONCodec
from vox_gateway.errors import DecodeError

CODEC = JSONCodec()
LIMIT = 1_000_000
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_encoding_and_decoding_round_trips(value: Any) -> None:
    assert CODEC.decode(CODEC.encode(value)) == value


def test_the_wire_format_is_compact_utf_8() -> None:
    assert CODEC.encode({"op": 1, "d": [None, "é😀"]}) == '{"op":1,"d":[null,"é😀"]}'.encode()
    assert CODECS["json"] is JSONCodec
    assert CODEC.text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}, object()])
def test_values_that_json_cannot_represent_are_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        CODEC.encode({"d": value})


@pytest.mark.parametrize("data", [b"", b"{", b"{} {}", b"nul", b"[1,]", b"NaN", b'"\x01"'])
def test_invalid_json_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as raised:
        CODEC.decode(data)
    assert raised.value.close_code == 4000


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xed\xa0\x80"', b"\xc3"])
def test_invalid_utf_8_has_its_own_close_code(data: bytes) -> None:
    with pytest.raises(DecodeError, match="UTF-8") as raised:
        CODEC.decode(data)
    assert raised.value.close_code == 1007


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(DecodeError, match="deep"):
        CODEC.decode(b"[" * 200_000)


@given(st.binary(max_size=40))
def test_garbage_raises_nothing_but_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        CODEC.decode(data)


# -- many payloads in one block ------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(["MESSAGE_CREATE", "READY", "RESUMED", "X"]) | TEXT
PAYLOADS = st.lists(
    st.fixed_dictionaries({"t": NAMES, "s": st.integers(0, 10**9), "op": st.just(0), "d": DATA})
    | st.fixed_dictionaries({"op": st.integers(0, 11), "d": DATA, "s": st.none(), "t": st.none()})
    | st.fixed_dictionaries({"t": st.none(), "s": st.none(), "op": st.integers(0, 11), "d": DATA})
    | DATA.map(lambda data: {"t": "X", "s": 1, "op": 0, "d": data, "more": data}),
    max_size=6,
)
READERS = {name: JSONCodec(reader=name) for name in JSON_READERS}


@pytest.mark.parametrize("codec", [*READERS.values(), ETFCodec(LIMIT)], ids=[*READERS, "etf"])
@given(payloads=PAYLOADS)
def test_a_block_holds_the_same_as_its_payloads_one_by_one(codec: Codec, payloads: list[Any]) -> None:
    block = b"".join(map(codec.encode, payloads))
    if payloads:
        decoded = list(codec.decode_all(block, len(payloads)))
        assert decoded == payloads
        assert list(map(list, decoded)) == list(map(list, payloads))  # the order of keys


@pytest.mark.parametrize(
    ("block", "count", "before", "words"),
    [
        (b'{"op":11}{"op":', 2, 1, "not JSON"),
        (b'{"op":11}', 2, 1, "2 messages hold 1 payloads"),
        (b'{"op":11}{"op":11}{"op":11}', 2, 2, "2 messages hold more"),
        (b'{"t":"X","s":1,"op":0,"d":1}{"t":"X","s":2,"op":11', 2, 1, "not JSON"),
        (b'{"op":11,"d":"\xff"}{"op":11}', 2, 0, "UTF-8"),
        (b'{"op":11}{"op":11,"d":"\xff"}', 2, 1, "UTF-8"),
        (b'{"op":11}{"op":11}\xff', 2, 1, "UTF-8"),
        (b'{"op":11}\xff{"op":11}', 2, 1, "not JSON"),
        (b'{"op":11}{}nul', 3, 2, "not JSON"),
        (b'{"op":11}{}', 3, 2, "3 messages hold 2 payloads"),
        (b'{"op":11} {"op":11}\n', 1, 0, "not JSON"),
        (b'{"op":11}' + b"[" * 200_000, 2, 1, "deep"),
    ],
)
@pytest.mark.parametrize("reader", [*JSON_READERS, json.loads])
def test_payloads_before_a_broken_one_are_not_lost(
    reader: Any, block: bytes, count: int, before: int, words: str
) -> None:
    payloads: list[Any] = []
    with pytest.raises(DecodeError, match="UTF-8|utf-8" if words == "UTF-8" else words):
        payloads.extend(JSONCodec(reader=reader).decode_all(block, count))
    assert len(payloads) == before


def test_etf_payloads_before_a_broken_one_are_not_lost() -> None:
    codec, payloads = ETFCodec(LIMIT), []
    whole = codec.encode({"op": 11})
    for block, count in ((whole + whole[:-1], 2), (whole + b"\x82", 2), (whole + b"x", 1)):
        with pytest.raises(DecodeError):
            payloads.extend(codec.decode_all(block, count))
    assert payloads == [{"op": 11}] * 3


@pytest.mark.parametrize("reader", [*JSON_READERS, json.loads])
@pytest.mark.parametrize("space", [b" ", b"\n", b"\r\n\t "])
def test_space_around_payloads_is_ignored(reader: Any, space: bytes) -> None:
    codec = JSONCodec(reader=reader)
    for text in (b'{"op":11}', b"{}"):
        block = (space + text + space) * 3
        assert list(codec.decode_all(block, 3)) == [json.loads(text)] * 3


@given(
    st.lists(st.binary(max_size=30) | st.just(b'{"t":"X","s":1,"op":0,"d":1}'), min_size=1, max_size=5),
    st.integers(1, 6),
)
def test_a_garbage_block_raises_nothing_but_a_decode_error(parts: list[bytes], count: int) -> None:
    for codec in (*READERS.values(), ETFCodec(LIMIT)):
        with contextlib.suppress(DecodeError):
            list(codec.decode_all(b"".join(parts), count))


# -- readers of the user's own -------------------------------------------------------------------------------------


def test_a_custom_reader_is_used() -> None:
    codec = JSONCodec(reader=json.loads)
    assert codec.decode(b"NaN") != codec.decode(b"NaN")  # only that one reads it
    with pytest.raises(DecodeError, match="not JSON"):
        codec.decode(b"{")


@pytest.mark.parametrize(
    "payload",
    [
        {"t": "X", "s": 1, "op": 0, "d": 0.1},
        {"op": 0, "t": "X", "s": 1, "d": {"}{": 0.1, '}{"t":': '"}{"', "": [{}, {}]}},
        {"op": 11},
        {"op": 11, "d": '}{"t'},
        {"op": 11, "d": "\\"},
        {"op": 11, "d": float("nan")},
        {"": 1, "op": 1},
        {",": 1, "op": 1},
        {},
    ],
)
def test_a_custom_reader_reads_every_payload_of_a_block(payload: Any) -> None:
    seen = []

    def reader(data: bytes) -> Any:
        seen.append(data)
        return json.loads(data, parse_float=Decimal, parse_constant=Decimal)

    codec = JSONCodec(reader=reader)
    texts = [json.dumps(payload).encode(), b'{"op":11,"d":1.5}', json.dumps(payload, separators=(",", ":")).encode()]
    for chosen in itertools.product(texts, repeat=3):
        seen.clear()
        list(codec.decode_all(b"".join(chosen), 3))
        assert seen == list(chosen)


@given(payloads=PAYLOADS)
def test_a_block_is_cut_where_its_payloads_end(payloads: list[Any]) -> None:
    texts = [json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass") for payload in payloads]
    if payloads:
        assert list(JSONCodec(reader=bytes).decode_all(b"".join(texts), len(texts))) == texts


@pytest.mark.parametrize("name", INFLATERS)
def test_the_reader_is_the_same_however_a_run_is_cut(name: str | None) -> None:
    messages = [b'{"op":0,"t":"X","s":%d,"d":0.1}' % number for number in range(4)]
    zstd = zstd_package()
    if name == "zstd-stream" and zstd is None:
        pytest.skip("no zstd here")
    pack: Callable[[bytes], bytes] = bytes
    if name == "zlib-stream":
        deflate = zlib.compressobj()
        pack = lambda text: deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)  # noqa: E731
    elif name == "zstd-stream":
        compress = zstd.ZstdCompressor()
        pack = lambda text: compress.compress(text, compress.FLUSH_BLOCK)  # noqa: E731
    elif name == "payload":
        pack = zlib.compress
    packed = list(map(pack, messages))
    codec = JSONCodec(reader=functools.partial(json.loads, parse_float=Decimal))
    inflater, payloads = INFLATERS[name](LIMIT), []
    for run in (packed[:1], packed[1:]):
        for block, count in inflater.feed_all(run):
            payloads.extend(codec.decode_all(block, count))
    assert [payload["d"] for payload in payloads] == [Decimal("0.1")] * 4


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("why"), "a payload is not JSON: ValueError: why"),
        (KeyError("why"), "json= raised KeyError: 'why'"),
        (RuntimeError("why " * 999), r"json= raised RuntimeError: (why ){20,99}w?\.\.\."),
        (MemoryError(), "json= raised MemoryError$"),
        (Unprintable(), "json= raised Unprintable"),
        (KeyboardInterrupt("why"), "json= raised KeyboardInterrupt: why"),
        (SystemExit(5), "json= raised SystemExit: 5"),
        (asyncio.CancelledError(), "json= raised CancelledError$"),
        (GeneratorExit(), "json= raised GeneratorExit$"),
        (StopIteration(), "json= raised StopIteration$"),
    ],
)
def test_any_exception_of_a_reader_becomes_a_decode_error(error: BaseException, words: str) -> None:
    def reader(data: bytes) -> Any:
        raise error

    codec = JSONCodec(reader=reader)
    with pytest.raises(DecodeError, match=words) as raised:
        codec.decode(b"{}")
    assert raised.value.__cause__ is error
    with pytest.raises(DecodeError, match=words):
        list(codec.decode_all(b'{"op":1}{"op":1}', 2))
