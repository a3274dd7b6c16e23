"""How far the handlers have got: the only cursor of a run in its session.

An event is *delivered* when its handlers begin and *completed* when they have returned. The dispatcher passes events on
and the executor completes them; the supervisor reads where a RESUME has to begin, the session writer what to save.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from ..encoding import Payload, raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..session.state import Session

__all__ = ["Delivery", "InlineProgress", "Progress", "TrackedProgress"]

#: a session's id and the sequence number of its last event
Position = tuple[str | None, int | None]
#: deliveries between two compactions, at least
COMPACT_AFTER = 256


class Progress(ABC):
    """The position of a run's handlers.

    The dispatcher calls `pass_on` for each event that something listens to, `skip` past the others, and `reject` for an
    event that fails. Each attribute is written by one thread in one step, so no thread takes a lock here. Any thread
    may read.

    Args:
        on_completed: called when `completed` may have moved.

    Attributes:
        is_dropping: whether `drop` was called; no event is passed on any more.
        is_rejecting: whether an event was rejected; the events behind it come again after `restart`.
        event_size: bytes of each event of the batch that is being passed on, encoded; set by the dispatcher.
    """

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        self._on_completed = on_completed
        self._session_id: str | None = None
        self._passed_on: Position = (None, None)
        self._rejected = 0
        self.is_dropping: bool = False
        self.is_rejecting: bool = False
        self.event_size: int = 0

    def begin(self, session: Session) -> None:
        """Set what the handlers have seen in an earlier run."""
        self._session_id = session.id
        self._passed_on = session.id, session.seq

    def enter(self, session_id: str | None) -> None:
        """The events from here on belong to another session."""
        self._session_id = session_id

    # -- for the dispatcher ----------------------------------------------------------------------------------------

    @abstractmethod
    def pass_on(self, payload: Payload) -> None:
        """An event was published, and the executor gets it next."""

    @abstractmethod
    def skip(self, event: Payload | RawDispatch) -> None:
        """Move past an event that nothing listens to."""

    @abstractmethod
    def complete(self) -> None:
        """The executor has returned from the event that was passed on last. Called after each batch."""

    @property
    def reports_each(self) -> bool:
        """Whether `complete` should be called after each event."""
        return False

    def reject(self) -> None:
        """Leave an event undelivered, and those after it until `restart`."""
        self.is_rejecting = True
        self._rejected += 1

    def restart(self) -> None:
        """Pass events on again: they begin after the last that was passed on."""
        self.is_rejecting = False
        if not self.is_dropping:
            self._rejected = 0  # they come again

    # -- for the supervisor ----------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Pass on no more events."""
        self.is_dropping = True

    @abstractmethod
    def settle(self) -> None:
        """Make `delivered` final, after `drop`. No event is being passed on."""

    def abandon(self) -> None:
        """Leave the events to the parent, in a forked child."""
        self.is_dropping = True

    # -- for any thread --------------------------------------------------------------------------------------------

    @property
    def passed_on(self) -> Session:
        """The session up to the last event that was passed on."""
        return Session(*self._passed_on)

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
        """Events that were passed on and whose handlers are still to begin."""
        return 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of these events."""
        return 0

    @property
    def undelivered(self) -> int:
        """Events that were rejected or dropped, or passed on and not begun."""
        return self._rejected

    def _position(self, event: Payload | RawDispatch) -> Position:
        seq = raw_dispatch.seq(event) if isinstance(event, bytes) else event.get("s")
        return (self._session_id, seq) if type(seq) is int else self._passed_on


class InlineProgress(Progress):
    """Progress where the dispatcher runs the handlers: an event that is passed on is delivered."""

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        super().__init__(on_completed)
        self._completed = self._passed_on

    def begin(self, session: Session) -> None:
        """See `Progress`."""
        super().begin(session)
        self._completed = self._passed_on

    def pass_on(self, payload: Payload) -> None:
        """See `Progress`."""
        self._completed = self._passed_on
        # Not `get`: without the GIL, in CPython 3.13, that takes 30 µs where another thread has decoded the payload.
        if "s" in payload and type(seq := payload["s"]) is int:
            self._passed_on = self._session_id, seq

    def skip(self, event: Payload | RawDispatch) -> None:
        """See `Progress`."""
        self._passed_on = self._position(event)
        self.complete()

    def complete(self) -> None:
        """See `Progress`."""
        self._completed = self._passed_on
        if self._on_completed is not None:
            self._on_completed()

    @property
    def reports_each(self) -> bool:
        """See `Progress`. A session file should not lag behind by a batch."""
        return self._on_completed is not None

    def settle(self) -> None:
        """See `Progress`. What was passed on is delivered."""

    @property
    def delivered(self) -> Session:
        """See `Progress`."""
        return self.passed_on

    @property
    def completed(self) -> Session:
        """See `Progress`."""
        return Session(*self._completed)

    @property
    def is_idle(self) -> bool:
        """See `Progress`."""
        return self._completed is self._passed_on


class Delivery:
    """An event on its way through an executor, linked to the delivery after it.

    Attributes:
        is_begun: whether its handlers may have begun; set by the thread that runs them.
        is_dropped: whether they never will; set by the supervisor.
        is_completed: whether they have returned.
    """

    __slots__ = ("is_begun", "is_completed", "is_dropped", "next", "position")

    def __init__(self, position: Position) -> None:
        self.position: Position = position
        self.is_begun: bool = False
        self.is_dropped: bool = False
        self.is_completed: bool = False
        self.next: Delivery | None = None


class TrackedProgress(Progress):
    """Progress where handlers run on other threads, and complete in any order.

    After `pass_on`, the executor takes the delivery from `last`, and calls `begin_delivery` and `finish_delivery` on
    the thread that runs the handlers. Neither takes a lock, since a signal handler that closes the client may interrupt
    it.
    """

    def __init__(self, on_completed: Callable[[], None] | None = None) -> None:
        super().__init__(on_completed)
        # A linked list in the order of the events. It begins with a completed delivery. Only the dispatcher appends and
        # removes, and the delivery that it removes still leads on, so any thread may walk the list at any time.
        self._first = Delivery(self._passed_on)
        self.last: Delivery = self._first
        self._first.is_completed = True
        self._appended = 0  # since the list was last compacted
        self._compact_at = COMPACT_AFTER
        # A thread removes a delivery in order to begin it, the supervisor in order to drop it. Only one of them can,
        # since a dict removes an item in one step.
        self._not_begun: dict[Delivery, int] = {}  # with the size of each
        self._dropped = 0
        # Bytes of the deliveries that were passed on, and of those that have begun by thread: each has a single writer.
        self._bytes_passed_on = 0
        self._bytes_begun: dict[int, int] = {}

    def begin(self, session: Session) -> None:
        """See `Progress`."""
        super().begin(session)
        self._first.position = self._passed_on

    def pass_on(self, payload: Payload) -> None:
        """See `Progress`."""
        self._passed_on = self._position(payload)
        delivery = Delivery(self._passed_on)
        self._bytes_passed_on += self.event_size
        self._not_begun[delivery] = self.event_size
        self._append(delivery)

    def skip(self, event: Payload | RawDispatch) -> None:
        """See `Progress`."""
        self._passed_on = self._position(event)
        if self.last.is_completed:
            self.last.position = self._passed_on
        else:
            delivery = Delivery(self._passed_on)
            delivery.is_begun = delivery.is_completed = True
            self._append(delivery)
        if self._on_completed is not None:
            self._on_completed()

    def begin_delivery(self, delivery: Delivery) -> bool:
        """Return whether the handlers of `delivery` may run now."""
        if self.is_dropping:
            return False
        delivery.is_begun = True  # first: Ctrl-C may come after the next step
        delivery.is_begun = self._remove(delivery)
        return delivery.is_begun

    def finish_delivery(self, delivery: Delivery) -> None:
        """The handlers of `delivery` have returned, if they had begun."""
        if delivery.is_begun:
            self._remove(delivery)
            delivery.is_completed = True
            if self._on_completed is not None:
                self._on_completed()

    def _remove(self, delivery: Delivery) -> bool:
        """Take a delivery off those that have not begun; return whether it was one of them."""
        size = self._not_begun.pop(delivery, None)
        if size is None:
            return False
        thread = threading.get_ident()
        self._bytes_begun[thread] = self._bytes_begun.get(thread, 0) + size
        return True

    def complete(self) -> None:
        """See `Progress`. Handlers complete on their own thread."""

    def settle(self) -> None:
        """See `Progress`."""
        while self._not_begun:
            try:
                delivery, _ = self._not_begun.popitem()
            except KeyError:  # the last has just begun
                break
            delivery.is_dropped = True
            self._dropped += 1

    def abandon(self) -> None:
        """See `Progress`."""
        super().abandon()
        self._not_begun = {}

    @property
    def delivered(self) -> Session:
        """See `Progress`."""
        return self._up_to(lambda delivery: not delivery.is_dropped and delivery not in self._not_begun)

    @property
    def completed(self) -> Session:
        """See `Progress`."""
        return self._up_to(lambda delivery: delivery.is_completed)

    @property
    def is_idle(self) -> bool:
        """See `Progress`."""
        delivery: Delivery | None = self._first
        while delivery is not None:
            if delivery.is_begun and not delivery.is_completed:
                return False
            delivery = delivery.next
        return True

    @property
    def waiting(self) -> int:
        """See `Progress`."""
        return 0 if self.is_dropping else len(self._not_begun)

    @property
    def waiting_bytes(self) -> int:
        """See `Progress`."""
        if self.is_dropping or not self._not_begun:
            return 0
        return max(self._bytes_passed_on - sum(list(self._bytes_begun.values())), 0)

    @property
    def undelivered(self) -> int:
        """See `Progress`."""
        return self._rejected + self._dropped + len(self._not_begun)

    def _up_to(self, is_passed: Callable[[Delivery], bool]) -> Session:
        """The session up to the last of the deliveries at the front that are all passed."""
        last = self._first
        while (delivery := last.next) is not None and is_passed(delivery):
            last = delivery
        return Session(*last.position)

    def _append(self, delivery: Delivery) -> None:
        self.last.next = delivery
        self.last = delivery
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
        self.last = delivery
        self._appended, self._compact_at = 0, max(kept, COMPACT_AFTER)
