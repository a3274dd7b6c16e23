"""Where a session outlives the process: the interface of a session store, and how a client uses it.

`config` makes the `OwnedStore` of a client. `connect` loads it on its caller's thread; `writer` saves on its own.
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..log import ShardLog
from .file import SessionFile
from .format import DamagedSession, SavedSession
from .lock import SessionLock
from .owner import SessionOwner
from .state import Session

__all__ = ["OwnedStore", "SessionStore"]


@runtime_checkable
class SessionStore(Protocol):
    """Keeps the session of a shard for the next process; any object with these methods, for `Client(session_file=)`.

    A store is for one shard, and for one client at a time. `save` and `clear` are called on the client's thread
    ``session-file``, at most once a second while handlers make progress, and may block: events and handlers wait for
    neither, except that READY waits for its session to be saved, for at most a second. What they raise is logged and
    tried again a second later.
    """

    def load(self) -> SavedSession | None:
        """Return what was saved last; None if there is nothing, or it was cleared.

        Called by `Client.connect` on its caller's thread, which raises what this raises.
        """

    def save(self, session: SavedSession, /) -> None:
        """Replace what was saved."""

    def clear(self) -> None:
        """Forget what was saved: the session is over. Harmless if there is nothing."""


@dataclass(frozen=True)
class OwnedStore:
    """A session store as a client uses it: it saves sessions with their owner, and resumes its own only.

    Attributes:
        store: keeps the session.
        owner: the client.
    """

    store: SessionStore
    owner: SessionOwner

    def __str__(self) -> str:
        # The repr of somebody else's object may hold a password.
        return str(self.store) if self.is_file else f"session_file={type(self.store).__name__}"

    @property
    def is_shared(self) -> bool:
        """Whether it is what processes share: their node says, once for all shards, when that cannot be reached."""
        return bool(getattr(self.store, "is_shared", False))

    @property
    def name(self) -> str:
        """What a message calls it."""
        return "the coordination" if self.is_shared else "session_file"

    @property
    def is_file(self) -> bool:
        """Whether it is a file: quick to load, and locked while a client uses it."""
        return isinstance(self.store, SessionFile)

    def make_lock(self) -> SessionLock | None:
        """Return the lock that keeps other clients out; None for a store that is not a file."""
        return SessionLock(self.store.path) if isinstance(self.store, SessionFile) else None

    def check(self) -> None:
        """Refuse a file that this client must not replace. Changes nothing, and does not look into other stores.

        Raises:
            TypeError: a method of the store is an async function.
            ValueError: the file is another bot's or shard's, not a session file, or not a regular file.
            OSError: it cannot be read.
        """
        for method in (self.store.load, self.store.save, self.store.clear):
            if inspect.iscoroutinefunction(method):
                raise TypeError(f"{self}: {method.__name__}() must be a plain function, which may block, not async")
        with contextlib.suppress(DamagedSession):  # another process may be about to replace it
            if isinstance(self.store, SessionFile) and (saved := self.store.read()) is not None:
                self.owner.check(saved, str(self))

    def load(self, log: ShardLog) -> Session | None:
        """Return the session to resume, or None.

        Raises:
            ValueError: it is another bot's or shard's; or, of a file, not a session file or not a regular file.
            TypeError: the store returned something else.
            Exception: any exception that the store raises; of a file OSError, if it cannot be read.
        """
        try:
            saved = self.store.load()
        except DamagedSession as damage:
            log.warning(
                "%s is damaged: %s; a new session begins, so events since the last run are missed", self, damage
            )
            return None
        if saved is None:
            return None
        if not isinstance(saved, SavedSession):
            raise TypeError(f"{self}: load() must return a SavedSession or None, not {type(saved).__name__}")
        self.owner.check(saved, str(self))
        if difference := self.owner.difference(saved):
            log.info("%s was not resumed, since %s: a new session begins", self, difference)
            return None
        return Session(saved.session_id, saved.seq, saved.resume_url, saved.user_id)

    def save(self, session: Session) -> None:
        """Save a resumable session. Raises any exception that the store raises."""
        self.store.save(self.owner.mark(session))

    def clear(self) -> None:
        """Forget the session. Raises any exception that the store raises."""
        self.store.clear()
