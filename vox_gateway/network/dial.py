"""From a host name to a connected TCP socket, within a deadline, and interruptible at every step but one.

The one is the name lookup: nothing can end a `getaddrinfo` from outside. The thread in it is left behind by its owner
and ends by itself when the lookup does; it opens nothing any more.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 - see below
import errno
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from ..concurrency.fork import close_in_child
from ..concurrency.wakeup import DeadlinePassed, Selector, Wakeup
from ..errors import ConnectFailed

__all__ = ["dial"]

# encodings.idna is imported here, since `socket.getaddrinfo` would import it on the reader's thread. In a child that is
# forked during that import its lock would stay locked, and every lookup of a codec would wait forever.

#: seconds before the next address is tried beside the one that does not answer (RFC 8305, "Happy Eyeballs")
HEAD_START = 0.25

_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, object]


def dial(host: str, port: int, deadline: Callable[[], float | None], interrupt: Wakeup) -> socket.socket:
    """Connect to `host`, trying its addresses side by side; returns a non-blocking socket.

    Args:
        deadline: says when to give up; monotonic clock, None for never.
        interrupt: ends the attempt.

    Raises:
        ConnectFailed: the name is not known, or every address refuses.
        DeadlinePassed: no address answered in time.
        Interrupted: `interrupt` was set.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"the name {host!r} could not be looked up: {error}") from error
    interrupt.check()
    with contextlib.closing(_Dialer(interrupt, deadline)) as dialer:
        try:
            return dialer.first_of(_alternate(found))
        except OSError as error:
            raise ConnectFailed(f"could not connect to {host} port {port}: {error.strerror or error}") from error


def _alternate(found: Sequence[_Address]) -> deque[_Address]:
    """The addresses in the resolver's order, the families taking turns: one that is broken costs one head start."""
    first = [address for address in found if address[0] == found[0][0]]
    rest = [address for address in found if address[0] != found[0][0]]
    ordered: deque[_Address] = deque()
    while first or rest:
        ordered.extend(first[:1] + rest[:1])
        first, rest = first[1:], rest[1:]
    return ordered


class _Dialer:
    """Connection attempts under way, each begun a little after the one before."""

    def __init__(self, interrupt: Wakeup, deadline: Callable[[], float | None]) -> None:
        self._interrupt = interrupt
        self._deadline = deadline
        self._selector = Selector()
        self._selector.register(interrupt, selectors.EVENT_READ)
        self._under_way: set[socket.socket] = set()
        self._error = OSError("the name has no address")

    def first_of(self, addresses: deque[_Address]) -> socket.socket:
        """The first socket that connects; OSError of the last that failed when none does."""
        while addresses or self._under_way:
            if addresses:
                self._begin(addresses.popleft())
            patience = HEAD_START if addresses and self._under_way else None
            if self._under_way and (winner := self._wait(patience)) is not None:
                return winner
        raise self._error

    def _begin(self, address: _Address) -> None:
        family, kind, protocol, _, where = address
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            self._error = error
            return
        close_in_child(sock)
        sock.setblocking(False)
        status = sock.connect_ex(where)  # type: ignore[arg-type]
        if status in _IN_PROGRESS:
            self._selector.register(sock, selectors.EVENT_WRITE)
            self._under_way.add(sock)
        else:
            self._fail(sock, status)

    def _wait(self, patience: float | None) -> socket.socket | None:
        """A connected socket; None when an attempt failed or `patience` ran out."""
        deadline = self._deadline()
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise DeadlinePassed
        bounds = [seconds for seconds in (left, patience) if seconds is not None]
        ready = self._selector.select(min(bounds, default=None))
        self._interrupt.check()
        for key, _ in ready:
            if not isinstance(sock := key.fileobj, socket.socket):
                continue
            self._selector.unregister(sock)
            self._under_way.discard(sock)
            if status := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._fail(sock, status)
            else:
                return sock
        return None

    def _fail(self, sock: socket.socket, status: int) -> None:
        sock.close()
        self._error = OSError(status, os.strerror(status))

    def close(self) -> None:
        self._selector.close()
        for sock in self._under_way:
            sock.close()
