"""How the main thread waits, so that Ctrl-C and other signals are heard at once and nothing ticks.

A signal may be taken by any thread of the process, and then does not end the main thread's wait for a lock; nor does
one that comes just as that wait begins. So the main thread waits for a socket to which Python's own C handler writes
each signal, whichever thread took it (`signal.set_wakeup_fd`).
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import threading
import time
from collections.abc import Callable

from .interrupt import Interrupt, Selector

__all__ = ["Bell", "wait_for"]

#: seconds between two looks where the process's wake-up descriptor belongs to somebody else (an asyncio loop, say)
GLANCE = 0.5


def wait_for(
    event: threading.Event, when_set: Callable[[Callable[[], None]], None], timeout: float | None = None
) -> bool:
    """Wait for `event`; on the main thread, signal handlers run meanwhile, and may raise from here.

    Args:
        when_set: takes a function to call when `event` is set, or at once if it is set already.
        timeout: seconds, or None for as long as it takes.

    Returns:
        Whether `event` is set.
    """
    if event.is_set() or threading.current_thread() is not threading.main_thread():
        return event.wait(timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    with contextlib.closing(Interrupt()) as doorbell, Selector() as selector:
        selector.register(doorbell, selectors.EVENT_READ)
        when_set(doorbell.set)
        others = -1
        try:
            others = signal.set_wakeup_fd(doorbell.write_end, warn_on_full_buffer=False)
            if others != -1:
                signal.set_wakeup_fd(others)
            while not event.is_set():
                left = GLANCE if others != -1 else None
                if deadline is not None:
                    until = deadline - time.monotonic()
                    if until <= 0:
                        break
                    left = until if left is None else min(left, until)
                if selector.select(left):
                    doorbell.drain()
        finally:
            if others == -1:
                signal.set_wakeup_fd(-1)
    return event.is_set()


class Bell:
    """A flag to wait for; on the main thread too, where signals are heard meanwhile."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._waiting: list[Callable[[], None]] = []
        self._lock = threading.Lock()  # guards the list above

    def ring(self) -> None:
        """End the waits, those to come as well."""
        self._rung.set()
        with self._lock:
            waiting = list(self._waiting)
        for tell in waiting:
            tell()

    def silence(self) -> None:
        """Let waits be waits again."""
        self._rung.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it rings; False when `timeout` seconds passed first."""
        mine: list[Callable[[], None]] = []

        def when_rung(tell: Callable[[], None]) -> None:
            mine.append(tell)
            with self._lock:
                self._waiting.append(tell)
            if self._rung.is_set():
                tell()

        try:
            return wait_for(self._rung, when_rung, timeout)
        finally:
            # Ctrl-C may have come before it was added.
            with self._lock:
                self._waiting = [tell for tell in self._waiting if tell not in mine]
