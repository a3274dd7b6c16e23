"""What the dispatcher asks of an executor."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any

from ...encoding import Payload
from ..progress import Progress
from ..slow_handlers import Work

__all__ = ["HandlerExecutor"]


class HandlerExecutor(ABC):
    """Runs the handlers of the events that the dispatcher takes, in order.

    Attributes:
        progress: how far the handlers have got.
    """

    progress: Progress

    @abstractmethod
    def start(self, dispatcher: threading.Thread) -> None:
        """Begin, before `dispatcher` runs.

        Raises:
            RuntimeError: a thread cannot be started; none is left behind.
        """

    @abstractmethod
    def dispatch(self, payload: Payload) -> None:
        """Run the handlers of a dispatch, now or later. The dispatcher's thread."""

    @abstractmethod
    def signal(self, event: str, *args: Any) -> None:
        """Run the handlers of any other event. The dispatcher's thread."""

    @abstractmethod
    def finish(self) -> None:
        """Expect no more events; return when the handlers on threads of this executor have returned."""

    @abstractmethod
    def abandon(self) -> None:
        """Leave what waits to the parent, in a child process that a handler may have forked."""

    @property
    @abstractmethod
    def current(self) -> Work:
        """The event whose handlers have been running longest, and since when (monotonic); None when none run."""

    @abstractmethod
    def is_current_thread(self) -> bool:
        """Whether the caller is a handler."""

    @abstractmethod
    def warn_of_full_queue(self, limit: int) -> bool:
        """Log why reading is paused while `limit` events wait; return false if the reason is unknown."""
