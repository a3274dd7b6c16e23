"""Shows to the processes of one machine which of them are alive: each holds a lock, which ends with the process.

A lock is a byte of a file beside the database. On POSIX these are record locks, which belong to the process: a forked
child has none, and closing any descriptor of the file would release all. So each file is opened once. Elsewhere there
are no locks, and a process that died is noticed when its heartbeats are missed.

A number says in which file its lock is: if the file is deleted, some processes still hold their locks in the old one,
and nothing is known about them until they have taken another.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
from dataclasses import dataclass, field

__all__ = ["FileId", "Slot", "file_id"]

#: positions of locks
_RANGE = 1 << 30
#: files that numbers tell apart
_FILES = 1 << 32

FileId = tuple[int, int]


def file_id(path: str) -> FileId | None:
    """Return what tells the file at a path from all others while it is open, or None if it does not exist."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@dataclass
class _File:
    descriptor: int
    id: FileId
    slots: set[int] = field(default_factory=set)  # of this process

    @property
    def first(self) -> int:
        """The first number of a lock in this file."""
        return self.id[1] % _FILES * _RANGE


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
        if sys.platform != "win32":
            with _guard:
                self._take(_open(self._path))

    def _take(self, file: _File) -> None:
        self._file = file
        while self.number is None:
            number = file.first + random.randrange(_RANGE)
            if number not in file.slots and _lock(file.descriptor, number):
                self.number = number
                file.slots.add(number)

    def renew(self) -> None:
        """Take another lock if the file was deleted or replaced: processes that start then look at another file.

        Raises:
            OSError: the file cannot be opened or locked.
        """
        with _guard:
            if self.number is not None and file_id(self._path) != self._file.id:
                file = _open(self._path)
                self._release()
                self._take(file)

    def is_free(self, number: int) -> bool:
        """Return whether the process with this number has ended. False if that is not known."""
        if self.number is None:
            return False
        with _guard:
            if number in self._file.slots or not 0 <= number - self._file.first < _RANGE:
                return False
            if not _lock(self._file.descriptor, number):
                return False
            _unlock(self._file.descriptor, number)
            return True

    def close(self) -> None:
        """Release the lock. Idempotent."""
        with _guard:
            self._release()

    def _release(self) -> None:
        number, self.number = self.number, None
        if number is None:
            return
        self._file.slots.discard(number)
        if self._file.slots:
            _unlock(self._file.descriptor, number)
        else:
            del _files[self._file.id]
            os.close(self._file.descriptor)


#: the open files of this process
_files: dict[FileId, _File] = {}
_guard = threading.Lock()  # guards the table and its files; taken by any thread that uses a slot


def _open(path: str) -> _File:
    """Return the file at a path, which is made, and opened unless it is open already."""
    found = file_id(path)
    if found is not None and found in _files:
        return _files[found]
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    opened = os.fstat(descriptor)
    file = _File(descriptor, (opened.st_dev, opened.st_ino))
    return _files.setdefault(file.id, file)  # if it came to this path just now, a descriptor is left open


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
