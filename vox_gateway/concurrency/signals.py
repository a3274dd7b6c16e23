"""How the main thread waits, so that Ctrl-C and other signals are heard at once, and no lock is left locked.

A signal may be taken by any thread of the process, and then does not end the main thread's wait for a lock; nor does
one that comes just as that wait begins. So the main thread waits for a socket to which Python's own C handler writes
each signal, whichever thread took it (`signal.set_wakeup_fd`).

A handler of signals, as that of Ctrl-C, raises between any two steps of Python code. `threading.Condition` and `Event`
take and leave their locks in Python code, so that one of them would be left locked for ever now and then. So what the
main thread does holds `Lock` and `RLock` only, which are left in any case, and starts threads `defer_sigint`.
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

from .wakeup import Selector, Wakeup

__all__ = ["SignalSafeEvent", "defer_sigint"]

#: seconds between two looks where the process's wake-up descriptor belongs to somebody else (an asyncio loop, say)
GLANCE = 0.5
#: seconds that a selector waits at a time; poll() takes no more than 24 days
LONGEST_WAIT = 86_400.0


@contextlib.contextmanager
def defer_sigint() -> Iterator[None]:
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


class SignalSafeEvent:
    """A flag to wait for, by any thread; on the main thread, signal handlers run meanwhile, and may raise."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: dict[object, Callable[[], None]] = {}
        # Guards the table above. A signal handler may ring or wait while the code that it interrupted holds the lock,
        # so it is reentrant, and each change of the table is a single step.
        self._lock = threading.RLock()

    @property
    def rung(self) -> bool:
        """Whether a wait would return at once."""
        return self._rung

    def ring(self) -> None:
        """End the waits, those to come as well."""
        self._rung = True
        with self._lock:
            waiting = self._waiting.copy()
        for tell in waiting.values():
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
        key = object()
        try:
            with self._lock:
                self._waiting[key] = tell
            if self._rung:
                tell()
            yield
        finally:
            with self._lock:
                self._waiting.pop(key, None)  # Ctrl-C may have come before it was added

    def _wait_in_the_foreground(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        doorbell = _main_doorbell()
        told: list[bool] = []

        def tell() -> None:
            told.append(True)
            doorbell.nudge()

        with self._telling(tell), Selector() as selector:
            selector.register(doorbell, selectors.EVENT_READ)
            ours = True
            try:
                others = signal.set_wakeup_fd(doorbell.write_end, warn_on_full_buffer=False)
                if others not in (-1, doorbell.write_end):  # ours is still set where Ctrl-C cut an earlier wait short
                    ours = False
                    signal.set_wakeup_fd(others)
                while not self._rung and not told and not doorbell:
                    left = LONGEST_WAIT if ours else GLANCE
                    if deadline is not None:
                        until = deadline - time.monotonic()
                        if until <= 0:
                            break
                        left = min(left, until)
                    if selector.select(left):
                        doorbell.drain()
            finally:
                if ours:
                    signal.set_wakeup_fd(-1)
                doorbell.nudge()  # a signal handler may wait inside another wait, and take what was meant for that
        return self._rung or bool(told) or bool(doorbell)


_doorbell: Wakeup | None = None


def _main_doorbell() -> Wakeup:
    """What wakes the main thread. Kept for the life of the process: a signal may be written to it at any moment."""
    global _doorbell  # noqa: PLW0603  # used by the main thread only
    if _doorbell is None or _doorbell:  # set in a child process: it is the parent's
        _doorbell = Wakeup()
    return _doorbell
