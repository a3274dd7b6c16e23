"""The inbox between the reader and the dispatcher: events in order, handed over in batches, and no more than so many.

When it is full the reader waits in `put`, reads nothing more, and so leaves the rest to the kernel and to the server.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..encoding import Payload, raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..session.state import Session

__all__ = ["Batch", "EventQueue", "Item", "Milestone", "Signal", "is_dispatch"]

#: seconds that the reader may wait for room before somebody should know why
STUCK_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Signal:
    """An event of the connection rather than of the gateway: `open`, `close` or `error`."""

    name: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Milestone:
    """READY or RESUMED comes next; `session` is what it begins or goes on with.

    Attributes:
        published: set once the run's state says so.
    """

    session: Session
    resumed: bool
    published: threading.Event = field(default_factory=threading.Event, compare=False)


#: where payloads are yielded again
RESUME = Signal("resume")

#: a session's id, and its last dispatch or that one's sequence number
_Position = tuple[str | None, RawDispatch | int | None]
#: what waits for its turn
Item = Payload | RawDispatch | Signal | Milestone
#: what the reader hands over in one go: dispatches, decoded or raw, or other payloads
Batch = list[Payload] | list[RawDispatch]


class EventQueue:
    """What has arrived and has not been handled.

    The reader calls `put`, any of our loops `signal`, the dispatcher iterates; `waiting` is for everyone.

    Args:
        limit: payloads that may wait.
        on_stuck: called, by the reader, when it has waited for room for `STUCK_AFTER` seconds; a shorter wait is but
            the ebb and flow of a busy bot.
        elsewhere: tells how many that were taken wait still, and so take up room.
        on_completed: called, by the dispatcher, when `completed` has moved.
    """

    def __init__(
        self,
        limit: int,
        on_stuck: Callable[[], None],
        elsewhere: Callable[[], int] = lambda: 0,
        on_completed: Callable[[], None] | None = None,
    ) -> None:
        self.limit = limit
        self._elsewhere = elsewhere
        self._on_stuck = on_stuck
        self._on_completed = on_completed
        self._batches: queue.SimpleQueue[Batch | Signal | Milestone | None] = queue.SimpleQueue()
        # The reader alone counts what arrives, the dispatcher alone what it takes. Every payload takes up room;
        # `waiting` tells of the dispatches among them.
        self._put = self._arrived = 0
        self._got = self._got_others = self._passed_over = 0
        self._session_id: str | None = None  # of the dispatches that are yielded
        self._next_session_id: str | None = None  # from the READY that comes next
        # The session's id, and the last dispatch or its sequence number: what was yielded, and what is done with.
        self._delivered: _Position = (None, None)
        self._completed: _Position = (None, None)
        self._dropping = False
        self._passing_over = False
        self._putter_waits = False
        self._lock = threading.RLock()  # guards no data
        self._room = threading.Condition(self._lock)  # the reader waits on it, whoever makes room notifies it

    @property
    def waiting(self) -> int:
        """Events that have arrived and were not yet given to their handlers."""
        return max(self._arrived - self._taken, 0) + self._elsewhere()

    @property
    def _taken(self) -> int:
        return self._got - self._got_others

    @property
    def _unhandled(self) -> int:
        return self._put - self._got + self._elsewhere()

    def put_milestone(self, milestone: Milestone) -> None:
        """Add what READY or RESUMED, which is put next, means for the session. For the reader; never waits."""
        self._batches.put(milestone)

    def put(self, batch: Batch, patient: Callable[[], bool]) -> bool:
        """Add payloads, in order; waits for room for as long as `patient` says so, and adds them anyway after that.

        Args:
            batch: dispatches only, or none at all.

        Returns:
            Whether it waited for so long that `on_stuck` was called.
        """
        stuck = False
        while batch:
            room = self.limit - self._unhandled
            if room <= 0 and patient() and not self._dropping:
                stuck |= self._wait_for_room(patient)
                continue
            piece, batch = (batch[:room], batch[room:]) if 0 < room < len(batch) else (batch, [])
            self._put += len(piece)
            if is_dispatch(piece[0]):
                self._arrived += len(piece)
            self._batches.put(piece)
        return stuck

    def _wait_for_room(self, patient: Callable[[], bool]) -> bool:
        def over() -> bool:
            # Not for every single place: the two threads would wake each other for each event.
            return self._unhandled <= self.limit // 2 or self._dropping or not patient()

        self._putter_waits = True
        with self._lock:
            in_time = self._room.wait_for(over, STUCK_AFTER)
        if not in_time:
            self._on_stuck()
            with self._lock:
                self._room.wait_for(over)
        self._putter_waits = False
        return not in_time

    def made_room(self) -> None:
        """There is more of it; a `put` that waits goes on once half is free. Any thread."""
        if self._putter_waits and self._unhandled <= self.limit // 2:
            self.wake()

    def wake(self) -> None:
        """Make a `put` that waits ask `patient` again."""
        with self._lock:
            self._room.notify_all()

    def signal(self, name: str, *args: Any) -> None:
        """Add an event of the connection; never waits, and is never dropped."""
        self._batches.put(Signal(name, args))

    def finish(self) -> None:
        """The iteration ends after what is in here."""
        self._batches.put(None)

    def drop_events(self) -> None:
        """From now on events are not delivered any more, those in here included; signals still are."""
        self._dropping = True
        self.wake()

    def abandon(self) -> None:
        """What is in here is the parent's, in a child process that a handler forked: the iteration ends there."""
        self._dropping, self._putter_waits = True, False  # so it is nobody's lock that is taken
        self._batches = queue.SimpleQueue()
        self._batches.put(None)

    def reject(self) -> None:
        """The dispatch that was yielded last cannot be read: it was not given, and what follows is passed over.

        For the dispatcher; until `resume`.
        """
        self._delivered = self._completed
        self._passing_over = True
        self._passed_over += 1

    def resume(self) -> None:
        """From here on payloads are yielded again: they begin after the last that was given."""
        self._batches.put(RESUME)

    @property
    def delivered(self) -> Session:
        """The session as far as it was yielded."""
        return _session(self._delivered)

    @property
    def completed(self) -> Session:
        """The session as far as it was yielded, and what came after that asked for."""
        return _session(self._completed)

    def begin(self, session: Session) -> None:
        """Set what the handlers have seen already, in an earlier run."""
        self._session_id = session.id
        self._delivered = self._completed = session.id, session.seq

    @property
    def undelivered(self) -> int:
        """Events that arrived and were not given to their handlers, whether they wait or were dropped."""
        return self._arrived - self._taken + self._passed_over

    def __iter__(self) -> Iterator[Item]:
        """Yield each item when the one before has been handled. For the dispatcher."""
        while (batch := self._batches.get()) is not None:
            if batch is RESUME:
                self._passing_over = False
                if not self._dropping:
                    self._passed_over = 0  # it comes again
                continue
            if isinstance(batch, Signal):
                yield batch
                continue
            if isinstance(batch, Milestone):
                if not batch.resumed:
                    self._next_session_id = batch.session.id
                yield batch
                continue
            yield from self._dispatches(batch) if is_dispatch(batch[0]) else self._others(batch)

    def _dispatches(self, batch: Batch) -> Iterator[Item]:
        on_completed = self._on_completed
        for item in batch:
            self._got += 1
            if self._putter_waits:
                self.made_room()
            if self._dropping or self._passing_over:
                self._passed_over += 1
                continue
            self._delivered = (self._session_id, item) if isinstance(item, bytes) else self._noted(item)
            yield item
            self._completed = self._delivered
            if on_completed is not None:
                on_completed()

    def _others(self, batch: Batch) -> Iterator[Item]:
        for item in batch:
            self._got += 1
            self._got_others += 1
            if self._putter_waits:
                self.made_room()
            if not (self._dropping or self._passing_over):
                yield item

    def _noted(self, payload: Payload) -> _Position:
        seq = payload.get("s")
        if type(seq) is not int:
            return self._delivered
        if payload["t"] == "READY":
            self._session_id = self._next_session_id
        return self._session_id, seq


def _session(position: _Position) -> Session:
    session_id, last = position
    return Session(session_id, raw_dispatch.seq(last) if isinstance(last, bytes) else last)


def is_dispatch(payload: Payload | RawDispatch) -> bool:
    """Whether `payload` is an event of Discord's; others are few, and are not counted."""
    return isinstance(payload, bytes) or payload["op"] == 0
