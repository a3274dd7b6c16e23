"""ETF payloads: Erlang's external term format, as Discord speaks it.

A term is one tag byte and what the tag says; a message is the byte 131 and one term. `_TERMS` is the table of tags: a
function in it takes ``(data, position after the tag, levels left)`` and gives ``(value, position after the term)``.

Values come out as JSON would give them: keys as `str` whether they were sent as atoms, binaries or integers, the atoms
``nil``, ``true`` and ``false`` as `None`, `True` and `False`, tuples as lists. Integers stay integers, and Discord may
send an id as one where JSON has a string.

Nothing is checked to lie inside the message while it is read: a length that points beyond the end makes the next read
fail, or the last position differ from the end, and either is an error. That is what makes plain Python fast enough.

Rests on "Using ETF Encoding" of the official Gateway documentation, and on "External Term Format" of Erlang's.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..errors import DecodeError

__all__ = ["ETFCodec"]

VERSION: Final = 131
# The tags.
NEW_FLOAT, COMPRESSED, SMALL_INTEGER, INTEGER, FLOAT = 70, 80, 97, 98, 99
ATOM, SMALL_ATOM, ATOM_UTF8, SMALL_ATOM_UTF8 = 100, 115, 118, 119
SMALL_TUPLE, LARGE_TUPLE, NIL, STRING, LIST, BINARY = 104, 105, 106, 107, 108, 109
SMALL_BIG, LARGE_BIG, MAP = 110, 111, 116

#: how deep terms may be nested; Discord's deepest payloads have about a dozen levels
MAX_DEPTH: Final = 256
#: keys that are remembered, so that each is decoded once, and characters in one; ids for keys must not fill memory
MAX_KEYS, MAX_KEY_LENGTH = 4096, 64
#: what these atoms stand for; any other atom is its name
ATOMS: Final[dict[bytes, Any]] = {b"nil": None, b"null": None, b"true": True, b"false": False}

_ushort = struct.Struct(">H").unpack_from
_uint = struct.Struct(">I").unpack_from
_int = struct.Struct(">i").unpack_from
_double = struct.Struct(">d").unpack_from

Term = Callable[[bytes, int, int], tuple[Any, int]]

#: keys by their bytes. Only ASCII is kept, where all ways to send a key agree.
_keys: dict[bytes, str] = {}


class _Malformed(Exception):
    """The message is not ETF; internal, becomes a `DecodeError`."""


class ETFCodec:
    """The ``etf`` encoding: binary messages both ways, with string keys out, as Discord demands.

    Args:
        max_size: bytes that one message may hold, inflated or not.
    """

    name = "etf"
    text = False

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size

    def encode(self, payload: Any) -> bytes:
        """The bytes of one payload.

        Raises:
            TypeError, ValueError: it holds something that neither ETF nor JSON has a form for.
        """
        out = bytearray((VERSION,))
        try:
            _write(payload, out)
        except RecursionError:
            raise ValueError("a payload is nested too deep, or holds itself") from None
        except UnicodeEncodeError as error:
            raise ValueError(f"text must not hold the lone surrogate {error.object[error.start]!r}") from None
        return bytes(out)

    def decode(self, data: bytes) -> Any:
        """The payload in `data`.

        Raises:
            DecodeError: `data` is not one whole term.
        """
        (value,) = self.decode_all(data, 1)
        return value

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """The `count` payloads in `block`, one after the other.

        Raises:
            DecodeError: it does not hold so many; what came before was yielded.
        """
        at = 0
        for _ in range(count):
            try:
                value, at = self._message(block, at)
            except (IndexError, struct.error):
                raise DecodeError(f"an ETF payload of {len(block)} bytes is cut short") from None
            except RecursionError:  # the caller's own stack is nearly full
                raise DecodeError("an ETF payload is nested too deep") from None
            except UnicodeDecodeError:
                raise DecodeError("an ETF payload holds text that is not UTF-8") from None
            except _Malformed as error:
                raise DecodeError(f"a payload is not ETF: {error}") from None
            if at > len(block):
                raise DecodeError(f"an ETF payload of {len(block)} bytes is cut short")
            yield value
        if at != len(block):
            raise DecodeError(f"an ETF payload ends after {at} of {len(block)} bytes")

    def _message(self, block: bytes, at: int) -> tuple[Any, int]:
        """The message at `at`, and where it ends."""
        if block[at] != VERSION:
            raise _Malformed(f"it begins with the byte {block[at]}, not with {VERSION}")
        tag = block[at + 1]
        if tag == COMPRESSED:
            return self._inflated(block, at + 2)
        return _TERMS[tag](block, at + 2, MAX_DEPTH)

    def _inflated(self, block: bytes, at: int) -> tuple[Any, int]:
        """The term that is compressed at `at`, and where that ends."""
        (size,) = _uint(block, at)
        if size > self._max_size:
            raise _Malformed(f"a compressed term of {size} bytes is over max_message_size={self._max_size}")
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


# -- in ------------------------------------------------------------------------------------------------------------


def _map(data: bytes, at: int, levels: int) -> tuple[dict[str, Any], int]:
    _check(levels)
    (count,) = _uint(data, at)
    at += 4
    result: dict[str, Any] = {}
    keys, uint, atoms, terms, levels = _keys, _uint, ATOMS, _TERMS, levels - 1
    for _ in range(count):
        # A key, and a value of the commonest tags, are read here: a call for each would cost half as much again.
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
            raw = b""  # never among the keys
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
            result[key], at = terms[tag](data, at + 1, levels)
    return result, at


def _new_key(data: bytes, at: int, levels: int) -> tuple[str, int]:
    """A key that is not known yet, or that is no text; `at` is where its tag is."""
    tag = data[at]
    if tag in _NAMES:
        cut, encoding = _NAMES[tag]
        name, end = cut(data, at + 1)
        key = name.decode(encoding)
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


def _small_tuple(data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    return _sequence(data, at + 1, data[at], levels)


def _large_tuple(data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    return _sequence(data, at + 4, _uint(data, at)[0], levels)


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


def _nil(data: bytes, at: int, levels: int) -> tuple[list[Any], int]:
    return [], at


def _string(data: bytes, at: int, levels: int) -> tuple[list[int], int]:
    """A list of bytes, which Erlang writes shorter; never text."""
    end = at + 2 + _ushort(data, at)[0]
    return list(data[at + 2 : end]), end


def _binary(data: bytes, at: int, levels: int) -> tuple[str, int]:
    end = at + 4 + _uint(data, at)[0]
    return data[at + 4 : end].decode(), end


def _small_integer(data: bytes, at: int, levels: int) -> tuple[int, int]:
    return data[at], at + 1


def _integer(data: bytes, at: int, levels: int) -> tuple[int, int]:
    return _int(data, at)[0], at + 4


def _small_big(data: bytes, at: int, levels: int) -> tuple[int, int]:
    end = at + 2 + data[at]
    number = int.from_bytes(data[at + 2 : end], "little")
    return -number if data[at + 1] else number, end


def _large_big(data: bytes, at: int, levels: int) -> tuple[int, int]:
    end = at + 5 + _uint(data, at)[0]
    number = int.from_bytes(data[at + 5 : end], "little")
    return -number if data[at + 4] else number, end


def _new_float(data: bytes, at: int, levels: int) -> tuple[float, int]:
    return _finite(_double(data, at)[0], at), at + 8


def _old_float(data: bytes, at: int, levels: int) -> tuple[float, int]:
    """31 bytes of C's ``%.20e``, filled up with zeros."""
    end = at + 31
    try:
        return _finite(float(data[at:end].rstrip(b"\0")), at), end
    except ValueError:
        raise _Malformed(f"a float is not a number, at byte {at}") from None


def _finite(number: float, at: int) -> float:
    if not math.isfinite(number):
        raise _Malformed(f"a float is {number}, at byte {at}")
    return number


def _small_name(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end], end


def _name(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + _ushort(data, at)[0]
    return data[at + 2 : end], end


#: how the name of each kind of atom is cut out, and what it is written in
_NAMES: Final[dict[int, tuple[Callable[[bytes, int], tuple[bytes, int]], str]]] = {
    ATOM: (_name, "latin-1"),
    ATOM_UTF8: (_name, "utf-8"),
    SMALL_ATOM: (_small_name, "latin-1"),
    SMALL_ATOM_UTF8: (_small_name, "utf-8"),
}


def _atom(data: bytes, at: int, levels: int) -> tuple[Any, int]:
    cut, encoding = _NAMES[data[at - 1]]
    name, end = cut(data, at)
    return ATOMS[name] if name in ATOMS else name.decode(encoding), end


def _unknown(data: bytes, at: int, levels: int) -> tuple[Any, int]:
    raise _Malformed(f"a term has the unknown tag {data[at - 1]}, at byte {at - 1}")


_TERMS: Final[list[Term]] = [_unknown] * 256
for _tag in _NAMES:
    _TERMS[_tag] = _atom
_TERMS[NEW_FLOAT] = _new_float
_TERMS[FLOAT] = _old_float
_TERMS[SMALL_INTEGER] = _small_integer
_TERMS[INTEGER] = _integer
_TERMS[SMALL_BIG] = _small_big
_TERMS[LARGE_BIG] = _large_big
_TERMS[SMALL_TUPLE] = _small_tuple
_TERMS[LARGE_TUPLE] = _large_tuple
_TERMS[NIL] = _nil
_TERMS[STRING] = _string
_TERMS[LIST] = _list
_TERMS[BINARY] = _binary
_TERMS[MAP] = _map


# -- out -----------------------------------------------------------------------------------------------------------

#: the three values that are atoms, and how JSON spells them where they are keys
_SPELLED: Final = {None: (b"nil", "null"), True: (b"true", "true"), False: (b"false", "false")}


def _write(value: Any, out: bytearray) -> None:
    if value is None or value is True or value is False:
        name = _SPELLED[value][0]
        out += struct.pack(">BB", SMALL_ATOM, len(name)) + name
    elif isinstance(value, str):
        text = value.encode()
        out += struct.pack(">BI", BINARY, len(text)) + text
    elif isinstance(value, int):
        out += _number(value)
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


def _number(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return struct.pack(">BB", SMALL_INTEGER, value)
    if -(1 << 31) <= value < 1 << 31:
        return struct.pack(">Bi", INTEGER, value)
    size = (value.bit_length() + 7) // 8
    head = struct.pack(">BB", SMALL_BIG, size) if size < 1 << 8 else struct.pack(">BI", LARGE_BIG, size)
    return head + bytes((value < 0,)) + abs(value).to_bytes(size, "little")


def _key(key: Any) -> str:
    """Keys that are no strings become what they are in JSON."""
    if isinstance(key, str):
        return key
    if key is None or key is True or key is False:
        return _SPELLED[key][1]
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key)
    raise TypeError(f"a key in a payload must be text, not {key!r}")
