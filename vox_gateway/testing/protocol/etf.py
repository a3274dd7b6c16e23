"""ETF as the gateway's side speaks it, written for plainness and strictness.

It sends what Discord sends, with atoms for the keys of the envelope and binaries for those inside, and takes what
Discord takes: a map whose keys are atoms is refused.

Documentation: Gateway, "Using ETF Encoding"; Erlang, "External Term Format".
"""

from __future__ import annotations

import math
import struct
from typing import Any

VERSION = b"\x83"
DEEPEST = 64
LONGEST_INTEGER = 1024  # bytes; Python turns no longer ones into decimal digits, as JSON and the log need them

ATOMS: dict[object, bytes] = {None: b"nil", True: b"true", False: b"false"}
VALUES: dict[bytes, object] = {name: value for value, name in ATOMS.items()}


class BadTerm(Exception):
    """What came is not one term that the gateway takes."""


def write(value: object) -> bytes:
    """The term of a value, without the 131 that begins a message.

    Raises:
        TypeError: it, or a key in it, is of a type that has no term.
        ValueError: a text in it is not Unicode, or a float not finite.
    """
    if value is None or value is True or value is False:
        return write_atom(ATOMS[value])
    if isinstance(value, str):
        return write_binary(value)
    if isinstance(value, int):
        return write_integer(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"the float {value} has no form in ETF: Erlang's floats are finite")
        return b"F" + struct.pack(">d", value)
    if isinstance(value, (list, tuple)):
        return write_list(list(value))
    if isinstance(value, dict):
        return write_map(value)
    raise TypeError(f"{type(value).__name__} has no form in ETF")


def write_atom(name: bytes) -> bytes:
    """An atom; SMALL_ATOM_UTF8_EXT, as Erlang writes them now."""
    return b"w" + struct.pack(">B", len(name)) + name


def write_binary(value: str) -> bytes:
    """Text, in UTF-8."""
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(
            f"a text has no form in ETF: at {error.start} it holds {half!r}, half a surrogate pair, which UTF-8 lacks"
        ) from None
    return b"m" + struct.pack(">I", len(data)) + data


def write_integer(value: int) -> bytes:
    """The shortest of Erlang's four kinds of integer."""
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
    """NIL_EXT for an empty list, STRING_EXT for bytes, LIST_EXT for any other, as Erlang chooses."""
    if not values:
        return b"j"
    if len(values) < 65536 and all(type(value) is int and 0 <= value <= 255 for value in values):
        return b"k" + struct.pack(">H", len(values)) + bytes(values)
    return b"l" + struct.pack(">I", len(values)) + b"".join(map(write, values)) + b"j"


def write_map(pairs: dict[Any, Any]) -> bytes:
    """A map whose keys are binaries."""
    for key in pairs:
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r} is no text: Discord sends no others")
    terms = b"".join(write(key) + write(value) for key, value in pairs.items())
    return b"t" + struct.pack(">I", len(pairs)) + terms


def read(message: bytes) -> object:
    """The value of a message.

    Raises:
        BadTerm: it is not one whole term that Erlang would read, or has a map with keys that are no binaries.
    """
    if message[:1] != VERSION:
        raise BadTerm("it does not begin with 131")
    source = Source(message[1:])
    value = source.term(DEEPEST)
    if source.left:
        raise BadTerm(f"{source.left} bytes follow the term")
    return value


class Source:
    """The bytes of a message, taken one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes were not taken yet."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > self.left:
            raise BadTerm(f"it is cut short: {size} bytes are to follow, and {self.left} do")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        """The next bytes as an unsigned number."""
        return int.from_bytes(self.take(size), "big")

    def term(self, levels: int) -> object:
        """The next term, which may be nested so deep."""
        if levels < 0:
            raise BadTerm(f"it is nested more than {DEEPEST} levels deep")
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
                raise BadTerm(f"no term has the tag {tag[0]}")

    def big(self, size: int) -> int:
        """An integer of `size` bytes after its sign."""
        if size > LONGEST_INTEGER:
            raise BadTerm(f"an integer of {size} bytes is longer than {LONGEST_INTEGER}")
        sign = self.number(1)
        value = int.from_bytes(self.take(size), "little")
        return -value if sign else value

    def float(self) -> float:
        """Eight bytes of IEEE 754, but for what is no number."""
        value: float = struct.unpack(">d", self.take(8))[0]
        if not math.isfinite(value):
            raise BadTerm(f"a float is {value}")
        return value

    def list(self, size: int, levels: int) -> list[object]:
        """The elements of a list and its tail, which is empty."""
        values = [self.term(levels - 1) for _ in range(size)]
        if self.take(1) != b"j":
            raise BadTerm("a list has a tail")
        return values

    def map(self, size: int, levels: int) -> dict[str, object]:
        """The pairs of a map."""
        pairs: dict[str, object] = {}
        for _ in range(size):
            if self.take(1) != b"m":
                raise BadTerm("a map has a key that is no binary")
            key = text(self.take(self.number(4)))
            if key in pairs:
                raise BadTerm(f"a map has the key {key!r} twice")
            pairs[key] = self.term(levels - 1)
        return pairs


def atom(name: bytes, encoding: str) -> object:
    """What an atom stands for; any other than the three is a text."""
    return VALUES[name] if name in VALUES else text(name, encoding)


def text(data: bytes, encoding: str = "utf-8") -> str:
    """A text."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadTerm(f"a text is not UTF-8 at its byte {error.start}") from error
