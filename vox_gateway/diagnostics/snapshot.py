"""A snapshot of a client: as text for its author, as figures for a monitor.

Takes times as arguments, monotonic and in seconds, and knows no clock itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..dispatch.slow_handlers import Work
from ..sanitize import sanitize_line
from ..session.state import Session
from .history import Timeline, describe_session, format_duration
from .stats import Stats, Status

__all__ = ["RECONNECT_GRACE", "ClientSnapshot"]

#: seconds that a reconnect may take before the client is not well any more
RECONNECT_GRACE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSnapshot:
    """All that is known of a client at the time `now`.

    Attributes:
        latencies: seconds from heartbeat to acknowledgement, the newest last; empty before the first.
        slow_after: seconds after which a handler is slow.
        open: whether there is a websocket.
        next_beat: when the next heartbeat is due.
        event_at: when the last event arrived.
        work: the event whose handler runs, and since when; of several, the longest.
        forked: whether this is a child process that was forked after `connect`.
    """

    now: float
    status: Status
    shard: tuple[int, int]
    session: Session
    stats: Stats
    latencies: tuple[float, ...]
    timeline: Timeline
    slow_after: float
    open: bool = False
    next_beat: float | None = None
    event_at: float | None = None
    work: Work = None
    forked: bool = False

    # -- for a monitor ---------------------------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """Whether the client does what it is for; see `Client.health`."""
        timeline = self.timeline
        if self.status in (Status.CLOSED, Status.CLOSING) or timeline.paused_at is not None:
            return False
        if timeline.live_at is not None:
            return True
        return timeline.down_since is not None and self.now - timeline.down_since <= RECONNECT_GRACE

    def health(self) -> dict[str, Any]:
        """See `Client.health`."""
        timeline, slow = self.timeline, self._slow
        return {
            "ok": self.ok,
            "status": self.status.value,
            "shard": list(self.shard),
            "latency": _figure(self._latency),
            "latencies": [_figure(latency) for latency in self.latencies],
            "uptime": self._since(timeline.live_at),
            "downtime": self._since(timeline.down_since),
            "since_event": self._since(self.event_at),
            "since_heartbeat": self._since(timeline.acknowledged_at),
            "events": self.stats.events,
            "events_waiting": self.stats.events_waiting,
            "backlog_full": timeline.paused_at is not None,
            "handler": self.work and sanitize_line(self.work[0]),
            "handler_seconds": self.work and _figure(max(self.now - self.work[1], 0.0)),
            "slow_handler": slow and sanitize_line(slow[0]),
            "slow_handler_seconds": slow and _figure(slow[1]),
            "reconnects": self.stats.reconnects,
            "resumes": self.stats.resumes,
            "identifies": self.stats.identifies,
            "last_error": timeline.error,
            "since_error": self._since(timeline.error_at),
        }

    # -- for people ------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """What the client does now, and what it waits for, as a printable line."""
        return sanitize_line(self._words())

    def _words(self) -> str:
        match self.status:
            case Status.CLOSED if self.forked:
                return "not connected: forked after connect(); call connect() to begin a new session in this process"
            case Status.CLOSED:
                if self.session.resumable:
                    return f"not connected; connect() resumes {describe_session(self.session)}"
                return "not connected; connect() begins a new session"
            case Status.CLOSING:
                return "closing" if self.work is None else f"closing; the handler of {self.work[0]} has yet to return"
            case Status.WAITING:
                return self._waiting()
            case Status.CONNECTING if self.open:
                return "connected, waiting for HELLO"
            case Status.CONNECTING:
                return f"connecting to {self.timeline.host}" if self.timeline.host else "connecting"
            case Status.IDENTIFYING:
                return "connected, waiting for READY"
            case Status.RESUMING:
                return "connected, taking what was missed, waiting for RESUMED"
            case _:
                return "; ".join(filter(None, (self._ready(), self._beat())))

    def in_short(self) -> str:
        """The same in few words, for a repr."""
        words = [str(self.status)]
        if self.forked:
            words.append("(forked after connect())")
        wait = self.timeline.wait
        if self.status is Status.WAITING and wait is not None and wait.until is not None:
            words.append(f"for={max(wait.until - self.now, 0.0):.1f}s")
        if self.status is Status.READY and math.isfinite(self._latency):
            words.append(f"latency={self._latency:.3f}s")
        if self.timeline.paused_at is not None:
            words.append("backlog=full")
        return " ".join(words)

    def _waiting(self) -> str:
        wait = self.timeline.wait
        left = 0.0 if wait is None or wait.until is None else wait.until - self.now
        if wait is not None and wait.turn:
            return f"waiting for {wait.turn}" + (f", {format_duration(left)}" if left > 0 else "")
        if left <= 0:
            return "about to connect"
        resumable = self.session.resumable
        then = f"resumes {describe_session(self.session)}" if resumable else "begins a new session"
        return f"waiting {format_duration(left)}, then {then}"

    def _ready(self) -> str:
        waiting = self.stats.events_waiting
        wait = f"{waiting} event waits" if waiting == 1 else f"{waiting} events wait"
        if self.timeline.paused_at is not None:
            reads = f"connected, reading paused since the backlog is full: {wait}"
            if self.work is None:
                return reads
            return (
                f"{reads} behind the handler of {self.work[0]}, at work for {format_duration(self.now - self.work[1])}"
            )
        if (slow := self._slow) is not None:
            return f"connected, {wait} behind the handler of {slow[0]}, at work for {format_duration(slow[1])}"
        return f"connected, {wait} to be handled" if waiting else "connected, waiting for events"

    def _beat(self) -> str:
        return "" if self.next_beat is None else f"next heartbeat in {format_duration(self.next_beat - self.now)}"

    # -- for both --------------------------------------------------------------------------------------------------

    @property
    def _latency(self) -> float:
        return self.latencies[-1] if self.latencies else math.inf

    @property
    def _slow(self) -> tuple[str, float] | None:
        """The event whose handler has been running for too long, and for how many seconds."""
        if self.work is None or (seconds := self.now - self.work[1]) < self.slow_after:
            return None
        return self.work[0], seconds

    def _since(self, at: float | None) -> float | None:
        return None if at is None else _figure(max(self.now - at, 0.0))


def _figure(seconds: float) -> float | None:
    """As exact as anybody reads it; None for what JSON has no number for."""
    return round(seconds, 4) if math.isfinite(seconds) else None
