"""Work on the network for a caller who waits: in bounded time, though a name lookup may hang, and open to Ctrl-C."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import ConnectFailed
from .signals import SignalSafeEvent, defer_sigint
from .wakeup import Deadline, Wakeup

__all__ = ["call_with_deadline"]

Result = TypeVar("Result")

#: seconds beyond the deadline before the work is held to be stuck in a name lookup
LOOKUP_GRACE = 0.5
#: seconds that the work has to end once it is interrupted
ABANDON_AFTER = 0.3


def call_with_deadline(work: Callable[[Deadline, Wakeup], Result], seconds: float, timeout_name: str) -> Result:
    """Do `work` on a thread of its own, and wait for it.

    The thread is left behind in one case only: nothing can end a name lookup from outside. It opens nothing any more.

    Args:
        work: keeps to the deadline, and ends when it is interrupted.
        seconds: until the deadline.
        timeout_name: what the caller calls `seconds`, for the error.

    Raises:
        ConnectFailed: the name lookup took too long.
        Exception: what `work` raises.
    """
    errand = _Errand(work, time.monotonic() + seconds)
    with defer_sigint():
        errand.thread.start()
    try:
        if not errand.done.wait(seconds + LOOKUP_GRACE):
            raise ConnectFailed(f"the name lookup took longer than {timeout_name}={seconds:g} seconds")
        return errand.result()
    finally:  # Ctrl-C may end the wait too
        errand.interrupt.set()
        errand.thread.join(ABANDON_AFTER)


class _Errand(Generic[Result]):
    """One piece of work and its thread."""

    def __init__(self, work: Callable[[Deadline, Wakeup], Result], ends_at: float) -> None:
        self.done = SignalSafeEvent()
        self.interrupt = Wakeup()
        self.thread = threading.Thread(target=self._run, name="vox_gateway-errand", daemon=True)
        self._work = work
        self._ends_at = ends_at
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            with contextlib.closing(self.interrupt):
                self._results.append(self._work(lambda: self._ends_at, self.interrupt))
        except BaseException as error:  # the caller raises it
            self._error = error
        self.done.ring()
