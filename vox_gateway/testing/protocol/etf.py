"""The External Term Format as Discord uses it, written to be simple and strict.

Like Discord it writes atoms for the keys of the envelope and binaries for nested keys, and refuses to read a map whose
keys are atoms.

See: https://docs.discord.com/developers/events/gateway#using-etf-encoding,
    https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
"""

from __future__ import annotations

import math
import struct
from typing import Any

VERSION = b"\x83"
MAX_DEPTH = 64
MAX_INTEGER_BYTES = 1024  # Python limits the conversion of longer integers to decimal, which JSON and the log need

ATOMS: dict[object, bytes] = {None: b"nil", True: b"true", False: b"false"}
VALUES: dict[bytes, object] = {name: value for value, name in ATOMS.items()}


class BadTerm(Exception):
    """The message is not a term that the gateway accepts."""


def write(value: object) -> bytes:
    """Encode a value as a term, without the version byte 131 that begins a message.

    Raises:
        TypeError: a value or a key has an unsupported type.
        ValueError: a string contains a lone surrogate, or a float is not finite.
    """
    if value is None or value is True or value is False:
        return write_atom(ATOMS[value])
    if isinstance(value, str):
        return write_binary(value)
    if isinstance(value, int):
        return write_integer(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"cannot encode float {value} as ETF: Erlang's floats are finite")
        return b"F" + struct.pack(">d", value)
    if isinstance(value, (list, tuple)):
        return write_list(list(value))
    if isinstance(value, dict):
        return write_map(value)
    raise TypeError(f"cannot encode {type(value).__name__} as ETF")


def write_atom(name: bytes) -> bytes:
    """Encode an atom as SMALL_ATOM_UTF8_EXT, as current Erlang does."""
    return b"w" + struct.pack(">B", len(name)) + name


def write_binary(value: str) -> bytes:
    """Encode a string as a binary in UTF-8."""
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        surrogate = error.object[error.start]
        raise ValueError(
            f"cannot encode a string as ETF: lone surrogate {surrogate!r} at index {error.start}"
        ) from None
    return b"m" + struct.pack(">I", len(data)) + data


def write_integer(value: int) -> bytes:
    """Encode an integer in the shortest of Erlang's four forms."""
    if 0 <= value <= 255:
        return b"a" + struct.pack(">B", value)
    if -(2**31) <= value < 2**31:
        return b"b" + struct.pack(">i", value)
    digits = abs(value).to_bytes((value.bit_length() + 7) // 8, "little")
    sign = b"\1" if value < 0 else b"\0"
    if len(digits) <= 255:
        return b"n" + struct.pack(">B", len(digits)) + sign + digits
    return b"o" + struct.pack(">I", len(digits)) + sign + digits


def write_list(values: list[Any]) -> bytes:
    """Encode a list: NIL_EXT if empty, STRING_EXT for a list of bytes, otherwise LIST_EXT, as Erlang does."""
    if not values:
        return b"j"
    if len(values) < 65536 and all(type(value) is int and 0 <= value <= 255 for value in values):
        return b"k" + struct.pack(">H", len(values)) + bytes(values)
    return b"l" + struct.pack(">I", len(values)) + b"".join(map(write, values)) + b"j"


def write_map(pairs: dict[Any, Any]) -> bytes:
    """Encode a map whose keys are binaries."""
    for key in pairs:
        if not isinstance(key, str):
            raise TypeError(f"cannot encode key {key!r}: Discord sends only strings as keys")
    terms = b"".join(write(key) + write(value) for key, value in pairs.items())
    return b"t" + struct.pack(">I", len(pairs)) + terms


def read(message: bytes) -> object:
    """Decode a message.

    Raises:
        BadTerm: it is not exactly 1 complete term that Erlang would read, or a map has a key that is not a binary.
    """
    if message[:1] != VERSION:
        raise BadTerm("the first byte is not 131")
    source = Source(message[1:])
    value = source.term(MAX_DEPTH)
    if source.left:
        raise BadTerm(f"{source.left} bytes follow the term")
    return value


class Source:
    """Reads terms from the bytes of a message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """The number of bytes not read yet."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """Read `size` bytes."""
        if size > self.left:
            raise BadTerm(f"truncated: expected {size} more bytes, got {self.left}")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        """Read `size` bytes as an unsigned big-endian integer."""
        return int.from_bytes(self.take(size), "big")

    def term(self, levels: int) -> object:
        """Read a term that is nested at most `levels` deep."""
        if levels < 0:
            raise BadTerm(f"nested more than {MAX_DEPTH} levels deep")
        tag = self.take(1)
        match tag:
            case b"a":
                return self.number(1)
            case b"b":
                return int.from_bytes(self.take(4), "big", signed=True)
            case b"n" | b"o":
                return self.big(self.number(1 if tag == b"n" else 4))
            case b"F":
                return self.float()
            case b"s" | b"w" | b"d" | b"v":
                name = self.take(self.number(1 if tag in (b"s", b"w") else 2))
                return atom(name, "utf-8" if tag in (b"w", b"v") else "latin-1")
            case b"m":
                return text(self.take(self.number(4)))
            case b"k":
                return list(self.take(self.number(2)))
            case b"j":
                return []
            case b"l":
                return self.list(self.number(4), levels)
            case b"t":
                return self.map(self.number(4), levels)
            case _:
                raise BadTerm(f"unknown tag {tag[0]}")

    def big(self, size: int) -> int:
        """Read the sign and `size` bytes of an integer."""
        if size > MAX_INTEGER_BYTES:
            raise BadTerm(f"an integer of {size} bytes is longer than {MAX_INTEGER_BYTES}")
        sign = self.number(1)
        value = int.from_bytes(self.take(size), "little")
        return -value if sign else value

    def float(self) -> float:
        """Read 8 bytes as a finite IEEE 754 float."""
        value: float = struct.unpack(">d", self.take(8))[0]
        if not math.isfinite(value):
            raise BadTerm(f"a float is {value}")
        return value

    def list(self, size: int, levels: int) -> list[object]:
        """Read the elements of a list and its empty tail."""
        values = [self.term(levels - 1) for _ in range(size)]
        if self.take(1) != b"j":
            raise BadTerm("a list has a tail")
        return values

    def map(self, size: int, levels: int) -> dict[str, object]:
        """Read the pairs of a map."""
        pairs: dict[str, object] = {}
        for _ in range(size):
            if self.take(1) != b"m":
                raise BadTerm("a map has a key that is not a binary")
            key = text(self.take(self.number(4)))
            if key in pairs:
                raise BadTerm(f"a map has the key {key!r} twice")
            pairs[key] = self.term(levels - 1)
        return pairs


def atom(name: bytes, encoding: str) -> object:
    """The value of an atom: None, True, False, or its name."""
    return VALUES[name] if name in VALUES else text(name, encoding)


def text(data: bytes, encoding: str = "utf-8") -> str:
    """Decode a string."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadTerm(f"a string has invalid UTF-8 at byte {error.start}") from error
