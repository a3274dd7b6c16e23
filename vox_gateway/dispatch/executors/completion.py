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

    __slots__ = ("begun", "done", "payload", "session_id")

    def __init__(self, payload: Payload, session_id: str | None) -> None:
        self.payload = payload
        self.session_id = session_id
        self.begun = self.done = False


class CompletionTracker:
    """The turns in the order of their events, those at its front that are done taken away.

    Any thread may call any method.

    Args:
        on_begun: called, with no lock held, when one waits less.
        on_done: called, with no lock held, when `done` has moved.
    """

    def __init__(self, on_begun: Callable[[], None], on_done: Callable[[], None] | None = None) -> None:
        self._on_begun = on_begun
        self._on_done = on_done
        self._turns: deque[Delivery] = deque()
        self._last_id: str | None = None
        self._done = Session()
        self._not_begun = 0
        self._lock = threading.Lock()  # guards all of the above
        # Set without the lock: a signal handler may drop while the code that it interrupted holds it.
        self._dropping = False

    def open(self, session: Session) -> None:
        """Set what is done already, from an earlier run."""
        with self._lock:
            self._done = Session(session.id, session.seq)
            self._last_id = session.id

    def add(self, payload: Payload) -> Delivery:
        """A turn for a dispatch that waits from now on."""
        with self._lock:
            if payload["t"] == "READY":
                self._last_id = payload["d"].get("session_id")
            turn = Delivery(payload, self._last_id)
            self._turns.append(turn)
            self._not_begun += 1
            return turn

    def begin(self, turn: Delivery) -> bool:
        """Whether the handlers of `turn` are to run now."""
        with self._lock:
            if self._dropping:
                return False
            turn.begun = True
            self._not_begun -= 1
        self._on_begun()
        return True

    def finish(self, turn: Delivery) -> None:
        """Its handlers have returned."""
        with self._lock:
            turn.done = True
            moved = bool(self._turns) and self._turns[0].done
            while self._turns and self._turns[0].done:
                self._done = _after(self._turns.popleft(), self._done)
        if moved and self._on_done is not None:
            self._on_done()

    def drop(self) -> None:
        """No turn begins any more. Takes no lock."""
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
        """Whether every turn that was added is done."""
        return not self._turns

    @property
    def is_idle(self) -> bool:
        """Whether every turn that has begun is done."""
        with self._lock:
            return all(turn.done or not turn.begun for turn in self._turns)

    @property
    def given(self) -> Session:
        """Where the session was when the last turn before any that waits was added."""
        with self._lock:
            given = self._done
            for turn in self._turns:
                if not turn.begun:
                    break
                given = _after(turn, given)
            return given

    @property
    def done(self) -> Session:
        """Where the session was when the last turn before any that is not done was added."""
        with self._lock:
            return self._done


def _after(turn: Delivery, session: Session) -> Session:
    seq = turn.payload.get("s")
    return Session(turn.session_id, seq if type(seq) is int else session.seq)
