"""A session kept on disk, so that the next process resumes where the handlers of this one had got to.

The file holds the session's id, how far its events were handled, and where it is resumed. It never holds the token,
only a fingerprint, by which another bot's file is told and refused. It is replaced in one step, and readable by its
owner only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .session import Session

__all__ = ["SessionFile", "check_session_file"]

_FORMAT = "vox_gateway session 1"


@dataclass(frozen=True)
class SessionFile:
    """Where the session of one shard of one bot is kept.

    Attributes:
        path: of the file.
        bot: the fingerprint of the bot's id.
        shard: shard id and number of shards.
        identity: the fingerprint of all that a session is bound to: with another token or other intents, a resumed
            session would go on as it was begun.
    """

    path: Path
    bot: str
    shard: tuple[int, int]
    identity: str

    @classmethod
    def of(cls, path: Path, token: str, shard: tuple[int, int], intents: int) -> SessionFile:
        """The file at `path`, for that bot."""
        # The first part of a token is the bot's id, which stays when the token is reset.
        bot_id = token.partition(".")[0]
        return cls(path, _fingerprint(bot_id), shard, _fingerprint(f"{token} {intents}"))

    def load(self) -> Session | None:
        """The session to resume; None when there is none, or it was begun with another token or other intents.

        Raises:
            ValueError: the file is another bot's or another shard's, or no session file at all.
            OSError: it cannot be read.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        if not data:
            return None
        kept = _parse(data)
        if kept is None:
            raise ValueError(f"session_file={str(self.path)!r} is no session file: delete it, or choose another")
        if kept["bot"] != self.bot:
            raise ValueError(f"session_file={str(self.path)!r} is of another bot: each needs a file of its own")
        if tuple(kept["shard"]) != self.shard:
            shard = "/".join(map(str, kept["shard"]))
            raise ValueError(f"session_file={str(self.path)!r} is of shard {shard}: each needs a file of its own")
        if kept["identity"] != self.identity:
            return None
        return Session(kept["session_id"], kept["seq"], kept["resume_url"], kept.get("user_id"))

    def save(self, session: Session) -> None:
        """Replace the file in one step.

        Raises:
            OSError: it cannot be written; it is as it was.
        """
        kept = {
            "format": _FORMAT,
            "bot": self.bot,
            "shard": self.shard,
            "identity": self.identity,
            "session_id": session.id,
            "seq": session.seq,
            "resume_url": session.resume_url,
            "user_id": session.user_id,
        }
        new = self.path.with_name(self.path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()  # of a process that was killed; O_EXCL, so that nobody's link is followed
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file)
        os.replace(new, self.path)

    def clear(self) -> None:
        """Forget the session; raises OSError when that cannot be done."""
        self.path.unlink(missing_ok=True)


def check_session_file(path: object) -> Path | None:
    """`path` as an absolute one; raises TypeError or ValueError when it cannot be a file's."""
    if path is None:
        return None
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise TypeError(f"session_file must be a path or None, not {path!r}")
    absolute = Path(path).absolute()  # a program may change its folder later
    if not absolute.name or absolute.is_dir():
        raise ValueError(f"session_file must be the path of a file, and {str(path)!r} is a folder")
    if not absolute.parent.is_dir():
        raise ValueError(f"session_file={str(path)!r} is in a folder that does not exist: make it first")
    return absolute


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        kept = json.loads(data)
    except ValueError:
        return None
    if not isinstance(kept, dict) or kept.get("format") != _FORMAT:
        return None
    texts = all(isinstance(kept.get(name), str) for name in ("bot", "identity", "session_id"))
    whole = texts and type(kept.get("seq")) is int and isinstance(kept.get("shard"), list)
    optional = all(kept.get(name) is None or isinstance(kept[name], str) for name in ("resume_url", "user_id"))
    return kept if whole and optional else None


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(f"vox_gateway {secret}".encode()).hexdigest()[:32]
