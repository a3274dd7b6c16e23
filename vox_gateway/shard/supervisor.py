"""The reconnect loop: makes one connection after the other, until it is told to stop or nothing can help.

It decides nothing about the protocol: what follows an ending is `ReconnectPolicy`'s word. It waits, makes the next
connection, and waits for its end; all of that on its inbox, so that `stop` is heard at once in every state.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ..diagnostics.history import TransitionHistory
from ..discovery.identify_limiter import IdentifyGate
from ..errors import DecodeError, GatewayError
from ..log import ShardLog
from ..protocol.machine import KEEP_SESSION
from ..protocol.reconnect_policy import Cause, ConnectPlan, Disconnect, Fatal, ReconnectPolicy, Stage
from .connection import CLOSE_WITHIN, Connection, ConnectionReport

__all__ = ["Fail", "Restart", "Rewind", "Stop", "Supervisor"]

#: seconds that a reader has to end once its socket is cut off; only a name lookup takes longer, and is left behind
ABANDON_AFTER = 0.3
#: seconds beyond `connect_timeout` before an attempt is held to be stuck in a name lookup
LOOKUP_GRACE = 0.5


@dataclass(frozen=True, slots=True)
class Stop:
    """Close with `code`, and make no other connection."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Close, keep the session, and end with `error`."""

    error: GatewayError


@dataclass(frozen=True, slots=True)
class Restart:
    """Close with `code`, and resume on a new connection."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rewind:
    """What the dispatcher got cannot be read: close, and resume from before it."""

    error: DecodeError


@dataclass(frozen=True, slots=True)
class _TryAgain:
    """The identify gate has moved."""


class Supervisor:
    """The thread that keeps a connection alive.

    It is a daemon because a script that ends without `close` must not hang. The client owns it and ends it with
    `post(Stop)`.

    Args:
        name: of the thread.
        connect: makes a connection for an attempt; its number is the generation.
        connect_timeout: seconds, as the connection has it.
        go_back: called before an attempt that follows a `Rewind`, to set the session back.
        on_wait: called before each wait between attempts.
        on_failure: called, on the loop's own thread, with what ended it unexpectedly; returns the error to end with.
        on_end: called at the very end, with the error that ended the loop or None, on the loop's own thread.
    """

    def __init__(
        self,
        name: str,
        recovery: ReconnectPolicy,
        gate: IdentifyGate,
        shard_id: int,
        connect: Callable[[ConnectPlan, int], Connection],
        connect_timeout: float,
        go_back: Callable[[], None],
        on_wait: Callable[[], None],
        on_failure: Callable[[BaseException], GatewayError],
        on_end: Callable[[GatewayError | None], None],
        log: ShardLog,
        journal: TransitionHistory,
    ) -> None:
        self._recovery = recovery
        self._gate = gate
        self._shard_id = shard_id
        self._connect = connect
        self._connect_timeout = connect_timeout
        self._go_back = go_back
        self._on_wait = on_wait
        self._on_failure = on_failure
        self._on_end = on_end
        self._log = log
        self._journal = journal
        self.stop: Stop | None = None  # what ended the loop, once something has
        self._failure: GatewayError | None = None
        self._connection: Connection | None = None  # the newest
        self._generation = 0
        self._must_go_back = False
        # A SimpleQueue may be put to from a signal handler too.
        self._inbox: queue.SimpleQueue[ConnectionReport | Stop | Fail | Restart | Rewind | _TryAgain] = (
            queue.SimpleQueue()
        )
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def post(self, message: ConnectionReport | Stop | Fail | Restart | Rewind) -> None:
        """Tell the loop something; never blocks. Any thread."""
        self._inbox.put(message)

    def _run(self) -> None:
        error: GatewayError | None = None
        try:
            error = self._loop()
        except BaseException as mistake:
            self.stop = self.stop or Stop(KEEP_SESSION, "")
            error = self._on_failure(mistake)
            self._leave_connection(self.stop)
        finally:
            self._gate.leave(self._shard_id, self)
            self._on_end(error)

    def _loop(self) -> GatewayError | None:
        attempt = self._recovery.first()
        while True:
            self._on_wait()
            attempt = self._wait_for_turn(attempt)
            if self.stop is not None:
                return self._failure
            try:
                report = self._live_through(attempt)
            finally:  # other shards wait for it
                self._gate.leave(self._shard_id, self)
            if self.stop is not None:
                return self._failure
            following = self._recovery.after(report.ending, attempt, report.stage, report.lived)
            if isinstance(following, Fatal):
                return following.error
            self._say(report.ending, following)
            attempt = following

    def _say(self, ending: Disconnect, following: ConnectPlan) -> None:
        self._journal.dropped(time.monotonic(), ending, following)
        expected = ending.cause in (Cause.RECONNECT, Cause.RECONNECT_REQUESTED)
        self._log.log(
            logging.INFO if expected else logging.WARNING,
            "%s; %s in %.1f seconds",
            ending,
            "resuming" if following.resume else "connecting with a new session",
            following.delay,
        )

    def _wait_for_turn(self, attempt: ConnectPlan) -> ConnectPlan:
        """Wait until a connection may be made, or until told to stop; returns the attempt to make."""
        self._wait(attempt.delay)
        while self.stop is None:
            if self._must_go_back:
                self._must_go_back = False
                self._go_back()
                attempt = self._recovery.first()
            if attempt.resume:
                break
            self._wait_for_gate()
            if not self._must_go_back:
                break
        return attempt

    def _wait(self, seconds: float) -> None:
        """Wait; less when told to stop."""
        until = time.monotonic() + seconds
        while self.stop is None and (left := until - time.monotonic()) > 0:
            self._take(left)

    def _wait_for_gate(self) -> None:
        """Wait until this shard may IDENTIFY, or until told to stop."""
        said = False
        while self.stop is None:
            wait = self._gate.enter(self._shard_id, self, lambda: self._inbox.put(_TryAgain()), time.monotonic())
            if wait == 0.0:
                return
            if not said:
                said = True
                self._say_why_it_waits(wait)
            self._take(wait)
        self._gate.leave(self._shard_id, self)

    def _say_why_it_waits(self, wait: float | None) -> None:
        now = time.monotonic()
        used_up = wait is not None and self._gate.starts_in(now) > 0
        self._journal.queueing(now, wait, "session starts to return" if used_up else "its turn to IDENTIFY")
        if wait is not None and used_up:
            returns = datetime.now(timezone.utc) + timedelta(seconds=wait)
            self._log.warning(
                "no session starts remain: IDENTIFY is refused for %.1f seconds, until %s UTC",
                wait,
                f"{returns:%Y-%m-%d %H:%M:%S}",
            )
            return
        turn = "for another shard's" if wait is None else f"{wait:.1f} seconds for this one's"
        self._log.info("waiting %s turn to IDENTIFY: it is allowed once every %g seconds", turn, self._gate.interval)

    def _take(self, timeout: float | None) -> ConnectionReport | Restart | Rewind | None:
        """The next message that is for a connection; what outlasts one is kept. None when nothing came in time."""
        try:
            message = self._inbox.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(message, Stop):
            self.stop = self.stop or message
        elif isinstance(message, Fail):
            self._failure = self._failure or message.error
            self.stop = self.stop or Stop(KEEP_SESSION, "")
        elif isinstance(message, Rewind):
            self._must_go_back = True
        return message if isinstance(message, (ConnectionReport, Restart, Rewind)) else None

    def _live_through(self, attempt: ConnectPlan) -> ConnectionReport:
        """Make a connection and wait for its end."""
        self._generation += 1
        try:
            connection = self._connect(attempt, self._generation)
            connection.start()
            self._connection = connection
        except (OSError, RuntimeError) as error:  # no descriptor or no thread to be had: that passes
            return ConnectionReport(
                self._generation, Disconnect(Cause.UNREACHABLE, reason=str(error)), Stage.CONNECTING, 0.0
            )
        stuck_at = time.monotonic() + self._connect_timeout + LOOKUP_GRACE
        while self.stop is None:
            connecting = connection.stage is Stage.CONNECTING
            message = self._take(max(stuck_at - time.monotonic(), 0.0) if connecting else None)
            match message:
                case ConnectionReport(generation) if generation == self._generation:
                    return message
                case Restart(code, reason):
                    connection.hang_up(code, Disconnect(Cause.RECONNECT_REQUESTED, reason=reason), reason)
                case Rewind(broken):
                    connection.hang_up(
                        broken.close_code, Disconnect(Cause.PROTOCOL_ERROR, reason=str(broken), error=broken)
                    )
                case None if connecting and time.monotonic() >= stuck_at and connection.stage is Stage.CONNECTING:
                    connection.abort()
                    reason = f"the name lookup took longer than connect_timeout={self._connect_timeout:g} seconds"
                    return ConnectionReport(
                        self._generation, Disconnect(Cause.UNREACHABLE, reason=reason), Stage.CONNECTING, 0.0
                    )
                case _:
                    pass
        self._leave_connection(self.stop)
        return ConnectionReport(
            self._generation, Disconnect(Cause.LOCAL_CLOSE, reason=self.stop.reason), connection.stage, 0.0
        )

    def _leave_connection(self, stop: Stop) -> None:
        """Close the connection, if there is one, within bounds even if the server is unresponsive."""
        connection = self._connection
        if connection is None:
            return
        connection.hang_up(stop.code, Disconnect(Cause.LOCAL_CLOSE, reason=stop.reason), stop.reason)
        if not connection.join(CLOSE_WITHIN + ABANDON_AFTER if connection.stage > Stage.CONNECTING else ABANDON_AFTER):
            connection.abort()
            connection.join(ABANDON_AFTER)
