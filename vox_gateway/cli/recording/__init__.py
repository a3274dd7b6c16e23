"""Recordings: redacted events as lines of JSON. Pure.

A line is ``{"time": ..., "seq": ..., "name": ..., "data": ...}``: `time` is Unix time in seconds.
`redaction` removes secrets, `rotation` writes the files, and `reading` reads them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import simplejson

__all__ = ["BrokenLine", "Recorded", "line", "parse"]

#: Unix time in seconds, about 3,000 years; a later time is an error, and replay would wait for it
_LAST_TIME = 1e11


class Recorded(NamedTuple):
    """A recorded event.

    Attributes:
        time: Unix time in seconds.
        seq: the sequence number, or None.
        name: the event name, such as ``"MESSAGE_CREATE"``.
        data: the event's data.
    """

    time: float
    seq: int | None
    name: str
    data: Any


class BrokenLine(ValueError):
    """A line is not a valid recorded event; the message says why."""


def line(event: Recorded) -> bytes:
    """Return an event as a line of UTF-8, including the newline."""
    text = simplejson.dumps(
        {"time": round(event.time, 6), "seq": event.seq, "name": event.name, "data": event.data},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    # UTF-8 cannot encode lone surrogates; Python's escape for them is also JSON's.
    return text.encode(errors="backslashreplace") + b"\n"


def parse(data: bytes) -> Recorded:
    """Parse a line.

    Raises:
        BrokenLine: the line is not a valid event.
    """
    try:
        found = simplejson.loads(data.decode())
    except (ValueError, RecursionError):
        raise BrokenLine("not valid JSON") from None
    if not isinstance(found, dict):
        raise BrokenLine("not a JSON object")
    missing = [key for key in Recorded._fields if key not in found]
    if missing:
        raise BrokenLine(f"missing {', '.join(missing)}")
    event = Recorded(found["time"], found["seq"], found["name"], found["data"])
    # Not math.isfinite(), which fails for integers too large for a float.
    if isinstance(event.time, bool) or not isinstance(event.time, (int, float)) or not abs(event.time) < _LAST_TIME:
        raise BrokenLine("time is not a valid Unix time")
    if not isinstance(event.name, str) or not event.name:
        raise BrokenLine("name is not a non-empty string")
    return event
