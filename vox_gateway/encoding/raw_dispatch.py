"""Raw dispatches: JSON events that are not decoded yet.

Discord writes a dispatch as ``{"t":"NAME","s":1,"op":0,"d":...}``. The reader thread splits a block of them where ``}``
meets ``{"t":``, which cannot occur inside a dispatch. The pieces wait in the event queue as bytes. The dispatcher reads
the name from the head of each, and decodes the rest if the event has listeners. Other blocks are decoded at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import DecodeError
from ..extension import accelerated

__all__ = ["RawDispatch", "cut", "decode", "name", "seq", "split"]

#: the bytes of a dispatch
RawDispatch = bytes

_OPENING, _CLOSING = b'{"t":', b"}"
#: a search is faster than `bytes.split`, which removes the separators
_BOUNDARIES = re.compile(rb'\}\{"t":').finditer
_SEQ, _DATA = b',"s":', b',"op":0,"d":'
_NAME = len(_OPENING)
#: digits of the longest sequence number; `int` raises ValueError for thousands
_MAX_DIGITS = 19
_QUOTE, _R = ord('"'), ord("R")
#: names by their JSON text, so that each is decoded once; bounded, since the server chooses them
_names: dict[bytes, str] = {}
_MAX_NAMES = 1024


@accelerated
def cut(block: bytes, count: int) -> list[RawDispatch] | None:
    """Return the `count` dispatches in `block`; None if it holds anything else, such as READY, RESUMED or HELLO."""
    if not (block.startswith(_OPENING) and block.endswith(_CLOSING)):
        return None
    pieces = split(block, _BOUNDARIES, count)
    if pieces is None:
        return None
    # The protocol needs those without a name, READY and RESUMED; few other names begin with an R. A list, since a
    # generator takes twice as long.
    others = [piece[_NAME] != _QUOTE or piece[_NAME + 1] == _R for piece in pieces]
    return None if any(others) or seq(pieces[-1]) is None else pieces


def split(block: bytes, boundaries: Callable[[bytes], Iterable[re.Match[bytes]]], count: int) -> list[bytes] | None:
    """Return the `count` payloads in `block`; None if it has another number of boundaries.

    Args:
        boundaries: finds where payloads meet; each match begins with the last byte of a payload.
    """
    ends = [match.start() + 1 for match in boundaries(block)]
    ends.append(len(block))
    if len(ends) != count:
        return None
    pieces, begin = [], 0
    for end in ends:
        pieces.append(block[begin:end])
        begin = end
    return pieces


def name(piece: RawDispatch) -> str | None:
    """Return the name of a dispatch; None if its head does not hold it."""
    part = piece[_NAME : piece.find(_QUOTE, _NAME + 1) + 1]
    return _names.get(part) or _new_name(part)


def _new_name(part: bytes) -> str | None:
    try:
        found = json.loads(part)
    except ValueError:
        return None
    if type(found) is not str:
        return None
    if len(_names) < _MAX_NAMES:
        _names[part] = found
    return found


def seq(piece: RawDispatch) -> int | None:
    """Return the sequence number of a dispatch; None if its head does not hold it."""
    end = piece.find(_DATA)
    digits = piece[:end].rpartition(_SEQ)[2]
    return int(digits) if end >= 0 and digits.isdigit() and len(digits) <= _MAX_DIGITS else None


def decode(piece: RawDispatch, read: Callable[[bytes], Any]) -> dict[str, Any]:
    """Decode a dispatch.

    Raises:
        DecodeError: not a dispatch.
    """
    payload = read(piece)
    if type(payload) is not dict or payload.get("op") != 0 or type(payload.get("t")) is not str:
        raise DecodeError("a payload with a name in t is not a dispatch")
    return payload
