"""Puts objects in order in a child process made by `os.fork`: it keeps none of its parent's connections.

The child has a copy of every object and descriptor, but only the thread that forked. A lock held by another thread of
the parent stays locked there. So an object that owns a socket or a lock registers here, on any thread, and is put in
order on the child's only thread before `os.fork` returns. That takes no lock and sends nothing: bytes that the child
wrote to a socket of its parent would reach the server or the parent's threads.

The parent runs nothing of this, and neither does `subprocess`, which executes another program.
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

Owner = TypeVar("Owner")

#: why a client cannot be used in a child
FORKED = "forked after connect(): the connection belongs to the parent process; call connect() in this one"

# Added to by any thread; read only in a child, which has no other thread.
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
# By the owner's identity, since a subclass of Client may compare by value, and then may not be hashable.
_actions: dict[int, tuple[weakref.ref[Any], Callable[[Any], None]]] = {}


def close_in_child(sock: socket.socket) -> None:
    """Close the child's copy of `sock` after a fork, without notice to the peer.

    While a child has a copy, the peer does not see that the parent closed its own.
    """
    _sockets.add(sock)


def in_child(owner: Owner, action: Callable[[Owner], None]) -> None:
    """Call ``action(owner)`` in a child after a fork, once the sockets are closed. The order of actions is undefined.

    Args:
        owner: held by a weak reference.
        action: must neither take a lock nor block.
    """
    key, remove = id(owner), _actions.pop  # bound, since globals may be gone when the last owner is
    _actions[key] = weakref.ref(owner, lambda reference: remove(key, None)), action


def _after_fork() -> None:
    sockets = list(_sockets)
    _reset_wakeup_fd({sock.fileno() for sock in sockets})
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.close()
    for reference, action in list(_actions.values()):
        try:
            if (owner := reference()) is not None:
                action(owner)
        except Exception:  # the other locks must be replaced all the same
            traceback.print_exc()


def _reset_wakeup_fd(descriptors: set[int]) -> None:
    """Stop the child's signals from being written to a socket of its parent; see `signals`."""
    with contextlib.suppress(ValueError, OSError):
        descriptor = signal.set_wakeup_fd(-1)
        if descriptor != -1 and descriptor not in descriptors:
            signal.set_wakeup_fd(descriptor)  # not ours


class ForkCheck:
    """Refuses, in a child process, the use of a client that its parent connected.

    The warning is logged once per fork, at the client's first use there: a program may fork many workers that never use
    it.

    Attributes:
        forked: this process was forked after `connect`, and has not called `connect` since.
    """

    def __init__(self, log: ShardLog) -> None:
        self.forked: bool = False
        self._log = log
        self._logged = False

    def mark_forked(self) -> None:
        """Record that this process was forked after `connect`."""
        self.forked, self._logged = True, False

    def mark_connected(self) -> None:
        """Record that `connect` was called in this process."""
        self.forked = False

    def warn_if_forked(self) -> bool:
        """Return `forked`, and log a warning the first time that it is true."""
        if self.forked and not self._logged:
            self._logged = True
            self._log.warning("this process was %s", FORKED)
        return self.forked

    def raise_if_forked(self, consequence: str) -> None:
        """Raise NotConnected if this process was forked after `connect`.

        Args:
            consequence: the start of the message, such as ``"PRESENCE_UPDATE was not sent"``.
        """
        if self.warn_if_forked():
            raise NotConnected(f"{consequence}: {FORKED}")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
