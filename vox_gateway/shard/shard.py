"""One run of a client, from `connect` to `close`: its threads, wired to each other.

`docs/design.md` has a picture of them. The supervisor's thread is the last to end: when a run has no connection left,
it ends the others.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..concurrency.clock import seconds_until
from ..concurrency.fork import FORKED
from ..concurrency.signals import SignalSafeEvent
from ..config import Options
from ..discovery.resolver import GatewayResolver
from ..dispatch.dispatcher import Dispatcher, DispatcherConfig, EventFilter
from ..dispatch.emitter import Emitter
from ..dispatch.event_queue import EventQueue
from ..dispatch.executors import CallerExecutor, HandlerExecutor, InlineExecutor, WorkerExecutor
from ..dispatch.executors.runner import RunnerConfig
from ..dispatch.guilds import GuildTracker
from ..dispatch.progress import InlineProgress, Progress, TrackedProgress
from ..dispatch.subscriptions import Subscribers
from ..errors import GatewayError, NotConnected, ThreadFailed
from ..log import ShardLog
from ..opcodes import KEEP_SESSION
from ..protocol.state import State
from ..session.state import Session
from ..session.writer import SessionLease
from .connection import ConnectionConfig
from .failure import log_failure
from .messages import Close, DecodeFailed, Fail, HandlersDone, Mailbox, QueueDrained, Reconnect, StopWaiting
from .presence import Presence
from .run_state import RunState
from .sender import CommandSender
from .supervisor import Supervisor
from .threads import CLOSE_BOUND, SharedThreads
from .url_finder import URLFinder

__all__ = ["ClientParts", "MakeFilter", "Shard", "wait_stopped"]

#: makes a filter for the events of a shard
MakeFilter = Callable[[Dispatcher], EventFilter]
#: seconds that the dispatcher has to end once `close` waits for its handler no longer, which is `CLOSE_BOUND` less this
#: and `END_MARGIN` after it was called
HANDLER_GRACE = 0.3
#: seconds of `CLOSE_BOUND` that are left for the last steps of the run, which a busy machine delays
END_MARGIN = 0.4


@dataclass(frozen=True, kw_only=True)
class ClientParts:
    """What a client lends to its runs."""

    options: Options
    emitter: Emitter
    subscribers: Subscribers
    guilds: GuildTracker
    sender: CommandSender
    log: ShardLog


class Shard:
    """The threads of a run.

    Args:
        parts: what the client lends.
        threads: what the shards of the client have in common.
        initial: the state that the run before left, or that of a client that never ran.
        presence: what the first IDENTIFY carries, or None.
        lease: of the session file.
        on_closed: called when nothing is left of the run, on its last thread.
        make_filter: see `filter_events`.

    Attributes:
        presence: the bot's presence.
        disconnected: no connection is left, and none will be made; set before `closed` while a handler still runs.
        closed: nothing is left of the run.
    """

    def __init__(
        self,
        parts: ClientParts,
        threads: SharedThreads,
        *,
        initial: RunState,
        presence: dict[str, object] | None,
        lease: SessionLease | None,
        on_closed: Callable[[], None] | None = None,
        make_filter: MakeFilter | None = None,
    ) -> None:
        options, log = parts.options, parts.log
        self.disconnected: SignalSafeEvent = SignalSafeEvent()
        self.closed: SignalSafeEvent = SignalSafeEvent()
        self._parts = parts
        self._threads = threads
        self._options = options
        self._log = log
        self._lease = lease
        self._on_closed = on_closed
        self._mailbox: Mailbox = Mailbox()
        self._forked: RunState | None = None
        self.presence: Presence = Presence(presence, parts.sender, threads.timers, self._mailbox)
        queue, executor = self._make_executor()
        self._dispatcher = Dispatcher(
            DispatcherConfig(
                shard=options.shard[0],
                current=threads.current,
                emitter=parts.emitter,
                subscribers=parts.subscribers,
                guilds=parts.guilds,
                decode=options.codec.decode,
                on_undecodable=lambda error: self._mailbox.put(DecodeFailed(error)),
                on_failure=self.failed,
                on_drained=lambda: self._mailbox.put(QueueDrained()),
                on_end=lambda: self._mailbox.put(HandlersDone()),
                before_ready=None if lease is None else lease.wait_until_saved,
            ),
            queue,
            executor,
        )
        self.filter_events(make_filter)
        holder = object()
        resolver = GatewayResolver(
            options.api, options.token, options.network, gate=options.identify_gate, holder=holder, log=log
        )
        config = ConnectionConfig(
            options=options,
            identify=lambda: options.identify(self.presence.for_identify()),
            find_url=URLFinder(options, resolver, log).find,
            queue=self._dispatcher.queue,
            mailbox=self._mailbox,
            on_failure=self.failed,
            heartbeats=threads.heartbeats,
            shared_reader=threads.reader,
            log=log,
        )
        self._supervisor = Supervisor(
            config,
            holder=holder,
            dispatcher=self._dispatcher,
            sender=parts.sender,
            presence=self.presence,
            lease=lease,
            initial=initial,
        )
        #: the supervisor's thread; alive until nothing of the run is left. A daemon, because a script that ends without
        #: `close` must not hang; the shard ends it.
        self.thread: threading.Thread = threading.Thread(
            target=self._run, name=f"{options.name}-reconnect", daemon=True
        )

    # -- for the client --------------------------------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """The run's state now."""
        return self._forked or self._supervisor.published

    @property
    def error(self) -> GatewayError | None:
        """What ended the run."""
        return self.state.error

    @property
    def events_waiting(self) -> int:
        """Events that have arrived and were not yet given to their handlers."""
        return self._dispatcher.queue.waiting

    @property
    def events_submitted(self) -> int:
        """Events that the executor has, and whose handlers have not begun."""
        return self._dispatcher.progress.waiting

    @property
    def handled(self) -> Session:
        """The session up to which the handlers of every event have returned."""
        return self._dispatcher.progress.completed

    @property
    def executor(self) -> HandlerExecutor:
        """What runs the handlers."""
        return self._dispatcher.executor

    def filter_events(self, make_filter: MakeFilter | None) -> None:
        """Let a filter select the events to dispatch; None for all."""
        self._dispatcher.filter = None if make_filter is None else make_filter(self._dispatcher)

    @property
    def is_paused(self) -> bool:
        """Whether reading is paused, since the backlog is full."""
        return self.state.history.timeline.paused_at is not None

    def start(self) -> None:
        """Start the threads, or none of them.

        Raises:
            RuntimeError: the system has no more threads to give. Nothing is left running, nor is after Ctrl-C.
        """
        parts = self._parts
        parts.sender.open()
        parts.guilds.begin(self._check_guilds_at, lambda: parts.sender.is_ready)
        try:
            with contextlib.ExitStack() as undo:
                undo.callback(self._finish)
                undo.callback(parts.sender.close)
                undo.callback(parts.guilds.end)
                if self._lease is not None:
                    undo.callback(self._lease.end)
                    self._lease.start(self._position, self._unfinished, self.failed)
                self._dispatcher.start(self.state.session)
                self._threads.join(self)
                undo.callback(self._threads.leave, self)
                undo.callback(self._dispatcher.join, HANDLER_GRACE)
                undo.callback(self._dispatcher.queue.finish)
                undo.callback(self._dispatcher.keep_subscribers)
                try:
                    self.thread.start()  # the last: it connects
                finally:
                    if self.thread.ident is not None:
                        undo.pop_all()  # from here on the supervisor's thread ends the others
        except KeyboardInterrupt:  # as that thread began
            if self.thread.ident is not None:
                self.stop(self._code_at_exit, "")
            raise
        except RuntimeError as error:
            raise RuntimeError(
                f"connect() cannot start a thread ({error}): the process or the system has too many; nothing was "
                "connected"
            ) from error

    def stop(self, code: int, reason: str) -> None:
        """Close the connection and end the threads; waits for that, `CLOSE_BOUND` seconds at most."""
        self.post_close(code, reason)
        wait_stopped([self], time.monotonic() + CLOSE_BOUND)

    def post_close(self, code: int, reason: str) -> None:
        """Begin to close the connection and to end the threads. Does not wait."""
        self._mailbox.put(Close(code, reason))

    def stop_waiting(self) -> None:
        """Do not wait any longer for handlers to return."""
        self._mailbox.put(StopWaiting())

    def close_at_exit(self) -> None:
        """The program ends without `close`: close. Does not wait."""
        self.post_close(self._code_at_exit, "")

    @property
    def _code_at_exit(self) -> int:
        return KEEP_SESSION if self._lease else 1000

    def restart(self, code: int, reason: str) -> None:
        """Close the connection, if any, and resume on another. Does not wait."""
        if (connection := self.state.connection) is not None:
            self._mailbox.put(Reconnect(connection.id, code, reason))

    def abandon(self) -> None:
        """Leave this run to the parent, in a child process that was forked while it went on.

        None of its threads is there, unless a handler has forked: that thread ends when the handler returns.
        """
        state = self._supervisor.published
        self._forked = replace(
            state,
            state=State.CLOSED,
            error=NotConnected(FORKED),
            connection=None,
            ended_session=state.session,
            history=state.history.forked(time.monotonic(), FORKED),
        )
        # Not set but replaced: those that wait for them are threads of the parent.
        self.disconnected, self.closed = SignalSafeEvent(), SignalSafeEvent()
        self.disconnected.set()
        self.closed.set()
        self._dispatcher.abandon()
        self._threads.abandon()

    @property
    def delivers_here(self) -> bool:
        """Whether the caller is on the thread that brings events."""
        return self._threads.is_dispatcher()

    @property
    def waits_for_caller(self) -> bool:
        """Whether the caller is a handler, or on the dispatcher: what the end of the run waits for."""
        return self.delivers_here or self.executor.is_current_thread()

    # -- for the threads of the run ----------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """The calling thread failed: log it, and end the run with an error. Raises nothing."""
        self.fail(log_failure(self._log, error))

    def fail(self, failure: ThreadFailed) -> None:
        """A thread has failed, which was logged: end the run with an error."""
        self._mailbox.put(Fail(failure))

    def _check_guilds_at(self, when: float) -> None:
        self._threads.timers.call_at(when, self._dispatcher.queue.check_guilds)

    def _make_executor(self) -> tuple[EventQueue, HandlerExecutor]:
        options, parts, threads = self._options, self._parts, self._threads
        config = RunnerConfig(parts.emitter, options.slow_handler_warning, threads.timers, self._log)
        on_completed = None if self._lease is None else self._lease.progressed
        shard, current = options.shard[0], threads.current
        if threads.caller_queue is None and threads.workers is None:
            inline = InlineProgress(on_completed)
            return self._make_queue(inline), InlineExecutor(config, inline, thread=threads.dispatcher_of(shard))
        progress = TrackedProgress(on_completed)
        queue = self._make_queue(progress)
        if threads.caller_queue is not None:
            pending = threads.caller_queue
            return queue, CallerExecutor(
                config, progress, queue.made_room, pending=pending, shard=shard, current=current
            )
        assert threads.workers is not None, "the client has workers"
        return queue, WorkerExecutor(
            progress, queue.made_room, pool=threads.workers, shard=shard, current=current, log=self._log
        )

    def _make_queue(self, progress: Progress) -> EventQueue:
        options = self._options
        return EventQueue(
            options.backlog, options.backlog_bytes, progress, self._threads.dispatcher_of(options.shard[0]).inbox
        )

    # -- the supervisor's thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        supervisor, dispatcher = self._supervisor, self._dispatcher
        for step in (
            supervisor.run,
            self._parts.sender.close,
            self._parts.guilds.end,
            self._report_error,
            dispatcher.queue.finish,
            supervisor.end_session,
            self._settle_lease,
            self._write_history,
            self.disconnected.set,
            supervisor.wait_for_handlers,
            self._leave_handlers,
            self._end_lease,
            self._leave_threads,
            supervisor.take_all,
        ):
            try:
                step()
            except BaseException as mistake:  # the other steps are done all the same
                failure = log_failure(self._log, mistake)
                if self.error is None:
                    supervisor.publish(error=failure)
        self._finish()

    def _report_error(self) -> None:
        if (error := self.error) is not None:
            self._dispatcher.queue.signal("error", error, "close")
            if not isinstance(error, ThreadFailed):  # which was logged with its traceback
                self._log.error("%s", error)

    def _settle_lease(self) -> None:
        """Make the session file say where the session ended, before a later run may begin."""
        if self._lease is not None:
            self._lease.settle()

    def _write_history(self) -> None:
        state, now = self._supervisor.published, time.monotonic()
        if state.error is not None:
            history = state.history.gave_up(now, state.error)
        else:
            history = state.history.closed(now, state.session if state.session.resumable else None)
        self._supervisor.publish(history=history)

    def _leave_handlers(self) -> None:
        dispatcher = self._dispatcher
        dispatcher.end_subscribers(self.error)
        if not dispatcher.join(HANDLER_GRACE):
            work = self.executor.current
            self._log.warning(
                "close() does not wait for %s any longer: its thread ends when it returns",
                "the dispatcher" if work is None else f"the handler of {work[0]}",
            )
        if lost := dispatcher.undelivered:
            self._log.info("%d events had arrived and were not given to their handlers when the client closed", lost)

    def _end_lease(self) -> None:
        if self._lease is not None:
            self._lease.end()

    def _leave_threads(self) -> None:
        self._threads.leave(self)

    def _finish(self) -> None:
        """Nothing is left of the run: say so."""
        self._supervisor.move(State.CLOSED)
        self.disconnected.set()
        self.closed.set()
        if self._threads.caller_queue is not None:
            self._threads.caller_queue.wake()
        if self._on_closed is not None:
            self._on_closed()

    # -- the session file ------------------------------------------------------------------------------------------

    def _position(self) -> Session | None:
        """The session as far as its handlers have got; None when it is over."""
        state, done = self.state, self._dispatcher.progress.completed
        begun, session = state.begun, state.session
        if not session.resumable or session.id != begun.id:
            return None
        return begun.at(done.seq) if done.id == begun.id else begun

    def _unfinished(self) -> Session | None:
        """The session before the first event whose handlers have not returned; None when all have. For an ended run."""
        return None if self._dispatcher.progress.is_idle else self._dispatcher.progress.completed


def wait_stopped(shards: Sequence[Shard], until: float) -> None:
    """Wait until shards have ended after `post_close`, until the monotonic time `until` at most.

    A handler that calls this is not waited for: it ends when it returns.
    """
    # A signal handler may call this in the middle of `start`, which has to go on for the run to end.
    started = [shard for shard in shards if shard.thread.ident is not None]
    if any(shard.executor.is_current_thread() for shard in started):
        for shard in started:
            shard.disconnected.wait(seconds_until(until))
        return
    # The handler that runs now has until then to return; it may be the handler that called close(), long ago.
    late = []
    for shard in started:
        if shard.closed.wait(seconds_until(until - HANDLER_GRACE - END_MARGIN)):
            shard.thread.join(HANDLER_GRACE)
        else:
            late.append(shard)
    for shard in late:
        shard.stop_waiting()
    for shard in late:
        shard.closed.wait(seconds_until(until))
