"""Handlers that run later than the dispatcher hands their event over, on other threads than its own."""

from __future__ import annotations

from collections.abc import Callable

from ...session.state import Session
from .base import HandlerExecutor
from .completion import CompletionTracker

__all__ = ["DeferredExecutor"]


class DeferredExecutor(HandlerExecutor):
    """Keeps a tracker of what has begun and what is done.

    Args:
        on_begun: called when one event waits less.
        on_completed: called when `completed` has moved.
    """

    def __init__(self, on_begun: Callable[[], None], on_completed: Callable[[], None] | None) -> None:
        self._tracker = CompletionTracker(on_begun, on_completed)

    def begin(self, session: Session) -> None:
        """See `HandlerExecutor`."""
        self._tracker.open(session)

    def drop(self) -> None:
        """See `HandlerExecutor`."""
        self._tracker.drop()

    def abandon(self) -> None:
        """See `HandlerExecutor`."""
        self._tracker.abandon()

    @property
    def is_idle(self) -> bool:
        """See `HandlerExecutor`."""
        return self._tracker.is_idle

    @property
    def waiting(self) -> int:
        """See `HandlerExecutor`."""
        return self._tracker.waiting

    @property
    def dropped(self) -> int:
        """See `HandlerExecutor`."""
        return self._tracker.dropped

    @property
    def delivered(self) -> Session:
        """See `HandlerExecutor`."""
        return self._tracker.delivered

    @property
    def completed(self) -> Session | None:
        """See `HandlerExecutor`."""
        return None if self._tracker.is_settled else self._tracker.completed
