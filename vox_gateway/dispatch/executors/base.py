"""What the dispatcher asks of an executor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ...encoding import Payload
from ..event_queue import Full
from ..progress import Progress
from ..slow_handlers import Work
from .runner import Runner

__all__ = ["HandlerExecutor"]


class HandlerExecutor(ABC):
    """Runs the handlers of the events of a shard that the dispatcher takes, in order.

    Attributes:
        progress: how far the handlers have got.
    """

    progress: Progress

    @abstractmethod
    def dispatch(self, payload: Payload) -> None:
        """Run the handlers of a dispatch, now or later. The dispatcher's thread."""

    @property
    def direct_runner(self) -> Runner | None:
        """The runner whose `dispatch` is all that `dispatch` does; None if there is more to it.

        `_speedups.c` may do its work then, and that of `Emitter.emit` and of an `InlineProgress`.
        """
        return None

    @abstractmethod
    def signal(self, event: str, *args: Any) -> None:
        """Run the handlers of any other event. The dispatcher's thread."""

    @abstractmethod
    def finish(self, on_finished: Callable[[], None]) -> None:
        """Expect no more events; call `on_finished` when all handlers on threads of ours have returned."""

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
    def warn_of_full_queue(self, full: Full) -> bool:
        """Log why reading is paused while the queue is full; return false if the reason is unknown."""
