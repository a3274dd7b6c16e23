"""ETF: bytes to payloads and back, byte by byte where the format is what counts."""

from __future__ import annotations

import contextlib
import enum
import re
import struct
import threading
import zlib
from collections import OrderedDict, namedtuple
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vox_gateway.encoding import CODECS, ETFCodec, JSONCodec, etf
from vox_gateway.errors import DecodeError

LIMIT = 100_000
CODEC = ETFCodec(LIMIT)
JSON = JSONCodec()
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = TEXT.filter(lambda key: not key.endswith(("id", "ids")) and key not in etf.ID_LISTS)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**63, 2**64 - 1)
    | st.integers(-(2**4000), 2**4000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.lists(st.integers(0, 255)),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


def term(*parts: bytes | int | str) -> bytes:
    """A message of these parts: tags and lengths as numbers, text and bytes as they are."""
    return b"\x83" + b"".join(
        bytes((part,)) if isinstance(part, int) else part.encode() if isinstance(part, str) else part for part in parts
    )


def u16(number: int) -> bytes:
    return struct.pack(">H", number)


def u32(number: int) -> bytes:
    return struct.pack(">I", number)


# What the tables of "External Term Format" say, one row each.
TERMS = [
    ("SMALL_INTEGER", term(97, 0), 0),
    ("SMALL_INTEGER", term(97, 255), 255),
    ("INTEGER", term(98, u32(256)), 256),
    ("INTEGER", term(98, b"\xff\xff\xff\xff"), -1),
    ("INTEGER", term(98, b"\x80\0\0\0"), -(2**31)),
    ("SMALL_BIG", term(110, 8, 0, b"\xff" * 8), 2**64 - 1),
    ("SMALL_BIG", term(110, 8, 0, b"\x05" + b"\0" * 6 + b"\x80"), 2**63 + 5),
    ("SMALL_BIG", term(110, 4, 1, b"\x01\0\0\x80"), -(2**31) - 1),
    ("SMALL_BIG", term(110, 0, 0), 0),
    ("LARGE_BIG", term(111, u32(300), 0, b"\x01" * 300), int.from_bytes(b"\x01" * 300, "little")),
    ("LARGE_BIG", term(111, u32(1), 1, 7), -7),
    ("NEW_FLOAT", term(70, b"\x3f\xf8\0\0\0\0\0\0"), 1.5),
    ("FLOAT", term(99, b"1.50000000000000000000e+00".ljust(31, b"\0")), 1.5),
    ("FLOAT", term(99, b"-2.50000000000000000000e-03".ljust(31, b"\0")), -0.0025),
    ("ATOM", term(100, u16(3), "nil"), None),
    ("ATOM", term(100, u16(4), "null"), None),
    ("ATOM", term(100, u16(4), "true"), True),
    ("ATOM", term(100, u16(2), "o\N{LATIN SMALL LETTER E WITH ACUTE}".encode("latin-1")), "oé"),
    ("SMALL_ATOM", term(115, 5, "false"), False),
    ("SMALL_ATOM", term(115, 6, "online"), "online"),
    ("SMALL_ATOM", term(115, 1, b"\xe9"), "é"),
    ("SMALL_ATOM", term(115, 0), ""),
    ("ATOM_UTF8", term(118, u16(3), "nil"), None),
    ("ATOM_UTF8", term(118, u16(4), "😀"), "😀"),
    ("SMALL_ATOM_UTF8", term(119, 3, "nil"), None),
    ("SMALL_ATOM_UTF8", term(119, 4, "true"), True),
    ("SMALL_ATOM_UTF8", term(119, 2, "é"), "é"),
    ("SMALL_TUPLE", term(104, 2, 97, 1, 97, 2), [1, 2]),
    ("SMALL_TUPLE", term(104, 0), []),
    ("LARGE_TUPLE", term(105, u32(2), 97, 1, 106), [1, []]),
    ("NIL", term(106), []),
    ("STRING", term(107, u16(3), "abc"), [97, 98, 99]),
    ("STRING", term(107, u16(0)), []),
    ("LIST", term(108, u32(1), 119, 3, "nil", 106), [None]),
    ("LIST", term(108, u32(0), 106), []),
    ("BINARY", term(109, u32(0)), ""),
    ("BINARY", term(109, u32(4), "😀"), "😀"),
    ("BINARY", term(109, u32(300), "x" * 300), "x" * 300),
    ("MAP", term(116, u32(0)), {}),
    ("COMPRESSED", term(80, u32(6), zlib.compress(term(109, u32(1), "a")[1:])), "a"),
]
AWKWARD = term(
    116, u32(17),
    109, u32(1), "b", 109, u32(1), "v",
    109, u32(0), 97, 1,
    119, 2, "u8", 97, 2,
    119, 0 + 4, "true", 97, 3,
    115, 3, "nil", 97, 4,
    100, u16(2), "at", 119, 3, "nil",
    118, u16(2), "au", 115, 4, "true",
    115, 1, b"\xe9", 100, u16(5), "false",
    97, 7, 119, 2, "ok",
    98, u32(1000), 115, 6, "online",
    110, 8, 0, b"\xff" * 8, 110, 8, 1, b"\xff" * 8,
    109, u32(2), "ls", 108, u32(2), 106, 107, u16(1), 9, 106,
    109, u32(2), "tu", 104, 1, 116, u32(0),
    109, u32(2), "fl", 70, struct.pack(">d", -0.0),
    109, u32(2), "sa", 115, 0,
    109, u32(4), "😀", 119, 4, "😀",
    109, u32(1), "b", 109, u32(1), "w",
)  # fmt: skip
AWKWARD_VALUE = {
    "b": "w", "": 1, "u8": 2, "true": 3, "nil": 4, "at": None, "au": True, "é": False, "7": "ok", "1000": "online",
    str(2**64 - 1): -(2**64 - 1), "ls": [[], [9]], "tu": [{}], "fl": -0.0, "sa": "", "😀": "😀",
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "value"), TERMS, ids=lambda part: part if isinstance(part, str) else "")
def test_every_tag_is_read(name: str, data: bytes, value: Any) -> None:
    decoded = CODEC.decode(data)
    assert decoded == value
    assert type(decoded) is type(value)
    # The same inside a map and a list, where the commonest are read by another way.
    if name != "COMPRESSED":
        assert CODEC.decode(term(116, u32(1), 109, u32(1), "k", data[1:])) == {"k": value}
        assert CODEC.decode(term(108, u32(2), data[1:], data[1:], 106)) == [value, value]


def test_keys_are_text_however_they_were_sent() -> None:
    for _ in range(2):  # the second time the keys are known
        decoded = CODEC.decode(AWKWARD)
        assert decoded == AWKWARD_VALUE
        assert {type(key) for key in decoded} == {str}
        assert str(decoded["fl"]) == "-0.0"


def test_atom_names_of_different_encodings_are_told_apart() -> None:
    utf8, latin = "é".encode(), "é".encode().decode("latin-1")
    for _ in range(2):
        assert CODEC.decode(term(116, u32(1), 119, 2, utf8, 97, 1)) == {"é": 1}
        assert CODEC.decode(term(116, u32(1), 115, 2, utf8, 97, 1)) == {latin: 1}


@given(VALUES)
def test_encoding_and_decoding_round_trips(value: Any) -> None:
    data = CODEC.encode(value)
    assert data[0] == 131
    assert CODEC.decode(data) == value


@given(VALUES)
def test_a_payload_is_the_same_in_both_encodings(value: Any) -> None:
    if _digits(value) < 4000:  # what Python lets a JSON text say
        assert CODEC.decode(CODEC.encode(value)) == JSON.decode(JSON.encode(value))


def _digits(value: Any) -> int:
    if isinstance(value, dict):
        return max(map(_digits, value.values()), default=0)
    if isinstance(value, list):
        return max(map(_digits, value), default=0)
    return value.bit_length() if isinstance(value, int) else 0


SNOWFLAKE = 1_100_000_000_000_000_001


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"id": SNOWFLAKE}, {"id": str(SNOWFLAKE)}),
        ({"guild_id": 2**64 - 1, "channel_id": None}, {"guild_id": str(2**64 - 1), "channel_id": None}),
        ({"user": {"id": SNOWFLAKE}}, {"user": {"id": str(SNOWFLAKE)}}),
        ([{"id": SNOWFLAKE}], [{"id": str(SNOWFLAKE)}]),
        ({"ids": [SNOWFLAKE, 7]}, {"ids": [str(SNOWFLAKE), "7"]}),
        ({"role_ids": [], "sku_ids": [SNOWFLAKE]}, {"role_ids": [], "sku_ids": [str(SNOWFLAKE)]}),
        ({"roles": [SNOWFLAKE]}, {"roles": [str(SNOWFLAKE)]}),
        ({"mention_roles": [SNOWFLAKE, "x"]}, {"mention_roles": [str(SNOWFLAKE), "x"]}),
        ({"id": 2**31, "roles": ["1"]}, {"id": str(2**31), "roles": ["1"]}),
        # JSON has integers here too.
        *(
            (same, same)
            for same in [
                {"id": 2**31 - 1, "answer_id": 3},
                {"id": -(2**63)},
                {"created_at": 1_790_000_000_000, "nonce": SNOWFLAKE},
                {"roles": [{"position": 2**40}]},
                {"by_weekday": [1, 2], "shard": [0, 1]},
            ]
        ),
    ],
    ids=str,
)
def test_ids_are_text_as_in_json(sent: Any, read: Any) -> None:
    assert CODEC.decode(CODEC.encode(sent)) == read


class Number(enum.IntEnum):
    SEVEN = 7


class Text(str):
    pass


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    "value",
    [
        {-5: 3, 2**70: 4, True: 5, None: 6, 1.5: 7, Text("text"): 8},
        {False: 1, Number.SEVEN: Number.SEVEN},
        [Number.SEVEN, Text("x"), (1, (2,)), Pair(1, 2), OrderedDict(a=1)],
    ],
)
def test_almost_json_is_encoded_the_same_in_both(value: Any) -> None:
    assert CODEC.decode(CODEC.encode(value)) == JSON.decode(JSON.encode(value))


REFUSED = [
    float("nan"),
    float("inf"),
    "\ud800",
    {"\ud800": 1},
    {1, 2},
    object(),
    b"bytes",
    Decimal("1.5"),
    {(1,): 2},
    {b"k": 2},
]


@pytest.mark.parametrize("codec", [CODEC, JSON], ids=["etf", "json"])
@pytest.mark.parametrize("value", REFUSED, ids=lambda value: re.sub(" at 0x\\w+", "", repr(value)))
def test_unsupported_values_are_refused_in_both(codec: Any, value: Any) -> None:
    for wrong in (value, {"d": [value]}):
        with pytest.raises((TypeError, ValueError)):
            codec.encode(wrong)


@pytest.mark.parametrize("codec", [CODEC, JSON], ids=["etf", "json"])
def test_recursive_values_are_refused_in_both(codec: Any) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    round_and_round: dict[str, Any] = {}
    round_and_round["again"] = round_and_round
    for wrong in (deep, round_and_round):
        with pytest.raises(ValueError, match=r"deep|Circular"):
            codec.encode(wrong)
    while deep:  # or its end would be as deep
        deep = deep.pop()


def test_keys_are_sent_as_text() -> None:
    data = CODEC.encode({"op": 1, "d": {"token": None}})
    assert data == term(
        116, u32(2),
        109, u32(2), "op", 97, 1,
        109, u32(1), "d", 116, u32(1), 109, u32(5), "token", 115, 3, "nil",
    )  # fmt: skip
    assert not CODEC.text
    assert CODECS["etf"] is ETFCodec


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (255, term(97, 255)),
        (256, term(98, u32(256))),
        (-1, term(98, b"\xff" * 4)),
        (2**31 - 1, term(98, b"\x7f\xff\xff\xff")),
        (2**31, term(110, 4, 0, b"\0\0\0\x80")),
        (-(2**31) - 1, term(110, 4, 1, b"\x01\0\0\x80")),
        (2**64 - 1, term(110, 8, 0, b"\xff" * 8)),
        (2**2040 - 1, term(110, 255, 0, b"\xff" * 255)),
        (2**2040, term(111, u32(256), 0, b"\0" * 255, 1)),
        (1.5, term(70, b"\x3f\xf8\0\0\0\0\0\0")),
        ([], term(106)),
        ((), term(106)),
        ([False], term(108, u32(1), 115, 5, "false", 106)),
        ("é", term(109, u32(2), "é")),
    ],
    ids=repr,
)
def test_the_wire_format_is_exact(value: Any, data: bytes) -> None:
    assert CODEC.encode(value) == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cut short"),
        (b"\x83", "cut short"),
        (b"\x82\x61\x01", "begins with the byte 130"),
        (b'{"op":1}', "begins with the byte 123"),
        (term(97, 1, 0), "ends after 3"),
        (term(109, u32(5), "four"), "cut short"),
        (term(109, u32(2**32 - 1), "x"), "cut short"),
        (term(116, u32(2**32 - 1)), "cut short"),
        (term(108, u32(2**32 - 1)), "cut short"),
        (term(105, u32(2**32 - 1)), "cut short"),
        (term(110, 255, 0), "cut short"),
        (term(111, u32(2**32 - 1), 0), "cut short"),
        (term(107, u16(9), "abc"), "cut short"),
        (term(100, u16(9), "abc"), "cut short"),
        (term(119, 9, "abc"), "cut short"),
        (term(99, "1.5"), "cut short"),
        (term(108, u32(1), 97, 1, 97, 2), "a list ends in the tag 97"),
        (term(103, 1, 2, 3), "unknown tag 103, at byte 1"),
        (term(0), "unknown tag 0"),
        (term(255), "unknown tag 255"),
        (term(116, u32(1), 106, 97, 1), "key with the tag 106, at byte 6"),
        (term(116, u32(1), 70, b"\0" * 8, 97, 1), "key with the tag 70"),
        (
            term(116, u32(1), 109, u32(3), "ids", 108, u32(1), 111, u32(9000), 0, b"\x01" * 9000, 106),
            "id of thousands of digits",
        ),
        (term(109, u32(1), b"\xff"), "not UTF-8"),
        (term(116, u32(1), 109, u32(1), b"\xff", 97, 1), "not UTF-8"),
        (term(116, u32(1), 109, u32(1), "k", 109, u32(3), b"\xed\xa0\x80"), "not UTF-8"),
        (term(119, 1, b"\xff"), "not UTF-8"),
        (term(70, b"\x7f\xf0\0\0\0\0\0\0"), "float is inf"),
        (term(70, b"\x7f\xf8\0\0\0\0\0\0"), "float is nan"),
        (term(99, "nan".ljust(31, "\0")), "float is nan"),
        (term(99, "one".ljust(31, "\0")), "not a number"),
        (term(108, u32(1)) * 300, "unknown tag 131"),
        (term(*[108, u32(1)] * 300, 106), "256 levels deep"),
        (term(*[104, 1] * 300, 106), "256 levels deep"),
        (term(*[116, u32(1), 97, 1] * 300, 106), "256 levels deep"),
        (term(80, u32(1), "not zlib"), "does not inflate"),
        (term(80, u32(3), zlib.compress(b"\x61\x01")), "not the 3 bytes"),
        (term(80, u32(1), zlib.compress(b"\x61\x01")), "not the 1 bytes"),
        (term(80, u32(2), zlib.compress(b"\x61\x01"), 0), "ends after 16"),
        (term(80, u32(2), zlib.compress(b"\x61\x01")[:-1]), "not the 2 bytes"),
        (term(80, u32(LIMIT + 1), zlib.compress(b"\0" * (LIMIT + 1))), "over max_message_size=100000"),
        (term(80, u32(2), zlib.compress(term(80, u32(0))[1:3])), "cut short|unknown tag"),
    ],
)
def test_invalid_etf_is_refused_with_its_reason(data: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words) as raised:
        CODEC.decode(data)
    assert raised.value.close_code == 4000


def test_the_nesting_limit_is_exact() -> None:
    value: Any = 1
    for _ in range(etf.MAX_DEPTH):
        value = [value]
    data = CODEC.encode(value)
    assert CODEC.encode(CODEC.decode(data)) == data


def test_a_compressed_bomb_is_not_inflated() -> None:
    bomb = term(80, u32(100), zlib.compress(b"\x6a" * 50_000_000))
    with pytest.raises(DecodeError, match="not the 100 bytes"):
        CODEC.decode(bomb)


def test_the_key_cache_is_bounded() -> None:
    for number in range(3):
        many = {f"{number}-{key}": 0 for key in range(etf.MAX_KEYS)}
        assert CODEC.decode(CODEC.encode(many)) == many
    long = {"k" * (etf.MAX_KEY_LENGTH + 1): 1, "": 2}
    assert CODEC.decode(CODEC.encode(long)) == long
    assert len(etf._keys) <= etf.MAX_KEYS
    assert max(map(len, etf._keys)) <= etf.MAX_KEY_LENGTH


def test_one_codec_serves_many_threads() -> None:
    data, failures = CODEC.encode({f"key {n}": {"again": n} for n in range(200)}), []

    def decode() -> None:
        for _ in range(50):
            if CODEC.encode(CODEC.decode(data)) != data:
                failures.append(data)

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60).map(lambda data: b"\x83" + data) | st.binary(max_size=20))
def test_garbage_raises_nothing_but_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        CODEC.decode(data)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_an_altered_term_raises_nothing_but_a_decode_error(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from([AWKWARD, *(row[1] for row in TERMS)])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(1, len(whole) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert", "tag"])):
            case "change":
                whole[at] = data.draw(st.integers(0, 255))
            case "cut":
                del whole[at : at + data.draw(st.integers(1, 4))]
            case "insert":
                whole[at:at] = data.draw(st.binary(max_size=4))
            case "tag":
                whole[at] = data.draw(st.sampled_from([70, 80, 97, 98, 99, 100, 104, 107, 108, 109, 110, 116, 119]))
        if len(whole) < 2:
            return
    with contextlib.suppress(DecodeError):
        CODEC.decode(bytes(whole))


@given(st.integers(0, len(AWKWARD) - 1))
def test_a_truncated_term_is_refused(end: int) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(AWKWARD[:end])
