"""A recording on disk: appended to, line by line, and rotated by size.

The file is its owner's only. Beside ``FILE`` are ``FILE.1``, the newest of those that were full, ``FILE.2`` and so on.
Every line is handed to the kernel as it comes, so that a killed process loses the line that it was at, and no other.
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

__all__ = ["NoRecording", "RotatingFile", "rotated"]

#: bytes that are looked at in one go for the end of the last line
_BLOCK = 65_536


class NoRecording(OSError):
    """There is something at the path that must not be written to; the message says what."""


def rotated(path: Path) -> list[Path]:
    """The files that stand beside `path` because it was full, newest first."""
    found = []
    for other in path.parent.iterdir():
        base, _, number = other.name.rpartition(".")
        if base == path.name and number.isdecimal() and number.isascii() and not number.startswith("0"):
            found.append((int(number), other))
    return [other for _, other in sorted(found)]


class RotatingFile:
    """Opens a recording, or begins one. Not for several threads.

    Args:
        path: where it is.
        max_size: bytes after which another is begun; a single line may be longer.
        keep: how many that were full are kept.

    Attributes:
        size: bytes in the file that is written to.
        cut: bytes of a last line that was not whole, and was taken away.

    Raises:
        NoRecording: something else is there.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, max_size: int, keep: int) -> None:
        self._path = path
        self._max_size = max_size
        self._keep = keep
        for other in rotated(path):
            os.close(_open(other, create=False))  # what would be renamed or removed must be a recording too
        self._descriptor = _open(path, create=True)
        self.size, self.cut = 0, 0
        try:
            self.size, self.cut = _mend(self._descriptor)
        except OSError:
            self.close()
            raise

    def write(self, line: bytes) -> None:
        """Append a whole line.

        Raises:
            OSError: that is not possible; nothing of it is left in the file, if that can be helped.
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
        # The highest number first, so that no file is in another's way.
        for number, path in reversed(list(enumerate(full, start=1))):
            if number > self._keep:
                path.unlink()
            else:
                path.rename(self._path.with_name(f"{self._path.name}.{number}"))
        fresh = _open(self._path, create=True)
        os.close(self._descriptor)
        self._descriptor, self.size = fresh, 0


def _open(path: Path, create: bool) -> int:
    """A descriptor of a recording, or of an empty file, that no other process records to."""
    # Not blocking, since a pipe would wait for its other side. No link, since rotation would rename that.
    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise NoRecording(f"{path} is a link: name the file itself")
    if path.is_dir():
        raise NoRecording(f"{path} is a folder: name a file in it")
    descriptor = os.open(path, flags | (os.O_CREAT if create else 0), 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NoRecording(f"{path} is no file of a disk: a recording is kept in one")
        if fcntl is not None:
            _lock(path, descriptor)
        _check_first_line(path, descriptor)
        if hasattr(os, "fchmod"):  # whoever made it may have left it open to others
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
        raise NoRecording(f"{path} is being recorded to by another process") from None


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
    elif first.startswith(b'{"time":'[: len(first)]):  # its writer was killed at its first line
        return
    raise NoRecording(f"{path} is there, and is no recording: it is left as it is; name another file")


def _mend(descriptor: int) -> tuple[int, int]:
    """Take away a last line that is not whole; gives the size, and the bytes that were taken away."""
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
    os.lseek(descriptor, start, os.SEEK_SET)  # writing appends, wherever this leads
    return os.read(descriptor, size)
