"""Parsers of argument values, for `argparse`."""

from __future__ import annotations

import argparse
import difflib
import math
import re

from ...arguments.validation import check_seconds, check_token
from ...intents import Intents

__all__ = [
    "count",
    "delay",
    "event_names",
    "intent_names",
    "intents",
    "port",
    "positive_count",
    "rate",
    "seconds",
    "shard",
    "size",
    "speed",
    "token",
]

#: events a second; a Python gateway sends no more
_MAX_RATE = 10_000

_GROUPS = {
    "default": Intents.default(),
    "privileged": Intents.privileged(),
    "all": Intents.all(),
    "none": Intents.none(),
}


def intents(text: str) -> Intents:
    """Parse a number, or comma-separated names of intents or of the groups default, privileged, all and none.

    Raises:
        ArgumentTypeError: a name is unknown, or the number is negative.
    """
    try:
        number = int(text, 0)
    except ValueError:
        return _named_intents(text)
    if number < 0:  # IntFlag would invert the flags
        raise argparse.ArgumentTypeError(f"invalid intents {text!r}: expected a number of at least 0, or names")
    return Intents(number)


def _named_intents(text: str) -> Intents:
    result = Intents.none()
    for name in _names(text):
        result |= _intent(name)
    return result


def _intent(name: str) -> Intents:
    if name.lower() in _GROUPS:
        return _GROUPS[name.lower()]
    if name.upper() in Intents.__members__:
        return Intents[name.upper()]
    alike = difflib.get_close_matches(name.upper(), Intents.__members__, n=1)
    advice = f"did you mean {alike[0]}?" if alike else f"choose from {', '.join((*_GROUPS, *Intents.__members__))}"
    raise argparse.ArgumentTypeError(f"unknown intent {name!r}: {advice}")


def intent_names(intents: int) -> str:
    """Return the names of `intents` for display."""
    names, rest = [], int(intents)
    if rest & Intents.default() == Intents.default():
        names, rest = ["all unprivileged"], rest & ~int(Intents.default())
    names += [str(intent.name) for intent in Intents if intent & rest]
    if unknown := rest & ~int(Intents.all()):
        names.append(f"{unknown:#x}")
    return ", ".join(names) or "none"


def event_names(text: str) -> frozenset[str]:
    """Parse comma-separated names of dispatch events. Unknown names are accepted, as Discord adds events.

    Raises:
        ArgumentTypeError: the list is empty.
    """
    return frozenset(name.upper() for name in _names(text))


def seconds(text: str) -> float:
    """Parse a positive number of seconds.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    try:
        return check_seconds("it", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid duration {text!r}: expected a positive number of seconds") from None


def delay(text: str) -> float:
    """Parse a number of seconds of at least 0.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"invalid duration {text!r}: expected a number of seconds of at least 0")
    return number


def token(text: str) -> str:
    """Parse a token that a client can send; a ``Bot`` prefix is removed.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("the token is empty")
    try:
        return check_token(text)
    except ValueError:
        problem = "no client sends a token with spaces, line breaks or non-ASCII characters"
        raise argparse.ArgumentTypeError(problem) from None


def port(text: str) -> int:
    """Parse a port number; 0 stands for any free port.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"invalid port {text!r}: expected a number from 0 to 65535 (0: any free port)")
    return int(text)


def count(text: str) -> int:
    """Parse an integer of at least 0.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    if not (text.isdecimal() and text.isascii()):
        raise argparse.ArgumentTypeError(f"invalid count {text!r}: expected an integer of at least 0")
    return int(text)


def positive_count(text: str) -> int:
    """Parse an integer of at least 1.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    if number := count(text):
        return number
    raise argparse.ArgumentTypeError("invalid count '0': expected an integer of at least 1")


def rate(text: str) -> float:
    """Parse a number of events a second, from 0 to 10,000.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= _MAX_RATE:
        raise argparse.ArgumentTypeError(f"invalid rate {text!r}: expected a number from 0 to {_MAX_RATE:,} a second")
    return number


def speed(text: str) -> float:
    """Parse a positive number, or max for infinity.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    if text.lower() == "max":
        return math.inf
    try:
        return check_seconds("it", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid speed {text!r}: expected a positive number or max") from None


def size(text: str) -> int:
    """Parse a positive number of bytes, with an optional suffix K, M or G (powers of 1024).

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,14})([KMG]?)B?", text.upper())
    if found is None:
        raise argparse.ArgumentTypeError(f"invalid size {text!r}: expected a number of bytes, as in 500K, 100M or 2G")
    return int(found[1]) << 10 * " KMG".index(found[2] or " ")


def shard(text: str) -> tuple[int, int]:
    """Parse ``ID/COUNT``.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    shard_id, slash, count = text.partition("/")
    if not (slash and shard_id.isdecimal() and count.isdecimal() and int(shard_id) < int(count)):
        raise argparse.ArgumentTypeError(f"invalid shard {text!r}: expected ID/COUNT with 0 <= ID < COUNT, as in 0/1")
    return int(shard_id), int(count)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("expected a name")
    return names
