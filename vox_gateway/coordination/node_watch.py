"""Waits for changes that other nodes make, on a thread of its own, and posts them to the node."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .interface import Change, Coordination

__all__ = ["NodeWatch"]

#: seconds between two looks at whether to stop
WATCH_INTERVAL = 0.25


class NodeWatch:
    """Watches a coordination.

    Args:
        coordination: what is watched.
        on_change: called with each change; must not block.
        on_failure: called with the exception that ended the watch; must not block.
        name: of the thread.

    Attributes:
        thread: waits for changes, until `stop`.
    """

    def __init__(
        self,
        coordination: Coordination,
        on_change: Callable[[Change], None],
        on_failure: Callable[[Exception], None],
        name: str,
    ) -> None:
        self.thread: threading.Thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._coordination = coordination
        self._on_change = on_change
        self._on_failure = on_failure
        self._is_stopped = False

    def stop(self) -> None:
        """Report no more changes, and end the thread within `WATCH_INTERVAL`. Idempotent; does not wait."""
        self._is_stopped = True

    def _run(self) -> None:
        watch = self._coordination.watch()
        try:
            while not self._is_stopped:
                if change := watch.wait(WATCH_INTERVAL):
                    self._on_change(change)
        except Exception as mistake:
            self._on_failure(mistake)
        finally:
            watch.close()
