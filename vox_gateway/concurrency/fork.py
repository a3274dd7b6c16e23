"""What a child process does with objects that it has from its parent by `os.fork`: it keeps none of the connections.

The child has a copy of every object and of every descriptor, and one thread: the one that forked. Locks that another
thread of the parent held stay locked in it. So an object that owns a socket or a lock says here what becomes of it in a
child, and that is done there before `os.fork` returns. It takes no lock, and it sends nothing: what the child would
write to a socket of its parent, the server or the parent's threads would read.

Nothing is done in the parent, nor where another program is executed: `subprocess` has no need of this.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import traceback
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import NotConnected
from ..log import ShardLog

__all__ = ["FORKED", "ForkCheck", "close_in_child", "in_child"]

Thing = TypeVar("Thing")

#: what a child is told
FORKED = "forked after connect(): the connection belongs to the parent process; call connect() in this one"

# Any thread adds; they are read in a child only, which has no other thread.
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
_actions: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def close_in_child(sock: socket.socket) -> None:
    """Have a child close its copy of `sock`, without a word to the other side.

    As long as a child has a copy, the other side does not see that the parent has closed its own.
    """
    _sockets.add(sock)


def in_child(thing: Thing, action: Callable[[Thing], None]) -> None:
    """Have a child call `action` with `thing`, in no particular order, when the sockets are closed.

    Args:
        thing: kept by a weak reference.
        action: must take no lock, and not block.
    """
    _actions[thing] = action


def _after_fork() -> None:
    ours = list(_sockets)
    _forget_wakeup_descriptor({sock.fileno() for sock in ours})
    for sock in ours:
        with contextlib.suppress(OSError):
            sock.close()
    for thing, action in list(_actions.items()):
        try:
            action(thing)
        except Exception:  # the others still need their locks
            traceback.print_exc()


def _forget_wakeup_descriptor(ours: set[int]) -> None:
    """Keep signals of this process from being written to a socket of the parent's; see `foreground`."""
    with contextlib.suppress(ValueError, OSError):
        descriptor = signal.set_wakeup_fd(-1)
        if descriptor != -1 and descriptor not in ours:
            signal.set_wakeup_fd(descriptor)  # somebody else's


class ForkCheck:
    """Refuses in a child what needs the connection of its parent.

    The log is told once, when the client is first used there, and not at the fork: a program may fork many workers that
    never use it.

    Attributes:
        forked: whether this process was forked after `connect`, and has not called it since.
    """

    def __init__(self, log: ShardLog) -> None:
        self.forked = False
        self._log = log
        self._logged = False

    def begin(self) -> None:
        """This process was forked after `connect`."""
        self.forked, self._logged = True, False

    def end(self) -> None:
        """`connect` was called in this process."""
        self.forked = False

    def noticed(self) -> bool:
        """Return whether the client cannot be used since this process was forked, and log that once."""
        if self.forked and not self._logged:
            self._logged = True
            self._log.warning("this process was %s", FORKED)
        return self.forked

    def check(self, what: str) -> None:
        """Raise NotConnected where the client cannot be used since this process was forked.

        Args:
            what: did not happen, in words.
        """
        if self.noticed():
            raise NotConnected(f"{what}: {FORKED}")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
