"""How far the handlers have got: the only cursor of a run in its session.

An event is *delivered* when its handlers begin and *completed* when they have returned. The dispatcher takes events and
the executor completes them; the supervisor reads where a RESUME has to begin, the session writer what to save.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from ..encoding import Payload, raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..session.state import Session

__all__ = ["Delivery", "InlineProgress", "Progress", "TrackedProgress"]

#: a session's id, and its last event or that event's sequence number, which is read only when it is needed
Position = tuple[str | None, RawDispatch | int | None]
#: deliveries between two compactions, at least
COMPACT_AFTER = 256


class Progress(ABC):
    """The position of a run's handlers.

    The dispatcher calls `take` for each event that something listens to, `take_back` if it fails, `skip` past the
    others, and `complete` after a batch. Any thread may read the properties.

    Args:
        on_completed: called without a lock when `completed` may have moved.
    """

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        self._on_completed = on_completed
        # Guards the step from taking events to dropping them. The dispatcher and the supervisor take it; the threads
        # that run handlers do not, since a signal handler that closes the client may interrupt one of them.
        self._lock = threading.Lock()
        self._session_id: str | None = None
        self._taken: Position = (None, None)
        #: whether `drop` was called; changed under the lock, as is the next
        self.is_dropping = False
        #: whether events are passed over, after `drop` or until `resume`
        self.is_stopped = False
        self._passed_over = 0

    def begin(self, session: Session) -> None:
        """Set what the handlers have seen in an earlier run."""
        self._session_id = session.id
        self._taken = session.id, session.seq

    def enter(self, session_id: str | None) -> None:
        """The events from here on belong to another session."""
        self._session_id = session_id

    @abstractmethod
    def take(self, event: Payload | RawDispatch) -> bool:
        """Complete the event taken before, and take the next.

        Returns:
            False if the event is passed over, and so stays undelivered.
        """

    @abstractmethod
    def skip(self, event: Payload | RawDispatch) -> None:
        """Move past an event that nothing listens to, unless events are passed over."""

    @abstractmethod
    def complete(self) -> None:
        """The dispatcher is done with the event taken last."""

    @abstractmethod
    def take_back(self) -> None:
        """The event taken last could not be delivered. Those after it are passed over until `resume`."""

    def resume(self) -> None:
        """Take events again: they begin after the last that was taken."""
        with self._lock:
            self.is_stopped = self.is_dropping
            if not self.is_dropping:
                self._passed_over = 0  # they come again

    def drop(self) -> None:
        """Deliver no more events. Afterwards `delivered` moves no more."""
        with self._lock:
            self.is_dropping = self.is_stopped = True

    def abandon(self) -> None:
        """Leave the events to the parent, in a forked child: a thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self.is_dropping = self.is_stopped = True

    @property
    def taken(self) -> Session:
        """The session up to the last event that was taken and not taken back."""
        return _session(self._taken)

    @property
    @abstractmethod
    def delivered(self) -> Session:
        """The session up to which the handlers of every event have begun."""

    @property
    @abstractmethod
    def completed(self) -> Session:
        """The session up to which the handlers of every event have returned."""

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether all handlers that have begun have returned."""

    @property
    def waiting(self) -> int:
        """Events that were passed on and whose handlers are still to begin. Takes no lock."""
        return 0

    @property
    def undelivered(self) -> int:
        """Events that were passed over, or taken and not begun."""
        return self._passed_over


class InlineProgress(Progress):
    """Progress where the dispatcher runs the handlers: a taken event is delivered."""

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        super().__init__(on_completed)
        self._completed: Position = (None, None)

    def begin(self, session: Session) -> None:
        """See `Progress`."""
        super().begin(session)
        self._completed = self._taken

    def take(self, event: Payload | RawDispatch) -> bool:
        """See `Progress`."""
        if self._on_completed is not None:
            self.complete()
        with self._lock:
            self._completed = self._taken
            if self.is_stopped:
                self._passed_over += 1
                return False
            if type(event) is bytes:
                self._taken = self._session_id, event
            elif type(seq := event.get("s")) is int:  # type: ignore[union-attr]
                self._taken = self._session_id, seq
        return True

    def skip(self, event: Payload | RawDispatch) -> None:
        """See `Progress`."""
        if not self.is_stopped and self.take(event):
            self.complete()

    def complete(self) -> None:
        """See `Progress`."""
        if self._completed is not self._taken:
            self._completed = self._taken
            if self._on_completed is not None:
                self._on_completed()

    def take_back(self) -> None:
        """See `Progress`."""
        with self._lock:
            self._taken = self._completed
            self.is_stopped = True
            self._passed_over += 1

    @property
    def delivered(self) -> Session:
        """See `Progress`."""
        return self.taken

    @property
    def completed(self) -> Session:
        """See `Progress`."""
        return _session(self._completed)

    @property
    def is_idle(self) -> bool:
        """See `Progress`."""
        return self._completed is self._taken


class Delivery:
    """An event on its way through an executor, linked to the delivery after it."""

    __slots__ = ("is_completed", "is_dropped", "next", "position")

    def __init__(self, position: Position, *, is_completed: bool = False) -> None:
        self.position = position
        self.is_completed = is_completed
        self.is_dropped = False
        self.next: Delivery | None = None


class TrackedProgress(Progress):
    """Progress where handlers run on other threads, and complete in any order.

    The executor calls `submit` on the dispatcher, then `begin_delivery` and `finish_delivery` on any thread. These two
    take no lock: each changes one thing in one step.
    """

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        super().__init__(on_completed)
        # A linked list in the order of the events. It begins with a completed delivery; only the dispatcher appends
        # and removes, and what it removes still leads on, so any thread may walk it at any time.
        self._first = self._last = Delivery(self._taken, is_completed=True)
        self._appended = 0  # since the list was last compacted
        self._compact_at = COMPACT_AFTER
        # Who removes a delivery from here begins it or drops it: a dict removes an item in one step.
        self._not_begun: dict[Delivery, None] = {}
        self._dropped = 0
        self._in_hand = False  # an event is taken, and neither submitted nor taken back
        self._taken_before = self._taken

    def begin(self, session: Session) -> None:
        """See `Progress`."""
        super().begin(session)
        self._first.position = self._taken

    def take(self, event: Payload | RawDispatch) -> bool:
        """See `Progress`."""
        with self._lock:
            if self.is_stopped:
                self._passed_over += 1
                return False
            self._in_hand = True
            self._taken_before, self._taken = self._taken, self._position(event)
        return True

    def skip(self, event: Payload | RawDispatch) -> None:
        """See `Progress`."""
        with self._lock:
            if self.is_stopped:
                return
            self._taken = self._position(event)
        if self._last.is_completed:
            self._last.position = self._taken
        else:
            self._append(Delivery(self._taken, is_completed=True))
        if self._on_completed is not None:
            self._on_completed()

    def submit(self) -> Delivery:
        """Return the event taken last, which another thread will complete."""
        delivery = Delivery(self._taken)
        with self._lock:
            if self.is_dropping:
                self._drop(delivery)
            else:
                self._not_begun[delivery] = None
            self._in_hand = False
        self._append(delivery)
        return delivery

    def begin_delivery(self, delivery: Delivery) -> bool:
        """Return whether the handlers of `delivery` may run now."""
        try:
            del self._not_begun[delivery]
        except KeyError:
            return False
        return True

    def finish_delivery(self, delivery: Delivery) -> None:
        """The handlers of `delivery` have returned, if they had begun."""
        if self._has_begun(delivery):
            delivery.is_completed = True
            if self._on_completed is not None:
                self._on_completed()

    def complete(self) -> None:
        """See `Progress`. The executor completes what it was given."""

    def take_back(self) -> None:
        """See `Progress`. An event that was submitted is left to the executor."""
        with self._lock:
            self.is_stopped = True
            if self._in_hand:
                self._in_hand = False
                self._taken = self._taken_before
                self._passed_over += 1

    def drop(self) -> None:
        """See `Progress`."""
        super().drop()
        while self._not_begun:
            try:
                delivery, _ = self._not_begun.popitem()
            except KeyError:  # the last has just begun
                break
            self._drop(delivery)

    def abandon(self) -> None:
        """See `Progress`."""
        super().abandon()
        self._not_begun = {}

    @property
    def delivered(self) -> Session:
        """See `Progress`."""
        return self._up_to(self._has_begun)

    @property
    def completed(self) -> Session:
        """See `Progress`."""
        return self._up_to(lambda delivery: delivery.is_completed)

    @property
    def is_idle(self) -> bool:
        """See `Progress`."""
        delivery: Delivery | None = self._first
        while delivery is not None:
            if not delivery.is_completed and self._has_begun(delivery):
                return False
            delivery = delivery.next
        return True

    @property
    def waiting(self) -> int:
        """See `Progress`."""
        return len(self._not_begun)

    @property
    def undelivered(self) -> int:
        """See `Progress`."""
        return self._passed_over + self._dropped + len(self._not_begun) + self._in_hand

    def _position(self, event: Payload | RawDispatch) -> Position:
        """The position after `event`, without keeping its bytes."""
        seq = raw_dispatch.seq(event) if isinstance(event, bytes) else event.get("s")
        return (self._session_id, seq) if type(seq) is int else self._taken

    def _has_begun(self, delivery: Delivery) -> bool:
        return not delivery.is_dropped and delivery not in self._not_begun

    def _up_to(self, is_passed: Callable[[Delivery], bool]) -> Session:
        """The session up to the last of the deliveries at the front that are all passed."""
        last = self._first
        while (delivery := last.next) is not None and is_passed(delivery):
            last = delivery
        return _session(last.position)

    def _drop(self, delivery: Delivery) -> None:
        delivery.is_dropped = True
        self._dropped += 1

    def _append(self, delivery: Delivery) -> None:
        self._last.next = delivery
        self._last = delivery
        self._appended += 1
        if self._appended >= self._compact_at:
            self._compact()

    def _compact(self) -> None:
        """Merge neighbours that are completed, so that one slow handler does not keep all that came after it."""
        delivery, kept = self._first, 1
        while (following := delivery.next) is not None:
            if delivery.is_completed and following.is_completed:
                # In this order: in between, another thread finds the same position twice.
                delivery.position = following.position
                delivery.next = following.next
            else:
                delivery = following
                kept += 1
        self._last = delivery
        self._appended, self._compact_at = 0, max(kept, COMPACT_AFTER)


def _session(position: Position) -> Session:
    session_id, last = position
    return Session(session_id, raw_dispatch.seq(last) if isinstance(last, bytes) else last)
