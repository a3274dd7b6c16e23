"""The bounded queue between reading and dispatching: batches of payloads, in order.

It is bounded in events, which take time, and in bytes, which take memory.

While it is full the reader waits in `put` and reads nothing, so that TCP holds back the server.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import length_hint
from typing import Any, Final, Protocol

from ..concurrency.clock import seconds_until
from ..concurrency.signals import SignalSafeEvent
from ..encoding import Payload
from ..encoding.raw_dispatch import RawDispatch
from ..session.state import Session
from .progress import Progress

__all__ = [
    "CHECK_GUILDS",
    "RESTART",
    "Batch",
    "Consumer",
    "Entry",
    "EventQueue",
    "Full",
    "Inbox",
    "Item",
    "Milestone",
    "Signal",
    "is_dispatch",
]

#: seconds of waiting for room after which the reader reports that reading is paused; a busy bot waits for less all the
#: time
STUCK_AFTER = 1.0
#: bytes of waiting payloads that, once handled, leave enough unused memory behind to give it back
BURST = 16 * 1024 * 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Signal:
    """An event of the connection rather than of the gateway: `open`, `close` or `error`."""

    name: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Full:
    """Why the queue is full, for people.

    Attributes:
        waiting: how much waits, as a clause.
        bound: the argument that sets the bound, with its value.
    """

    waiting: str
    bound: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """READY or RESUMED comes next.

    Attributes:
        session: the session that it begins or continues.
        published: set once the run's state says so.
    """

    session: Session
    resumed: bool
    published: threading.Event = field(default_factory=threading.Event, compare=False)


#: where events are passed on again after a rejected event
RESTART: Final = Signal("restart")
#: where the guilds that have not come are looked at
CHECK_GUILDS: Final = Signal("check guilds")

#: what the reader adds in one go: dispatches, decoded or raw, or other payloads
Batch = list[Payload] | list[RawDispatch]
#: what the dispatcher takes in one go
Item = Batch | Signal | Milestone
#: an item with what it is for, None for the end of a queue; alone None is the end of the dispatcher's thread
Entry = tuple["Consumer", "Item | None"] | None


class Inbox(Protocol):
    """Where the dispatcher's thread takes its entries from."""

    def put(self, entry: Entry) -> None:
        """Append an entry. Never waits."""


class Consumer(Protocol):
    """Takes what was put into the inbox for it, on the dispatcher's thread."""

    @property
    def consume(self) -> Callable[[Any], None]:
        """Called with each item; raises nothing."""


class EventQueue:
    """What has arrived on a shard and is still to be dispatched.

    A batch takes up its bytes until the dispatcher is done with all of it, and the events that then wait for an
    executor's thread go on to take up theirs.

    The reader calls `put`, any thread of the run `signal`. The dispatcher's thread takes the items from the inbox,
    which several shards may share, and counts the payloads that it takes.

    Args:
        limit: payloads that may wait, here or for an executor's thread.
        limit_bytes: bytes of them, encoded. A batch is let in while fewer wait, however large it is.
        progress: counts those that wait for an executor's thread, and says when events are dropped.
        inbox: of the dispatcher's thread; unbounded, as `put` bounds the payloads in it.

    Attributes:
        consume: takes the items, and None at the end; set by the dispatcher.
        is_passing_on: whether the dispatcher may hold an event that is taken and that `progress` does not count yet. It
            is false while handlers run.
        is_swollen: whether `BURST` bytes have waited since this was last reset.
        reader_waits: whether `put` is blocked, and `made_room` should be called.
    """

    consume: Callable[[Item | None], None]

    def __init__(self, limit: int, limit_bytes: int, progress: Progress, inbox: Inbox) -> None:
        self.limit = limit
        self.limit_bytes = limit_bytes
        self._progress = progress
        self.inbox = inbox
        # Counts of dispatches and of other payloads. The reader alone counts those that arrive, the dispatcher alone
        # those that it takes.
        self._arrived = self._others_arrived = 0
        self._taken = self._others_taken = 0
        self._in_hand: Iterator[Any] = iter(())  # the rest of the batch that is being dispatched, which counts as taken
        # The same for bytes; and the size of each batch in the inbox, in order.
        self._bytes_arrived = self._bytes_released = 0
        self._sizes: deque[int] = deque()
        self.is_swollen: bool = False
        self.is_passing_on: bool = False
        self.reader_waits: bool = False
        # Set when the reader should look again whether there is room. Not a Condition: a signal handler that closes the
        # client may interrupt the thread that notifies.
        self._room = SignalSafeEvent()

    @property
    def untaken(self) -> int:
        """Events that the dispatcher has not taken, or has not passed on yet.

        An event may count twice while it is being taken, but is never missing: the counts are read in the order in
        which the dispatcher moves it from one to the next.
        """
        rest = max(self._arrived - self._taken, 0)
        return rest + length_hint(self._in_hand) + self.is_passing_on

    @property
    def waiting(self) -> int:
        """Events whose handlers are still to begin."""
        return self.untaken + self._progress.waiting

    @property
    def _occupied(self) -> int:
        return self.waiting + self._others_arrived - self._others_taken

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the payloads that wait, as they were before they were decoded."""
        return self._bytes_arrived - self._bytes_released + self._progress.waiting_bytes

    @property
    def _is_half_free(self) -> bool:
        return self._occupied <= self.limit // 2 and self.waiting_bytes <= self.limit_bytes // 2

    def describe_full(self) -> Full:
        """Say which bound the queue has reached. For the reader, while it is blocked."""
        waiting = self.waiting_bytes
        if waiting / self.limit_bytes >= self._occupied / self.limit:
            events = self.waiting
            size = f"{waiting / MIB:,.1f} MiB wait in {events:,} event{'' if events == 1 else 's'}"
            return Full(size, f"backlog_bytes={self.limit_bytes}")
        return Full(f"{self.limit} events wait", f"backlog={self.limit}")

    def has_room(self, arrivals: Iterable[tuple[Batch, int] | Milestone]) -> bool:
        """Whether `put` would take in all of what a read has brought without waiting. For the reader."""
        room, room_bytes = self.limit - self._occupied, self.limit_bytes - self.waiting_bytes
        for arrival in arrivals:
            if isinstance(arrival, Milestone):
                continue
            batch, size = arrival
            if len(batch) > room or room_bytes <= 0:
                return False
            room, room_bytes = room - len(batch), room_bytes - size
        return True

    def put_milestone(self, milestone: Milestone) -> None:
        """Announce the READY or RESUMED that is put next. For the reader; never waits."""
        self.inbox.put((self, milestone))

    def put(self, batch: Batch, size: int, may_block: Callable[[], bool], on_stuck: Callable[[], None]) -> bool:
        """Append payloads, in order. Blocks while the queue is full and `may_block()` is true; then exceeds the limit.

        Args:
            batch: dispatches only, or none.
            size: bytes of all payloads in it, encoded.
            on_stuck: called after `STUCK_AFTER` seconds of blocking.

        Returns:
            Whether `on_stuck` was called.
        """
        stuck = False
        while batch:
            part, part_size = batch, size
            if may_block() and not self._progress.is_dropping:
                room = self.limit - self._occupied if self.waiting_bytes < self.limit_bytes else 0
                if room <= 0:
                    stuck |= self._wait_for_room(may_block, on_stuck)
                    continue
                if room < len(batch):
                    part, part_size = batch[:room], size * room // len(batch)
            batch, size = batch[len(part) :], size - part_size
            if is_dispatch(part[0]):
                self._arrived += len(part)
            else:
                self._others_arrived += len(part)
            self._bytes_arrived += part_size
            if self._bytes_arrived - self._bytes_released >= BURST:
                self.is_swollen = True
            self._sizes.append(part_size)
            self.inbox.put((self, part))
        return stuck

    def _wait_for_room(self, may_block: Callable[[], bool], on_stuck: Callable[[], None]) -> bool:
        def may_go_on() -> bool:
            # Not at the first free place, or the two threads would wake each other for each event.
            return self._is_half_free or self._progress.is_dropping or not may_block()

        stuck_at = time.monotonic() + STUCK_AFTER
        stuck = False
        self.reader_waits = True
        while True:
            self._room.clear()
            if may_go_on():  # after `clear`: room made from here on ends the wait
                break
            if not self._room.wait(None if stuck else seconds_until(stuck_at)):
                stuck = True
                on_stuck()
        self.reader_waits = False
        return stuck

    def next_size(self) -> int:
        """Return the size of the batch that was taken from the inbox. For the dispatcher, once for each."""
        return self._sizes.popleft()

    def release(self, size: int) -> None:
        """The dispatcher is done with a batch of `size` bytes."""
        self._bytes_released += size
        if self.reader_waits:
            self.made_room()

    def take(self, batch: list[Any]) -> Iterator[Any]:
        """Return the events of a batch; each counts as taken when the iterator gives it. For the dispatcher."""
        self._in_hand = iter(batch)  # first: an event may count twice for a moment, but is never missing
        self._taken += len(batch)
        return self._in_hand

    def discard(self, count: int) -> None:
        """Count events as taken that are not dispatched. For the dispatcher."""
        self._taken += count
        self.made_room()

    def took_other(self) -> None:
        """Free the place of a payload other than a dispatch. For the dispatcher."""
        self._others_taken += 1
        self.made_room()

    def made_room(self) -> None:
        """Wake a blocked `put` if half of the queue is free. Any thread."""
        if self.reader_waits and self._is_half_free:
            self.wake()

    def wake(self) -> None:
        """Make a blocked `put` ask again whether it may block. Any thread."""
        self._room.set()

    def signal(self, name: str, *args: Any) -> None:
        """Append an event of the connection; never waits, and is never dropped."""
        self.inbox.put((self, Signal(name, args)))

    def restart(self) -> None:
        """Mark where events are passed on again after a rejected event."""
        self.inbox.put((self, RESTART))

    def check_guilds(self) -> None:
        """Mark where the guilds that have not come are looked at."""
        self.inbox.put((self, CHECK_GUILDS))

    def finish(self) -> None:
        """End the queue after the items that are in it."""
        self.inbox.put((self, None))

    def abandon(self) -> None:
        """In a forked child: no thread waits for room; a thread of the parent may have held the lock."""
        self.reader_waits = False
        self._room = SignalSafeEvent()


def is_dispatch(payload: Payload | RawDispatch) -> bool:
    """Whether `payload` is a dispatch; other payloads are few, and do not count as events."""
    return isinstance(payload, bytes) or payload["op"] == 0
