"""The subscribers to the events of all shards: streams, and callers that wait for an event."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable

from ..dispatch.stream import EventStream
from ..dispatch.subscriptions import Subscriber, Subscribers
from ..errors import GatewayError, NotConnected

__all__ = ["SharedSubscribers"]


class SharedSubscribers:
    """Adds each subscriber to the subscribers of every shard, and ends it when the last shard ends its own.

    A shard ends its subscribers once it delivers no more events. So a stream has every event that handlers got.

    Any thread subscribes; the coordinator adds shards, and supervisors end them.

    Attributes:
        tables: the subscribers of each shard.
    """

    def __init__(self) -> None:
        self._names: dict[Subscriber, tuple[str, ...]] = {}
        self.tables: tuple[Subscribers, ...] = ()
        self._open: dict[Subscribers, None] = {}  # those of shards that run
        # Held by what adds and removes, so that a subscriber and a shard that come at the same time meet.
        self._lock = threading.RLock()

    def attach(self, tables: Iterable[Subscribers]) -> None:
        """Bring the events of these shards too."""
        with self._lock:
            new = tuple(tables)
            self.tables = (*self.tables, *new)
            for subscriber, names in self._names.items():
                for table in new:
                    table.add(subscriber, names, shared=True)

    def detach(self, tables: Iterable[Subscribers]) -> None:
        """Bring the events of these shards no more."""
        with self._lock:
            old = tuple(tables)
            self.tables = tuple(table for table in self.tables if table not in old)
            for subscriber in self._names:
                for table in old:
                    table.remove(subscriber)

    def open(self, tables: Iterable[Subscribers], on_end: Callable[[GatewayError | None], None]) -> None:
        """Expect these shards to run, and to end their subscribers.

        Args:
            on_end: called when all have, with the error of the last.
        """

        def ended(table: Subscribers, error: GatewayError | None) -> None:
            # Without the lock, as `Subscribers.end`. Of two that end at the same time, both may be the last.
            if self._open.pop(table, 0) is None and not self._open:
                on_end(error)

        with self._lock:
            self._open.update(dict.fromkeys(opened := tuple(tables)))
        for table in opened:
            table.on_end = functools.partial(ended, table)

    def add(self, subscriber: Subscriber, names: Iterable[str]) -> None:
        """Publish the events of `names` to `subscriber` from now on."""
        with self._lock:
            self._names[subscriber] = names = tuple(names)
            for table in self.tables:
                table.add(subscriber, names, shared=True)

    def remove(self, subscriber: Subscriber) -> None:
        """Publish nothing more to `subscriber`."""
        with self._lock:
            self._names.pop(subscriber, None)
            for table in self.tables:
                table.remove(subscriber)

    def end(self, error: GatewayError | None) -> None:
        """End and remove all subscribers. Takes no lock, as `Subscribers.end`."""
        for subscriber in list(self._names):
            self._names.pop(subscriber, None)
            subscriber.end(error)
        for table in self.tables:
            table.forget_shared()

    def after_fork(self, reason: str | None) -> None:
        """Begin anew in a child process, in which the tables of the shards are empty.

        Args:
            reason: why no event comes to the streams any more; None if no shard ran.
        """
        self._lock, self._open = threading.RLock(), {}
        names, self._names = self._names, {}
        for subscriber, wanted in names.items():
            if reason is None:
                self.add(subscriber, wanted)
            elif isinstance(subscriber, EventStream):  # the others belong to threads of the parent
                subscriber.abandon(NotConnected(reason))
