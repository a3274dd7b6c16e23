"""The last transitions of a client as text, and the times of its run so far.

Pure: a `History` is immutable, each method returns its successor, and times are arguments (monotonic, seconds). The
supervisor replaces it at each transition, never for an event; heartbeats are summed up in a line for each connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..protocol.reconnect_policy import Cause, ConnectPlan, Disconnect
from ..sanitize import LINE_LIMIT, sanitize_line
from ..session.state import Session

__all__ = ["Beats", "History", "Timeline", "Wait", "describe_session", "format_duration"]

#: transitions that are kept
MAX_ENTRIES = 20


@dataclass(frozen=True, slots=True)
class Wait:
    """What the next connection waits for.

    Attributes:
        until: when the wait is over; None when nobody knows.
        turn: what it is for, in words; empty where it is but the pause between two attempts.
    """

    until: float | None
    turn: str = ""


@dataclass(frozen=True, slots=True)
class Beats:
    """The acknowledged heartbeats of a connection."""

    count: int = 0
    first: float = 0.0  # the latency of the first
    last: float = 0.0
    at: float = 0.0

    def __str__(self) -> str:
        if self.count == 1:
            return f"first heartbeat acknowledged in {self.last:.3f} s"
        return f"{self.count} heartbeats acknowledged, the first in {self.first:.3f} s, the last in {self.last:.3f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Where a run of the client has got to, `Client.connect` to `Client.close`.

    Attributes:
        live_at: when READY or RESUMED came on the connection; None if it has not, or without a connection.
        down_since: when the last connection that was live was lost, and none has been since; None otherwise.
        acknowledged_at: when the last heartbeat was acknowledged, on any connection.
        paused_at: since when the backlog is full.
        wait: what the next connection waits for.
        host: where the last connection was made to, or is being made.
        error: what went wrong last, in words.
        error_at: when.
    """

    live_at: float | None = None
    down_since: float | None = None
    acknowledged_at: float | None = None
    paused_at: float | None = None
    wait: Wait | None = None
    host: str | None = None
    error: str | None = None
    error_at: float | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The last transitions of a client, over all its runs, and where the latest run has got to."""

    entries: tuple[tuple[float, str], ...] = ()
    beats: Beats = field(default_factory=Beats)
    timeline: Timeline = field(default_factory=Timeline)

    def render(self, now: float) -> list[str]:
        """Return the last transitions as lines of text, each with its age."""
        entries = list(self.entries)
        if self.beats.count:
            entries.append((self.beats.at, str(self.beats)))
        entries.sort(key=lambda entry: entry[0])
        told = [(f"{format_duration(now - at)} ago", words) for at, words in entries[-MAX_ENTRIES:]]
        width = max((len(ago) for ago, _ in told), default=0)
        return [f"{ago:>{width}}  {words}" for ago, words in told]

    # -- what happens, in the order of a connection's life ---------------------------------------------------------

    def begun(self) -> History:
        """`connect` was called: what an earlier run had to say of itself is over."""
        return replace(self, timeline=Timeline())

    def connecting(self, now: float, host: str, resume: bool) -> History:
        """A connection is being made."""
        words = f"connecting to {host}, to {'resume' if resume else 'begin a session'}"
        return self._note(now, words, wait=None, host=host)

    def connected(self, now: float) -> History:
        """The websocket is open."""
        return self._note(now, "connected")

    def identified(self, now: float, session: Session | None) -> History:
        """IDENTIFY was sent, or RESUME for `session`."""
        what = "for a new session" if session is None else f"to resume {describe_session(session)}"
        return self._note(now, f"asked {what}")

    def ready(self, now: float, session: Session, replayed: int | None) -> History:
        """READY came, or RESUMED after `replayed` events."""
        words = f"ready: session {_short(session.id)} begun"
        if replayed is not None:
            words = f"resumed, with {replayed} event{'' if replayed == 1 else 's'} replayed"
        return self._note(now, words, live_at=now, down_since=None)

    def acknowledged(self, now: float, latency: float) -> History:
        """A heartbeat was acknowledged."""
        beats = Beats(self.beats.count + 1, self.beats.first if self.beats.count else latency, latency, now)
        return replace(self, beats=beats, timeline=replace(self.timeline, acknowledged_at=now))

    def paused(self, now: float, waiting: str, event: str | None) -> History:
        """Reading is paused because the event queue is full, behind the handler of `event` if that is known.

        Args:
            waiting: how much waits, as a clause.
        """
        behind = "" if event is None else f" behind the handler of {event}"
        return self._note(now, f"reading paused: the backlog is full, {waiting}{behind}", paused_at=now)

    def reading_again(self, now: float) -> History:
        """There is room in the event queue."""
        since = self.timeline.paused_at
        if since is None:
            return self
        return self._note(now, f"reading again, after {format_duration(now - since)}", paused_at=None)

    def dropped(self, now: float, ending: Disconnect, following: ConnectPlan) -> History:
        """A connection has ended, or could not be made, and `following` is to be the next."""
        why = str(ending) if ending.cause is Cause.UNREACHABLE else f"dropped because {ending}"
        what = "resuming" if following.resume else "connecting with a new session"
        then = f"waiting {format_duration(following.delay)} before {what}" if following.delay else f"{what} at once"
        expected = ending.cause in (Cause.RECONNECT, Cause.RECONNECT_REQUESTED)
        down_since = self.timeline.down_since if self.timeline.live_at is None else now
        # Only the reason is cut, which may be a server's, so that what follows is told all the same.
        words = f"{sanitize_line(why, LINE_LIMIT - len(then) - 2)}; {then}"
        ended = self._over(now, None if expected else str(ending))
        return ended._note(now, words, down_since=down_since, wait=Wait(now + following.delay))

    def queueing(self, now: float, wait: float | None, turn: str) -> History:
        """The next connection waits for its `turn`, `wait` seconds or until it is told."""
        how_long = "" if wait is None else f", {format_duration(wait)}"
        until = None if wait is None else now + wait
        return self._note(now, f"waiting for {turn}{how_long}", wait=Wait(until, turn))

    def gave_up(self, now: float, error: object) -> History:
        """The run is over, since no reconnect can help."""
        return self._over(now, str(error))._note(now, f"given up: {error}", down_since=None)

    def closed(self, now: float, kept: Session | None) -> History:
        """The run is over, by `close`; with the session that was kept."""
        also = "" if kept is None else f"; {describe_session(kept)} is kept"
        return self._over(now, None)._note(now, f"closed by close(){also}", down_since=None)

    def forked(self, now: float, words: str) -> History:
        """This is a child process that was forked during a run, as `words` say; the run is the parent's."""
        return self._over(now, words)._note(now, words, down_since=None)

    def _over(self, now: float, error: str | None) -> History:
        """The connection that there was is gone."""
        ended = self._note(self.beats.at, str(self.beats)) if self.beats.count else self
        timeline = replace(self.timeline, live_at=None, paused_at=None, wait=None)
        if error is not None:
            timeline = replace(timeline, error=sanitize_line(error), error_at=now)
        return replace(ended, beats=Beats(), timeline=timeline)

    def _note(self, at: float, words: str, **changes: Any) -> History:
        entries = (*self.entries, (at, sanitize_line(words)))[-MAX_ENTRIES:]
        return replace(self, entries=entries, timeline=replace(self.timeline, **changes))


def format_duration(seconds: float) -> str:
    """Return a duration as text: ``2.3 s``, ``41 s``, ``3 min 5 s``, ``2 h 10 min``, ``4 d 3 h``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    for size, unit, smaller, name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"


def describe_session(session: Session) -> str:
    """Which session it is, for who knows it; its id in full would let others resume it."""
    return f"session {_short(session.id)} at seq {session.seq}"


def _short(session_id: str | None) -> str:
    return "?" if session_id is None else f"{session_id[: min(6, len(session_id) // 2)]}…"
