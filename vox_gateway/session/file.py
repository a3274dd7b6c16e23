"""The session store that is a file. It is replaced atomically, synced to the disk, and readable by its owner only.

`config` reads it on the thread that makes a client. `writer` loads it in `connect`, and saves it on its own thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from .format import DamagedSession, SavedSession

__all__ = ["SessionFile"]

#: bytes read of a file at most; a session file has some hundred
_MAX_SIZE = 65536
#: errors of fsync() on platforms and file systems that cannot sync a folder
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class SessionFile:
    """A `SessionStore` in a file.

    Attributes:
        path: of the file.
    """

    path: Path

    def __str__(self) -> str:
        return f"session_file={str(self.path)!r}"

    def load(self) -> SavedSession | None:
        """Return what the file holds; None if there is no file. Renames a damaged file. For the holder of its lock.

        Raises:
            DamagedSession: the file was damaged; the message says what happened to it.
            ValueError: it is not a session file, or not a regular file.
            OSError: it cannot be read.
        """
        try:
            return self.read()
        except DamagedSession as damage:
            name = self.path.name + ".damaged"
            try:
                os.replace(self.path, self.path.with_name(name))
            except OSError as error:
                renamed = f"it could not be renamed to {name}: {error}"
            else:
                renamed = f"it was renamed to {name}"
            raise DamagedSession(f"{damage}; {renamed}") from None

    def save(self, session: SavedSession) -> None:
        """Replace the file atomically, and sync it to the disk.

        Raises:
            OSError: it cannot be written.
        """
        data = session.to_json().encode("ascii")
        new = self.path.with_name(self.path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()  # left by a killed process; O_EXCL follows no link
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flag("O_BINARY"), 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)
        self._sync_folder()

    def clear(self) -> None:
        """Delete the file, if it exists; raise OSError if that fails."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return
        self._sync_folder()

    def read(self) -> SavedSession | None:
        """Return what the file holds; None if there is no file. Changes nothing.

        Raises:
            DamagedSession: the file is damaged; another process may be about to replace it.
            ValueError: it is not a session file, or not a regular file.
            OSError: it cannot be read.
        """
        try:
            self._check_kind(os.stat(self.path))  # before opening, which can affect a device
            # O_NONBLOCK, since the file may have been replaced by a pipe after the check.
            descriptor = os.open(self.path, os.O_RDONLY | _flag("O_NONBLOCK") | _flag("O_BINARY"))
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as file:
            self._check_kind(os.fstat(descriptor))
            data = file.read(_MAX_SIZE + 1)
        try:
            if len(data) > _MAX_SIZE:
                raise ValueError("too long")
            return SavedSession.from_json(data)
        except DamagedSession:
            raise
        except ValueError:
            raise ValueError(f"{self} is not a session file: delete it, or choose another") from None

    def _check_kind(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "of another kind")
            raise ValueError(f"{self} must be a regular file, and it is {kind}")

    def _sync_folder(self) -> None:
        """Sync the folder's entries to the disk, if the platform can."""
        if os.name == "nt":  # folders cannot be opened
            return
        try:
            descriptor = os.open(self.path.parent, os.O_RDONLY)
        except PermissionError:  # a folder may be open for writing only
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_FOLDER_SYNC:
                raise
        finally:
            os.close(descriptor)


def _flag(name: str) -> int:
    """Return a flag of `os.open`; 0 on platforms without it."""
    return int(getattr(os, name, 0))
