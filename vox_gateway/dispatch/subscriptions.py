"""Who receives each event before its handlers run: streams, and callers that wait for one event.

Any thread subscribes; the dispatcher publishes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
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
    """The subscribers of a shard, by event name; ``"DISPATCH"`` stands for every dispatch event."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        # Each change is a single step, since a signal handler may subscribe in the middle of another call.
        self._names: dict[Subscriber, tuple[str, ...]] = {}
        #: the subscribers; replaced whole after each change
        self.table: Table = {}
        self._shared: dict[Subscriber, None] = {}  # those of them that receive the events of other shards too
        #: called after `end`
        self.on_end: Callable[[GatewayError | None], None] | None = None
        # Held by `add` and `remove`, so that no call replaces a newer table by an older. `end` and `publish` take no
        # lock: the thread that holds it may be interrupted by a signal handler that waits for the run to end.
        self._lock = threading.RLock()

    def add(self, subscriber: Subscriber, names: Iterable[str], *, shared: bool = False) -> None:
        """Publish the events of `names` to `subscriber` from now on.

        Args:
            shared: whether it receives the events of other shards too, and so `end` leaves it alone.
        """
        if shared:
            self._shared[subscriber] = None
        self._names[subscriber] = tuple(names)
        with self._lock:
            self._refresh()

    def remove(self, subscriber: Subscriber) -> None:
        """Publish nothing more to `subscriber`."""
        self._names.pop(subscriber, None)
        with self._lock:
            self._shared.pop(subscriber, None)
            self._refresh()

    def _refresh(self) -> None:
        names: dict[Subscriber, tuple[str, ...]] | None = None
        table = self.table
        while names != self._names or table is not self.table:  # again if another call, or `end`, came in between
            names = self._names.copy()
            lists: dict[str, list[Subscriber]] = {}
            for subscriber, events in names.items():
                for event in dict.fromkeys(events):
                    lists.setdefault(event, []).append(subscriber)
            table = self.table = {event: tuple(subscribers) for event, subscribers in lists.items()}

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
        """Remove all subscribers in a child process, and return them, but for the shared."""
        self._lock = threading.RLock()
        subscribers = [subscriber for subscriber in self._names if subscriber not in self._shared]
        self._names, self._shared, self.table = {}, {}, {}
        return subscribers

    def end(self, error: GatewayError | None) -> None:
        """End and remove all subscribers, but for the shared."""
        for subscriber in list(self._names):
            if subscriber not in self._shared:
                self._names.pop(subscriber, None)
                subscriber.end(error)
        self._refresh()
        if self.on_end is not None:
            self.on_end(error)

    def forget_shared(self) -> None:
        """Remove the shared subscribers, which have ended. Takes no lock, as `end`."""
        for subscriber in list(self._shared):
            self._shared.pop(subscriber, None)
            self._names.pop(subscriber, None)
        self._refresh()
