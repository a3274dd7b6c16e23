"""The dispatcher's thread, which dispatches the events of all shards of a client."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from ..network.shared_reader import SharedReader
from .event_queue import Entry, Inbox

__all__ = ["DispatcherThread"]


class DispatcherThread:
    """The thread that dispatches the events of one or more shards, in the order in which they arrived.

    It is a daemon because a handler that never returns must not keep a script from ending. Its owner ends it with
    `finish`.

    Args:
        on_failure: called on the thread with each error of ours. The thread goes on, since shards need it to end.
        reader: reads the connections on this thread while there is nothing to dispatch; None if others read them.
    """

    def __init__(
        self, name: str, on_failure: Callable[[BaseException], object], reader: SharedReader | None = None
    ) -> None:
        self._entries: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self._on_failure = on_failure
        self._reader = reader
        self.inbox: Inbox = self._entries if reader is None else _WakingInbox(self._entries, reader)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system has no more threads.
        """
        self._thread.start()

    def call(self, function: Callable[[], None]) -> None:
        """Call `function` on the thread, after the items that are in its inbox."""
        self.inbox.put((_Call(function), None))

    def finish(self) -> None:
        """End the thread after the items that are in its inbox."""
        self.inbox.put(None)

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, if it was ever started; `timeout` seconds at most."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def abandon(self) -> None:
        """Leave all items to the parent, in a child that a handler on this thread forked: the thread ends there."""
        self._entries = self.inbox = queue.SimpleQueue()
        self._reader = None
        self.inbox.put(None)

    def is_current(self) -> bool:
        """Whether the caller is on this thread, where waiting for an event would never end."""
        return threading.current_thread() is self._thread

    @property
    def ident(self) -> int | None:
        """The thread's identifier, for stack traces."""
        return self._thread.ident

    def _run(self) -> None:
        while True:
            try:
                self._consume_all()
                return
            except BaseException as error:
                self._on_failure(error)

    def _consume_all(self) -> None:
        while (entry := self._next()) is not None:
            consumer, item = entry
            consumer.consume(item)

    def _next(self) -> Entry:
        """Wait for the next entry; read meanwhile, with a shared reader."""
        while (reader := self._reader) is not None:
            try:
                return self._entries.get_nowait()
            except queue.Empty:
                if not reader.wait(self._entries.empty):
                    break
        return self._entries.get()


class _WakingInbox:
    """Entries for a thread that may be waiting in a shared reader."""

    def __init__(self, entries: queue.SimpleQueue[Entry], reader: SharedReader) -> None:
        self._put = entries.put
        self._reader = reader

    def put(self, entry: Entry) -> None:
        """Append an entry, and wake the thread if it waits."""
        self._put(entry)
        if self._reader.is_waited_in:
            self._reader.wake()


class _Call:
    """An entry of the inbox that belongs to no shard."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def consume(self, item: None) -> None:
        """Call the function."""
        self._function()
