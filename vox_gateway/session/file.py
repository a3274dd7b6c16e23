"""A session kept on disk, so that the next process resumes where the handlers of this one had got to.

The file never holds the token, only fingerprints, by which another bot's file is recognised and refused. It is replaced
in one step, written through to the disk, and readable by its owner only. `options` checks it when a client is made;
`session_keeper` reads and writes it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..log import ShardLog
from ..network.urls import GATEWAY_VERSION
from .format import DamagedSessionFile, SessionRecord, decode, encode
from .state import Session

__all__ = ["SessionFile"]

#: bytes; a session file has some hundred, and a larger file is not read whole to find that out
_MAX_SIZE = 65536
#: what fsync() of a folder answers where folders cannot be synced
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
    """Where the session of one shard of one bot is kept.

    Attributes:
        path: of the file.
        bot: fingerprint of the bot's id.
        shard: shard id and number of shards.
        identity: fingerprint of the token and the intents: with others, a resumed session would go on as it was begun.
        settings: encoding, compression and gateway version, which must be the same to resume.
    """

    path: Path
    bot: str
    shard: tuple[int, int]
    identity: str
    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls, path: Path, token: str, shard: tuple[int, int], intents: int, encoding: str, compress: str | None
    ) -> SessionFile:
        """Return the file at `path` for the client with these arguments."""
        # The first part of a token is the bot's id, which stays when the token is reset.
        bot_id = token.partition(".")[0]
        settings = {"encoding": encoding, "compress": compress, "version": GATEWAY_VERSION}
        return cls(path, _fingerprint(bot_id), shard, _fingerprint(f"{token} {intents}"), settings)

    def check(self) -> None:
        """Refuse a file that this client must not replace. Changes nothing.

        Raises:
            ValueError: the file is another bot's or another shard's, not a session file, or not a regular file.
            OSError: it cannot be read.
        """
        with contextlib.suppress(DamagedSessionFile):  # another process may be about to replace it
            self._read()

    def load(self, log: ShardLog) -> Session | None:
        """Return the session to resume, or None. A damaged file is renamed. For the owner of the file only.

        Raises:
            ValueError, OSError: as `check`.
        """
        try:
            record = self._read()
        except DamagedSessionFile as damage:
            self._set_aside(damage, log)
            return None
        if record is None:
            return None
        if difference := self._difference(record):
            log.info("session_file=%r was not resumed, since %s: a new session begins", str(self.path), difference)
            return None
        return record.session

    def save(self, session: Session) -> None:
        """Replace the file in one step, and wait until the disk has it.

        Raises:
            OSError: it cannot be written.
        """
        data = encode(SessionRecord(self.bot, self.shard, self.identity, self.settings, session))
        new = self.path.with_name(self.path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()  # of a process that was killed; O_EXCL, so that nobody's link is followed
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flag("O_BINARY"), 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self.path)
        self._sync_folder()

    def clear(self) -> None:
        """Forget the session; raises OSError when that cannot be done."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return
        self._sync_folder()

    def _read(self) -> SessionRecord | None:
        """The file's record; None when there is no file."""
        where = f"session_file={str(self.path)!r}"
        try:
            self._check_kind(os.stat(self.path))  # first, since opening a device may already do something
            # A pipe that took the file's place meanwhile must not block.
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
        if record.bot != self.bot:
            raise ValueError(f"{where} belongs to another bot: use a separate session_file for each bot")
        if record.shard != self.shard:
            shard = "/".join(map(str, record.shard))
            raise ValueError(f"{where} belongs to shard {shard}: use a separate session_file for each shard")
        return record

    def _check_kind(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "of another kind")
            raise ValueError(f"session_file={str(self.path)!r} must be a regular file, and it is {kind}")

    def _difference(self, record: SessionRecord) -> str | None:
        """What keeps the session of `record` from being resumed by this client, in words."""
        if record.identity != self.identity:
            return "its session has another token or other intents"
        for name, ours in self.settings.items():
            # Format 1 does not say, and its sessions were resumed with any.
            if record.settings is not None and (theirs := record.settings.get(name)) != ours:
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
        """Make the disk remember what the folder holds now, where the platform can do that."""
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
    """A flag of `os.open` that not every platform has."""
    return int(getattr(os, name, 0))


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(f"vox_gateway {secret}".encode()).hexdigest()[:32]
