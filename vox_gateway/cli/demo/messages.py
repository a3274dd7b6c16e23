"""What can happen during the demo. All of it comes to one inbox, whose one reader tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Answer", "Died", "Event", "Moment", "Occurrence"]


@dataclass(frozen=True, slots=True)
class Event:
    """A dispatch event reached its handler.

    Attributes:
        at: monotonic time.
    """

    at: float
    name: str
    data: Any
    seq: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Something else happened to the client: ``open``, ``close``, ``error``, ``HELLO``, ``blocks`` or ``wakes``.

    Attributes:
        at: monotonic time.
    """

    at: float
    name: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway's process has carried an order out, or says why not.

    Attributes:
        order: the order's number.
        value: what it came to.
        problem: why it could not be carried out, or None.
    """

    order: int
    value: Any = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Died:
    """The gateway's process has ended."""

    status: int


Occurrence = Event | Moment | Answer | Died
