"""The session file, from which the next process resumes after the last event that handlers completed.

`config` checks it on the thread that makes a client. `writer` loads it in `connect` and saves it on its own thread. The
file is replaced atomically, synced to the disk, and readable by its owner only. It holds fingerprints instead of the
token; by these another bot's file is refused.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from ..log import ShardLog
from ..network.urls import GATEWAY_VERSION
from .format import DamagedSessionFile, SessionOwner, SessionRecord, decode, encode
from .state import Session

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
    """The session file of one shard of one bot.

    Attributes:
        path: of the file.
        owner: the client that may use the file.
    """

    path: Path
    owner: SessionOwner

    @classmethod
    def of(
        cls,
        path: Path,
        *,
        token: str,
        shard: tuple[int, int],
        intents: int,
        encoding: str,
        compress: str | None,
        version: int = GATEWAY_VERSION,
        capabilities: int = 0,
    ) -> SessionFile:
        """Return the file at `path` for a client with these arguments."""
        # The first part of a token is the bot's id, which a token reset keeps.
        bot_id = token.partition(".")[0]
        settings = {"encoding": encoding, "compress": compress, "version": version}
        identity = f"{token} {intents} {capabilities}" if capabilities else f"{token} {intents}"
        owner = SessionOwner(_fingerprint(bot_id), shard, _fingerprint(identity), settings)
        return cls(path, owner)

    def check(self) -> None:
        """Refuse a file that this client must not replace. Changes nothing.

        Raises:
            ValueError: the file is another bot's or shard's, not a session file, or not a regular file.
            OSError: it cannot be read.
        """
        with contextlib.suppress(DamagedSessionFile):  # another process may be about to replace it
            self._read()

    def load(self, log: ShardLog) -> Session | None:
        """Return the session to resume, or None. Renames a damaged file. Only for the holder of the lock.

        Raises:
            ValueError: the file is another bot's or shard's, not a session file, or not a regular file.
            OSError: it cannot be read.
        """
        try:
            record = self._read()
        except DamagedSessionFile as damage:
            self._set_aside(damage, log)
            return None
        if record is None:
            return None
        if difference := self._difference(record.owner):
            log.info("session_file=%r was not resumed, since %s: a new session begins", str(self.path), difference)
            return None
        return record.session

    def save(self, session: Session) -> None:
        """Replace the file atomically, and sync it to the disk.

        Raises:
            OSError: it cannot be written.
        """
        data = encode(SessionRecord(self.owner, session))
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

    def _read(self) -> SessionRecord | None:
        """Return the file's record; None if there is no file."""
        where = f"session_file={str(self.path)!r}"
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
            record = decode(data)
        except ValueError:
            raise ValueError(f"{where} is not a session file: delete it, or choose another") from None
        if record.owner.bot != self.owner.bot:
            raise ValueError(f"{where} belongs to another bot: use a separate session_file for each bot")
        if record.owner.shard != self.owner.shard:
            shard = "/".join(map(str, record.owner.shard))
            raise ValueError(f"{where} belongs to shard {shard}: use a separate session_file for each shard")
        return record

    def _check_kind(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "of another kind")
            raise ValueError(f"session_file={str(self.path)!r} must be a regular file, and it is {kind}")

    def _difference(self, other: SessionOwner) -> str | None:
        """Return why this client cannot resume a session of `other`; None if it can."""
        if other.identity != self.owner.identity:
            return "its session has another token, intents or capabilities"
        for name, ours in (self.owner.settings or {}).items():
            # Format 1 holds no settings, and is resumed with any.
            if other.settings is not None and (theirs := other.settings.get(name)) != ours:
                return f"its session has {name}={theirs!r}, and this client {name}={ours!r}"
        return None

    def _set_aside(self, damage: DamagedSessionFile, log: ShardLog) -> None:
        name = self.path.name + ".damaged"
        try:
            os.replace(self.path, self.path.with_name(name))
        except OSError as error:
            renamed = f"it could not be renamed to {name}: {error}"
        else:
            renamed = f"it was renamed to {name}"
        log.warning(
            "session_file=%r is damaged (%s); %s; a new session begins, so events since the last run are missed",
            str(self.path),
            damage,
            renamed,
        )

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


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(f"vox_gateway {secret}".encode()).hexdigest()[:32]
