"""Who else is shown each event, before its handlers are: streams, and those who wait for one thing."""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable

from ..encoding import Payload
from ..errors import GatewayError
from ..event import Event

__all__ = ["Subscriber", "Subscribers"]


class Subscriber:
    """One who is shown events. Called on the dispatcher's thread."""

    def show(self, event: Event) -> None:
        """An event that this one is for."""

    def end(self, error: GatewayError | None) -> None:
        """No more come, since the client was closed or, with `error`, cannot go on."""


class Subscribers:
    """The taps of a client, by the names that they are for; ``"DISPATCH"`` stands for every dispatch event.

    Any thread may add and remove; the dispatcher shows.
    """

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._lock = threading.Lock()  # guards changes of the table; who reads it sees one whole table or another
        self._table: dict[str, tuple[Subscriber, ...]] = {}
        #: the events that have a tap now
        self.heard: Container[str] = self._table

    def add(self, tap: Subscriber, names: Iterable[str]) -> None:
        """Show `tap` the events of `names` from now on."""
        with self._lock:
            table = dict(self._table)
            for name in names:
                table[name] = (*table.get(name, ()), tap)
            self.heard = self._table = table

    def remove(self, tap: Subscriber) -> None:
        """Show it nothing more."""
        with self._lock:
            left = {name: tuple(one for one in taps if one is not tap) for name, taps in self._table.items()}
            self.heard = self._table = {name: taps for name, taps in left.items() if taps}

    def show(self, payload: Payload) -> None:
        """Show a dispatch."""
        name, seq, table = payload["t"], payload.get("s"), self._table
        taps = (*table.get("DISPATCH", ()), *table.get(name, ()))
        if taps:
            event = Event(name, payload.get("d"), seq if type(seq) is int else None, self._shard)
            for tap in dict.fromkeys(taps):
                tap.show(event)

    def show_other(self, name: str, *args: object) -> None:
        """Show an event that is no dispatch, with its only argument."""
        for tap in self._table.get(name, ()):
            tap.show(Event(name, args[0] if args else None, None, self._shard))

    def renew(self) -> list[Subscriber]:
        """Begin with an empty table in a child process; returns who was in it."""
        self._lock = threading.Lock()
        taps = [tap for taps in self._table.values() for tap in taps]
        self.heard = self._table = {}
        return list(dict.fromkeys(taps))

    def end(self, error: GatewayError | None) -> None:
        """Tell all that nothing more comes."""
        for tap in {tap for taps in self._table.values() for tap in taps}:
            tap.end(error)
