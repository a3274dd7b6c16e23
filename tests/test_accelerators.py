"""The faster packages change no result."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import subprocess
import sys
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vox_gateway
from vox_gateway import Client
from vox_gateway.accelerators import JSON_READERS
from vox_gateway.encoding import JSONCodec
from vox_gateway.errors import DecodeError

SLOW = JSONCodec(reader="simplejson")
NUMBERS = (
    st.integers()
    | st.integers(2**53 - 9, 2**53 + 9)
    | st.integers(2**63 - 9, 2**63 + 9)
    | st.integers(2**64 - 9, 2**64 + 9)
    | st.integers(-(2**63) - 9, -(2**63) + 9)
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.integers(10**16, 10**21).map(str),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
# Texts that no encoder writes: duplicate keys, odd numbers, halves of surrogate pairs, all that is nearly JSON.
PIECES = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", '"a"', '"a":1', '"a":2', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', "-0",
        "-0.0", "[[", "]]",
        "1e400", "1E-400", "18446744073709551616", "-9223372036854775809", "123456789012345678901.5", "1e5", "01", "1.",
        "NaN", "Infinity", "true", "null", " ", "\n", "\ufeff", '"é😀"', '"\x7f"', '"\x01"',
        '"12345678901234567890123"',
    ]
)  # fmt: skip


def outcome(codec: JSONCodec, data: bytes) -> Any:
    """What reading gives, so that it can be compared: NaN is not equal to itself, and 1 is equal to 1.0."""
    try:
        return repr(codec.decode(data))
    except DecodeError as error:
        return str(error), error.close_code


@pytest.fixture(params=[name for name in JSON_READERS if name != "simplejson"])
def fast(request: pytest.FixtureRequest) -> JSONCodec:
    return JSONCodec(reader=request.param)


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
def test_every_payload_is_read_the_same(value: Any) -> None:
    data = json.dumps(value).encode()
    for name in JSON_READERS:
        assert outcome(JSONCodec(reader=name), data) == outcome(SLOW, data)


@settings(max_examples=500, deadline=None)
@given(text=st.lists(PIECES, max_size=8).map("".join), dirt=st.binary(max_size=1))
@example(text='{"a":1,"a":2}', dirt=b"")
@example(text="[1e400]", dirt=b"")
@example(text="[" * 1500, dirt=b"")
@example(text='"\\ud800"', dirt=b"")
def test_every_text_is_read_the_same_or_refused_with_the_same_words(text: str, dirt: bytes) -> None:
    data = text.encode() + dirt
    for name in JSON_READERS:
        assert outcome(JSONCodec(reader=name), data) == outcome(SLOW, data)


def test_an_integer_of_any_size_stays_one(fast: JSONCodec) -> None:
    for number in (2**64, -(2**63) - 1, 10**40):
        assert fast.decode(b'{"n":%d}' % number) == {"n": number}
    assert fast.decode(b"1e400") == math.inf


def test_what_is_in_use_is_told() -> None:
    told = vox_gateway.speedups()
    assert set(told) == {"json", "zlib", "zstd", "core"}
    assert told["json"].split()[0] == next(iter(JSON_READERS))


WITHOUT = """
import sys
for name in ("msgspec", "orjson", "zlib_ng", "zlib_ng.zlib_ng", "backports.zstd", "compression.zstd"):
    sys.modules[name] = None
import vox_gateway
print(vox_gateway.speedups()["json"].split()[0], vox_gateway.speedups()["zlib"], vox_gateway.speedups()["zstd"] or "-")
try:
    vox_gateway.Client(token="t", json="orjson")
except ValueError as error:
    print(error)
"""


def test_without_them_the_packages_that_are_always_there_are_used() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], check=False, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    used, words = done.stdout.splitlines()
    assert used == "json zlib -"
    assert words.startswith("json must be one of json, simplejson, or a function, not 'orjson'")
    assert words.endswith(": pip install orjson")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"json": "ujson"}, ValueError, "json must be one of .*simplejson, or a function, not 'ujson'"),
        ({"json": 5}, TypeError, "json must be a name or a function"),
        ({"json": int}, ValueError, "json must read JSON from bytes, but .*int.* raised ValueError"),
        (
            {"json": functools.partial(json.loads, object_pairs_hook=OrderedDict)},
            TypeError,
            "json must return plain dicts, but .* returned OrderedDict",
        ),
        ({"json": json.loads, "encoding": "etf"}, ValueError, "json is for encoding='json' only"),
    ],
)
def test_a_reader_that_cannot_be_used_is_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Client(token="t", **options)
    with contextlib.closing(Client(token="t", json=json.loads)):
        pass
