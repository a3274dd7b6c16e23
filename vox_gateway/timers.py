"""Things to do later: one thread, one inbox, asleep while there is nothing to wait for."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable

from .logs import ShardLog

__all__ = ["Timers"]

_Entry = tuple[float, int, Callable[[], None]]


class Timers:
    """Calls functions at given times, on a thread that is started when it is first needed.

    The thread is a daemon because a script that ends without `close` must not hang; its owner calls `stop`. The
    functions must be short and must not block.
    """

    def __init__(self, name: str, log: ShardLog) -> None:
        self._log = log
        self._inbox: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._order = itertools.count()  # entries of one time keep their order, and functions are never compared
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = self._stopped = False
        self._lock = threading.Lock()  # guards the two flags, so that a stop before the start is not lost

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call `function` at `when` on the monotonic clock; never, once stopped."""
        with self._lock:
            if self._stopped:
                return
            if not self._started:
                self._started = True
                self._thread.start()
        self._inbox.put((when, next(self._order), function))

    def stop(self) -> None:
        """Forget what is still to do and end the thread; returns when it has ended."""
        with self._lock:
            self._stopped = True
            started = self._started
        self._inbox.put(None)
        if started:
            self._thread.join()

    def _run(self) -> None:
        agenda: list[_Entry] = []
        while True:
            try:
                timeout = max(agenda[0][0] - time.monotonic(), 0.0) if agenda else None
                entry = self._inbox.get(timeout=timeout)
            except queue.Empty:
                function = heapq.heappop(agenda)[2]
                try:
                    function()
                except Exception:
                    self._log.exception("a timed task failed")
            else:
                if entry is None:
                    return
                heapq.heappush(agenda, entry)
