"""Recordings: events as lines of JSON, with nothing in them that could harm.

A line is ``{"time": ..., "seq": ..., "name": ..., "data": ...}``: Unix time in seconds, and what the event was. `line`
writes one, `parse` reads one; `redaction` says what a recording never holds, `rotation` keeps it on disk, and `reading`
takes it up again. Pure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import simplejson

__all__ = ["BrokenLine", "Recorded", "line", "parse"]

#: some 3,000 years from the beginning of Unix time: what is beyond is a broken line, and would be waited for
_LAST_TIME = 1e11


class Recorded(NamedTuple):
    """One event of a recording.

    Attributes:
        time: Unix time in seconds.
        seq: its sequence number, or None.
        name: such as ``"MESSAGE_CREATE"``.
        data: its data.
    """

    time: float
    seq: int | None
    name: str
    data: Any


class BrokenLine(ValueError):
    """A line is none of a recording; the message says why."""


def line(event: Recorded) -> bytes:
    """The line of an event, in UTF-8, with its end."""
    text = simplejson.dumps(
        {"time": round(event.time, 6), "seq": event.seq, "name": event.name, "data": event.data},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    # A lone surrogate is legal in JSON and not in UTF-8; Python's escape for it is JSON's.
    return text.encode(errors="backslashreplace") + b"\n"


def parse(data: bytes) -> Recorded:
    """The event of a line.

    Raises:
        BrokenLine: it is none.
    """
    try:
        found = simplejson.loads(data.decode())
    except (ValueError, RecursionError):
        raise BrokenLine("it is not JSON") from None
    if not isinstance(found, dict):
        raise BrokenLine("it is no JSON object")
    missing = [key for key in Recorded._fields if key not in found]
    if missing:
        raise BrokenLine(f"it has no {', '.join(missing)}")
    event = Recorded(found["time"], found["seq"], found["name"], found["data"])
    # Compared, and not asked whether it is finite: an integer may be too long to be made a float.
    if isinstance(event.time, bool) or not isinstance(event.time, (int, float)) or not abs(event.time) < _LAST_TIME:
        raise BrokenLine("its time is no Unix time")
    if not isinstance(event.name, str) or not event.name:
        raise BrokenLine("its name is no text")
    return event
