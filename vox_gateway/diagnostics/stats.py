"""What a client counts, and the state that it is in."""

from __future__ import annotations

import enum
import math
import threading
from dataclasses import dataclass

__all__ = ["Counters", "Stats", "Status"]


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
    """A client's counts since it was made, or since this process was forked, at one moment.

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


class Counters:
    """The counts behind `Stats`.

    The first three are written by the reader alone, for each read, so they need no lock.
    """

    def __init__(self) -> None:
        self.events = 0
        self.bytes_in = 0
        self.bytes_inflated = 0
        self.event_at: float | None = None  # when the last event came; written by the reader alone, for each read
        self.latency = math.inf  # seconds; written by the heartbeat loop alone
        self._beats = 0
        self._reconnects = 0
        self._resumes = 0
        self._identifies = 0
        self._lock = threading.Lock()  # guards the four fields above: several threads write them

    def count(self, *, beats: int = 0, reconnects: int = 0, resumes: int = 0, identifies: int = 0) -> None:
        """Add to the counts that are rarely written."""
        with self._lock:
            self._beats += beats
            self._reconnects += reconnects
            self._resumes += resumes
            self._identifies += identifies

    def snapshot(self, events_waiting: int) -> Stats:
        """All counts now."""
        with self._lock:
            return Stats(
                self.events,
                self.bytes_in,
                self.bytes_inflated,
                self._beats,
                self._reconnects,
                self._resumes,
                self._identifies,
                events_waiting,
            )
