"""What the dispatcher asks of whatever runs the handlers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ...encoding import Payload
from ...session.state import Session
from ..slow_handlers import Work

__all__ = ["HandlerExecutor"]


class HandlerExecutor(ABC):
    """Runs the handlers of what the dispatcher takes from the backlog, in order."""

    @abstractmethod
    def dispatch(self, payload: Payload) -> None:
        """Run the handlers of a dispatch, now or later. The dispatcher's thread."""

    @abstractmethod
    def signal(self, event: str, *args: Any) -> None:
        """Run the handlers of anything else. The dispatcher's thread."""

    @abstractmethod
    def finish(self) -> None:
        """Nothing more comes: return when all that will run has run, or is left to somebody else."""

    @property
    @abstractmethod
    def current(self) -> Work:
        """An event whose handlers run now, and since when; None when none do."""

    @abstractmethod
    def is_current_thread(self) -> bool:
        """Whether the caller is a handler."""

    @abstractmethod
    def backlog_is_stuck(self, limit: int) -> bool:
        """Reading has paused, since `limit` events wait: say for what, where that is known. The reader's thread."""

    def drop(self) -> None:  # noqa: B027  # where all begin at once there is nothing to do
        """Forget the dispatches that have not begun."""

    def abandon(self) -> None:  # noqa: B027
        """What waits is the parent's, in a child process that may have been forked by a handler: none begins there."""

    @property
    def is_idle(self) -> bool:
        """Whether all handlers that have begun elsewhere than on the dispatcher's thread have returned."""
        return True

    @property
    def waiting(self) -> int:
        """Dispatches that have not begun."""
        return 0

    @property
    def dropped(self) -> int:
        """Dispatches that were forgotten."""
        return 0

    def begin(self, session: Session) -> None:  # noqa: B027
        """What the handlers have seen already, in an earlier run."""

    @property
    def delivered(self) -> Session | None:
        """The session up to which every dispatch has begun; None when that is all that was handed over."""
        return None

    @property
    def completed(self) -> Session | None:
        """The session up to which the handlers of every dispatch have returned; None as above."""
        return None
