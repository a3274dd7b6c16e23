"""From a host name to a connected TCP socket.

Called by `connector`, on the thread that is to read; the socket goes to `transport`. Every step keeps the deadline and
can be interrupted, except the name lookup: nothing outside can end a `getaddrinfo`. Its owner abandons a thread that
hangs there; the thread ends with the lookup and opens nothing afterwards.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - see below
import errno
import itertools
import os
import selectors
import socket
from collections import deque
from collections.abc import Sequence

from ..concurrency.fork import close_in_child
from ..concurrency.wakeup import Deadline, Selector, Wakeup, seconds_left
from ..errors import ConnectFailed

__all__ = ["dial"]

# encodings.idna is imported here, since `socket.getaddrinfo` would import it on the reader's thread. In a child that is
# forked during that import its lock would stay locked, and every codec lookup would wait forever.

#: seconds before the next address is tried while an attempt is pending: https://www.rfc-editor.org/rfc/rfc8305#section-5
HEAD_START = 0.25

_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, object]


def dial(host: str, port: int, deadline: Deadline, wakeup: Wakeup) -> socket.socket:
    """Connect to `host` and return a non-blocking socket. Its addresses are tried in parallel, each after a head start.

    Raises:
        ConnectFailed: the name is unknown, or every address failed.
        DeadlinePassed: no address answered in time.
        Interrupted: `wakeup` was set.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(f"the name {host!r} could not be looked up: {error}") from error
    wakeup.check()
    try:
        return _connect_first(_alternate(found), deadline, wakeup)
    except OSError as error:
        raise ConnectFailed(f"could not connect to {host} port {port}: {error.strerror or error}") from error


def _alternate(found: Sequence[_Address]) -> deque[_Address]:
    """Return the addresses with families alternating, so that a broken family costs a single head start."""
    first = [address for address in found if address[0] == found[0][0]]
    rest = [address for address in found if address[0] != found[0][0]]
    return deque(address for pair in itertools.zip_longest(first, rest) for address in pair if address)


def _connect_first(addresses: deque[_Address], deadline: Deadline, wakeup: Wakeup) -> socket.socket:
    """Return the first socket that connects; raise the OSError of the last attempt to fail if none does."""
    last_error = OSError("the name has no address")
    connecting: set[socket.socket] = set()
    with Selector() as selector:
        selector.register(wakeup, selectors.EVENT_READ)
        try:
            while addresses or connecting:
                if addresses:
                    try:
                        connecting.add(sock := _start(addresses.popleft()))
                    except OSError as error:
                        last_error = error
                        continue
                    selector.register(sock, selectors.EVENT_WRITE)
                timeouts = seconds_left(deadline), HEAD_START if addresses else None
                ready = selector.select(min((seconds for seconds in timeouts if seconds is not None), default=None))
                wakeup.check()
                for ended in [key.fileobj for key, _ in ready if isinstance(key.fileobj, socket.socket)]:
                    selector.unregister(ended)
                    connecting.remove(ended)
                    if not (status := ended.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                        return ended
                    ended.close()
                    last_error = OSError(status, os.strerror(status))
        finally:
            for sock in connecting:
                sock.close()
    raise last_error


def _start(address: _Address) -> socket.socket:
    """Start to connect to `address`; raise OSError if that fails at once."""
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    close_in_child(sock)
    sock.setblocking(False)
    if (status := sock.connect_ex(where)) not in _IN_PROGRESS:  # type: ignore[arg-type]
        sock.close()
        raise OSError(status, os.strerror(status))
    return sock
