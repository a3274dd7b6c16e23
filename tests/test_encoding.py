"""Payloads to bytes and back."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.encoding import CODECS, JSONCodec
from vox_gateway.errors import DecodeError

CODEC = JSONCodec()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_goes_out_comes_back(value: Any) -> None:
    assert CODEC.decode(CODEC.encode(value)) == value


def test_the_wire_form_is_compact_utf_8() -> None:
    assert CODEC.encode({"op": 1, "d": [None, "é😀"]}) == '{"op":1,"d":[null,"é😀"]}'.encode()
    assert CODECS["json"] is JSONCodec
    assert CODEC.text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}, object()])
def test_what_json_has_no_form_for_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        CODEC.encode({"d": value})


@pytest.mark.parametrize("data", [b"", b"{", b"{} {}", b"nul", b"[1,]", b"NaN", b'"\x01"'])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as raised:
        CODEC.decode(data)
    assert raised.value.close_code == 4000


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xed\xa0\x80"', b"\xc3"])
def test_bad_utf_8_is_closed_with_its_own_code(data: bytes) -> None:
    with pytest.raises(DecodeError, match="UTF-8") as raised:
        CODEC.decode(data)
    assert raised.value.close_code == 1007


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(DecodeError, match="deep"):
        CODEC.decode(b"[" * 200_000)


@given(st.binary(max_size=40))
def test_garbage_raises_nothing_but_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        CODEC.decode(data)
