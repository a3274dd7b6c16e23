"""Runs short functions at given times.

Any thread schedules; the functions run on the scheduler's own thread, which sleeps on its inbox while nothing is due.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable

from ..log import ShardLog
from .signals import defer_sigint

__all__ = ["Scheduler"]

_Entry = tuple[float, int, Callable[[], None]]


class Scheduler:
    """Calls functions at given times, on a thread that starts with the first call.

    The thread is a daemon because a script that ends without `close` must not hang; its owner calls `stop`. Functions
    must not block.

    Args:
        on_failure: called on the thread with the error that ended it unexpectedly.
        clock: returns the monotonic time, in seconds.
    """

    def __init__(
        self,
        name: str,
        log: ShardLog,
        on_failure: Callable[[BaseException], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._on_failure = on_failure
        self._clock = clock
        self._inbox: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._order = itertools.count()  # orders entries with equal times, so that functions are never compared
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = self._stopped = False
        self._start_failed = False  # the last start failed, and that was logged
        # Held while the thread is started, by threads that schedule. Reentrant, since a signal handler may schedule
        # too; `stop` does without it, since the handler may wait for the thread that calls `stop`.
        self._lock = threading.RLock()

    def call_at(self, when: float, function: Callable[[], None]) -> bool:
        """Call `function` at `when`, in monotonic time. Does nothing after `stop`.

        Returns:
            False if the thread could not be started; the next call tries again. True otherwise, also after `stop`.
        """
        if self._stopped:
            return True
        # Ctrl-C is deferred, since the main thread schedules too, when it runs handlers.
        with defer_sigint():
            error = None if self._started else self._start()
            if error is None:
                self._inbox.put((when, next(self._order), function))
                return True
            is_first, self._start_failed = not self._start_failed, True
        if is_first:
            self._log.warning("cannot start the thread %s: %s", self._thread.name, error)
        return False

    def _start(self) -> RuntimeError | None:
        """Start the thread unless it was started; return the error if the system has no thread left."""
        with self._lock:
            if not self._started:
                self._started = True  # before, for a signal handler that schedules in the middle
                try:
                    self._thread.start()
                except RuntimeError as error:
                    self._started = False
                    return error
                self._start_failed = False
        return None

    def stop(self) -> None:
        """Drop all pending calls and end the thread. Returns when it has ended; if it is just being started, before."""
        self._stopped = True
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            self._on_failure(error)

    def _loop(self) -> None:
        pending: list[_Entry] = []
        while True:
            try:
                timeout = max(pending[0][0] - self._clock(), 0.0) if pending else None
                entry = self._inbox.get(timeout=timeout)
            except queue.Empty:
                function = heapq.heappop(pending)[2]
                try:
                    function()
                except Exception:
                    self._log.exception("a timed task failed")
            else:
                if entry is None:
                    return
                heapq.heappush(pending, entry)
