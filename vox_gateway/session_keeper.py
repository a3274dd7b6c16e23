"""Keeps a session file up to date, on a thread of its own: a disk may be slow, and nobody else is to wait for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from .logs import ShardLog
from .session import Session
from .session_file import SessionFile

__all__ = ["SessionKeeper"]

#: seconds from an event to the file that knows of it: what a kill may let handlers see twice
SAVE_WITHIN = 1.0
#: seconds that the disk has to finish when the client is closed
DISK_GRACE = 0.3


class SessionKeeper:
    """The thread that writes the file. Asleep while no event arrives.

    A daemon because a script that ends without `close` must not hang; its owner calls `stop`.

    Args:
        name: of the thread.
        position: how far the handlers have got; None when there is nothing to resume.
        behind: whether that is less far than what has arrived.
        saved: what the file says now.
    """

    def __init__(
        self,
        name: str,
        file: SessionFile,
        position: Callable[[], Session | None],
        behind: Callable[[], bool],
        saved: Session | None,
        log: ShardLog,
    ) -> None:
        self._file = file
        self._position = position
        self._behind = behind
        self._log = log
        self._saved = saved
        self._failing = False
        self._armed = False
        # How long the file may wait; None to end.
        self._inbox: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def arm(self) -> None:
        """Something has arrived; cheap when that is known. For the reader."""
        if not self._armed:
            self._armed = True
            self._inbox.put(SAVE_WITHIN)

    def save_soon(self) -> None:
        """A session has begun: the file is of no use until it says so."""
        self._inbox.put(0.0)

    def stop(self) -> None:
        """End the thread; the file then says where the session ended, or is gone with it."""
        self._inbox.put(None)
        self._thread.join(DISK_GRACE)
        if self._thread.is_alive():
            self._log.warning("session_file takes long to be written: close() does not wait for it")
        else:
            self._save()

    def _run(self) -> None:
        while (patience := self._inbox.get()) is not None:
            until = time.monotonic() + patience
            while (left := until - time.monotonic()) > 0:
                try:
                    sooner = self._inbox.get(timeout=left)
                except queue.Empty:
                    break
                if sooner is None:
                    return
                until = min(until, time.monotonic() + sooner)
            # First this, then the look: what arrives in between arms again.
            self._armed = False
            self._save()
            if self._behind():
                self.arm()

    def _save(self) -> None:
        position = self._position()
        if position == self._saved:
            return
        try:
            if position is None:
                self._file.clear()
            else:
                self._file.save(position)
        except OSError as error:
            if not self._failing:
                self._failing = True
                self._log.warning("the session is not kept: session_file cannot be written: %s", error)
            return
        self._failing = False
        self._saved = position
