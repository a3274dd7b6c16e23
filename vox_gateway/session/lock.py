"""Keeps two clients from using one session file. `session_keeper` takes the lock for each run.

What is locked is a small file beside the session file, `NAME.lock`, since the session file itself is replaced with
each save. It stays when the lock is given back: if it were deleted, one process could lock the old file and another
process a new one. The operating system ends the lock with the process, even after `kill -9`.

On POSIX these are record locks, not those of flock(): a forked child does not share them, so that they end with the
parent. Since they are a process's and not a client's, the locks of this process are kept in a list too.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

from ..errors import AlreadyConnected

__all__ = ["SessionLock"]

#: where the byte that Windows locks is: nobody else may read it, and the process id at the start is to be read
_LOCKED_BYTE = 1 << 20


class SessionLock:
    """The right to use one session file. At most one client in any process holds it.

    Args:
        path: of the session file.
    """

    def __init__(self, path: Path) -> None:
        self._session_file = path
        self._path = os.path.join(os.path.realpath(path.parent), path.name + ".lock")
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock; does not wait.

        Raises:
            AlreadyConnected: another client has it.
            OSError: the platform or the folder does not allow to lock a file here.
        """
        with _held.guard:
            if any(lock._is_at(self._path) for lock in _held.locks):
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
            _held.locks.append(self)

    def release(self) -> None:
        """Give the lock back; idempotent."""
        with _held.guard:
            if self in _held.locks:
                _held.locks.remove(self)
                self._close()

    def _is_at(self, path: str) -> bool:
        """Whether the lock file at `path` is this one. It must not be opened then: closing it would end the lock."""
        if path == self._path:
            return True
        try:  # the same file may have another name, where upper and lower case are the same
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


class _Held:
    """The locks of this process."""

    def __init__(self) -> None:
        self.locks: list[SessionLock] = []
        self.guard = threading.Lock()  # guards the list; taken by threads that connect, and by the keepers'


_held = _Held()


def _forget() -> None:
    """In a forked child: the locks are the parent's."""
    _held.guard = threading.Lock()  # another thread may have held the old one
    for lock in _held.locks:
        lock._close()
    _held.locks = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

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
