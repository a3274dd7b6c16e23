"""Messages to the demo's inbox, from handlers and the gateway process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ClientEvent", "Event", "Message", "ProcessExited", "Reply"]


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
class ClientEvent:
    """Another client event: ``open``, ``close``, ``error``, ``HELLO``, ``blocks`` or ``wakes``.

    Attributes:
        at: monotonic time.
    """

    at: float
    name: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of a command.

    Attributes:
        number: the number of the command.
        value: its result.
        error: why it failed, or None.
    """

    number: int
    value: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ProcessExited:
    """The gateway process has exited."""

    status: int


Message = Event | ClientEvent | Reply | ProcessExited
