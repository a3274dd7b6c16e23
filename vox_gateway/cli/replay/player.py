"""Plays a recording to the clients of a local gateway, at a given speed or as fast as they read."""

from __future__ import annotations

import math
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ...concurrency.clock import seconds_until
from ..recording import BrokenLine, Recorded
from ..recording.reading import Line
from ..shared.exits import CommandError
from ..shared.inbox import MainInbox

if TYPE_CHECKING:
    from ...testing import Closed, ConnectionRecord, HttpRequest, LocalGateway, Received, SessionRefused, SessionView

    Record = ConnectionRecord | Received | SessionView | SessionRefused | Closed | HttpRequest

__all__ = ["Player"]

#: sent by the gateway itself
_NOT_PLAYED = ("READY", "RESUMED")
#: events between checks that the clients keep up
_BATCH = 64
#: seconds between progress updates
_POLL_INTERVAL = 0.25


class Player:
    """Plays to the connected clients. Runs on the main thread, where Ctrl-C ends every wait.

    Args:
        gateway: a listening gateway.
        inbox: receives the gateway's records.
        speed: speed relative to the recording; infinity for as fast as the clients read.
        on_record: called with each record of the gateway.
        on_warning: called with a message for each line or session at fault.
        on_progress: called periodically with a progress message.
        timeout: seconds to wait for a disconnected client to return.

    Attributes:
        sent: number of events sent, by name.
        unwanted: number of events not sent, as no client has the intents for them.
        broken: number of invalid lines.
        late: number of sessions that began after the first event.
        size: bytes of the lines so far.
    """

    def __init__(
        self,
        gateway: LocalGateway,
        inbox: MainInbox[Record],
        speed: float,
        *,
        on_record: Callable[[Record], None],
        on_warning: Callable[[str], None],
        on_progress: Callable[[str], None],
        timeout: float = 60.0,
    ) -> None:
        self.sent: Counter[str] = Counter()
        self.unwanted: int = 0
        self.broken: int = 0
        self.late: int = 0
        self.size: int = 0
        self._gateway = gateway
        self._inbox = inbox
        self._speed = speed
        self._on_record = on_record
        self._on_warning = on_warning
        self._on_progress = on_progress
        self._timeout = timeout
        self._sessions: set[str] = set()  # ids of all sessions seen
        self._session_of: dict[int, str] = {}  # session id by connection number
        self._acknowledged: dict[str, int] = {}  # last sequence number acknowledged by a heartbeat, by session id
        self._heartbeats_requested = False  # whether heartbeats were requested since the last session event

    def wait_for_clients(self, count: int) -> None:
        """Wait until `count` sessions are connected."""
        while self._connected() < count:
            self._wait(math.inf)

    def play(self, lines: Iterable[Line]) -> None:
        """Play all lines.

        Raises:
            CommandError: every client left, or a client did not return in time.
        """
        start, offset, last = time.monotonic(), 0.0, math.inf
        for count, line in enumerate(lines, start=1):
            self.size += line.size
            event = line.event
            if not isinstance(event, Recorded):
                self._skip(line, event)
            elif event.name not in _NOT_PLAYED:
                # No delay for the first event, or if the clock was set back.
                offset += max(0.0, event.time - last) / self._speed
                last = event.time
                self._wait_until(start + offset)
                self._dispatch(line, event)
            if count % _BATCH == 0:
                self._wait_for_room()

    def wait_delivered(self) -> None:
        """Request heartbeats until every client has acknowledged the last event.

        Raises:
            CommandError: a client ended its session first, or did not return in time.
        """
        due = {session.id: session.seq for session in self._gateway.sessions}
        self._heartbeats_requested = False
        while True:
            open_sessions = {session.id for session in self._gateway.sessions}
            if not due or not due.keys() <= open_sessions:
                raise CommandError("a client ended its session before it acknowledged the last event")
            if all(self._acknowledged.get(session, -1) >= seq for session, seq in due.items()):
                return
            self._wait_for_return()
            if not self._heartbeats_requested:
                self._heartbeats_requested = True
                self._gateway.request_heartbeat()
            self._on_progress("waiting for clients to acknowledge the last event")
            self._wait(time.monotonic() + _POLL_INTERVAL)

    # -- events

    def _skip(self, line: Line, reason: BrokenLine | None) -> None:
        if reason is None:  # the recorder was killed; not counted as invalid
            self._on_warning(f"{line.path}:{line.number}: skipped the incomplete last line")
        else:
            self.broken += 1
            self._on_warning(f"{line.path}:{line.number}: skipped: {reason}")

    def _dispatch(self, line: Line, event: Recorded) -> None:
        try:
            sessions = self._gateway.dispatch(event.name, event.data)
        except (TypeError, ValueError) as error:
            self._skip(line, BrokenLine(f"{event.name} cannot be sent: {error}"))
            return
        if sessions:
            self.sent[event.name] += 1
        elif self._gateway.sessions:
            self.unwanted += 1
        else:
            raise CommandError("every client left before the end of the recording")

    # -- waiting

    def _wait_until(self, due: float) -> None:
        """Process records until the monotonic time `due`."""
        while True:
            now = time.monotonic()
            remaining = f", next in {due - now:.0f} s" if due - now > 1 else ""
            self._on_progress(f"played {self.sent.total():,} events{remaining}")
            if not self._wait(min(due, now + _POLL_INTERVAL)) and time.monotonic() >= due:
                return

    def _wait_for_room(self) -> None:
        """Wait until all events are written to sockets; at full speed, also until every client is connected."""
        while not self._gateway.wait_sent(_POLL_INTERVAL):
            self._on_progress("waiting for a client to read")
            while self._wait(0):
                pass
        if math.isinf(self._speed):
            self._wait_for_return()

    def _wait_for_return(self) -> None:
        """Wait until every session is connected."""
        deadline = time.monotonic() + self._timeout
        while self._connected() < len(self._gateway.sessions):
            if time.monotonic() >= deadline:
                raise CommandError(f"a client disconnected and did not return within {self._timeout:g} seconds")
            self._on_progress("waiting for a client to reconnect")
            self._wait(time.monotonic() + _POLL_INTERVAL)

    def _connected(self) -> int:
        return sum(session.connected for session in self._gateway.sessions)

    # -- records of the gateway

    def _wait(self, until: float) -> bool:
        """Process the next record; return False if none comes before the monotonic time `until`."""
        timeout = None if math.isinf(until) else seconds_until(until)
        try:
            record = self._inbox.get(timeout)
        except queue.Empty:
            return False
        self._take(record)
        return True

    def _take(self, record: Any) -> None:
        # By name, as the classes need an extra.
        kind = type(record).__name__
        if kind == "SessionView":
            self._on_session(record)
        elif kind == "Received" and record.name == "HEARTBEAT" and isinstance(record.data, int):
            session = self._session_of.get(record.connection)
            if session is not None:
                self._acknowledged[session] = record.data
        elif kind == "Closed":
            self._session_of.pop(record.connection, None)
        self._on_record(record)

    def _on_session(self, session: SessionView) -> None:
        self._heartbeats_requested = False
        if session.connection is not None:
            self._session_of[session.connection] = session.id
        if session.id in self._sessions:
            return
        self._sessions.add(session.id)
        if self.sent:
            self.late += 1
            self._on_warning(
                f"shard {session.shard[0]}/{session.shard[1]} began a new session after {self.sent.total():,} events: "
                "it did not receive them"
            )
