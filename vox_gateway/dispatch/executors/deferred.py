"""What executors have in common whose handlers run on other threads than the dispatcher's."""

from __future__ import annotations

from collections.abc import Callable

from ..progress import Delivery, TrackedProgress
from .base import HandlerExecutor

__all__ = ["DeferredExecutor"]


class DeferredExecutor(HandlerExecutor):
    """Runs handlers later, and in parallel where it has several threads.

    Args:
        on_begun: called without a lock when one event less waits for its handlers.
    """

    progress: TrackedProgress

    def __init__(self, progress: TrackedProgress, on_begun: Callable[[], None]) -> None:
        self.progress = progress
        self._on_begun = on_begun

    def _begin(self, delivery: Delivery) -> bool:
        """Return whether the handlers of `delivery` may run now."""
        begun = self.progress.begin_delivery(delivery)
        if begun:
            self._on_begun()
        return begun
