"""What a client counts, and the state that it is in."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..session.state import Session

__all__ = ["Stats", "Status", "Traffic"]


class Status(str, enum.Enum):
    """What a client is doing."""

    CLOSED = "closed"  #: not running
    WAITING = "waiting"  #: before the next attempt
    CONNECTING = "connecting"  #: DNS, TCP, TLS, upgrade, HELLO
    IDENTIFYING = "identifying"  #: a new session was asked for
    RESUMING = "resuming"  #: events that were missed are replayed
    READY = "ready"  #: events arrive, commands go out
    CLOSING = "closing"  #: close() is at work

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Stats:
    """A client's counts since it was created, or since this process was forked.

    Attributes:
        events: dispatch events received.
        bytes_in: bytes read from sockets, as they were on the wire (with TLS: encrypted).
        bytes_inflated: bytes of payloads after inflating.
        beats: heartbeats sent.
        reconnects: connections made after the first.
        resumes: connections on which RESUMED came.
        identifies: IDENTIFYs sent.
        events_waiting: events that have arrived and were not yet given to their handlers.
    """

    events: int = 0
    bytes_in: int = 0
    bytes_inflated: int = 0
    beats: int = 0
    reconnects: int = 0
    resumes: int = 0
    identifies: int = 0
    events_waiting: int = 0

    def plus(self, traffic: Traffic, events_waiting: int = 0) -> Stats:
        """Return the counts with those of a connection added."""
        return replace(
            self,
            events=self.events + traffic.events,
            bytes_in=self.bytes_in + traffic.bytes_in,
            bytes_inflated=self.bytes_inflated + traffic.bytes_inflated,
            events_waiting=events_waiting,
        )


class Traffic(NamedTuple):
    """What a connection has received and handed over. Its reader replaces it after each read; any thread reads it.

    Attributes:
        session: the session, up to the last event that was handed over.
        events: dispatch events.
        bytes_in: bytes read from the socket.
        bytes_inflated: bytes of payloads after inflating.
        event_at: when the last event arrived, monotonic; None before the first.
    """

    session: Session
    events: int = 0
    bytes_in: int = 0
    bytes_inflated: int = 0
    event_at: float | None = None

    def after(self, session: Session, events: int, bytes_in: int, bytes_inflated: int, now: float) -> Traffic:
        """Return the traffic after a read that brought `events`; the other figures are totals."""
        event_at = now if events else self.event_at
        return Traffic(session, self.events + events, bytes_in, bytes_inflated, event_at)
