"""Things to do later: one thread, one inbox, asleep while there is nothing to wait for."""

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
    """Calls functions at given times, on a thread that is started when it is first needed.

    The thread is a daemon because a script that ends without `close` must not hang; its owner calls `stop`. The
    functions must be short and must not block.

    Args:
        on_failure: called, on the thread, with what ends it other than `stop`.
    """

    def __init__(self, name: str, log: ShardLog, on_failure: Callable[[BaseException], None]) -> None:
        self._log = log
        self._on_failure = on_failure
        self._inbox: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._order = itertools.count()  # entries of one time keep their order, and functions are never compared
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = self._stopped = False
        self._refused = False  # whether the last start failed, and was warned of
        self._lock = threading.Lock()  # guards the flags, so that a stop before the start is not lost

    def call_at(self, when: float, function: Callable[[], None]) -> bool:
        """Call `function` at `when` on the monotonic clock; never, once stopped.

        Returns:
            False if the thread could not be started; the next call tries again. True otherwise, also after `stop`, when
            `function` is never called.
        """
        # Ctrl-C is put off, since the main thread may run handlers, and arm their warning.
        with defer_sigint(), self._lock:
            if self._stopped:
                return True
            error = None if self._started else self._start()
            if error is None:
                self._inbox.put((when, next(self._order), function))
                return True
            first, self._refused = not self._refused, True
        if first:
            self._log.warning("cannot start the thread %s: %s", self._thread.name, error)
        return False

    def _start(self) -> RuntimeError | None:
        """Start the thread; returns the error if the system has no thread to give. The lock is held."""
        try:
            self._thread.start()
        except RuntimeError as error:
            return error
        self._started = True
        self._refused = False
        return None

    def stop(self) -> None:
        """Forget what is still to do and end the thread; returns when it has ended."""
        with self._lock:
            self._stopped = True
            started = self._started
        self._inbox.put(None)
        if started:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            self._on_failure(error)

    def _loop(self) -> None:
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
