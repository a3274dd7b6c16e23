"""The interface of a request: the commands to send, and the events that answer them. Pure: the time is an argument.

A `PendingRequest` calls it under its lock, on the threads of the callers that wait for the answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..errors import GatewayError
from ..opcodes import Opcode

__all__ = ["CommandData", "Request"]

#: the data of a command, its payload's ``d``
CommandData = dict[str, Any]


class Request(ABC):
    """Commands that the gateway answers with events, and the answer as far as it has arrived.

    Attributes:
        op: the opcode of the commands.
        description: what the answer is, for messages: "the members of guild 1".
        events: the names of the events that may be part of the answer.
        timer_at: when `on_timer` is due, on the monotonic clock in seconds; None while no timer is set.
    """

    op: Opcode
    description: str
    events: tuple[str, ...]
    timer_at: float | None = None

    @abstractmethod
    def start(self) -> list[CommandData]:
        """Return the commands to send in a new session: those whose answer is incomplete, with new nonces."""

    @abstractmethod
    def resume(self) -> list[CommandData]:
        """Return the commands to send after RESUMED: those without any answer, as they may have been lost."""

    @abstractmethod
    def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
        """Handle an event named in `events`, whose data may be malformed.

        Returns:
            Whether it is part of the answer.
        """

    def on_timer(self, now: float) -> list[CommandData]:
        """Return the commands to send at `timer_at`."""
        return []

    def failure(self, now: float, deadline: float) -> GatewayError | None:
        """Return the error that rules out an answer before `deadline`, or None."""
        return None

    @property
    @abstractmethod
    def is_answered(self) -> bool:
        """Whether the answer is complete."""

    @abstractmethod
    def answer(self) -> Any:
        """Return the complete answer; a new object for each caller."""

    @abstractmethod
    def progress(self) -> str:
        """Describe how much of the answer has arrived and what may be missing, for the timeout's message."""
