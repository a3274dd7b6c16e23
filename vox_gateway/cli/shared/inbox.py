"""A queue on which the main thread can wait without delaying Ctrl-C."""

from __future__ import annotations

import queue
from collections import deque
from typing import Generic, NamedTuple, TypeVar

from ...concurrency.clock import deadline_after, seconds_until
from ...concurrency.signals import SignalSafeEvent

__all__ = ["MainInbox"]

Item = TypeVar("Item")


class _Failure(NamedTuple):
    error: Exception


class MainInbox(Generic[Item]):
    """A `queue.SimpleQueue` whose `get` lets signal handlers run on the main thread."""

    def __init__(self) -> None:
        self._items: deque[Item | _Failure] = deque()
        self._event = SignalSafeEvent()

    def put(self, item: Item) -> None:
        """Add an item without blocking. Thread-safe."""
        self._items.append(item)
        self._event.set()

    def fail(self, error: Exception) -> None:
        """Make `get` raise `error` after the items put before. Thread-safe; does not block."""
        self._items.append(_Failure(error))
        self._event.set()

    def get(self, timeout: float | None = None) -> Item:
        """Remove and return the oldest item, waiting for it. Called on a single thread.

        Args:
            timeout: seconds; None to wait forever.

        Raises:
            queue.Empty: no item within `timeout`.
            Exception: the error passed to `fail`.
        """
        deadline = deadline_after(timeout)
        while True:
            self._event.clear()  # before the check: a later put sets it again
            if self._items:
                item = self._items.popleft()
                if isinstance(item, _Failure):
                    raise item.error
                return item
            left = seconds_until(deadline)
            if left == 0:
                raise queue.Empty
            self._event.wait(left)
