"""The log of what clients did, and waiting for its entries."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Generic, TypeVar

from ..protocol.opcodes import opcode_name
from ..records import Closed, ConnectionRecord, HttpRequest, Inbox, Received, Record, SessionRefused, SessionView

Entry = TypeVar("Entry")


class TakeOnceLog(Generic[Entry]):
    """Entries in order, each of which any thread can take once."""

    def __init__(self, lock: AbstractContextManager[bool], changed: threading.Condition) -> None:
        self._lock, self._changed = lock, changed
        self._taken: set[int] = set()
        self._first_open = 0
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Append an entry and wake the waiting threads; the caller holds the lock."""
        self.entries.append(entry)
        self._changed.notify_all()

    def take(self, matches: Callable[[Entry], bool], timeout: float) -> Entry | None:
        """Take the first untaken entry that matches; `None` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        start = self._first_open
        while True:
            start, fresh = self._open_entries(start, deadline)
            # `matches` may call a test's own code: run it without the lock.
            for index, entry in fresh:
                if matches(entry) and self._claim(index):
                    return entry
            if time.monotonic() >= deadline:
                return None

    def _open_entries(self, start: int, deadline: float) -> tuple[int, list[tuple[int, Entry]]]:
        """Wait for entries from this index on; return the next index and the untaken entries."""
        with self._lock:
            self._changed.wait_for(lambda: len(self.entries) > start, max(0.0, deadline - time.monotonic()))
            fresh = [
                (index, self.entries[index])
                for index in range(max(start, self._first_open), len(self.entries))
                if index not in self._taken
            ]
            return len(self.entries), fresh

    def _claim(self, index: int) -> bool:
        with self._lock:
            if index < self._first_open or index in self._taken:
                return False
            self._taken.add(index)
            while self._first_open in self._taken:
                self._taken.remove(self._first_open)
                self._first_open += 1
            return True


class Log:
    """Everything that clients did, in order.

    Guarded by the gateway's lock; every new entry notifies its condition. `expect`, `expect_close` and `expect_request`
    return each entry once.
    """

    def __init__(self, lock: AbstractContextManager[bool], changed: threading.Condition) -> None:
        self._lock, self._changed = lock, changed
        self._received: TakeOnceLog[Received] = TakeOnceLog(lock, changed)
        self._closed: TakeOnceLog[Closed] = TakeOnceLog(lock, changed)
        self._connections: list[ConnectionRecord] = []
        self._requests: TakeOnceLog[HttpRequest] = TakeOnceLog(lock, changed)
        self._followers: list[Inbox] = []

    # Written by the gateway, which holds the lock.

    def add_connection(self, record: ConnectionRecord) -> None:
        self._connections.append(record)
        self._changed.notify_all()

    def set_status(self, number: int, status: int) -> None:
        self._connections[number - 1] = replace(self._connections[number - 1], status=status)
        self._changed.notify_all()
        self._publish(self._connections[number - 1])

    def add_received(self, received: Received) -> None:
        self._received.add(received)
        self._publish(received)

    def add_session(self, session: SessionView) -> None:
        """Record that a session was started or resumed."""
        self._changed.notify_all()
        self._publish(session)

    def add_refused(self, refused: SessionRefused) -> None:
        self._publish(refused)

    def add_closed(self, closed: Closed) -> None:
        self._connections[closed.connection - 1] = replace(self._connections[closed.connection - 1], closed=closed)
        self._closed.add(closed)
        self._publish(closed)

    def add_request(self, request: HttpRequest) -> None:
        self._requests.add(request)
        self._publish(request)

    def _publish(self, record: Record) -> None:
        for inbox in self._followers:
            inbox.put(record)

    @property
    def next_connection_number(self) -> int:
        return len(self._connections) + 1

    # Read by tests, from any thread.

    def follow(self, inbox: Inbox) -> None:
        """Put every future record into `inbox`."""
        with self._lock:
            self._followers.append(inbox)

    @property
    def received(self) -> tuple[Received, ...]:
        with self._lock:
            return tuple(self._received.entries)

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        with self._lock:
            return tuple(self._connections)

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        with self._lock:
            return tuple(self._requests.entries)

    def expect(
        self,
        op: int,
        timeout: float,
        shard: int | None,
        where: Callable[[Received], bool] | None,
    ) -> Received:
        """Take the first untaken payload with this opcode; raise AssertionError on timeout."""

        def matches(entry: Received) -> bool:
            if entry.op != op or (shard is not None and entry.shard != shard):
                return False
            return where is None or where(entry)

        found = self._received.take(matches, timeout)
        if found is None:
            raise AssertionError(
                f"no {opcode_name(op)} came within {timeout:g} s"
                + (f" on shard {shard}" if shard is not None else "")
                + (" that matches `where`" if where is not None else "")
                + f"; {self._summary()}"
            )
        return found

    def expect_close(
        self,
        timeout: float,
        shard: int | None,
        by: str | None,
        where: Callable[[Closed], bool] | None,
    ) -> Closed:
        """Take the first untaken record of an ended connection; raise AssertionError on timeout."""

        def matches(entry: Closed) -> bool:
            if (shard is not None and entry.shard != shard) or (by is not None and entry.by != by):
                return False
            return where is None or where(entry)

        found = self._closed.take(matches, timeout)
        if found is None:
            raise AssertionError(f"no connection ended within {timeout:g} s; {self._summary()}")
        return found

    def wait_connection(self, number: int, timeout: float) -> ConnectionRecord:
        """Wait for the n-th connection; raise AssertionError on timeout."""
        with self._lock:
            if not self._changed.wait_for(lambda: len(self._connections) >= number, timeout):
                raise AssertionError(f"connection {number} did not come within {timeout:g} s; {self._summary()}")
            return self._connections[number - 1]

    def expect_request(self, what: str, matches: Callable[[HttpRequest], bool], timeout: float) -> HttpRequest:
        """Take the first untaken HTTP request that matches; raise AssertionError on timeout."""
        found = self._requests.take(matches, timeout)
        if found is None:
            last = ", ".join(repr(request) for request in self.requests[-5:]) or "nothing"
            raise AssertionError(f"no {what} came within {timeout:g} s; last requests: {last}")
        return found

    def _summary(self) -> str:
        """Summarise what did happen in a single line."""
        with self._lock:
            counts = Counter(entry.name for entry in self._received.entries)
            closed = [
                f"connection {entry.connection} ended by the {entry.by} (code {entry.code}, sent {entry.sent_code})"
                for entry in self._closed.entries[-3:]
            ]
            last = [str(entry) for entry in self._received.entries[-3:]]
            connections = len(self._connections)
        received = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
        parts = [f"{connections} connection{'' if connections == 1 else 's'} so far", f"received: {received}"]
        if last:
            parts.append("last: " + "; ".join(last))
        return ". ".join(parts + closed)
