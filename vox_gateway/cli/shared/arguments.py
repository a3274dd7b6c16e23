"""Arguments that are more than a word: each function takes the text and says what is wrong with it."""

from __future__ import annotations

import argparse
import difflib
import math
import re

from ...intents import Intents
from ...validation import check_seconds, check_token

__all__ = [
    "at_least_one",
    "count",
    "delay",
    "event_names",
    "intent_names",
    "intents",
    "port",
    "seconds",
    "shard",
    "size",
    "speed",
    "token",
]

_GROUPS = {
    "default": Intents.default(),
    "privileged": Intents.privileged(),
    "all": Intents.all(),
    "none": Intents.none(),
}


def intents(text: str) -> Intents:
    """A number, or names with commas between them: of intents, or of the groups default, privileged, all, none.

    Raises:
        ArgumentTypeError: a name is none, or the number is negative.
    """
    try:
        number = int(text, 0)
    except ValueError:
        return _named_intents(text)
    if number < 0:  # for a set of flags, it would stand for all but some
        raise argparse.ArgumentTypeError(f"{text!r} is no set of intents: write a number from 0 on, or names")
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
    raise argparse.ArgumentTypeError(f"{name!r} is no intent: {advice}")


def intent_names(intents: int) -> str:
    """`intents` in words: what `intents` reads, the other way round."""
    names, rest = [], int(intents)
    if rest & Intents.default() == Intents.default():
        names, rest = ["all that need no privilege"], rest & ~int(Intents.default())
    names += [str(intent.name) for intent in Intents if intent & rest]
    if unknown := rest & ~int(Intents.all()):
        names.append(f"{unknown:#x}")
    return ", ".join(names) or "none"


def event_names(text: str) -> frozenset[str]:
    """Names of dispatch events, with commas between them. Names that are not known are taken too: Discord adds some.

    Raises:
        ArgumentTypeError: there is none.
    """
    return frozenset(name.upper() for name in _names(text))


def seconds(text: str) -> float:
    """A time above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return check_seconds("it", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write a number of seconds above 0") from None


def delay(text: str) -> float:
    """A time of at least 0.

    Raises:
        ArgumentTypeError: it is not.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"invalid time {text!r}: expected a number of seconds of at least 0")
    return number


def token(text: str) -> str:
    """A token that a client can send, without the ``Bot`` that some write before it.

    Raises:
        ArgumentTypeError: no client can send it.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("the token is empty, so no client could be let in")
    try:
        return check_token(text)
    except ValueError:
        words = "no client sends a token that is empty or holds spaces, line breaks or characters outside ASCII"
        raise argparse.ArgumentTypeError(words) from None


def port(text: str) -> int:
    """A port number; 0 stands for any that is free.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 0 to 65535, 0 for any free one")
    return int(text)


def count(text: str) -> int:
    """A whole number from 0 on.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not (text.isdecimal() and text.isascii()):
        raise argparse.ArgumentTypeError(f"{text!r} is no count: write a whole number from 0 on")
    return int(text)


def at_least_one(text: str) -> int:
    """A whole number from 1 on.

    Raises:
        ArgumentTypeError: it is none.
    """
    if number := count(text):
        return number
    raise argparse.ArgumentTypeError("'0' is too few: write a whole number from 1 on")


def speed(text: str) -> float:
    """A number above 0, or max for infinity.

    Raises:
        ArgumentTypeError: it is none.
    """
    if text.lower() == "max":
        return math.inf
    try:
        return check_seconds("it", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: write a number above 0, such as 10, or max") from None


def size(text: str) -> int:
    """A number of bytes above 0, or of K, M or G (1024 bytes, 1024 K, 1024 M).

    Raises:
        ArgumentTypeError: it is none.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,14})([KMG]?)B?", text.upper())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write a number of bytes, or such as 500K, 100M or 2G")
    return int(found[1]) << 10 * " KMG".index(found[2] or " ")


def shard(text: str) -> tuple[int, int]:
    """``ID/COUNT``.

    Raises:
        ArgumentTypeError: it is no shard.
    """
    shard_id, slash, count = text.partition("/")
    if not (slash and shard_id.isdecimal() and count.isdecimal() and int(shard_id) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard: write ID/COUNT with ID from 0 to COUNT - 1, as in 0/1")
    return int(shard_id), int(count)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("write at least one name")
    return names
