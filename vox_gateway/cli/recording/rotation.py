"""Writes a recording to disk, with rotation by size.

Only the owner can read the files. ``FILE.1`` is the newest full file, ``FILE.2`` the next older, and so on. Lines are
not buffered, so that a killed process loses at most the line being written.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from types import ModuleType

from . import BrokenLine, parse

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["NotARecording", "RotatingFile", "rotated"]

#: bytes read at a time to find the end of the last line
_BLOCK = 65_536


class NotARecording(OSError):
    """The path must not be written to; the message says why."""


def rotated(path: Path) -> list[Path]:
    """Return the rotated files of `path`, newest first."""
    found = []
    for other in path.parent.iterdir():
        base, _, number = other.name.rpartition(".")
        if base == path.name and number.isdecimal() and number.isascii() and not number.startswith("0"):
            found.append((int(number), other))
    return [other for _, other in sorted(found)]


class RotatingFile:
    """A new or existing recording opened for appending. Not thread-safe.

    Args:
        path: the file.
        max_size: bytes after which the file is rotated; a single line may be longer.
        keep: number of rotated files kept.

    Attributes:
        size: bytes in the current file.
        cut: bytes of an incomplete last line, removed on opening.

    Raises:
        NotARecording: the path holds something else.
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, max_size: int, keep: int) -> None:
        self._path = path
        self._max_size = max_size
        self._keep = keep
        for other in rotated(path):
            os.close(_open(other, create=False))  # these are renamed or removed, so must be recordings too
        self._descriptor = _open(path, create=True)
        self.size: int = 0
        self.cut: int = 0
        try:
            self.size, self.cut = _truncate_incomplete_line(self._descriptor)
        except OSError:
            self.close()
            raise

    def write(self, line: bytes) -> None:
        """Append a line.

        Raises:
            OSError: writing failed; a partial line is removed if possible.
        """
        if self.size and self.size + len(line) > self._max_size:
            self._rotate()
        rest = line
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(line)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _rotate(self) -> None:
        full = [self._path, *rotated(self._path)]
        # Highest number first, so that no file is overwritten.
        for number, path in reversed(list(enumerate(full, start=1))):
            if number > self._keep:
                path.unlink()
            else:
                path.rename(self._path.with_name(f"{self._path.name}.{number}"))
        fresh = _open(self._path, create=True)
        os.close(self._descriptor)
        self._descriptor, self.size = fresh, 0


def _open(path: Path, create: bool) -> int:
    """Open and lock a recording or an empty file."""
    # O_NONBLOCK: opening a pipe would wait for its reader. No symlink: rotation would rename the link.
    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise NotARecording(f"{path} is a symbolic link; name the file itself")
    if path.is_dir():
        raise NotARecording(f"{path} is a folder; name a file in it")
    descriptor = os.open(path, flags | (os.O_CREAT if create else 0), 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotARecording(f"{path} is not a regular file")
        if fcntl is not None:
            _lock(path, descriptor)
        _check_first_line(path, descriptor)
        if hasattr(os, "fchmod"):  # it may have been created with other permissions
            os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _lock(path: Path, descriptor: int) -> None:
    assert fcntl is not None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NotARecording(f"{path} is being recorded to by another process") from None


def _check_first_line(path: Path, descriptor: int) -> None:
    first = b""
    while b"\n" not in first and (block := _read(descriptor, len(first), _BLOCK)):
        first += block
        if not first.startswith(b'{"time":'[: len(first)]):
            break
    if not first:
        return
    line, end, _ = first.partition(b"\n")
    if end:
        try:
            parse(line)
            return
        except BrokenLine:
            pass
    elif first.startswith(b'{"time":'[: len(first)]):  # an incomplete first line
        return
    raise NotARecording(f"{path} exists and is not a recording; name another file")


def _truncate_incomplete_line(descriptor: int) -> tuple[int, int]:
    """Remove an incomplete last line. Returns the new size and the number of removed bytes."""
    size = end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _BLOCK)
        newline = _read(descriptor, start, end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
    return end, size - end


def _read(descriptor: int, start: int, size: int) -> bytes:
    os.lseek(descriptor, start, os.SEEK_SET)  # O_APPEND: writes ignore the position
    return os.read(descriptor, size)
