"""The reconnect loop: keeps a shard connected until it is closed, or until reconnecting cannot help.

The supervisor owns the run's state. Everything that happens is a message in its mailbox; `run` takes the
messages, on the thread that the shard gives it, and publishes each new state by one assignment. What
follows a disconnect is the reconnect policy's decision; waiting for it is done here, on the mailbox, so that `Close` is
heard at once in every state.
"""

from __future__ import annotations

import logging
import queue
import random
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ..concurrency.clock import seconds_until
from ..dispatch.dispatcher import Dispatcher
from ..errors import ConnectionClosed, GatewayError
from ..opcodes import KEEP_SESSION
from ..protocol.reconnect_policy import Cause, ConnectPlan, Disconnect, Fatal, ReconnectPolicy
from ..protocol.state import State, advance
from ..session.state import Session
from ..session.writer import SessionLease
from .connection import CLOSE_WITHIN, Connection, ConnectionConfig
from .failure import log_failure
from .messages import (
    Acknowledged,
    Close,
    Connecting,
    DecodeFailed,
    Disconnected,
    Fail,
    FromConnection,
    HandlersDone,
    HeartbeatSent,
    IdentifyGateChanged,
    IdentifySent,
    Message,
    Opened,
    PresenceDue,
    PresenceUpdate,
    QueueDrained,
    ReadingPaused,
    ReadingResumed,
    Ready,
    Reconnect,
    ResumeSent,
    StopWaiting,
)
from .presence import Presence
from .run_state import RunState
from .sender import CommandSender

__all__ = ["Supervisor"]

#: seconds that a reader has to end once its socket is cut off; only a name lookup takes longer, and is left behind
ABANDON_AFTER = 0.3
#: seconds beyond `connect_timeout` before an attempt is held to be stuck in a name lookup
LOOKUP_GRACE = 0.5
#: seconds until a shard that may not connect asks again; it is closed before that, unless the process was paused
LOOK_AGAIN = 1.0
#: seconds of latency above which a warning is logged
HIGH_LATENCY = 10.0
#: close codes that end the session on the server's side
ENDS_SESSION = (1000, 1001)


class Supervisor:
    """Keeps a connection alive. All its methods are for the thread that calls `run`; `published` is for any.

    Args:
        config: what its connections are made from, and its mailbox.
        holder: enters the identify gate for this run.
        initial: the state that the run before it left.

    Attributes:
        published: the run's state.
        close: the message that ended the run; None before.
    """

    def __init__(
        self,
        config: ConnectionConfig,
        *,
        holder: object,
        dispatcher: Dispatcher,
        sender: CommandSender,
        presence: Presence,
        lease: SessionLease | None,
        initial: RunState,
    ) -> None:
        self._config = config
        self._options = config.options
        self._mailbox = config.mailbox
        self._log = config.log
        self._gate = config.options.identify_gate
        self._shard_id = config.options.shard[0]
        self._holder = holder
        self._dispatcher = dispatcher
        self._sender = sender
        self._presence = presence
        self._lease = lease
        self._policy = ReconnectPolicy(random.random)
        self._failure: GatewayError | None = None
        self._decode_failed = False
        self._handlers_done = self._stop_waiting = False
        self._connection: Connection | None = None  # the newest
        self._connections = 0
        self._opened = 0
        self.close: Close | None = None
        self.published: RunState = replace(
            initial,
            state=State.IDLE,
            error=None,
            connection=None,
            begun=initial.session,
            history=initial.history.begun(),
        )

    # -- for the shard, before and after `run`, on the same thread ---------------------------------------------------

    def publish(self, **changes: Any) -> None:
        """Replace the run's state, or some of it."""
        self.published = replace(self.published, **changes)

    def move(self, to: State, **changes: Any) -> None:
        """Go on to another state; a run that is closing can only become closed."""
        self.publish(state=advance(self.published.state, to), **changes)

    def end_session(self) -> None:
        """Leave the session as the next `connect` should find it."""
        close = self.close
        self._dispatcher.settle()
        # An error on this side, such as a certificate that does not verify, says nothing about the session.
        refused = isinstance(self.published.error, ConnectionClosed)
        if refused or (close is not None and close.code in ENDS_SESSION):
            self.publish(ended_session=self.published.session.without_id())
        elif self._dispatcher.undelivered:
            self.publish(ended_session=self._set_back(self._dispatcher.progress.delivered))

    def wait_for_handlers(self) -> None:
        """Wait until the dispatcher has ended, or until `close` has waited long enough."""
        while not (self._handlers_done or self._stop_waiting):
            self._take(None)

    def take_all(self) -> None:
        """Take all messages that are there, so that nobody waits for what nobody will do. Raises nothing."""
        while not self._mailbox.empty():
            try:
                self._apply(self._mailbox.get_nowait())
            except BaseException as mistake:  # the other messages are taken all the same
                failure = log_failure(self._log, mistake)
                self._failure = self._failure or failure

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Keep connected until told to stop, or until reconnecting cannot help.

        When this returns, or raises an error of ours, the state is CLOSING and has the error that ended the run. No
        connection is left when it returns.
        """
        error: GatewayError | None = None
        try:
            error = self._keep_connected()
        except BaseException as mistake:
            error = log_failure(self._log, mistake)
            self._leave_connection(self._stop(Close(KEEP_SESSION, "")))
        finally:
            # Before anybody is told, so that nobody begins to wait for what has ended.
            self._progress(State.CLOSING, error=error)
            self._gate.leave(self._shard_id, self._holder)

    def _keep_connected(self) -> GatewayError | None:
        plan = self._policy.first(self.published.session)
        while True:
            self._begin_to_wait(plan)
            plan = self._wait_for_turn(plan)
            if self.close is not None:
                return self._failure
            try:
                report = self._run_connection(plan)
            finally:  # other shards wait for it
                self._gate.leave(self._shard_id, self._holder)
            if report is None:
                return self._failure
            session = self._settle_session()
            following = self._policy.after(report.disconnect, plan, report.reached, session, report.lived)
            if isinstance(following, Fatal):
                return following.error
            self._log_reconnect(report.disconnect, following)
            plan = following

    def _begin_to_wait(self, plan: ConnectPlan) -> None:
        self.move(State.WAITING, ended_session=plan.session)
        if self._lease is not None:
            self._lease.progressed()  # the session may be over

    def _log_reconnect(self, ending: Disconnect, following: ConnectPlan) -> None:
        self.publish(history=self.published.history.dropped(time.monotonic(), ending, following))
        expected = ending.cause in (Cause.RECONNECT, Cause.RECONNECT_REQUESTED)
        self._log.log(
            logging.INFO if expected else logging.WARNING,
            "%s; %s in %.1f seconds",
            ending,
            "resuming" if following.resume else "connecting with a new session",
            following.delay,
        )

    # -- before a connection -----------------------------------------------------------------------------------------

    def _wait_for_turn(self, plan: ConnectPlan) -> ConnectPlan:
        """Wait until a connection may be made, or until told to stop; returns the plan for it."""
        self._wait(plan.delay)
        while self.close is None:
            if self._decode_failed:  # since the last connection ended
                plan = self._policy.first(self._settle_session())
            if not plan.resume:
                self._wait_for_gate()
            if not self._options.may_connect():
                self._wait_for_right()
            elif not self._decode_failed:
                break
        return plan

    def _wait_for_right(self) -> None:
        """Another process may run the shard now: wait until told to stop, which follows, or until it may connect."""
        if self.close is not None:
            return
        self._gate.leave(self._shard_id, self._holder)
        self._log.info("another process may run this shard now: not connecting")
        waiting = self.published.history.queueing(time.monotonic(), None, "the right to run this shard")
        self.publish(history=waiting)
        while self.close is None and not self._options.may_connect():
            self._wait(LOOK_AGAIN)

    def _settle_session(self) -> Session:
        """Set the session back if an event could not be decoded; return where to resume."""
        if self._decode_failed:
            self._decode_failed = False
            session = self._policy.after_undecodable(self._set_back(self._dispatcher.progress.passed_on))
            self.publish(ended_session=session)
            self._dispatcher.queue.restart()
        return self.published.session

    def _set_back(self, given: Session) -> Session:
        """The session from which a RESUME brings again what came after `given`."""
        session = self.published.session
        if given.id == session.id:
            return session.at(given.seq)
        # READY has not reached its handlers, and no RESUME brings it again.
        if session.resumable:
            self._log.warning(
                "READY was not handled, so the session is given up and the next connection begins another: %d events "
                "that came with it are lost",
                self._dispatcher.undelivered,
            )
        return session.without_id()

    def _wait(self, seconds: float) -> None:
        """Wait; less when told to stop."""
        until = time.monotonic() + seconds
        while self.close is None and (left := seconds_until(until)) > 0:
            self._take(left)

    def _wait_for_gate(self) -> None:
        """Wait until this shard may IDENTIFY, or until told to stop."""
        said: bool | None = None  # that no session starts remain
        while self.close is None:
            wait = self._gate.enter(
                self._shard_id, self._holder, lambda: self._mailbox.put(IdentifyGateChanged()), time.monotonic()
            )
            if wait == 0.0:
                return
            used_up = wait is not None and self._gate.starts_in(time.monotonic()) > 0
            if used_up is not said:
                said = used_up
                self._log_gate_wait(wait, used_up)
            self._take(wait)
        self._gate.leave(self._shard_id, self._holder)

    def _log_gate_wait(self, wait: float | None, used_up: bool) -> None:
        now = time.monotonic()
        turn = "session starts to return" if used_up else "its turn to IDENTIFY"
        self.publish(history=self.published.history.queueing(now, wait, turn))
        if wait is not None and used_up:
            returns = datetime.now(timezone.utc) + timedelta(seconds=wait)
            self._log.warning(
                "no session starts remain: IDENTIFY is refused for %.1f seconds, until %s UTC",
                wait,
                f"{returns:%Y-%m-%d %H:%M:%S}",
            )
            return
        time_left = "" if wait is None else f" {wait:.1f} seconds"
        self._log.info("waiting%s for its turn to IDENTIFY: one is allowed every %g s", time_left, self._gate.interval)

    # -- during a connection -----------------------------------------------------------------------------------------

    def _run_connection(self, plan: ConnectPlan) -> Disconnected | None:
        """Make a connection and wait for its end; None if told to stop."""
        self._connections += 1
        self.move(State.CONNECTING)
        try:
            connection = Connection(self._config, plan, self._connections)
            connection.start()
        except (OSError, RuntimeError) as error:  # no descriptor or no thread to be had: that passes
            return self._unreachable(str(error))
        self._connection = connection
        self.publish(connection=connection)
        timeout = self._options.network.connect_timeout
        stuck_at = time.monotonic() + timeout + LOOKUP_GRACE
        while self.close is None:
            connecting = connection.reached is State.CONNECTING
            message = self._take(seconds_until(stuck_at) if connecting else None)
            match message:
                case Disconnected() if message.connection_id == connection.id:
                    return message
                case Reconnect(connection_id, code, reason) if connection_id == connection.id:
                    connection.close(code, Disconnect(Cause.RECONNECT_REQUESTED, reason=reason), reason)
                case DecodeFailed(broken):
                    ending = Disconnect(Cause.PROTOCOL_ERROR, reason=str(broken), error=broken)
                    connection.close(broken.close_code, ending)
                case None if connecting and time.monotonic() >= stuck_at and connection.reached is State.CONNECTING:
                    connection.abort()
                    self._forget(connection)
                    return self._unreachable(f"the name lookup took longer than connect_timeout={timeout:g} seconds")
                case _:
                    pass
        self._leave_connection(self.close)
        return None

    def _unreachable(self, reason: str) -> Disconnected:
        ending = Disconnect(Cause.UNREACHABLE, reason=reason)
        return Disconnected(self._connections, ending, State.CONNECTING, 0.0)

    def _leave_connection(self, close: Close) -> None:
        """Close the connection, if any. Returns in time even if the server is unresponsive."""
        connection = self._connection
        if connection is None:
            return
        connection.close(close.code, Disconnect(Cause.LOCAL_CLOSE, reason=close.reason), close.reason)
        opened = connection.reached is not State.CONNECTING
        if not connection.join(CLOSE_WITHIN + ABANDON_AFTER if opened else ABANDON_AFTER):
            connection.abort()
            connection.join(ABANDON_AFTER)
        self.take_all()  # what it has still reported counts
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        """The connection is over, or left behind: what it has brought counts, and nothing that it says from now on."""
        self._sender.unset_ready(connection)
        if self.published.connection is not connection:
            return
        state, traffic = self.published, connection.traffic
        self._connection = None
        self.publish(
            connection=None,
            ended_session=state.session,
            totals=state.totals.plus(traffic),
            last_event_at=state.event_at,
        )

    # -- messages ----------------------------------------------------------------------------------------------------

    def _take(self, timeout: float | None) -> Message | None:
        """Take the next message, and do what it calls for in every state; None when none came in `timeout` seconds."""
        try:
            message = self._mailbox.get(timeout=timeout)
        except queue.Empty:
            return None
        self._apply(message)
        return message

    def _apply(self, message: Message) -> None:
        match message:
            case Close():
                self._begin_to_close(message)
            case Fail(error):
                self._failure = self._failure or error
                self._stop(Close(KEEP_SESSION, ""))
                self._dispatcher.end_subscribers(self._failure)  # a full stream may hold up the dispatcher
            case DecodeFailed():
                self._decode_failed = True
            case QueueDrained():  # a handler on another thread may wait for an event that does not come any more
                self._dispatcher.end_subscribers(self.published.error)
            case PresenceUpdate():
                self._presence.send(message)
            case PresenceDue():
                self._presence.flush()
            case HandlersDone():
                self._handlers_done = True
            case StopWaiting():
                self._stop_waiting = True
            case FromConnection():
                connection = self._connection
                if connection is not None and message.connection_id == connection.id:
                    self._observe(connection, message)
                if isinstance(message, Ready):
                    message.published.set()

    def _begin_to_close(self, close: Close) -> None:
        """Deliver no more events, and end the subscribers."""
        self._progress(State.CLOSING)
        self._stop(close)
        self._dispatcher.end_subscribers(None)

    def _stop(self, close: Close) -> Close:
        """End the run, by `close` unless it ends already, and deliver no more events; return what ends it."""
        self.close = self.close or close
        self._dispatcher.drop_events()
        return self.close

    def _observe(self, connection: Connection, message: FromConnection) -> None:
        """Publish what the connection reports."""
        state, history = self.published, self.published.history
        totals = state.totals
        match message:
            case Connecting(_, at, host):
                self.publish(history=history.connecting(at, host, state.session.resumable))
            case Opened(_, at):
                self._policy.connected()
                self._opened += 1
                again = totals.reconnects + int(self._opened > 1)
                totals = replace(totals, reconnects=again)
                self._progress(State.AWAITING_HELLO, history=history.connected(at), totals=totals)
            case IdentifySent(_, at):
                self._gate.sent(self._shard_id, self._holder, at, random.random())
                totals = replace(totals, identifies=totals.identifies + 1)
                self._progress(State.IDENTIFYING, history=history.identified(at, None), totals=totals)
            case ResumeSent(_, at, session):
                self._progress(State.RESUMING, history=history.identified(at, session))
            case Ready():
                self._become_ready(connection, message)
            case HeartbeatSent(_, size):
                self.publish(totals=replace(totals, beats=totals.beats + 1))
                self._log.debug("> HEARTBEAT (%d bytes)", size)
            case Acknowledged(_, at, latency):
                self.published = state.acknowledged(at, latency)
                self._presence.acknowledged(at - latency)
                if latency > HIGH_LATENCY:
                    self._log.warning(
                        "a heartbeat was acknowledged after %.1f seconds: the network is slow, or this program too "
                        "busy",
                        latency,
                    )
            case ReadingPaused() | ReadingResumed() if not self._is_closing:
                self._note_reading(message)
            case Disconnected():
                self._forget(connection)
            case _:
                pass

    @property
    def _is_closing(self) -> bool:
        return self.published.state is State.CLOSING

    def _progress(self, to: State, **changes: Any) -> None:
        """The run has come so far, unless it is closing already."""
        if self._is_closing:
            self.publish(**changes)
        else:
            self.move(to, **changes)

    def _note_reading(self, message: ReadingPaused | ReadingResumed) -> None:
        history = self.published.history
        if isinstance(message, ReadingResumed):
            self.publish(history=history.reading_again(message.at))
            return
        executor = self._dispatcher.executor
        work = executor.current
        self.publish(history=history.paused(message.at, message.full.waiting, work and work[0]))
        executor.warn_of_full_queue(message.full)

    def _become_ready(self, connection: Connection, message: Ready) -> None:
        resumed = message.replayed is not None
        self._log.info("%s", "resumed" if resumed else "ready")
        state = self.published
        self._progress(
            State.READY,
            begun=state.begun if resumed else message.session,
            ended_session=message.session,
            history=state.history.ready(message.at, message.session, message.replayed),
            totals=replace(state.totals, resumes=state.totals.resumes + int(resumed)),
        )
        if self._lease is not None and not resumed:
            self._lease.save_soon()
        if not self._is_closing:
            self._sender.set_ready(connection)
            self._presence.on_ready(resumed)
