"""Handlers that run later than the dispatcher hands their event over, on other threads than its own."""

from __future__ import annotations

from collections.abc import Callable

from ...session.state import Session
from .base import HandlerExecutor
from .completion import CompletionTracker

__all__ = ["DeferredExecutor"]


class DeferredExecutor(HandlerExecutor):
    """Keeps a ledger of what has begun and what is done.

    Args:
        on_begun: called when one event waits less.
        on_done: called when `done` has moved.
    """

    def __init__(self, on_begun: Callable[[], None], on_done: Callable[[], None] | None) -> None:
        self._ledger = CompletionTracker(on_begun, on_done)

    def begin(self, session: Session) -> None:
        """See `HandlerExecutor`."""
        self._ledger.open(session)

    def drop(self) -> None:
        """See `HandlerExecutor`."""
        self._ledger.drop()

    def abandon(self) -> None:
        """See `HandlerExecutor`."""
        self._ledger.abandon()

    @property
    def is_idle(self) -> bool:
        """See `HandlerExecutor`."""
        return self._ledger.is_idle

    @property
    def waiting(self) -> int:
        """See `HandlerExecutor`."""
        return self._ledger.waiting

    @property
    def dropped(self) -> int:
        """See `HandlerExecutor`."""
        return self._ledger.dropped

    @property
    def given(self) -> Session:
        """See `HandlerExecutor`."""
        return self._ledger.given

    @property
    def done(self) -> Session | None:
        """See `HandlerExecutor`."""
        return None if self._ledger.is_settled else self._ledger.done
