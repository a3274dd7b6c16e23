"""Who receives each event before its handlers run: streams, and callers that wait for one event.

Any thread subscribes; the dispatcher publishes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ..encoding import Payload
from ..errors import GatewayError
from ..event import Event

__all__ = ["NoRoom", "Subscriber", "Subscribers"]


class NoRoom(Exception):
    """The client was closed before a subscriber had taken an event."""


class Subscriber:
    """Receives events; called on the dispatcher's thread."""

    def receive(self, event: Event[Any]) -> None:
        """Take an event of a subscribed name.

        Raises:
            NoRoom: `end` was called before this had room for the event.
        """

    def end(self, error: GatewayError | None) -> None:
        """Expect no more: the client was closed or, with `error`, failed."""


#: subscribers by event name
Table = Mapping[str, tuple[Subscriber, ...]]


class Subscribers:
    """The subscribers of a client, by event name; ``"DISPATCH"`` stands for every dispatch event."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        #: the subscribers; replaced whole, so that it can be read without the lock
        self.table: Table = {}
        self._lock = threading.Lock()  # guards changes of the table

    def add(self, subscriber: Subscriber, names: Iterable[str]) -> None:
        """Publish the events of `names` to `subscriber` from now on."""
        with self._lock:
            table = dict(self.table)
            for name in names:
                table[name] = (*table.get(name, ()), subscriber)
            self.table = table

    def remove(self, subscriber: Subscriber) -> None:
        """Publish nothing more to `subscriber`."""
        with self._lock:
            left = {
                name: tuple(other for other in subscribers if other is not subscriber)
                for name, subscribers in self.table.items()
            }
            self.table = {name: subscribers for name, subscribers in left.items() if subscribers}

    def publish(self, payload: Payload, table: Table | None = None) -> None:
        """Publish a dispatch.

        Args:
            table: an earlier `table`, to publish to its subscribers; None for the newest.

        Raises:
            NoRoom: a subscriber was ended before it had taken the event.
        """
        name, seq, table = payload["t"], payload.get("s"), self.table if table is None else table
        subscribers = (*table.get("DISPATCH", ()), *table.get(name, ()))
        if subscribers:
            event = Event(name, payload.get("d"), seq if type(seq) is int else None, self._shard)
            for subscriber in dict.fromkeys(subscribers):
                subscriber.receive(event)

    def publish_signal(self, name: str, *args: object) -> None:
        """Publish an event that is not a dispatch, with its only argument."""
        for subscriber in self.table.get(name, ()):
            with contextlib.suppress(NoRoom):
                subscriber.receive(Event(name, args[0] if args else None, None, self._shard))

    def renew(self) -> list[Subscriber]:
        """Empty the table in a child process, and return the subscribers that were in it."""
        self._lock = threading.Lock()
        subscribers = [subscriber for subscribers in self.table.values() for subscriber in subscribers]
        self.table = {}
        return list(dict.fromkeys(subscribers))

    def end(self, error: GatewayError | None) -> None:
        """End and remove all subscribers."""
        with self._lock:
            table, self.table = self.table, {}
        for subscriber in {subscriber for subscribers in table.values() for subscriber in subscribers}:
            subscriber.end(error)
