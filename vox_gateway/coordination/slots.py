"""Shows to the processes of one machine which of them are alive: each holds a lock, which ends with the process.

A lock is a byte of a file beside the database. On POSIX these are record locks, which belong to the process: a forked
child has none, and closing any descriptor of the file would release all. So each file is opened once. Elsewhere there
are no locks, and a process that died is noticed when its heartbeats are missed.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
from dataclasses import dataclass, field

__all__ = ["Slot"]

#: positions of locks
_RANGE = 1 << 30


@dataclass
class _File:
    descriptor: int
    slots: set[int] = field(default_factory=set)  # of this process


class Slot:
    """A lock of this process.

    Args:
        path: the file, which is made.

    Attributes:
        number: what other processes ask about; None if there are no such locks.

    Raises:
        OSError: the file cannot be opened or locked.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)
        self.number: int | None = None
        if sys.platform == "win32":
            return
        with _guard:
            file = _files.get(self._path)
            if file is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
                file = _files[self._path] = _File(os.open(self._path, flags, 0o600))
            self._file = file
            while self.number is None:
                number = random.randrange(_RANGE)
                if number not in file.slots and _lock(file.descriptor, number):
                    self.number = number
                    file.slots.add(number)

    def is_free(self, number: int) -> bool:
        """Return whether the process with this number has ended. False if that is not known."""
        if self.number is None:
            return False
        with _guard:
            if number in self._file.slots or not _lock(self._file.descriptor, number):
                return False
            _unlock(self._file.descriptor, number)
            return True

    def close(self) -> None:
        """Release the lock. Idempotent."""
        with _guard:
            number, self.number = self.number, None
            if number is None:
                return
            self._file.slots.discard(number)
            if self._file.slots:
                _unlock(self._file.descriptor, number)
            else:
                del _files[self._path]
                os.close(self._file.descriptor)


#: the open files of this process, by path
_files: dict[str, _File] = {}
_guard = threading.Lock()  # guards the table and its files; taken by any thread that uses a slot


def _after_fork() -> None:
    """In a child process, which has none of the locks, close the files."""
    global _guard  # noqa: PLW0603  # another thread may have held the old lock
    _guard = threading.Lock()
    for file in _files.values():
        with contextlib.suppress(OSError):
            os.close(file.descriptor)
    _files.clear()


if sys.platform != "win32":
    import fcntl

    def _lock(descriptor: int, number: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(descriptor: int, number: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)

    os.register_at_fork(after_in_child=_after_fork)
