"""Wakes a thread that waits on a socket, and bounds its waits.

The reader and the threads of bounded calls select on a `Wakeup` beside their socket; the main thread has its own for
signals. Any thread may set it. `Interrupted` and `DeadlinePassed` then propagate in the waiting thread. Neither is
an OSError, so that no library in between mistakes it for a network error.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable

from .fork import close_in_child, in_child

__all__ = ["Deadline", "DeadlinePassed", "Interrupted", "Selector", "Wakeup", "seconds_left"]

#: returns when the current wait ends, in monotonic time; None for never
Deadline = Callable[[], float | None]

#: poll() needs no descriptor of its own; epoll would need a descriptor for each connection
Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.DefaultSelector)


class Interrupted(Exception):
    """The wait was interrupted. Internal: never reaches the user."""


class DeadlinePassed(Exception):
    """The wait took too long. Internal: becomes an error that names what was waited for."""


def seconds_left(deadline: Deadline) -> float | None:
    """Return the seconds until `deadline`, or None without a deadline.

    Raises:
        DeadlinePassed: it has passed.
    """
    ends_at = deadline()
    if ends_at is None:
        return None
    left = ends_at - time.monotonic()
    if left <= 0:
        raise DeadlinePassed
    return left


class Wakeup:
    """A flag to select on; `cancel` ends the wait in progress and every later wait, `wake` the wait in progress.

    The thread that waits owns it and closes it; any thread may call the two.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.setblocking(False)
            close_in_child(end)
        self._cancelled = False
        self._open = True
        # Guards the four fields above, so that no write meets a closed socket. Taken by the owner and by every thread
        # that wakes or cancels; reentrant, since a signal handler may do so in the middle.
        self._lock = threading.RLock()
        in_child(self, Wakeup._after_fork)

    @property
    def is_cancelled(self) -> bool:
        """Whether waits end at once."""
        return self._cancelled

    def fileno(self) -> int:
        return self._receiver.fileno()

    @property
    def write_end(self) -> int:
        """A non-blocking descriptor; writing a byte to it is a `wake`."""
        return self._sender.fileno()

    def cancel(self) -> None:
        """End the current wait and all later ones."""
        with self._lock:
            self._cancelled = True
            self.wake()

    def wake(self) -> None:
        """Wake the waiting thread once, so that it reads its deadline anew."""
        with self._lock:
            self.wake_unlocked()

    def wake_unlocked(self) -> None:
        """As `wake`, without the lock: for the owner, and for any thread if the owner never calls `close`."""
        if self._open:
            with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
                self._sender.send(b"\0")

    def drain(self) -> None:
        """Forget earlier wakes. Called by the waiting thread after it woke."""
        if self._open:
            with contextlib.suppress(BlockingIOError):  # a signal handler may have drained it
                self._receiver.recv(4096)

    def check(self) -> None:
        """Raise Interrupted if waits are cancelled."""
        if self._cancelled:
            raise Interrupted

    def close(self) -> None:
        """Close the descriptors. Idempotent; a later `cancel` has no effect but the flag."""
        with self._lock:
            self._open = False
            self._receiver.close()
            self._sender.close()

    def _after_fork(self) -> None:
        # Both sockets are closed. If the forking thread was in a wait, that wait ends.
        self._lock = threading.RLock()
        self._cancelled, self._open = True, False
