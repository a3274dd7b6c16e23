"""One run of a client, from `connect` to `close`: the loops, wired to each other.

::

    reconnect ──makes──▶ connection (reader, heartbeat) ──▶ backlog ──▶ dispatcher ──▶ handlers
        ▲                      │                                            │
        └───────ended──────────┘            outbox ◀────────commands────────┘
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..concurrency.fork import FORKED
from ..concurrency.scheduler import Scheduler
from ..concurrency.signals import SignalSafeEvent
from ..concurrency.wakeup import Deadline, Wakeup
from ..config import Options
from ..diagnostics.history import TransitionHistory
from ..diagnostics.stats import Counters, Status
from ..discovery.resolver import GatewayResolver
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.emitter import Emitter
from ..dispatch.executors import CallerExecutor, CallerQueue, HandlerExecutor, InlineExecutor, WorkerExecutor
from ..dispatch.executors.runner import Runner
from ..dispatch.slow_handlers import Work
from ..dispatch.subscriptions import Subscribers
from ..errors import GatewayError, NotConnected, ThreadFailed
from ..log import ShardLog
from ..network.urls import GatewayURL, gateway_url
from ..opcodes import Opcode
from ..protocol.machine import KEEP_SESSION
from ..protocol.reconnect_policy import ConnectPlan, ReconnectPolicy
from ..session.state import Session
from ..session.writer import SessionLease
from .connection import Connection, ConnectionConfig, ConnectionReport, Observer
from .presence import Presence
from .sender import CommandSender
from .supervisor import Fail, Restart, Rewind, Stop, Supervisor

__all__ = ["Shard"]

#: seconds that `close` waits at the most
CLOSE_BOUND = 2.0
#: seconds that a handler has to return after `close`, when it was not the handler itself that called it
HANDLER_GRACE = 0.3
#: close codes that end the session on the server's side
ENDS_SESSION = (1000, 1001)


class Shard(Observer):
    """The threads of one run; the reconnect loop's is the last to end.

    Attributes:
        presence: the bot's presence; begins with what the run before left.
        error: the error that ended the run, or None.
        disconnected: no connection is left, and none will be made.
        finished: no loop is left but the reconnect loop's thread, which rings this last.
    """

    def __init__(
        self,
        options: Options,
        emitter: Emitter,
        taps: Subscribers,
        pending: CallerQueue | None,
        session: Session,
        counters: Counters,
        outbox: CommandSender,
        presence: dict[str, Any] | None,
        log: ShardLog,
        journal: TransitionHistory,
        lease: SessionLease | None,
    ) -> None:
        self._status = Status.CONNECTING
        # Guards the field above and `_taps_ended`; a signal handler that closes may hold it twice.
        self._lock = threading.RLock()
        self.error: GatewayError | None = None
        self.disconnected = SignalSafeEvent()
        self.finished = SignalSafeEvent()
        self._options = options
        self._session = session
        self._counters = counters
        self._outbox = outbox
        self._timers = Scheduler(f"{options.name}-timers", log, self.failed)
        self.presence = Presence(presence, outbox, self._timers, options.encode)
        self._log = log
        self._journal = journal
        self._connection: Connection | None = None  # the one that is open
        self._paused = False  # whether the journal says that reading waits
        self._connections = 0
        self._handlers_done = SignalSafeEvent()  # the dispatcher has ended, or is not to be waited for
        self._taps = taps
        self._taps_ended = False
        self._emitter = emitter
        self._pending = pending
        self._lease = lease  # of the session file
        self._progressed = None if lease is None else lease.progressed
        self._dispatcher = Dispatcher(
            f"{options.name}-dispatcher",
            emitter,
            taps,
            options.backlog,
            self._make_handling,
            options.codec.decode,
            self._backlog_is_stuck,
            lambda error: self._loop.post(Rewind(error)),
            self.failed,
            self._handlers_end,
            before_ready=None if lease is None else lease.wait_until_saved,
            on_done=None if options.workers or pending is not None else self._progressed,
        )
        self._backlog = self._dispatcher.backlog
        self._begun = replace(session)  # the session as it began: here, or with the last READY
        self._blueprint = ConnectionConfig(
            name=options.name,
            token=options.token,
            session=session,
            network=options.network,
            codec=options.codec,
            compress=options.compress,
            identify=lambda: options.identify(self.presence.for_identify()),
            backlog=self._backlog,
            counters=counters,
            log=log,
        )
        self._recovery = ReconnectPolicy(session, random.random)
        self._loop = Supervisor(
            f"{options.name}-reconnect",
            self._recovery,
            options.identify_gate,
            options.shard[0],
            self._connect,
            options.network.connect_timeout,
            self._go_back,
            self._wait_begins,
            self._note_failure,
            self._end,
            log,
            journal,
        )

        self._url_of = functools.partial(
            gateway_url, encoding=options.codec.name, compress=options.transport_compression
        )
        self._discovery = GatewayResolver(
            options.api, options.token, options.network, gate=options.identify_gate, holder=self._loop, log=log
        )

    # -- for the client --------------------------------------------------------------------------------------------

    @property
    def thread(self) -> threading.Thread:
        """The reconnect loop's thread: alive until nothing of the run is left."""
        return self._loop.thread

    @property
    def events_waiting(self) -> int:
        """Events that have arrived and were not yet given to their handlers."""
        return self._backlog.waiting

    @property
    def handled(self) -> Session:
        """The session up to which the handlers of every event have returned."""
        return self._dispatcher.done

    @property
    def connection(self) -> Connection | None:
        """The one that is open."""
        return self._connection

    @property
    def work(self) -> Work:
        """The event whose handler runs, and since when; of several, the one that has run for longest."""
        return self._dispatcher.handling.current

    @property
    def status(self) -> Status:
        """What the client is doing."""
        return self._status

    def start(self) -> None:
        """Start the loops, or none of them.

        Raises:
            RuntimeError: the system has no more threads to give. Nothing is left running.
        """
        self._journal.begun()
        self._outbox.open()
        if self._pending is not None:
            self._pending.begin(lambda: self.finished.rung)
        # A script that ends without close() says goodbye all the same.
        atexit.register(self.stop, KEEP_SESSION if self._lease else 1000, "")
        try:
            with contextlib.ExitStack() as undo:
                undo.callback(self._finish)
                undo.callback(self._outbox.close)
                if self._lease is not None:
                    undo.callback(self._lease.end)
                    self._lease.start(self._position, self._unfinished, self.failed)
                self._dispatcher.start(self._session)
                undo.callback(self._dispatcher.join, HANDLER_GRACE)
                undo.callback(self._backlog.finish)
                undo.callback(self._keep_taps)
                self._loop.thread.start()  # the last: it connects
                undo.pop_all()
        except RuntimeError as error:
            raise RuntimeError(
                f"connect() cannot start a thread ({error}): the process or the system has too many; nothing was "
                "connected"
            ) from error

    def stop(self, code: int, reason: str) -> None:
        """Close the connection and end the loops; waits for that, `CLOSE_BOUND` seconds at the most.

        A handler that calls this is not waited for: it ends when it returns.
        """
        if not self.disconnected.rung:
            self._set_status(Status.CLOSING)
        self._dispatcher.drop_events()
        self._end_taps(None)
        self._loop.post(Stop(code, reason))
        if self.thread.ident is None:
            return  # called by a signal handler in the middle of `start`, which has to go on for the run to end
        if self._dispatcher.handling.is_current_thread():
            self.disconnected.wait(CLOSE_BOUND)
            return
        # The handler that runs now has until then to return; it may be one that called close() itself, long ago.
        if self.finished.wait(CLOSE_BOUND - HANDLER_GRACE - 0.1):
            self._loop.thread.join(HANDLER_GRACE)
            return
        self._handlers_done.ring()
        self.finished.wait(HANDLER_GRACE + 0.1)

    def abandon(self) -> None:
        """Leave this run to the parent, in a child process that was forked while it went on.

        None of its threads is there, unless a handler has forked: that one ends when the handler returns.
        """
        atexit.unregister(self.stop)
        self._lock = threading.RLock()
        self._status = Status.CLOSED
        self.error = NotConnected(FORKED)
        self._connection = None
        self._taps_ended = True
        # Not set but replaced: a thread of the parent may have held their locks.
        self.disconnected, self.finished, self._handlers_done = SignalSafeEvent(), SignalSafeEvent(), SignalSafeEvent()
        for bell in (self.disconnected, self.finished, self._handlers_done):
            bell.ring()
        self._dispatcher.abandon()

    def restart(self, code: int, reason: str) -> None:
        """Close the connection and resume on a new one; does not wait."""
        self._loop.post(Restart(code, reason))

    @property
    def delivers_here(self) -> bool:
        """Whether the caller is on the thread that brings events."""
        return self._dispatcher.is_current_thread()

    @property
    def waits_for_caller(self) -> bool:
        """Whether the caller is a handler, or on the dispatcher: what the end of the run waits for."""
        return self.delivers_here or self._dispatcher.handling.is_current_thread()

    # -- handlers --------------------------------------------------------------------------------------------------

    def _make_handling(self, dispatcher: threading.Thread, made_room: Callable[[], None]) -> HandlerExecutor:
        options = self._options
        needs = self._emitter, options.slow_handler_warning, self._timers, self._log
        make_runner = functools.partial(Runner, *needs)
        if self._pending is not None:
            return CallerExecutor(make_runner, self._pending, made_room, self._log, self._progressed)
        if options.workers:
            return WorkerExecutor(make_runner, options.name, options.workers, made_room, self.failed, self._progressed)
        return InlineExecutor(*needs, dispatcher)

    def _backlog_is_stuck(self) -> None:
        """Report it. Raises nothing: the reader has yet to hand over the events that it holds."""
        try:
            work = self.work
            self._paused = True
            self._journal.paused(time.monotonic(), self._options.backlog, work and work[0])
            self._dispatcher.handling.backlog_is_stuck(self._options.backlog)
        except BaseException as error:
            self.failed(error)

    def _handlers_end(self) -> None:
        self._end_taps(self.error)
        self._handlers_done.ring()

    def _keep_taps(self) -> None:
        with self._lock:
            self._taps_ended = True

    def _end_taps(self, error: GatewayError | None) -> None:
        """Tell those who wait for events; once, as others may begin to wait for the next run's."""
        with self._lock:
            ended, self._taps_ended = self._taps_ended, True
        if not ended:
            self._taps.end(error)

    # -- for all loops ---------------------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """The calling thread cannot go on: log it, and end the run with an error. Raises nothing."""
        self._loop.post(Fail(self._note_failure(error)))

    def _note_failure(self, error: BaseException) -> ThreadFailed:
        failure = ThreadFailed(threading.current_thread().name, error)
        with contextlib.suppress(BaseException):  # it may be a log handler that failed
            self._log.critical("%s", failure, exc_info=error)
        return failure

    # -- for the connections, on their threads ---------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """The websocket is open."""
        self._recovery.connected()
        self._connection = connection
        self._journal.connected(time.monotonic())
        self._connections += 1
        self._counters.count(reconnects=int(self._connections > 1))

    def introduced(self, connection: Connection, op: Opcode) -> None:
        """IDENTIFY or RESUME was written."""
        self._journal.introduced(time.monotonic(), None if op is Opcode.IDENTIFY else self._session)
        if op is Opcode.IDENTIFY:
            self._options.identify_gate.sent(self._options.shard[0], self._loop, time.monotonic())
            self._counters.count(identifies=1)
            self._set_status(Status.IDENTIFYING)
        else:
            self._set_status(Status.RESUMING)

    def live(self, connection: Connection, resumed: bool) -> None:
        """READY or RESUMED came."""
        self._log.info("%s", "resumed" if resumed else "ready")
        # RESUMED is an event itself, and was missed by nobody.
        self._journal.live(time.monotonic(), self._session, connection.events - 1 if resumed else None)
        self._counters.count(resumes=int(resumed))
        if not resumed:
            self._begun = replace(self._session)
            if self._lease is not None:
                self._lease.save_soon()
        self._set_status(Status.READY)
        self._outbox.live(connection)
        self.presence.flush()

    def acknowledged(self, connection: Connection, latency: float) -> None:
        """A heartbeat was acknowledged."""
        self._journal.acknowledged(time.monotonic(), latency)

    def received(self, connection: Connection) -> None:
        """Something arrived, and has been handed over."""
        if self._paused:
            self._paused = False
            if self.status is not Status.CLOSING:
                self._journal.reading_again(time.monotonic())

    def ended(self, connection: Connection, report: ConnectionReport) -> None:
        """The connection is over."""
        self._outbox.down(connection)
        if self._connection is connection:
            self._connection = None
        self._loop.post(report)

    # -- for the reconnect loop, on its thread ---------------------------------------------------------------------

    def _wait_begins(self) -> None:
        self._set_status(Status.WAITING)
        if self._lease is not None:
            self._lease.progressed()  # the session may be over

    def _connect(self, attempt: ConnectPlan, generation: int) -> Connection:
        self._set_status(Status.CONNECTING)
        return Connection(self._blueprint, attempt, functools.partial(self._find_url, attempt), generation, self)

    # -- for the connections, on their readers, before they connect --------------------------------------------------

    def _find_url(self, attempt: ConnectPlan, deadline: Deadline, interrupt: Wakeup) -> GatewayURL:
        options = self._options
        url = self._resume_url() if attempt.at_resume_url else None
        if url is None:
            base = options.url or self._discovery.url(attempt.resume, deadline, interrupt)
            url = self._url_of(base, port=options.port)
        self._log.info("connecting to %s", url.host)
        self._journal.connecting(time.monotonic(), url.host, attempt.resume)
        return url

    def _resume_url(self) -> GatewayURL | None:
        """The session's own URL, if it is one to use."""
        if self._session.resume_url is None:
            return None
        try:
            resume_url = self._url_of(self._session.resume_url, default_port=self._options.port)
        except ValueError as error:
            self._log.warning("resuming at the base URL, since the gateway gave a resume URL that is none: %s", error)
            return None
        if self._options.secure and not resume_url.secure:
            self._log.warning("resuming at the base URL: the resume URL would send the token without TLS")
            return None
        return resume_url

    # -- for itself ------------------------------------------------------------------------------------------------

    def _set_status(self, status: Status) -> None:
        """Change the status. A run that is closing can only become closed, and then stays so."""
        with self._lock:
            if self._status is Status.CLOSED or (self._status is Status.CLOSING and status is not Status.CLOSED):
                return
            self._status = status

    def _end(self, error: GatewayError | None) -> None:
        """No connection is left: settle everything else. Raises nothing."""
        self.error = error
        self._set_status(Status.CLOSING)  # before anybody is told, so that nobody begins to wait for what has ended
        for step in (
            self._outbox.close,
            self._report_error,
            self._backlog.finish,
            self._settle_session,
            self._settle_lease,
            self._write_journal,
            self.disconnected.ring,
            self._wait_for_handlers,
            self._end_lease,
            self._timers.stop,
        ):
            try:
                step()
            except BaseException as mistake:  # the other steps are done all the same
                self.error = self.error or self._note_failure(mistake)
        self._finish()

    def _report_error(self) -> None:
        if (error := self.error) is not None:
            self._backlog.signal("error", error, "close")
            if not isinstance(error, ThreadFailed):  # which was logged with its traceback
                self._log.error("%s", error)

    def _settle_lease(self) -> None:
        """Make the session file say where the session ended, before a later run may begin."""
        if self._lease is not None:
            self._lease.settle()

    def _write_journal(self) -> None:
        if self.error is not None:
            self._journal.gave_up(time.monotonic(), self.error)
        else:
            self._journal.closed(time.monotonic(), self._session if self._session.resumable else None)

    def _wait_for_handlers(self) -> None:
        self._handlers_done.wait()
        if not self._dispatcher.join(HANDLER_GRACE):
            work = self._dispatcher.handling.current
            self._log.warning(
                "close() does not wait for the handler of %s any longer: its thread ends when it returns",
                work and work[0],
            )
        if lost := self._dispatcher.not_given:
            self._log.info("%d events had arrived and were not given to their handlers when the client closed", lost)

    def _end_lease(self) -> None:
        if self._lease is not None:
            self._lease.end()

    def _finish(self) -> None:
        """Nothing is left of the run: say so."""
        atexit.unregister(self.stop)
        self.disconnected.ring()
        self._set_status(Status.CLOSED)
        self.finished.ring()
        if self._pending is not None:
            self._pending.wake()

    # -- the session file ------------------------------------------------------------------------------------------

    def _position(self) -> Session | None:
        """The session as far as its handlers have got; None when it is over."""
        begun, done = self._begun, self._dispatcher.done
        if not self._session.resumable or self._session.id != begun.id:
            return None
        return replace(begun, seq=done.seq) if done.id == begun.id else begun

    def _unfinished(self) -> Session | None:
        """The session before the first event whose handlers have not returned; None when all have. For an ended run."""
        return None if self._dispatcher.is_idle else self._dispatcher.done

    # -- the end, on the reconnect loop's thread -------------------------------------------------------------------

    def _settle_session(self) -> None:
        """Leave the session as the next `connect` should find it."""
        stop = self._loop.stop
        if stop is None or stop.code in ENDS_SESSION:
            self._session.clear()
            return
        if self._dispatcher.not_given:
            self._set_session_back(self._dispatcher.given)

    def _go_back(self) -> None:
        """An event could not be read: the next connection begins after the last that could."""
        self._set_session_back(self._backlog.given)
        self._backlog.go_on()

    def _set_session_back(self, given: Session) -> None:
        """Make the next RESUME bring again what came after `given`."""
        if given.id == self._session.id:
            self._session.seq = given.seq
        else:  # it was of a session that is over, and the next has begun without its handlers
            self._session.clear()
