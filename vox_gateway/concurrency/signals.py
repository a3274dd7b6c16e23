"""Lets the main thread wait so that signals are handled at once and no lock stays locked.

Called by any thread that waits for the client. Two properties of Python shape it:

- Any thread of the process may receive a signal, and then the main thread's wait for a lock goes on; so it does for a
  signal that arrives just as the wait begins. So the main thread selects on a socket to which Python's C-level handler
  writes every signal, whichever thread received it (`signal.set_wakeup_fd`).
- A signal handler, such as that of Ctrl-C, may raise between any two bytecodes. `threading.Condition` and `Event`
  acquire and release their locks in Python code, and so would sometimes stay locked forever. So the main thread holds
  `Lock` and `RLock` only, which are always released, and starts threads under `defer_sigint`.

See: https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from .clock import deadline_after, seconds_until
from .wakeup import Selector, Wakeup

__all__ = ["SignalSafeCondition", "SignalSafeEvent", "defer_sigint", "on_sigterm"]

#: seconds between two polls while the wake-up descriptor belongs to somebody else, such as an asyncio loop, or no
#: descriptors are left
POLL_INTERVAL = 0.5
#: seconds of the longest single wait; poll() takes at most 24 days
LONGEST_WAIT = 86_400.0


@contextlib.contextmanager
def defer_sigint() -> Iterator[None]:
    """Defer Ctrl-C to the end of the block. For short steps that must not be left half done."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if received:
            handler(*received[0])


@contextlib.contextmanager
def on_sigterm(call: Callable[[], None]) -> Iterator[None]:
    """Call a function on SIGTERM, on the main thread, until the end of the block.

    Does nothing on another thread, and where the program handles or ignores SIGTERM itself.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        call()

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is handle:  # the program may have set its own
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


class SignalSafeEvent:
    """An event for any thread. While the main thread waits, signal handlers run, and may raise."""

    def __init__(self) -> None:
        self._is_set = False
        # No lock: a thread that sets must not wait for the main thread, which a signal handler may hold up. Each change
        # of the table is a single step.
        self._waiters: dict[object, Callable[[], None]] = {}

    def is_set(self) -> bool:
        """Return whether a wait would return at once."""
        return self._is_set

    def set(self) -> None:
        """End all current and later waits."""
        self._is_set = True
        for notify in self._waiters.copy().values():
            notify()

    def clear(self) -> None:
        """Reset the event: later waits block again."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for `set`; return False if `timeout` seconds passed first."""
        if self._is_set:
            return True
        if threading.current_thread() is not threading.main_thread():
            return self._wait_in_queue(timeout, LONGEST_WAIT)
        try:
            wakeup = _main_wakeup()
        except OSError:  # no descriptors are left
            return self._wait_in_queue(timeout, POLL_INTERVAL)
        return self._wait_on_main_thread(wakeup, timeout)

    def _wait_in_queue(self, timeout: float | None, longest: float) -> bool:
        """Wait without a descriptor, `longest` seconds at a time; a signal handler may have to wait for that."""
        deadline = deadline_after(timeout)
        notified: queue.SimpleQueue[None] = queue.SimpleQueue()
        with self._notifying(lambda: notified.put(None)):
            while True:
                left = longest if deadline is None else min(longest, deadline - time.monotonic())
                with contextlib.suppress(queue.Empty):
                    notified.get(timeout=max(left, 0.0))
                    return True
                if left < longest:
                    return self._is_set

    @contextlib.contextmanager
    def _notifying(self, notify: Callable[[], None]) -> Iterator[None]:
        """Call `notify` on `set`, or at once if the event is set."""
        key = object()
        try:
            self._waiters[key] = notify
            if self._is_set:
                notify()
            yield
        finally:
            self._waiters.pop(key, None)  # Ctrl-C may have come before it was added

    def _wait_on_main_thread(self, wakeup: Wakeup, timeout: float | None) -> bool:
        deadline = deadline_after(timeout)
        notified: list[bool] = []

        def notify() -> None:
            notified.append(True)
            wakeup.wake_unlocked()

        with self._notifying(notify), Selector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            previous, is_ours = -1, True
            try:
                previous = signal.set_wakeup_fd(wakeup.write_end, warn_on_full_buffer=False)
                if previous not in (-1, wakeup.write_end):  # ours: of an outer wait
                    is_ours = False
                    signal.set_wakeup_fd(previous)
                while not (self._is_set or notified or wakeup.is_cancelled):
                    left = LONGEST_WAIT if is_ours else POLL_INTERVAL
                    if deadline is not None:
                        left = min(left, deadline - time.monotonic())
                        if left <= 0:
                            break
                    if selector.select(left):
                        wakeup.drain()
            finally:
                # This may be a wait in a signal handler of another wait, which goes on: its descriptor is put back, and
                # the wake-up that this wait may have drained.
                if is_ours:
                    signal.set_wakeup_fd(previous)
                wakeup.wake_unlocked()
        return self._is_set or bool(notified) or wakeup.is_cancelled


class SignalSafeCondition:
    """Lets any thread wait until something is true, as `threading.Condition` does, but without a lock.

    What is waited for must change in single steps, each followed by `notify_all`.
    """

    def __init__(self) -> None:
        self._waiters: dict[SignalSafeEvent, None] = {}  # the event of each thread that waits

    def notify_all(self) -> None:
        """Make all waits ask again. Any thread."""
        for waiter in self._waiters.copy():
            waiter.set()

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until `predicate()` is true, which is asked after each change; return False after `timeout` seconds."""
        if predicate():
            return True
        if timeout == 0:
            return False
        deadline, changed = deadline_after(timeout), SignalSafeEvent()
        try:
            self._waiters[changed] = None
            while not predicate():
                if not changed.wait(seconds_until(deadline)):
                    return False
                changed.clear()
            return True
        finally:
            self._waiters.pop(changed, None)


_wakeup: Wakeup | None = None


def _main_wakeup() -> Wakeup:
    """Return the main thread's wakeup, kept for the life of the process: any signal may be written to it.

    Raises:
        OSError: the process or the system has no descriptors left.
    """
    global _wakeup  # noqa: PLW0603  # used by the main thread only
    if _wakeup is None or _wakeup.is_cancelled:  # set after a fork: it is the parent's
        _wakeup = Wakeup()
    return _wakeup


@atexit.register  # now, and so after what clients do at exit, which waits too
def _close_main_wakeup() -> None:
    global _wakeup  # noqa: PLW0603  # used by the main thread only
    if _wakeup is not None:
        _wakeup.close()
        _wakeup = None
