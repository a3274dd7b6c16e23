"""The inbox of the main thread: it waits for items, and hears Ctrl-C at once meanwhile."""

from __future__ import annotations

import queue
import time
from collections import deque
from typing import Generic, NamedTuple, TypeVar

from ...concurrency.signals import SignalSafeEvent

__all__ = ["MainInbox"]

Item = TypeVar("Item")


class _Failure(NamedTuple):
    error: Exception


class MainInbox(Generic[Item]):
    """As a `queue.SimpleQueue`, but that waiting for it on the main thread lets signal handlers run, and raise."""

    def __init__(self) -> None:
        self._items: deque[Item | _Failure] = deque()
        self._event = SignalSafeEvent()

    def put(self, item: Item) -> None:
        """Add an item; never waits."""
        self._items.append(item)
        self._event.set()

    def fail(self, error: Exception) -> None:
        """Make `get` raise `error` when the items before it are taken; never waits."""
        self._items.append(_Failure(error))
        self._event.set()

    def get(self, timeout: float | None = None) -> Item:
        """Take the oldest item, and wait for it. For one thread only.

        Args:
            timeout: seconds; None for as long as it takes.

        Raises:
            queue.Empty: none came in time.
            Exception: what `fail` was given.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._event.clear()  # before the look: what comes after it rings again
            if self._items:
                item = self._items.popleft()
                if isinstance(item, _Failure):
                    raise item.error
                return item
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise queue.Empty
            self._event.wait(left)
