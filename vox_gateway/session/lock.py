"""Keeps two clients, in the same process or in two, from using the same session file.

`writer` acquires the lock in `connect` and releases it on its own thread. It locks a file ``NAME.lock`` beside the
session file, since each save replaces the session file itself. The lock file is never deleted: otherwise two
processes could each hold a lock, of the old file and of a new file. The operating system releases the lock when the
process ends, even after `kill -9`.

On POSIX these are record locks, which a forked child does not share, unlike those of flock(). They belong to the
process, so the locks of the clients in this process are listed here too.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

from ..errors import AlreadyConnected

__all__ = ["SessionLock"]

#: position of the byte that Windows locks: others cannot read it, but must be able to read the process id at the start
_LOCKED_BYTE = 1 << 20


class SessionLock:
    """The right to use a session file, held by at most one client.

    Args:
        path: of the session file.
    """

    def __init__(self, path: Path) -> None:
        self._session_file = path
        self._path = os.path.join(os.path.realpath(path.parent), path.name + ".lock")
        self._descriptor = -1

    def acquire(self) -> None:
        """Acquire the lock without waiting.

        Raises:
            AlreadyConnected: another client holds it.
            OSError: the platform or the folder does not support the lock.
        """
        with _guard:
            if any(lock._is_at(self._path) for lock in _held):
                self._refuse("in this process")
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(self._path, flags, 0o600)
            try:
                _lock(descriptor)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
            except (BlockingIOError, PermissionError):
                os.lseek(descriptor, 0, os.SEEK_SET)
                number = os.read(descriptor, 20).decode("ascii", "replace")
                os.close(descriptor)
                self._refuse(f"process {number}" if number.isdigit() else "in another process")
            except BaseException:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
            _held.append(self)

    def release(self) -> None:
        """Release the lock. Idempotent."""
        with _guard:
            if self in _held:
                _held.remove(self)
                self._close()

    def _is_at(self, path: str) -> bool:
        """Return whether `path` is this lock's file, which must not be opened: closing it would release the lock."""
        if path == self._path:
            return True
        try:  # the file may have a second name, as on a file system that ignores case
            return os.path.samestat(os.stat(path), os.fstat(self._descriptor))
        except OSError:
            return False

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1

    def _refuse(self, by: str) -> None:
        raise AlreadyConnected(
            f"session_file={str(self._session_file)!r} is in use by another client ({by}): close that client first, or "
            "give each client a file of its own"
        )


#: the locks of this process
_held: list[SessionLock] = []
_guard = threading.Lock()  # guards the list; taken by threads that connect, and by session writers


def _after_fork() -> None:
    """In a child process, drop the parent's locks."""
    global _guard  # noqa: PLW0603  # another thread may have held the old lock
    _guard = threading.Lock()
    for lock in _held:
        lock._close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
