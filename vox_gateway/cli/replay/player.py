"""Plays a recording to the clients of a local gateway: at its own speed, at any other, or as fast as they take it."""

from __future__ import annotations

import math
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..recording import BrokenLine, Recorded
from ..recording.reading import Line
from ..shared.exits import CommandError
from ..shared.inbox import MainInbox

if TYPE_CHECKING:
    from ...testing import Closed, ConnectionRecord, HttpRequest, LocalGateway, Received, SessionRefused, SessionView

    Record = ConnectionRecord | Received | SessionView | SessionRefused | Closed | HttpRequest

__all__ = ["Player"]

#: the gateway brings these by itself, as its own sessions begin and go on
_NOT_PLAYED = ("READY", "RESUMED")
#: events between two looks at whether the clients keep up
_BATCH = 64
#: seconds between two looks at how far it is, while nothing else happens
_GLANCE = 0.25


class Player:
    """Plays to whoever is connected; for the main thread, where Ctrl-C ends every wait.

    Args:
        gateway: listens.
        inbox: what follows the gateway.
        speed: how many times as fast as it was; infinity for as fast as the clients take it.
        tell: called with each record of the gateway's.
        complain: called with what cannot be played, or was missed, in words.
        look: called now and then with how far it is, in words.
        patience: seconds until a client that went away is given up.

    Attributes:
        sent: the events that were sent, by name.
        unwanted: how many went to nobody, as the intents of no client ask for them.
        broken: lines that could not be played.
        late: sessions that began when something had been played already, and so have missed it.
        size: bytes of the lines so far.
    """

    def __init__(
        self,
        gateway: LocalGateway,
        inbox: MainInbox[Record],
        speed: float,
        *,
        tell: Callable[[Record], None],
        complain: Callable[[str], None],
        look: Callable[[str], None],
        patience: float = 60.0,
    ) -> None:
        self.sent: Counter[str] = Counter()
        self.unwanted = 0
        self.broken = 0
        self.late = 0
        self.size = 0
        self._gateway = gateway
        self._inbox = inbox
        self._speed = speed
        self._tell = tell
        self._complain = complain
        self._look = look
        self._patience = patience
        self._sessions: set[str] = set()  # those that were ever seen
        self._holders: dict[int, str] = {}  # by a connection's number: the session it holds
        self._arrived: dict[str, int] = {}  # by session: the last event that its client has told to have
        self._was_asked = False  # whether each has been asked for a heartbeat since any of them came

    def wait_for_clients(self, count: int) -> None:
        """Wait until so many sessions are connected."""
        while self._connected() < count:
            self._wait(math.inf)

    def play(self, lines: Iterable[Line]) -> None:
        """Play them to the end.

        Raises:
            CommandError: no client is left, or one went away and did not come again.
        """
        start, offset, last = time.monotonic(), 0.0, math.inf
        for count, line in enumerate(lines, start=1):
            self.size += line.size
            event = line.event
            if not isinstance(event, Recorded):
                self._skip(line, event)
            elif event.name not in _NOT_PLAYED:
                # A clock that was set back, and the first event, make no wait.
                offset += max(0.0, event.time - last) / self._speed
                last = event.time
                self._wait_until(start + offset)
                self._dispatch(line, event)
            if count % _BATCH == 0:
                self._wait_for_room()

    def wait_delivered(self) -> None:
        """Wait until every client has told that all has arrived, as the heartbeat does that each is asked for.

        Raises:
            CommandError: a client ended its session before, or went away and did not come again.
        """
        due = {session.id: session.seq for session in self._gateway.sessions}
        self._was_asked = False
        while True:
            left = {session.id for session in self._gateway.sessions}
            if not due or not due.keys() <= left:
                raise CommandError("a client ended its session before it had told that all has arrived")
            if all(self._arrived.get(session, -1) >= seq for session, seq in due.items()):
                return
            self._wait_for_return()
            if not self._was_asked:
                self._was_asked = True
                self._gateway.request_heartbeat()
            self._look("waiting until all has arrived")
            self._wait(time.monotonic() + _GLANCE)

    # One event.

    def _skip(self, line: Line, why: BrokenLine | None) -> None:
        if why is None:  # as it is after a kill, which is no fault of the recording's
            self._complain(f"{line.path}:{line.number}: the last line was cut short: passed over")
        else:
            self.broken += 1
            self._complain(f"{line.path}:{line.number}: {why}: skipped")

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
            raise CommandError("no client is left, so the rest was not played")

    # Waiting.

    def _wait_until(self, due: float) -> None:
        """Wait for the moment, and meanwhile hear what clients do."""
        while True:
            now = time.monotonic()
            in_seconds = f", next in {due - now:.0f} s" if due - now > 1 else ""
            self._look(f"played {self.sent.total():,} events{in_seconds}")
            if not self._wait(min(due, now + _GLANCE)) and time.monotonic() >= due:
                return

    def _wait_for_room(self) -> None:
        """Wait until the kernel has taken all, or it would pile up here; at full speed, for those who are away too."""
        while not self._gateway.wait_sent(_GLANCE):
            self._look("waiting for a client to read")
            while self._wait(0):
                pass
        if math.isinf(self._speed):
            self._wait_for_return()

    def _wait_for_return(self) -> None:
        """Wait until every session is connected."""
        deadline = time.monotonic() + self._patience
        while self._connected() < len(self._gateway.sessions):
            if time.monotonic() >= deadline:
                raise CommandError(f"a client went away, and did not come again within {self._patience:g} seconds")
            self._look("waiting for a client to come again")
            self._wait(time.monotonic() + _GLANCE)

    def _connected(self) -> int:
        return sum(session.connected for session in self._gateway.sessions)

    # What clients do.

    def _wait(self, until: float) -> bool:
        """Wait for a record until this moment, and take it; False when none came."""
        timeout = None if math.isinf(until) else max(0.0, until - time.monotonic())
        try:
            record = self._inbox.get(timeout)
        except queue.Empty:
            return False
        self._take(record)
        return True

    def _take(self, record: Any) -> None:
        # By name, since the classes come with an extra.
        kind = type(record).__name__
        if kind == "SessionView":
            self._begin_or_go_on(record)
        elif kind == "Received" and record.name == "HEARTBEAT" and isinstance(record.data, int):
            session = self._holders.get(record.connection)
            if session is not None:
                self._arrived[session] = record.data
        elif kind == "Closed":
            self._holders.pop(record.connection, None)
        self._tell(record)

    def _begin_or_go_on(self, session: SessionView) -> None:
        self._was_asked = False
        if session.connection is not None:
            self._holders[session.connection] = session.id
        if session.id in self._sessions:
            return
        self._sessions.add(session.id)
        if self.sent:
            self.late += 1
            self._complain(
                f"shard {session.shard[0]}/{session.shard[1]} began a new session after {self.sent.total():,} events: "
                "it has not got those"
            )
