"""The ``etf`` encoding: Erlang's external term format, as Discord uses it.

Called on the caller's thread for commands, and on the reader thread for blocks, whose payloads go to the protocol.

A message is the byte 131 and a term; a term is a tag byte and its content. `_TERMS` maps tags to functions from
``(data, position after the tag, levels left)`` to ``(value, position after the term)``.

Values are those that JSON would give: keys are `str`, whether sent as atoms, binaries or integers; the atoms ``nil``,
``true`` and ``false`` are `None`, `True` and `False`; tuples are lists. Where JSON has an id as a string, Discord may
send an integer: it becomes a string if the name of its field ends in ``id`` or is known for a list of ids. Integers of
32 bits stay integers: snowflakes are larger, and the ids of components and of a poll's answers are smaller.

Lengths are not checked while reading, which makes plain Python fast enough: a length beyond the end makes the next read
fail or the final position differ from the end, and both are errors.

See:
    https://docs.discord.com/developers/events/gateway#using-etf-encoding
    https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ..errors import DecodeError
from ..extension import accelerated

__all__ = ["ETFCodec"]

VERSION: Final = 131
# The tags.
NEW_FLOAT, COMPRESSED, SMALL_INTEGER, INTEGER, FLOAT = 70, 80, 97, 98, 99
ATOM, SMALL_ATOM, ATOM_UTF8, SMALL_ATOM_UTF8 = 100, 115, 118, 119
SMALL_TUPLE, LARGE_TUPLE, NIL, STRING, LIST, BINARY = 104, 105, 106, 107, 108, 109
SMALL_BIG, LARGE_BIG, MAP = 110, 111, 116

#: levels of the deepest term accepted; Discord's payloads have about a dozen
MAX_DEPTH: Final = 256
#: number and characters of the cached keys; bounded, since keys may be ids
MAX_KEYS, MAX_KEY_LENGTH = 4096, 64
#: lists of ids, besides those whose names end in ``ids``
ID_LISTS: Final = frozenset(
    ("applied_tags", "exempt_channels", "exempt_roles", "mention_roles", "not_found", "participants", "roles", "values")
)
#: atoms with a value; any other atom is a string
ATOMS: Final[dict[bytes, Any]] = {b"nil": None, b"null": None, b"true": True, b"false": False}

_ushort = struct.Struct(">H").unpack_from
_uint = struct.Struct(">I").unpack_from
_int = struct.Struct(">i").unpack_from
_double = struct.Struct(">d").unpack_from

Term = Callable[[bytes, int, int], tuple[Any, int]]

#: decoded keys by their bytes; ASCII only, which is the same in every form of a key
_keys: dict[bytes, str] = {}


class _Malformed(Exception):
    """The message is not ETF. Internal: becomes a `DecodeError`."""


class ETFCodec:
    """The ``etf`` encoding: binary messages both ways. Encoded keys are strings, as Discord requires.

    Args:
        max_size: bytes of the largest compressed term accepted, inflated.
    """

    name = "etf"
    text = False
    decodes_late = False

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size

    def encode(self, payload: Any) -> bytes:
        """Encode a payload.

        Raises:
            TypeError, ValueError: it holds a value that ETF or JSON cannot represent.
        """
        out = bytearray((VERSION,))
        try:
            _write(payload, out)
        except RecursionError:
            raise ValueError("a payload is nested too deep, or contains itself") from None
        except UnicodeEncodeError as error:
            raise ValueError(f"text must not hold the lone surrogate {error.object[error.start]!r}") from None
        return bytes(out)

    def decode(self, data: bytes) -> Any:
        """Decode the payload in `data`.

        Raises:
            DecodeError: `data` is not exactly 1 message.
        """
        (value,) = self.decode_all(data, 1)
        return value

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """Yield the `count` concatenated payloads in `block`.

        Raises:
            DecodeError: `block` is not exactly `count` messages; all earlier payloads were yielded.
        """
        return iter(decode_all(block, count, self._max_size, ID_LISTS))


@accelerated
def decode_all(block: bytes, count: int, max_size: int, id_lists: frozenset[str]) -> Iterable[Any]:
    """Return the payloads of `block`, as `ETFCodec.decode_all` does.

    Args:
        id_lists: `ID_LISTS`, for the function in C.
    """
    at = 0
    for _ in range(count):
        try:
            value, at = _message(block, at, max_size)
        except (IndexError, struct.error):
            raise DecodeError(f"an ETF payload of {len(block)} bytes is cut short") from None
        except RecursionError:  # the caller's stack was nearly full
            raise DecodeError("an ETF payload is nested too deep") from None
        except UnicodeDecodeError:
            raise DecodeError("an ETF payload holds text that is not UTF-8") from None
        except ValueError:
            raise DecodeError("an ETF payload holds an id of thousands of digits") from None
        except _Malformed as error:
            raise DecodeError(f"a payload is not ETF: {error}") from None
        if at > len(block):
            raise DecodeError(f"an ETF payload of {len(block)} bytes is cut short")
        yield value
    if at != len(block):
        raise DecodeError(f"an ETF payload ends after {at} of {len(block)} bytes")


# -- decoding ------------------------------------------------------------------------------------------------------


def _message(block: bytes, at: int, max_size: int) -> tuple[Any, int]:
    """Return the value of the message at `at`, and its end."""
    if block[at] != VERSION:
        raise _Malformed(f"it begins with the byte {block[at]}, not with {VERSION}")
    tag = block[at + 1]
    if tag == COMPRESSED:
        return _compressed(block, at + 2, max_size)
    return _TERMS[tag](block, at + 2, MAX_DEPTH)


def _compressed(block: bytes, at: int, max_size: int) -> tuple[Any, int]:
    """Return the value of the compressed term at `at`, and its end."""
    (size,) = _uint(block, at)
    if size > max_size:
        raise _Malformed(f"a compressed term of {size} bytes is over max_message_size={max_size}")
    context = zlib.decompressobj()
    try:
        term = context.decompress(memoryview(block)[at + 4 :], size + 1)
    except zlib.error as error:
        raise _Malformed(f"a compressed term does not inflate: {error}") from None
    if len(term) != size or not context.eof:
        raise _Malformed(f"a compressed term is not the {size} bytes that it says")
    value, end = _TERMS[term[0]](term, 1, MAX_DEPTH)
    if end != size:
        raise _Malformed(f"a compressed term ends after {end} of {size} bytes")
    return value, len(block) - len(context.unused_data)


def _map(data: bytes, at: int, levels: int) -> tuple[dict[str, Any], int]:
    _check(levels)
    (count,) = _uint(data, at)
    at += 4
    result: dict[str, Any] = {}
    keys, uint, atoms, terms, levels = _keys, _uint, ATOMS, _TERMS, levels - 1
    for _ in range(count):
        # Keys and the commonest values are decoded inline: a call for each would cost half as much again.
        key_at, tag = at, data[at]
        if tag == BINARY:
            at += 5
            raw = data[at : (at := at + uint(data, at - 4)[0])]
        elif tag in (SMALL_ATOM_UTF8, SMALL_ATOM):
            at += 2
            raw = data[at : (at := at + data[at - 1])]
        elif tag in (ATOM, ATOM_UTF8):
            at += 3
            raw = data[at : (at := at + _ushort(data, at - 2)[0])]
        else:
            raw = b""  # never cached
        try:
            key = keys[raw]
        except KeyError:
            key, at = _new_key(data, key_at, levels)
        tag = data[at]
        if tag == BINARY:
            at += 5
            result[key] = data[at : (at := at + uint(data, at - 4)[0])].decode()
        elif tag == SMALL_INTEGER:
            result[key] = data[at + 1]
            at += 2
        elif tag in (SMALL_ATOM_UTF8, SMALL_ATOM):
            raw = data[at + 2 : at + 2 + data[at + 1]]
            if raw in atoms:
                result[key] = atoms[raw]
                at += 2 + len(raw)
            else:
                result[key], at = terms[tag](data, at + 1, levels)
        else:
            read = _ID_FIELDS.get(tag)
            result[key], at = terms[tag](data, at + 1, levels) if read is None else read(key, data, at + 1, levels)
    return result, at


def _integer_field(key: str, data: bytes, at: int, levels: int) -> tuple[int | str, int]:
    """Decode an integer of more than 32 bits; as text if it is an id by the name of its field."""
    end = at + 2 + data[at]
    number = int.from_bytes(data[at + 2 : end], "little")
    if data[at + 1]:
        return -number, end
    return str(number) if key.endswith("id") else number, end


def _list_field(key: str, data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    """Decode a list; with its integers as text if it is one of ids by the name of its field."""
    values, at = _list(data, at, levels)
    if values and type(values[0]) is int and (key.endswith("ids") or key in ID_LISTS):
        values = [str(value) if type(value) is int else value for value in values]
    return values, at


def _new_key(data: bytes, at: int, levels: int) -> tuple[str, int]:
    """Decode a key that is not cached, or not text; `at` is the position of its tag."""
    tag = data[at]
    if tag in _ATOM_ENCODINGS:
        name, end = _atom_name(data, at + 1)
        key = name.decode(_ATOM_ENCODINGS[tag])
    elif tag == BINARY:
        key, end = _binary(data, at + 1, levels)
    elif tag in (SMALL_INTEGER, INTEGER, SMALL_BIG):
        number, end = _TERMS[tag](data, at + 1, levels)
        return str(number), end
    else:
        raise _Malformed(f"a map has a key with the tag {tag}, at byte {at}")
    if key.isascii() and 0 < len(key) <= MAX_KEY_LENGTH and len(_keys) < MAX_KEYS:
        _keys[key.encode()] = key
    return key, end


def _list(data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    (count,) = _uint(data, at)
    values, at = _sequence(data, at + 4, count, levels)
    if data[at] != NIL:
        raise _Malformed(f"a list ends in the tag {data[at]}, at byte {at}")
    return values, at + 1


def _tuple(data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    count, at = (data[at], at + 1) if data[at - 1] == SMALL_TUPLE else (_uint(data, at)[0], at + 4)
    return _sequence(data, at, count, levels)


def _sequence(data: bytes, at: int, count: int, levels: int) -> tuple[list[Any], int]:
    _check(levels)
    values: list[Any] = []
    append, terms, levels = values.append, _TERMS, levels - 1
    for _ in range(count):
        value, at = terms[data[at]](data, at + 1, levels)
        append(value)
    return values, at


def _check(levels: int) -> None:
    if not levels:
        raise _Malformed(f"it is nested more than {MAX_DEPTH} levels deep")


def _string(data: bytes, at: int, levels: int) -> tuple[list[int], int]:
    """A list of bytes, which Erlang abbreviates; never text."""
    end = at + 2 + _ushort(data, at)[0]
    return list(data[at + 2 : end]), end


def _binary(data: bytes, at: int, levels: int) -> tuple[str, int]:
    end = at + 4 + _uint(data, at)[0]
    return data[at + 4 : end].decode(), end


def _big(data: bytes, at: int, levels: int) -> tuple[int, int]:
    if data[at - 1] == SMALL_BIG:
        sign, end = at + 1, at + 2 + data[at]
    else:
        sign, end = at + 4, at + 5 + _uint(data, at)[0]
    number = int.from_bytes(data[sign + 1 : end], "little")
    return -number if data[sign] else number, end


def _old_float(data: bytes, at: int, levels: int) -> tuple[float, int]:
    """31 bytes of C's ``%.20e``, padded with zeros."""
    end = at + 31
    try:
        return _finite(float(data[at:end].rstrip(b"\0")), at), end
    except ValueError:
        raise _Malformed(f"a float is not a number, at byte {at}") from None


def _finite(number: float, at: int) -> float:
    if not math.isfinite(number):
        raise _Malformed(f"a float is {number}, at byte {at}")
    return number


_ATOM_ENCODINGS: Final = {ATOM: "latin-1", SMALL_ATOM: "latin-1", ATOM_UTF8: "utf-8", SMALL_ATOM_UTF8: "utf-8"}


def _atom_name(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the encoded name of the atom with its length at `at`, and its end."""
    size, at = (data[at], at + 1) if data[at - 1] in (SMALL_ATOM, SMALL_ATOM_UTF8) else (_ushort(data, at)[0], at + 2)
    return data[at : at + size], at + size


def _atom(data: bytes, at: int, levels: int) -> tuple[Any, int]:
    name, end = _atom_name(data, at)
    return ATOMS[name] if name in ATOMS else name.decode(_ATOM_ENCODINGS[data[at - 1]]), end


def _unknown(data: bytes, at: int, levels: int) -> tuple[Any, int]:
    raise _Malformed(f"a term has the unknown tag {data[at - 1]}, at byte {at - 1}")


_KNOWN_TERMS: Final[dict[int, Term]] = {
    **dict.fromkeys(_ATOM_ENCODINGS, _atom),
    NEW_FLOAT: lambda data, at, levels: (_finite(_double(data, at)[0], at), at + 8),
    FLOAT: _old_float,
    SMALL_INTEGER: lambda data, at, levels: (data[at], at + 1),
    INTEGER: lambda data, at, levels: (_int(data, at)[0], at + 4),
    SMALL_BIG: _big,
    LARGE_BIG: _big,
    SMALL_TUPLE: _tuple,
    LARGE_TUPLE: _tuple,
    NIL: lambda data, at, levels: ([], at),
    STRING: _string,
    LIST: _list,
    BINARY: _binary,
    MAP: _map,
}
#: reads the values that may be ids, or hold them, in a map
_ID_FIELDS: Final = {SMALL_BIG: _integer_field, LIST: _list_field}
_TERMS: Final[list[Term]] = [_KNOWN_TERMS.get(tag, _unknown) for tag in range(256)]


# -- encoding ------------------------------------------------------------------------------------------------------

#: the values that are atoms, each as an atom and as a key in JSON
_CONSTANTS: Final = {None: (b"nil", "null"), True: (b"true", "true"), False: (b"false", "false")}


def _write(value: Any, out: bytearray) -> None:
    if value is None or value is True or value is False:
        name = _CONSTANTS[value][0]
        out += struct.pack(">BB", SMALL_ATOM, len(name)) + name
    elif isinstance(value, str):
        text = value.encode()
        out += struct.pack(">BI", BINARY, len(text)) + text
    elif isinstance(value, int):
        out += _encode_integer(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a number in a payload must be finite, not {value}")
        out += struct.pack(">Bd", NEW_FLOAT, value)
    elif isinstance(value, dict):
        out += struct.pack(">BI", MAP, len(value))
        for key, inner in value.items():
            _write(_key(key), out)
            _write(inner, out)
    elif isinstance(value, (list, tuple)):
        if value:
            out += struct.pack(">BI", LIST, len(value))
            for inner in value:
                _write(inner, out)
        out.append(NIL)
    else:
        raise TypeError(f"a payload must not hold a value of the type {type(value).__name__}")


def _encode_integer(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return struct.pack(">BB", SMALL_INTEGER, value)
    if -(1 << 31) <= value < 1 << 31:
        return struct.pack(">Bi", INTEGER, value)
    size = (value.bit_length() + 7) // 8
    head = struct.pack(">BB", SMALL_BIG, size) if size < 1 << 8 else struct.pack(">BI", LARGE_BIG, size)
    return head + bytes((value < 0,)) + abs(value).to_bytes(size, "little")


def _key(key: Any) -> str:
    """Return `key` as JSON writes it."""
    if isinstance(key, str):
        return key
    if key is None or key is True or key is False:
        return _CONSTANTS[key][1]
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key)
    raise TypeError(f"a key in a payload must be text, not {key!r}")
