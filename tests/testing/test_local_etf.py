"""The local gateway's ETF codec: byte by byte as in Erlang's documentation, and strict."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vox_gateway.testing.protocol import etf

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**3000), 2**3000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.lists(st.integers(0, 255)),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(VALUES)
@settings(deadline=None)
def test_values_survive_a_round_trip(value: Any) -> None:
    assert repr(etf.read(etf.VERSION + etf.write(value))) == repr(value)


@pytest.mark.parametrize(
    ("value", "term"),
    [
        (None, b"w\x03nil"),
        (True, b"w\x04true"),
        (False, b"w\x05false"),
        (7, b"a\x07"),
        (-1, b"b\xff\xff\xff\xff"),
        (2**31, b"n\x04\x00\x00\x00\x00\x80"),
        (-(2**63), b"n\x08\x01\x00\x00\x00\x00\x00\x00\x00\x80"),
        (1.5, b"F\x3f\xf8\x00\x00\x00\x00\x00\x00"),
        ("é", b"m\x00\x00\x00\x02\xc3\xa9"),
        ([], b"j"),
        ([104, 105], b"k\x00\x02hi"),
        ([256], b"l\x00\x00\x00\x01b\x00\x00\x01\x00j"),
        ([True], b"l\x00\x00\x00\x01w\x04truej"),
        ((1, 2), b"k\x00\x02\x01\x02"),
        ({"a": None}, b"t\x00\x00\x00\x01m\x00\x00\x00\x01aw\x03nil"),
        ({}, b"t\x00\x00\x00\x00"),
        ([[]], b"l\x00\x00\x00\x01jj"),
        (255, b"a\xff"),
        (256, b"b\x00\x00\x01\x00"),
        (2**31 - 1, b"b\x7f\xff\xff\xff"),
        (-(2**31), b"b\x80\x00\x00\x00"),
        (-(2**31) - 1, b"n\x04\x01\x01\x00\x00\x80"),
        ([1] * 65535, b"k\xff\xff" + b"\x01" * 65535),
        ([1] * 65536, b"l\x00\x01\x00\x00" + b"a\x01" * 65536 + b"j"),
        (2**2040 - 1, b"n\xff\x00" + b"\xff" * 255),
        (2**2048, b"o\x00\x00\x01\x01\x00" + b"\x00" * 256 + b"\x01"),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_the_encoding_matches_erlang(value: Any, term: bytes) -> None:
    assert etf.write(value) == term


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}])
def test_half_a_surrogate_pair_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"lone surrogate '\\ud800' at index 0"):
        etf.write(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_float_that_is_not_finite_is_refused_both_ways(value: float) -> None:
    with pytest.raises(ValueError, match="cannot encode float"):
        etf.write([value])
    with pytest.raises(etf.BadTerm, match="a float is"):
        etf.read(b"\x83F" + struct.pack(">d", value))


@pytest.mark.parametrize("key", [None, True, 1, 1.5, b"a"])
def test_a_key_that_is_not_text_is_refused(key: Any) -> None:
    with pytest.raises(TypeError, match="cannot encode key"):
        etf.write({key: 1})


def test_types_without_a_term_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot encode set as ETF"):
        etf.write({1, 2})


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (b"\x83s\x03nil", None),
        (b"\x83d\x00\x04true", True),
        (b"\x83v\x00\x02\xc3\xa9", "é"),
        (b"\x83d\x00\x01\xe9", "é"),
        (b"\x83s\x01\xe9", "é"),
        (b"\x83w\x02\xc3\xa9", "é"),
        (b"\x83w\x06online", "online"),
    ],
)
def test_atoms_of_every_kind_are_decoded(message: bytes, value: object) -> None:
    assert etf.read(message) == value


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", "first byte is not 131"),
        (b"a\x01", "first byte is not 131"),
        (b"\x83", "truncated"),
        (b"\x83a", "truncated"),
        (b"\x83m\x00\x00\x00\x05four", "expected 5 more bytes, got 4"),
        (b"\x83a\x01a", "1 bytes follow"),
        (b"\x83t\x00\x00\x00\x01w\x02opa\x01", "key that is not a binary"),
        (b"\x83l\x00\x00\x00\x01a\x01a\x02", "a list has a tail"),
        (b"\x83P\x00\x00\x00\x01", "tag 80"),
        (b"\x83m\x00\x00\x00\x01\xff", "invalid UTF-8"),
        (b"\x83w\x01\xff", "invalid UTF-8"),
        (b"\x83t\x00\x00\x00\x02" + b"m\x00\x00\x00\x01aj" * 2, "the key 'a' twice"),
        (b"\x83l\xff\xff\xff\xff", "truncated"),
        (b"\x83t\xff\xff\xff\xff", "truncated"),
        (b"\x83o\xff\xff\xff\xff\x00", "an integer of 4294967295 bytes"),
        (b"\x83o\x00\x00\x04\x01\x00" + b"\x01" * 1025, "an integer of 1025 bytes"),
        (b"\x83" + b"l\x00\x00\x00\x01" * 65 + b"a\x01" + b"j" * 65, "64 levels"),
        (b"\x83" + b"t\x00\x00\x00\x01m\x00\x00\x00\x01a" * 65 + b"a\x01", "64 levels"),
        (b"\x83" + b"l\x00\x00\x00\x01" * 100_000, "64 levels"),
    ],
)
def test_terms_that_discord_rejects_are_refused(message: bytes, error: str) -> None:
    with pytest.raises(etf.BadTerm, match=error):
        etf.read(message)


def test_64_levels_of_nesting_are_accepted() -> None:
    term = b"l\x00\x00\x00\x01" * 64 + b"a\x01" + b"j" * 64
    value = etf.read(b"\x83" + term)
    assert etf.write(value) == term.replace(b"l\x00\x00\x00\x01a\x01j", b"k\x00\x01\x01")


@given(VALUES, st.data())
@settings(deadline=None)
def test_truncated_and_trailing_data_is_refused(value: Any, data: st.DataObject) -> None:
    message = etf.VERSION + etf.write(value)
    cut = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(etf.BadTerm):
        etf.read(message[:cut])
    with pytest.raises(etf.BadTerm, match="bytes follow"):
        etf.read(message + data.draw(st.binary(min_size=1)))


#: a term of every kind that `write` makes
EVERY_KIND = etf.write([None, True, 7, -1, 2**40, 1.5, "é", [], [104, 105], [256], {"a": {"b": [[]]}}, -(2**2040)])


@given(st.binary(max_size=40), st.integers(0, 110) | st.integers(0, len(EVERY_KIND)))
@settings(max_examples=500, deadline=None)
def test_random_bytes_raise_only_bad_term(garbage: bytes, at: int) -> None:
    for broken in (garbage, EVERY_KIND[:at] + garbage + EVERY_KIND[at + len(garbage) :]):
        with contextlib.suppress(etf.BadTerm):
            etf.read(etf.VERSION + broken)
