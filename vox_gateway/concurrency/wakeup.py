"""How a wait on a socket ends early.

A loop that waits on its inbox is woken through the inbox. The reader waits on a socket, and is woken through an
`Wakeup`. Neither exception is an OSError, so that no library in between takes it for one of the network's.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

from .fork import close_in_child, in_child

__all__ = ["Deadline", "DeadlinePassed", "Interrupted", "Selector", "Wakeup"]

#: says when the wait under way ends; monotonic clock, None for never
Deadline = Callable[[], float | None]


class Interrupted(Exception):
    """The wait was interrupted; internal, never reaches the user."""


class DeadlinePassed(Exception):
    """The wait took too long; internal, turned into words by who knows what was waited for."""


class Wakeup:
    """Set once, by any thread; a wait under way ends, and so does every later one.

    The thread that waits owns it and closes it. It is usable as a file object in a selector.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.setblocking(False)
        self._set = False
        self._open = True
        # Guards the three fields above against a close in the middle of a set; reentrant, since a signal handler may
        # set it while the code that it interrupted does.
        self._lock = threading.RLock()
        close_in_child(self._receiver)
        close_in_child(self._sender)
        in_child(self, Wakeup._after_fork)

    def __bool__(self) -> bool:
        return self._set

    def fileno(self) -> int:
        return self._receiver.fileno()

    @property
    def write_end(self) -> int:
        """The descriptor that a byte can be written to instead of a `nudge`; it does not block."""
        return self._sender.fileno()

    def set(self) -> None:
        """End the wait, whether it has begun or not."""
        with self._lock:
            self._set = True
            self._nudge()

    def nudge(self) -> None:
        """Make the waiting thread look again, without ending its wait."""
        with self._lock:
            self._nudge()

    def _nudge(self) -> None:
        if self._open:
            # A full pipe wakes as well as a fuller one.
            with contextlib.suppress(BlockingIOError):
                self._sender.send(b"\0")

    def drain(self) -> None:
        """Forget the nudges so far; for the waiting thread, once it is awake."""
        if not self._open:
            return
        with contextlib.suppress(BlockingIOError):  # a signal handler may have done so
            self._receiver.recv(4096)

    def check(self) -> None:
        """Raise Interrupted when the flag is set."""
        if self._set:
            raise Interrupted

    def close(self) -> None:
        """Give back the descriptors; a later `set` is harmless."""
        with self._lock:
            self._open = False
            self._receiver.close()
            self._sender.close()

    def _after_fork(self) -> None:
        # The pair is closed; a wait of the thread that forked, if it was in one, is over.
        self._lock = threading.RLock()
        self._set, self._open = True, False


#: poll() needs no descriptor of its own; epoll would cost one for each connection
Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.DefaultSelector)
