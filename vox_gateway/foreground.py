"""How the main thread waits, so that Ctrl-C and other signals are heard at once, and no lock is left locked.

A signal may be taken by any thread of the process, and then does not end the main thread's wait for a lock; nor does
one that comes just as that wait begins. So the main thread waits for a socket to which Python's own C handler writes
each signal, whichever thread took it (`signal.set_wakeup_fd`).

A handler of signals, as that of Ctrl-C, raises between any two steps of Python code. `threading.Condition` and `Event`
take and leave their locks in Python code, so that one of them would be left locked for ever now and then. So what the
main thread does holds `Lock` and `RLock` only, which are left in any case, and starts threads `undisturbed`.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from .interrupt import Interrupt, Selector

__all__ = ["Bell", "undisturbed"]

#: seconds between two looks where the process's wake-up descriptor belongs to somebody else (an asyncio loop, say)
GLANCE = 0.5


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put Ctrl-C off until the end of the block; for what is short, and half done would do harm."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    heard: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if heard:
            handler(*heard[0])


class Bell:
    """A flag to wait for, by any thread; on the main thread, signal handlers run meanwhile, and may raise."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: list[Callable[[], None]] = []
        self._lock = threading.Lock()  # guards the list above

    def ring(self) -> None:
        """End the waits, those to come as well."""
        self._rung = True
        with self._lock:
            waiting = list(self._waiting)
        for tell in waiting:
            tell()

    def silence(self) -> None:
        """Let waits be waits again."""
        self._rung = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it rings; False when `timeout` seconds passed first."""
        if self._rung:
            return True
        if threading.current_thread() is threading.main_thread():
            return self._wait_in_the_foreground(timeout)
        told: queue.SimpleQueue[None] = queue.SimpleQueue()
        with self._telling(lambda: told.put(None)), contextlib.suppress(queue.Empty):
            told.get(timeout=timeout)
            return True
        return self._rung

    @contextlib.contextmanager
    def _telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Have `tell` called when it rings, or at once if it has."""
        try:
            with self._lock:
                self._waiting.append(tell)
            if self._rung:
                tell()
            yield
        finally:
            # Ctrl-C may have come before it was added.
            with self._lock:
                self._waiting = [one for one in self._waiting if one is not tell]

    def _wait_in_the_foreground(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        with contextlib.closing(Interrupt()) as doorbell, Selector() as selector:
            selector.register(doorbell, selectors.EVENT_READ)
            tell = doorbell.set
            with self._telling(tell):
                others = -1
                try:
                    others = signal.set_wakeup_fd(doorbell.write_end, warn_on_full_buffer=False)
                    if others != -1:
                        signal.set_wakeup_fd(others)
                    while not self._rung and not doorbell:
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
            return self._rung or bool(doorbell)
