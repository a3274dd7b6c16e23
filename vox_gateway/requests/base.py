"""What is asked of the gateway, and how far its answer has come. Pure: the time is an argument."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..errors import GatewayError
from ..opcodes import Opcode

__all__ = ["CommandData", "Request"]

#: the data of a command
CommandData = dict[str, Any]


class Request(ABC):
    """A question: the commands that ask it, and the events that answer it.

    Attributes:
        op: of its commands.
        what: what is asked for, in words.
        events: the names of the events that may be of its answer.
        wake_at: when it has more to do although nothing came, or None.
    """

    op: Opcode
    what: str
    events: tuple[str, ...]
    wake_at: float | None = None

    @abstractmethod
    def begin(self) -> list[CommandData]:
        """What to send in a session in which nothing was asked yet: all that has not been answered."""

    @abstractmethod
    def resume(self) -> list[CommandData]:
        """What to send when the session was resumed, and all that it had kept has come.

        That is what there is no sign of an answer to: it may have been lost with the connection.
        """

    @abstractmethod
    def take(self, name: str, data: dict[str, Any], now: float) -> bool:
        """Look at an event, which need not be part of the answer, nor be formed as documented.

        Returns:
            Whether it is part of the answer.
        """

    def wake(self, now: float) -> list[CommandData]:
        """What to send now that it is `wake_at`."""
        return []

    def in_vain(self, now: float, deadline: float) -> GatewayError | None:
        """Why it is no use to wait until `deadline`; None when it may be."""
        return None

    @property
    @abstractmethod
    def is_answered(self) -> bool:
        """Whether all of the answer has come."""

    @abstractmethod
    def answer(self) -> Any:
        """The answer; each caller's own."""

    @abstractmethod
    def missing(self) -> str:
        """How far the answer has come, in words, and what may keep the rest."""
