"""Keeps a client's session store up to date, on a thread of its own, so that no other thread waits for a slow disk.

`connect` acquires a lease for each run. The dispatcher and the executors report progress; the supervisor reports new
sessions. The writer's thread asks the latest lease for its position and passes it to the store. While a handler of an
earlier run is still at work, the store does not pass that handler's event.
"""

from __future__ import annotations

import enum
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..concurrency.clock import seconds_until
from ..errors import GatewayError
from ..log import ShardLog
from .state import Session
from .store import OwnedStore

__all__ = ["SessionLease", "SessionWriter"]

#: seconds between two saves of progress; after a kill, handlers may see the events of this time twice
SAVE_EVERY = 1.0
#: seconds for which READY is held back from its handlers while it is saved
READY_WAITS = 1.0
#: seconds for which `close` waits for the disk
DISK_GRACE = 0.3


class _Message(enum.Enum):
    """What is posted to the thread, besides the reply queue of a caller that waits for a save."""

    PROGRESS = enum.auto()  # handlers have completed more events
    SAVE = enum.auto()
    END = enum.auto()  # end the thread, unless a new lease was acquired


@dataclass(frozen=True)
class Loaded:
    """What a store held; a session, or None."""

    session: Session | None


class SessionWriter:
    """Owns a session store while a run of the client has a lease, and the thread that writes it.

    The thread sleeps while handlers make no progress. It is a daemon because a script that ends without `close` must
    not hang; the end of the last lease ends it.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str, store: OwnedStore, log: ShardLog) -> None:
        self._name = name
        self._store = store
        self.log = log
        self._pid = os.getpid()
        self._store_lock = store.make_lock()
        self._saved: Session | None = None  # the content of the store
        self._failing = False
        self.armed: bool = False  # PROGRESS was posted, and the thread has not looked since
        self.inbox: queue.SimpleQueue[_Message | queue.SimpleQueue[None]] = queue.SimpleQueue()
        self._leases: tuple[SessionLease, ...] = ()  # oldest first
        self._is_open = False  # whether we own the store
        self._thread: threading.Thread | None = None
        # Guards the three fields above. Taken by connect(), by the reconnect loop of each run, and by the thread.
        self._lock = threading.Lock()

    def load_ahead(self) -> Loaded | None:
        """Load a store that may take long; None for a file, which `acquire` loads. Called by `connect`, without a lock.

        Raises:
            Exception: as `OwnedStore.load`.
        """
        return None if self._store.is_file or self._is_open else Loaded(self._store.load(self.log))

    def acquire(self, session: Session, loaded: Loaded | None = None) -> tuple[SessionLease, Session]:
        """Take the store for a new run. Called by `connect`, which no two threads are in.

        Args:
            session: the client's own.
            loaded: what `load_ahead` returned.

        Returns:
            The lease, and the session to continue: `session`, or that of the store if somebody else has written it.

        Raises:
            AlreadyConnected: another client uses the file.
            Exception: as `OwnedStore.load`.
        """
        lease = SessionLease(self, lambda: self._saved)
        with self._lock:
            # While a handler of an earlier run is at work we still own the store, and memory is newer than the store.
            if self._is_open:
                self._add(lease)
                return lease, session
        self._lock_store()
        try:
            saved = self._store.load(self.log) if loaded is None else loaded.session
        except BaseException:
            self._release_store()
            raise
        if saved != self._saved:
            session = session.without_id() if saved is None else saved
            self._saved = saved
        with self._lock:
            self._is_open = True
            self._add(lease)
        return lease, session

    def _lock_store(self) -> None:
        if self._store_lock is None:
            return
        try:
            self._store_lock.acquire()
        except OSError as error:
            self.log.warning("%s cannot be locked: make sure that no other client uses it: %s", self._store, error)

    def _release_store(self) -> None:
        if self._store_lock is not None:
            self._store_lock.release()

    def _add(self, lease: SessionLease) -> None:
        earlier = (other for other in self._leases if not other.ended or other.unfinished() is not None)
        self._leases = (*earlier, lease)

    @property
    def is_saving(self) -> bool:
        """Whether the session is still being written after the last lease has ended."""
        thread = self._thread
        return self._is_open and self._is_over and thread is not None and thread.is_alive()

    # -- for leases ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread unless it runs."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def save(self, timeout: float) -> bool:
        """Have the store written now; return False if that takes longer than `timeout` seconds."""
        thread = self._thread
        if thread is None or not thread.is_alive() or self._pid != os.getpid():
            return True
        reply: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.inbox.put(reply)
        try:
            reply.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def end(self, lease: SessionLease) -> bool:
        """End `lease`, and with the last lease the thread; return False if the disk takes longer than `DISK_GRACE`."""
        if self._pid != os.getpid():
            return True  # the store is the parent's
        with self._lock:
            lease.ended = True
            if not lease.started:
                self._leases = tuple(other for other in self._leases if other is not lease)
            if not self._is_open or not self._is_over:
                return True
            thread = self._thread
            if thread is None or not thread.is_alive():
                self._close()
                return True
        self.inbox.put(_Message.END)
        thread.join(DISK_GRACE)
        with self._lock:
            return not (thread.is_alive() and self._is_over)

    def say_slow(self, effect: str) -> None:
        """Log that a caller does not wait any longer; `effect` is what follows."""
        level = logging.DEBUG if self._store.is_shared else logging.WARNING
        self.log.log(level, "%s takes long to be written: %s", self._store.name, effect)

    @property
    def _is_over(self) -> bool:
        return not self._leases or self._leases[-1].ended

    def _close(self) -> None:
        self._thread = None
        self._is_open = False
        self._release_store()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            with self._lock:
                latest = self._leases[-1:]
            for lease in latest:
                lease.failed(error)

    def _loop(self) -> None:
        self.armed = False
        look_at: float | None = None  # when to ask for the position
        not_before = 0.0
        while True:
            try:
                left = seconds_until(look_at)
                message = self.inbox.get(timeout=left)
            except queue.Empty:
                self.armed = False  # before the position is read: progress made in between arms again
                tried, held_back = self._save()
                if tried or held_back:
                    not_before = time.monotonic() + SAVE_EVERY
                look_at = not_before if tried else None
                continue
            if message is _Message.PROGRESS:
                if look_at is None:
                    look_at = max(not_before, time.monotonic())
                continue
            self._save()
            if self._failing and look_at is None:
                look_at = time.monotonic() + SAVE_EVERY
            if isinstance(message, queue.SimpleQueue):
                message.put(None)
            elif message is _Message.END:
                with self._lock:
                    if self._is_over:
                        self._close()
                        return

    def _save(self) -> tuple[bool, bool]:
        """Write the current position.

        Returns:
            Whether the store was behind, and whether a handler of an earlier run holds it back.
        """
        position, held_back = self._position()
        if position == self._saved:
            return False, held_back
        try:
            if position is None:
                self._store.clear()
            else:
                self._store.save(position)
        except Exception as error:  # of somebody else's store
            if not self._failing:
                self._failing = True
                words = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
                # Of what processes share: their node says so, once for all shards.
                level = logging.DEBUG if self._store.is_shared and isinstance(error, GatewayError) else logging.WARNING
                self.log.log(level, "the session is not kept: %s cannot be written: %s", self._store.name, words)
        else:
            self._failing = False
            self._saved = position
        return True, held_back

    def _position(self) -> tuple[Session | None, bool]:
        leases = self._leases
        if not leases:
            return self._saved, False
        *earlier, latest = leases
        position = latest.position()
        if position is not None and position.seq is not None:
            for lease in earlier:
                done = lease.unfinished()
                if done is not None and done.id == position.id and done.seq is not None and done.seq < position.seq:
                    return replace(position, seq=done.seq), True
        return position, False


class SessionLease:
    """The right of a run to write the store, until a later run acquires a lease.

    Args:
        position: as for `start`, until `start` is called.
    """

    def __init__(self, writer: SessionWriter, position: Callable[[], Session | None]) -> None:
        self.position: Callable[[], Session | None] = position
        self.unfinished: Callable[[], Session | None] = lambda: None
        self.failed: Callable[[BaseException], object] = lambda error: None
        self.started: bool = False
        self.ended = self._was_slow = False
        self._writer = writer

    def start(
        self,
        position: Callable[[], Session | None],
        unfinished: Callable[[], Session | None],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Begin to write. Raises RuntimeError if the thread cannot be started.

        Args:
            position: returns the session up to the last completed event; None if there is nothing to resume.
            unfinished: returns the session before the first event whose handlers still run; None if none do.
            failed: called on the thread with the error that ended it unexpectedly.
        """
        self.position, self.unfinished, self.failed = position, unfinished, failed
        self.started = True
        self._writer.start()

    def progressed(self) -> None:
        """Report that handlers have completed more events. Cheap if already reported; for any thread.

        The first progress is written at once, later progress at most once in `SAVE_EVERY` seconds.
        """
        writer = self._writer
        if not writer.armed:
            writer.armed = True
            writer.inbox.put(_Message.PROGRESS)

    def save_soon(self) -> None:
        """Have a new session written, without waiting. For the supervisor."""
        self._writer.inbox.put(_Message.SAVE)

    def wait_until_saved(self) -> None:
        """Have the session written, and wait for that for at most `READY_WAITS` seconds. For the dispatcher."""
        if not self._writer.save(READY_WAITS):
            self._writer.say_slow("READY went to its handlers before the session was kept")

    def settle(self) -> None:
        """Write or delete the session at the end of the run, while handlers may still be at work."""
        self._warn_if_slow(self._writer.save(DISK_GRACE))

    def end(self) -> None:
        """Save for the last time, and release the store. Idempotent."""
        self._warn_if_slow(self._writer.end(self))

    def _warn_if_slow(self, in_time: bool) -> None:
        if not in_time and not self._was_slow:
            self._was_slow = True
            self._writer.say_slow("close() does not wait for it")
