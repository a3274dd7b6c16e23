"""Messages to the demo's inbox, from handlers and the gateway process."""

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
    """Another client event: ``open``, ``close``, ``error``, ``HELLO``, ``blocks`` or ``wakes``.

    Attributes:
        at: monotonic time.
    """

    at: float
    name: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an order.

    Attributes:
        order: the number of the order.
        value: its result.
        problem: why it failed, or None.
    """

    order: int
    value: Any = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Died:
    """The gateway process has exited."""

    status: int


Occurrence = Event | Moment | Answer | Died
