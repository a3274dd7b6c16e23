"""How far the handlers have got: the only cursor of a run in its session.

An event is *delivered* when its handlers begin and *completed* when they have returned. The dispatcher takes events and
the executor completes them; the supervisor reads where a RESUME has to begin, the session writer what to save.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from ..encoding import Payload, raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..session.state import Session

__all__ = ["Delivery", "InlineProgress", "Progress", "TrackedProgress"]

#: a session's id, and its last event or that event's sequence number, which is read only when it is needed
Position = tuple[str | None, RawDispatch | int | None]


class Progress(ABC):
    """The position of a run's handlers.

    The dispatcher calls `take` for each event, `take_back` if it fails, and `complete` after a batch. Any thread
    may read the properties.

    Args:
        on_completed: called without a lock when `completed` has moved.
    """

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        self._on_completed = on_completed
        # Guards the step from taking events to dropping them, against the supervisor, and what subclasses add.
        self._lock = threading.Lock()
        self._session_id: str | None = None
        self._taken: Position = (None, None)
        self._completed: Position = (None, None)
        #: whether `drop` was called; changed under the lock, as is the next
        self.is_dropping = False
        #: whether events are passed over, after `drop` or until `resume`
        self.is_stopped = False
        self._passed_over = 0

    def begin(self, session: Session) -> None:
        """Set what the handlers have seen in an earlier run."""
        self._session_id = session.id
        self._taken = self._completed = session.id, session.seq

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
    def completed(self) -> Session:
        """The session up to which the handlers of every event have returned."""
        return _session(self._completed)

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether all handlers that have begun have returned."""

    @property
    def waiting(self) -> int:
        """Events that were taken and whose handlers are still to begin. Takes no lock."""
        return 0

    @property
    def undelivered(self) -> int:
        """Events that were passed over, or taken and not begun."""
        return self._passed_over

    def _position(self, event: Payload | RawDispatch) -> Position:
        if isinstance(event, bytes):
            return self._session_id, event
        seq = event.get("s")
        return (self._session_id, seq) if type(seq) is int else self._taken


class InlineProgress(Progress):
    """Progress where the dispatcher runs the handlers: a taken event is delivered."""

    def take(self, event: Payload | RawDispatch) -> bool:
        """See `Progress`."""
        if self._on_completed is not None:
            self.complete()
        with self._lock:
            self._completed = self._taken
            if self.is_stopped:
                self._passed_over += 1
                return False
            self._taken = (self._session_id, event) if type(event) is bytes else self._position(event)
        return True

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
    def is_idle(self) -> bool:
        """See `Progress`."""
        return self._completed is self._taken


class Delivery:
    """An event that waits for its handlers, or whose handlers run."""

    __slots__ = ("begun", "completed", "position")

    def __init__(self, position: Position) -> None:
        self.position = position
        self.begun = self.completed = False


class TrackedProgress(Progress):
    """Progress where handlers run on other threads, and complete in any order.

    The executor calls `submit` on the dispatcher, then `begin_delivery` and `finish_delivery` on any thread.
    """

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        super().__init__(on_completed)
        # In the order of their events, without the completed ones at the front. Guarded by the lock, as is the count.
        self._deliveries: deque[Delivery] = deque()
        self._not_begun = 0
        self._in_hand: Delivery | None = None  # taken by the dispatcher, which has not passed it on

    def take(self, event: Payload | RawDispatch) -> bool:
        """See `Progress`."""
        self.complete()
        with self._lock:
            if self.is_stopped:
                self._passed_over += 1
                return False
            self._taken = self._position(event)
            self._in_hand = Delivery(self._taken)
            self._deliveries.append(self._in_hand)
            self._not_begun += 1
        return True

    def submit(self) -> Delivery:
        """Return the event taken last, which another thread will complete."""
        delivery, self._in_hand = self._in_hand, None
        assert delivery is not None, "submit follows take"
        return delivery

    def begin_delivery(self, delivery: Delivery) -> bool:
        """Return whether the handlers of `delivery` may run now."""
        with self._lock:
            if self.is_dropping:
                return False
            delivery.begun = True
            self._not_begun -= 1
            return True

    def finish_delivery(self, delivery: Delivery) -> None:
        """The handlers of `delivery` have returned."""
        with self._lock:
            delivery.completed = True
            moved = bool(self._deliveries) and self._deliveries[0].completed
            while self._deliveries and self._deliveries[0].completed:
                self._completed = self._deliveries.popleft().position
            if len(self._deliveries) > 1 and self._deliveries[-1].completed and self._deliveries[-2].completed:
                del self._deliveries[-2]  # so that unheard events behind a slow handler take up no memory
        if moved and self._on_completed is not None:
            self._on_completed()

    def complete(self) -> None:
        """See `Progress`. Completes an event that no handler wants, and so was not submitted."""
        delivery, self._in_hand = self._in_hand, None
        if delivery is not None and self.begin_delivery(delivery):
            self.finish_delivery(delivery)

    def take_back(self) -> None:
        """See `Progress`."""
        with self._lock:
            if self._in_hand is not None:
                self._deliveries.pop()
                self._not_begun -= 1
                self._in_hand = None
            self._taken = self._deliveries[-1].position if self._deliveries else self._completed
            self.is_stopped = True
            self._passed_over += 1

    @property
    def delivered(self) -> Session:
        """See `Progress`."""
        with self._lock:
            position = self._completed
            for delivery in self._deliveries:
                if not delivery.begun:
                    break
                position = delivery.position
        return _session(position)

    @property
    def is_idle(self) -> bool:
        """See `Progress`."""
        with self._lock:
            return all(delivery.completed or not delivery.begun for delivery in self._deliveries)

    @property
    def waiting(self) -> int:
        """See `Progress`."""
        return 0 if self.is_dropping else self._not_begun

    @property
    def undelivered(self) -> int:
        """See `Progress`."""
        return self._passed_over + self._not_begun


def _session(position: Position) -> Session:
    session_id, last = position
    return Session(session_id, raw_dispatch.seq(last) if isinstance(last, bytes) else last)
