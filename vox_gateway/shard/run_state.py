"""The state of a run: a frozen value that the supervisor alone replaces and any thread reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..diagnostics.history import History
from ..diagnostics.stats import Stats, Status, Traffic
from ..errors import GatewayError
from ..protocol.state import State
from ..session.state import Session

__all__ = ["RunState"]

#: how many latencies are kept
LATENCIES = 5

_STATUS = {
    State.IDLE: Status.CLOSED,
    State.WAITING: Status.WAITING,
    State.CONNECTING: Status.CONNECTING,
    State.AWAITING_HELLO: Status.CONNECTING,
    State.IDENTIFYING: Status.IDENTIFYING,
    State.RESUMING: Status.RESUMING,
    State.READY: Status.READY,
    State.CLOSING: Status.CLOSING,
    State.CLOSED: Status.CLOSED,
}


class Link(Protocol):
    """What a run's state needs of its connection."""

    @property
    def id(self) -> int:
        """Its number in the run."""

    @property
    def traffic(self) -> Traffic:
        """What it has received."""

    @property
    def next_beat(self) -> float | None:
        """When the next heartbeat is due, monotonic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run's state.

    Attributes:
        begun: the session as it was when it began: here, or with the last READY.
        ended_session: where the session stood when the last connection ended, or when READY or RESUMED came.
        totals: the counts of the connections that have ended, over all runs of the client.
        latencies: seconds from heartbeat to acknowledgement, of the last `LATENCIES`; the newest last.
        last_event_at: when the last event of an ended connection arrived, monotonic.
        error: what ended the run.
        connection: the newest, open or being opened; None without any.
    """

    state: State = State.IDLE
    begun: Session = field(default_factory=Session)
    ended_session: Session = field(default_factory=Session)
    totals: Stats = field(default_factory=Stats)
    latencies: tuple[float, ...] = ()
    last_event_at: float | None = None
    error: GatewayError | None = None
    history: History = field(default_factory=History)
    connection: Link | None = None

    @property
    def latency(self) -> float:
        """Seconds from the last heartbeat to its acknowledgement; infinity before the first."""
        return self.latencies[-1] if self.latencies else math.inf

    def acknowledged(self, at: float, latency: float) -> RunState:
        """Return the state after a heartbeat was acknowledged at `at` (monotonic), after `latency` seconds."""
        latencies = (*self.latencies, latency)[-LATENCIES:]
        return replace(self, history=self.history.acknowledged(at, latency), latencies=latencies)

    @property
    def status(self) -> Status:
        """The state, as users see it."""
        return _STATUS[self.state]

    @property
    def session(self) -> Session:
        """The session now."""
        connection = self.connection
        if connection is not None:
            session = connection.traffic.session
            if session.id == self.ended_session.id and session.seq is not None:
                return session
        return self.ended_session

    @property
    def event_at(self) -> float | None:
        """When the last event arrived, monotonic."""
        connection = self.connection
        at = None if connection is None else connection.traffic.event_at
        return self.last_event_at if at is None else at

    @property
    def next_beat(self) -> float | None:
        """When the next heartbeat is due (monotonic, seconds); None if no heartbeat is due."""
        return None if self.connection is None else self.connection.next_beat

    def stats(self, events_waiting: int) -> Stats:
        """Return the counts now."""
        connection = self.connection
        return self.totals.plus(connection.traffic if connection else Traffic(self.ended_session), events_waiting)
