"""Which events have begun, and up to where all of them are done, when several threads work on them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ...encoding import Payload
from ...session.state import Session

__all__ = ["CompletionTracker", "Delivery"]


class Delivery:
    """A dispatch that waits for its handlers, or is with them."""

    __slots__ = ("begun", "completed", "payload", "session_id")

    def __init__(self, payload: Payload, session_id: str | None) -> None:
        self.payload = payload
        self.session_id = session_id
        self.begun = self.completed = False


class CompletionTracker:
    """The deliveries in the order of their events, those at its front that are done taken away.

    Any thread may call any method.

    Args:
        on_begun: called, with no lock held, when one waits less.
        on_completed: called, with no lock held, when `completed` has moved.
    """

    def __init__(self, on_begun: Callable[[], None], on_completed: Callable[[], None] | None = None) -> None:
        self._on_begun = on_begun
        self._on_completed = on_completed
        self._deliveries: deque[Delivery] = deque()
        self._last_id: str | None = None
        self._completed = Session()
        self._not_begun = 0
        self._lock = threading.Lock()  # guards all of the above
        # Set without the lock: a signal handler may drop while the code that it interrupted holds it.
        self._dropping = False

    def open(self, session: Session) -> None:
        """Set what is done already, from an earlier run."""
        with self._lock:
            self._completed = Session(session.id, session.seq)
            self._last_id = session.id

    def add(self, payload: Payload) -> Delivery:
        """A delivery for a dispatch that waits from now on."""
        with self._lock:
            if payload["t"] == "READY":
                self._last_id = payload["d"].get("session_id")
            delivery = Delivery(payload, self._last_id)
            self._deliveries.append(delivery)
            self._not_begun += 1
            return delivery

    def begin(self, delivery: Delivery) -> bool:
        """Whether the handlers of `delivery` are to run now."""
        with self._lock:
            if self._dropping:
                return False
            delivery.begun = True
            self._not_begun -= 1
        self._on_begun()
        return True

    def finish(self, delivery: Delivery) -> None:
        """Its handlers have returned."""
        with self._lock:
            delivery.completed = True
            moved = bool(self._deliveries) and self._deliveries[0].completed
            while self._deliveries and self._deliveries[0].completed:
                self._completed = _after(self._deliveries.popleft(), self._completed)
        if moved and self._on_completed is not None:
            self._on_completed()

    def drop(self) -> None:
        """No delivery begins any more. Takes no lock."""
        self._dropping = True

    def abandon(self) -> None:
        """In a child process: what waits is the parent's."""
        self._lock = threading.Lock()
        self._dropping = True

    @property
    def waiting(self) -> int:
        """Turns that have yet to begin."""
        return 0 if self._dropping else self._not_begun

    @property
    def dropped(self) -> int:
        """Turns that will never begin."""
        return self._not_begun if self._dropping else 0

    @property
    def is_settled(self) -> bool:
        """Whether every delivery that was added is done."""
        return not self._deliveries

    @property
    def is_idle(self) -> bool:
        """Whether every delivery that has begun is done."""
        with self._lock:
            return all(delivery.completed or not delivery.begun for delivery in self._deliveries)

    @property
    def delivered(self) -> Session:
        """Where the session was when the last delivery before any that waits was added."""
        with self._lock:
            given = self._completed
            for delivery in self._deliveries:
                if not delivery.begun:
                    break
                given = _after(delivery, given)
            return given

    @property
    def completed(self) -> Session:
        """Where the session was when the last delivery before any that is not done was added."""
        with self._lock:
            return self._completed


def _after(delivery: Delivery, session: Session) -> Session:
    seq = delivery.payload.get("s")
    return Session(delivery.session_id, seq if type(seq) is int else session.seq)
