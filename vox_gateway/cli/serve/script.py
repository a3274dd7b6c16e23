"""Reads scripts: lines of JSON that say what happens, and when. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import simplejson

__all__ = ["CUT_STYLES", "InvalidScript", "Step", "parse"]

#: the values of ``drop``, as `vox_gateway.testing.LocalGateway.drop` has them
CUT_STYLES = ("reset", "eof", "close", "silent")
#: seconds in a day; a longer wait is an error
_MAX_WAIT = 86_400.0


class Step(NamedTuple):
    """A line of a script.

    Attributes:
        after: seconds since the step before, or since a client was ready.
        kind: ``"say"``, ``"event"``, ``"drop"`` or ``"reconnect"``.
        value: the line to say, the name of the event, or how to drop.
        data: the data of the event.
    """

    after: float
    kind: str
    value: Any
    data: Any = None


class InvalidScript(ValueError):
    """A line is invalid; the message says which, and why."""


def parse(lines: Iterable[str]) -> list[Step]:
    """Parse a script; empty lines are skipped.

    Raises:
        InvalidScript: a line is invalid.
    """
    steps = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                steps.append(_step(line))
            except ValueError as error:
                raise InvalidScript(f"line {number}: {error}") from None
    return steps


def _step(line: str) -> Step:
    try:
        found = simplejson.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    after = found.pop("after", 0)
    if isinstance(after, bool) or not isinstance(after, (int, float)) or not 0 <= after <= _MAX_WAIT:
        raise ValueError(f"invalid after={after!r}: expected a number of seconds from 0 to {_MAX_WAIT:.0f}")
    data = found.pop("data", None)
    if len(found) != 1 or not found.keys() <= _VALID.keys():
        raise ValueError(f"expected one of {', '.join(_VALID)}, and after; data with event only")
    ((kind, value),) = found.items()
    if data is not None and kind != "event":
        raise ValueError("data belongs to event only")
    if not _VALID[kind](value):
        raise ValueError(f"invalid {kind}={value!r}")
    return Step(float(after), kind, value, data)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


_VALID: dict[str, Callable[[object], bool]] = {
    "say": _is_text,
    "event": _is_text,
    "drop": lambda value: value in CUT_STYLES,
    "reconnect": lambda value: value is True,
}
