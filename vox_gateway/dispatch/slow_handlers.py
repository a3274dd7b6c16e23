"""Warns about each handler that takes too long, with its stack where that can be read.

No timer runs while nothing is handled: the check is armed when the thread begins to work, runs again when a handler
could have become slow, and is disarmed when it finds the thread idle.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable

from ..concurrency.gil import HAS_GIL
from ..concurrency.scheduler import Scheduler
from ..log import Lines, ShardLog
from . import emitter
from .event_queue import Full

__all__ = ["SlowHandlers"]

#: the event being handled and since when (monotonic), or None
Work = tuple[str, float] | None
#: the same, with the log of the shard whose event it is
RunningWork = tuple[str, float, ShardLog] | None


class SlowHandlers:
    """Watches one thread that runs handlers.

    Args:
        after: seconds after which a handler is slow.
        work: returns the event that the thread handles.
        thread_id: returns the identifier of the thread.
    """

    def __init__(
        self,
        after: float,
        scheduler: Scheduler,
        work: Callable[[], RunningWork],
        thread_id: Callable[[], int | None],
    ) -> None:
        self._after = after
        self._scheduler = scheduler
        self._work = work
        self._thread_id = thread_id
        self._warned: RunningWork = None  # used on the scheduler's thread only
        #: whether the check is to come
        self.armed: bool = False
        # Says the same: a flag that is tested and set in one step. Nobody waits for it, since a signal handler may
        # interrupt the thread that handles events and close the client.
        self._is_armed = threading.Lock()

    def arm(self) -> None:
        """The thread is at work."""
        if not self._is_armed.acquire(blocking=False):
            return
        self.armed = True
        if not self._scheduler.call_at(time.monotonic() + self._after, self._check):
            self._disarm()  # the next event tries again

    def _disarm(self) -> None:
        self.armed = False
        self._is_armed.release()

    def _check(self) -> None:
        work = self._work()
        if work is None:
            self._disarm()
            # The thread says what it is at before it arms: if it does so in between, one of the two sees the other.
            if self._work() is not None:
                self.arm()
            return
        name, since, log = work
        now = time.monotonic()
        if now - since >= self._after:
            if work is not self._warned:
                self._warned = work
                seconds = f"{now - since:.1f} seconds"
                self._warn(log, f"the handler of {name} has been running for {seconds}; events wait behind it")
            since = now
        self._scheduler.call_at(since + self._after, self._check)

    def warn_of_full_queue(self, full: Full) -> bool:
        """Warn that reading is paused while the queue is full; return false if no handler runs on this thread."""
        work = self._work()
        if work is not None:
            self._warn(
                work[2],
                f"{full.waiting} ({full.bound}) behind the handler of {work[0]}, so reading pauses; heartbeats go on",
            )
        return work is not None

    def _warn(self, log: ShardLog, text: str) -> None:
        """Log `text` with the stack of the thread.

        Without the GIL there is no stack: to read the frames of a thread that runs may crash the process.

        See: https://docs.python.org/3/howto/free-threading-python.html#frame-objects
        """
        if not HAS_GIL:
            log.warning("%s. Where it is cannot be shown without the GIL", text)
            return
        frame = sys._current_frames().get(self._thread_id() or 0)
        stack = traceback.extract_stack(frame) if frame else []
        # From the handler on: the way to it is ours, and of no use to its author. Its last step is the emitter, or the
        # loop of the dispatcher, which calls handlers in C.
        files, names = [entry.filename for entry in stack], [entry.name for entry in stack]
        begin = _after_last(emitter.__file__, files) or _after_last("_dispatch_all", names)
        lines = traceback.format_list(stack[begin:])
        log.warning("%s. It is here:\n%s", text, Lines("".join(lines).rstrip()))


def _after_last(value: str, values: list[str]) -> int:
    """Return the position after the last `value`; 0 if there is none."""
    return max((position for position, found in enumerate(values, 1) if found == value), default=0)
