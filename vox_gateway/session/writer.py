"""Keeps a client's session file up to date, on a thread of its own: a disk may be slow, and the reader and heartbeats
must not wait for it.

One keeper serves all runs of a client, one after the other, and each run has a lease. Only the position of the latest
lease is written. A handler of an earlier run may still be at work then; the file does not pass its event before it
returns.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..log import ShardLog
from .file import SessionFile
from .lock import SessionLock
from .state import Session

__all__ = ["SessionLease", "SessionWriter"]

#: seconds between two saves of progress: what a kill may let handlers see twice
SAVE_EVERY = 1.0
#: seconds that READY waits for the file before it goes to its handlers
READY_WAITS = 1.0
#: seconds that the disk has to finish when the client is closed
DISK_GRACE = 0.3


@dataclass(frozen=True)
class _Save:
    """Write the file now; `reply`, if there is one, is put to afterwards."""

    reply: queue.SimpleQueue[None] | None = None


@dataclass(frozen=True)
class _Progress:
    """Handlers have got further."""


@dataclass(frozen=True)
class _End:
    """End the thread, unless another lease has begun."""


class SessionWriter:
    """Owns a session file while one of the client's runs has a lease, and has the thread that writes it.

    The thread is asleep while handlers make no progress. It is a daemon because a script that ends without `close` must
    not hang; the end of the last lease ends it.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str, file: SessionFile, log: ShardLog) -> None:
        self._name = name
        self._file = file
        self.log = log
        self._pid = os.getpid()
        self._file_lock = SessionLock(self._file.path)
        self._saved: Session | None = None  # what the file says
        self._failing = False
        self.armed = False
        self.inbox: queue.SimpleQueue[_Save | _Progress | _End] = queue.SimpleQueue()
        self._leases: tuple[SessionLease, ...] = ()  # oldest first
        self._is_open = False  # whether the file is ours
        self._thread: threading.Thread | None = None
        # Guards the three fields above. Taken by connect(), the reconnect loop of each run, and the keeper's thread.
        self._lock = threading.Lock()

    def acquire(self, session: Session) -> SessionLease:
        """Take the file for a run that begins, and make `session` what the file says if somebody else has written it.

        For `connect`, which no two threads are in.

        Raises:
            AlreadyConnected: another client uses the file.
            ValueError: it is another bot's or another shard's, not a session file, or not a regular file.
            OSError: it cannot be read.
        """
        lease = SessionLease(self, lambda: self._saved)
        with self._lock:
            # While a handler of an earlier run is at work the file is still ours, and memory is newer than the disk.
            if self._is_open:
                self._add(lease)
                return lease
        self._take_lock()
        try:
            kept = self._file.load(self.log)
        except BaseException:
            self._file_lock.release()
            raise
        if kept != self._saved:
            _set(session, kept)
            self._saved = kept
        with self._lock:
            self._is_open = True
            self._add(lease)
        return lease

    def _take_lock(self) -> None:
        try:
            self._file_lock.acquire()
        except OSError as error:
            self.log.warning(
                "session_file=%r cannot be locked: make sure that no other client uses it: %s",
                str(self._file.path),
                error,
            )

    def _add(self, lease: SessionLease) -> None:
        earlier = (other for other in self._leases if not other.ended or other.unfinished() is not None)
        self._leases = (*earlier, lease)

    # -- for leases ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, if it does not run."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def save(self, timeout: float) -> bool:
        """Have the file written now; False when that takes longer than `timeout` seconds."""
        thread = self._thread
        if thread is None or not thread.is_alive() or self._pid != os.getpid():
            return True
        reply: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.inbox.put(_Save(reply))
        try:
            reply.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def end(self, lease: SessionLease) -> bool:
        """End `lease`, and with the last one the thread; False when the disk takes longer than `DISK_GRACE`."""
        if self._pid != os.getpid():
            return True  # the file is the parent's
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
        self.inbox.put(_End())
        thread.join(DISK_GRACE)
        with self._lock:
            return not (thread.is_alive() and self._is_over)

    @property
    def _is_over(self) -> bool:
        return not self._leases or self._leases[-1].ended

    def _close(self) -> None:
        self._thread = None
        self._is_open = False
        self._file_lock.release()

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
        look_at: float | None = None  # when to look how far handlers have got
        not_before = 0.0
        while True:
            try:
                left = None if look_at is None else max(look_at - time.monotonic(), 0.0)
                message = self.inbox.get(timeout=left)
            except queue.Empty:
                self.armed = False  # first this, then the look: progress made in between arms again
                tried, held_back = self._save()
                if tried or held_back:
                    not_before = time.monotonic() + SAVE_EVERY
                look_at = not_before if tried else None
                continue
            if isinstance(message, _Progress):
                if look_at is None:
                    look_at = max(not_before, time.monotonic())
                continue
            self._save()
            if self._failing and look_at is None:
                look_at = time.monotonic() + SAVE_EVERY
            if isinstance(message, _Save):
                if message.reply is not None:
                    message.reply.put(None)
                continue
            with self._lock:
                if self._is_over:
                    self._close()
                    return

    def _save(self) -> tuple[bool, bool]:
        """Make the file say how far handlers have got.

        Returns:
            Whether the file was behind, and whether a handler of an earlier run holds it back.
        """
        position, held_back = self._position()
        if position == self._saved:
            return False, held_back
        try:
            if position is None:
                self._file.clear()
            else:
                self._file.save(position)
        except OSError as error:
            if not self._failing:
                self._failing = True
                self.log.warning("the session is not kept: session_file cannot be written: %s", error)
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
    """The right of one run to say what the file holds, until a later run has a lease.

    Args:
        position: as for `start`, until then.
    """

    def __init__(self, keeper: SessionWriter, position: Callable[[], Session | None]) -> None:
        self.position = position
        self.unfinished: Callable[[], Session | None] = lambda: None
        self.failed: Callable[[BaseException], object] = lambda error: None
        self.started = self.ended = self._was_slow = False
        self._keeper = keeper

    def start(
        self,
        position: Callable[[], Session | None],
        unfinished: Callable[[], Session | None],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Begin to write. Raises RuntimeError if the thread cannot be started.

        Args:
            position: returns the session as far as the handlers have got; None when there is nothing to resume.
            unfinished: returns the session up to the first event whose handlers have not returned; None when all have.
            failed: called, on the thread, with an error that ends it unexpectedly.
        """
        self.position, self.unfinished, self.failed = position, unfinished, failed
        self.started = True
        self._keeper.start()

    def progressed(self) -> None:
        """Handlers have got further; cheap when that is known. Any thread.

        The first progress is written at once, what follows at most once in `SAVE_EVERY` seconds.
        """
        keeper = self._keeper
        if not keeper.armed:
            keeper.armed = True
            keeper.inbox.put(_Progress())

    def save_soon(self) -> None:
        """A session has begun: have the file written now, without waiting for it. For the reader."""
        self._keeper.inbox.put(_Save())

    def wait_until_saved(self) -> None:
        """Wait until the file says what the session is; at most `READY_WAITS` seconds. For the dispatcher."""
        if not self._keeper.save(READY_WAITS):
            self._keeper.log.warning(
                "session_file takes long to be written: READY went to its handlers before the session was kept"
            )

    def settle(self) -> None:
        """The run is over, but for handlers that still run: make the file say where the session ended, or delete it."""
        self._wait_for_disk(lambda: self._keeper.save(DISK_GRACE))

    def end(self) -> None:
        """Nothing more comes of the run: save for the last time, and leave the file to others. Idempotent."""
        self._wait_for_disk(lambda: self._keeper.end(self))

    def _wait_for_disk(self, write: Callable[[], bool]) -> None:
        if not write() and not self._was_slow:
            self._was_slow = True
            self._keeper.log.warning("session_file takes long to be written: close() does not wait for it")


def _set(session: Session, kept: Session | None) -> None:
    if kept is None:
        session.clear()
    else:
        session.id, session.seq, session.resume_url, session.user_id = kept.id, kept.seq, kept.resume_url, kept.user_id
