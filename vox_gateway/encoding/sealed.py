"""Dispatches that are not decoded yet.

Discord writes a dispatch as ``{"t":"NAME","s":1,"op":0,"d":...}``. So a block of them is cut apart where ``}`` meets
``{"t":``, which cannot stand inside one, and each piece stays sealed until its turn comes: its name is read from its
head, and the rest is decoded if somebody listens. Blocks of any other shape are not cut, but decoded whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ..errors import DecodeError

__all__ = ["RawDispatch", "cut", "name", "opened", "seq"]

#: a dispatch, as it came
RawDispatch = bytes

_OPENING, _CLOSING = b'{"t":', b"}"
#: a search is faster than `bytes.split`, and its pieces need no mending
_BOUNDARIES = re.compile(rb'\}\{"t":').finditer
_SEQ, _DATA = b',"s":', b',"op":0,"d":'
_NAME = len(_OPENING)
_QUOTE, _R = ord('"'), ord("R")
#: names by how they are written, so that each is decoded once; a server that makes names up must not fill memory
_names: dict[bytes, str] = {}
_MAX_NAMES = 1024


def cut(block: bytes, count: int) -> list[RawDispatch] | None:
    """The `count` dispatches in `block`; None when it holds anything else, such as READY, RESUMED or a heartbeat."""
    if not (block.startswith(_OPENING) and block.endswith(_CLOSING)):
        return None
    ends = [match.start() + 1 for match in _BOUNDARIES(block)]
    ends.append(len(block))
    if len(ends) != count:
        return None
    pieces, begin = [], 0
    for end in ends:
        pieces.append(block[begin:end])
        begin = end
    # What the protocol has to see has no name, or one that begins with an R; nearly all the others do not. A list,
    # since a generator would take twice as long.
    others = [piece[_NAME] != _QUOTE or piece[_NAME + 1] == _R for piece in pieces]
    return None if any(others) or seq(pieces[-1]) is None else pieces


def name(piece: RawDispatch) -> str | None:
    """The name of a dispatch; None where it cannot be told without opening it."""
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
    """The sequence number of a dispatch; None where it cannot be told without opening it."""
    head, found, _ = piece.partition(_DATA)
    digits = head.rpartition(_SEQ)[2]
    return int(digits) if found and digits.isdigit() else None


def opened(piece: RawDispatch, decode: Callable[[bytes], Any]) -> dict[str, Any]:
    """The payload of a dispatch.

    Raises:
        DecodeError: it is none.
    """
    payload = decode(piece)
    if type(payload) is not dict or payload.get("op") != 0 or type(payload.get("t")) is not str:
        raise DecodeError("a payload with a name in t is no dispatch")
    return payload
