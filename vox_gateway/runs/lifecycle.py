"""Starts and ends the runs of a client, and holds the state that they share.

`Client` calls this on its callers' threads. A run is a `Shard`, which has threads of its own; whatever a run publishes
about itself is read here and nowhere else in the client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from ..concurrency.fork import FORKED, ForkCheck
from ..concurrency.signals import SignalSafeEvent, defer_sigint
from ..config import CALLER, Options
from ..diagnostics.snapshot import ClientSnapshot
from ..diagnostics.stats import Stats, Status
from ..dispatch.current_shard import CurrentShard
from ..dispatch.emitter import Emitter
from ..dispatch.executors import CallerQueue
from ..dispatch.guilds import Guilds, GuildTracker
from ..dispatch.heap import find_trim
from ..dispatch.stream import EventStream
from ..dispatch.subscriptions import Subscribers
from ..errors import AlreadyConnected, GatewayError, NotConnected
from ..intents import Intents
from ..log import ShardLog
from ..opcodes import Opcode, opcode_name
from ..protocol.state import State
from ..requests import Requester, Requests
from ..session.state import Session
from ..session.writer import Loaded, SessionLease, SessionWriter
from ..shard.run_state import RunState
from ..shard.sender import CommandSender
from ..shard.shard import ClientParts, MakeFilter, Shard
from ..shard.threads import SharedThreads
from .receiver import Receiver

__all__ = ["Lifecycle", "Run", "Runs", "join_run", "run_until_closed"]


class Run(Protocol):
    """What was started: a shard, or many."""

    @property
    def thread(self) -> threading.Thread:
        """The last thread to end."""

    @property
    def closed(self) -> SignalSafeEvent:
        """Set when nothing is left of the run."""

    @property
    def error(self) -> GatewayError | None:
        """What ended the run."""


class Runs(Protocol):
    """What a client asks of its connection, or of all of them. See the methods of the same names of `Lifecycle`."""

    @property
    def receiver(self) -> Receiver:
        """The caller's side of the events."""

    def start(self) -> Run:
        """See `Lifecycle`."""

    def run(self, on_interrupt: Callable[[], None]) -> None:
        """See `Lifecycle`."""

    def close(self, code: int, reason: str, reconnect: bool) -> None:
        """See `Lifecycle`."""

    def wait_closed(self, timeout: float | None) -> bool:
        """See `Lifecycle`."""

    def wait_until_ready(self, timeout: float | None) -> bool:
        """See `Lifecycle`."""

    def after_fork(self) -> None:
        """See `Lifecycle`."""

    def make_requester(self) -> Requests:
        """See `Lifecycle`."""

    def send(self, op: int, data: Any, timeout: float | None) -> None:
        """See `Lifecycle`."""

    def update_presence(self, presence: dict[str, Any], timeout: float | None) -> None:
        """See `Lifecycle`."""

    def wait_until_guilds(self, timeout: float | None) -> bool:
        """See `Lifecycle`."""

    @property
    def guild_view(self) -> Guilds:
        """See `Lifecycle`."""

    @property
    def status(self) -> Status:
        """See `Lifecycle`."""

    @property
    def latency(self) -> float:
        """See `Lifecycle`."""

    @property
    def latencies(self) -> tuple[float, ...]:
        """See `Lifecycle`."""

    @property
    def session(self) -> Session:
        """See `Lifecycle`."""

    @property
    def handled(self) -> Session:
        """See `Lifecycle`."""

    @property
    def stats(self) -> Stats:
        """See `Lifecycle`."""

    def explain(self) -> str:
        """See `Lifecycle`."""

    def health(self) -> dict[str, Any]:
        """See `Lifecycle`."""

    def in_short(self) -> str:
        """See `Lifecycle`."""


class Lifecycle:
    """The runs of a shard in a process. At most 1 of them is connected.

    Args:
        options: the client's checked arguments.
        emitter: has the handlers.
        fork: of the client, if it has several shards.

    Attributes:
        subscribers: receive the events of every run.
        receiver: the caller's side of the events.
        fork: refuses calls in a forked child until `start`.
        sender: sends the commands of the run that is connected.
        guilds: has the states of the guilds, over all runs.
    """

    def __init__(self, options: Options, emitter: Emitter, log: ShardLog, fork: ForkCheck | None = None) -> None:
        self._options = options
        self._emitter = emitter
        self._log = log
        self.subscribers: Subscribers = Subscribers(options.shard[0])
        self.receiver: Receiver = Receiver(options, self, log)
        self._before = RunState()  # what the first run of this process continues
        self.fork: ForkCheck = fork or ForkCheck(log)
        find_trim()
        self._renew()

    def _renew(self) -> None:
        """Create the state that belongs to a process: everything but the subscribers and the initial state."""
        # Guards `_run`: concurrent calls of `start` make a single run. Taken by any caller. Reentrant, since a signal
        # handler may close during `start`.
        self._lock = threading.RLock()
        self._run: Shard | None = None  # the newest
        self.sender: CommandSender = CommandSender()
        self.guilds: GuildTracker = GuildTracker(bool(self._options.intents & Intents.GUILDS), self._log)
        self._caller_queue = CallerQueue() if self._options.handlers == CALLER else None
        store, thread_name = self._options.session_store, f"{self._options.name}-session-file"
        self._session_writer = None if store is None else SessionWriter(thread_name, store, self._log)
        # Held by `start` alone, also while a session store takes long to load; `close` does not wait for that.
        self._starting = threading.RLock()
        # While there is no run to close yet, `close` is noted below. Both are guarded by `_lock`.
        self._is_starting = False
        self._closed_early: tuple[int, str] | None = None

    # -- starting and ending ---------------------------------------------------------------------------------------

    def start(
        self,
        threads: SharedThreads | None = None,
        on_closed: Callable[[], None] | None = None,
        make_filter: MakeFilter | None = None,
    ) -> Shard:
        """Start a run and return it.

        Args:
            threads: what it has in common with other shards; None to make them.
            on_closed: called when nothing is left of the run, on its last thread.
            make_filter: see `Shard.filter_events`.

        Raises:
            AlreadyConnected: a run is connected, or another client uses the session file.
            ValueError: the session file belongs to another bot or shard, or is not a session file.
            OSError: the session file cannot be read.
            RuntimeError: a thread cannot be started; nothing was connected.
            Exception: any exception that the session store raises.
        """
        with self._starting:
            with self._lock:
                self._check_disconnected()
                self._is_starting, self._closed_early = True, None
            try:
                # A store may take long to load: without the lock, and with Ctrl-C at work.
                loaded = None if self._session_writer is None else self._session_writer.load_ahead()
                with self._lock:
                    previous = self._check_disconnected()
                    with defer_sigint():
                        make_run = self._run_maker(previous, threads or self._make_threads(), on_closed, make_filter)
                        run = self._start_after(previous, loaded, make_run)
                    self._is_starting = False
                    close = self._closed_early
            finally:  # after an error too
                with self._lock:
                    self._is_starting = False
        if close is not None:
            run.stop(*close)
        return run

    def use_url(self, url: str | None) -> None:
        """Connect to this URL of the gateway from the next run on; None to ask for it."""
        self._options = replace(self._options, url=url)

    def _check_disconnected(self) -> Shard | None:
        """Return the run before. Raises AlreadyConnected if it is connected."""
        previous = self._run
        if previous is not None and not previous.disconnected.is_set():
            raise AlreadyConnected("the client is connected already: call close() first")
        return previous

    def _start_after(
        self, previous: Shard | None, loaded: Loaded | None, make_run: Callable[[RunState, SessionLease | None], Shard]
    ) -> Shard:
        state, lease = self.state, None
        if self._session_writer is not None:
            lease, session = self._session_writer.acquire(state.session, loaded)
            state = replace(state, ended_session=session)
        try:
            run = self._run = make_run(state, lease)
            self.fork.mark_connected()
            run.start()
        except BaseException:
            self._run = previous
            if lease is not None:
                lease.end()
            raise
        return run

    def _run_maker(
        self,
        previous: Shard | None,
        threads: SharedThreads,
        on_closed: Callable[[], None] | None,
        make_filter: MakeFilter | None,
    ) -> Callable[[RunState, SessionLease | None], Shard]:
        """Return a function that makes a run from the state that it continues and the lease of its session."""
        parts = ClientParts(
            options=self._options,
            emitter=self._emitter,
            subscribers=self.subscribers,
            guilds=self.guilds,
            sender=self.sender,
            log=self._log,
        )
        presence = self._options.presence if previous is None else previous.presence.newest

        def make_run(state: RunState, lease: SessionLease | None) -> Shard:
            run = Shard(
                parts,
                threads,
                initial=state,
                presence=presence,
                lease=lease,
                on_closed=on_closed,
                make_filter=make_filter,
            )
            if threads.caller_queue is not None and threads.caller_queue is self._caller_queue:
                self._caller_queue.begin(lambda: run.closed.is_set())  # noqa: PLW0108  # a forked child replaces the event
            return run

        return make_run

    def _make_threads(self) -> SharedThreads:
        options = self._options
        return SharedThreads(
            options.name,
            options,
            self._log,
            emitter=self._emitter,
            caller_queue=self._caller_queue,
            current=CurrentShard(),
        )

    def run(self, on_interrupt: Callable[[], None]) -> None:
        """Start a run and wait until it has ended; see `run_until_closed`."""
        run_until_closed(self.start, self._caller_queue, on_interrupt)

    def close(self, code: int, reason: str, reconnect: bool) -> None:
        """Close the connection, if any, and unless `reconnect` end the run."""
        with self._lock:
            run = self._run
            if self._is_starting and not reconnect:
                self._closed_early = code, reason
        if run is None or run.closed.is_set():
            return
        if reconnect:
            run.restart(code, reason)
        else:
            run.stop(code, reason)

    @property
    def is_saving(self) -> bool:
        """Whether a run has ended and its session is still being written."""
        return self._session_writer is not None and self._session_writer.is_saving

    def wait_closed(self, timeout: float | None) -> bool:
        """Wait until no run is left, and return whether that is so.

        Args:
            timeout: seconds; None to wait without a limit.

        Raises:
            GatewayError: the error that ended the newest run.
            RuntimeError: called by a handler, for which the run would wait in turn; 0 as `timeout` is allowed.
        """
        run = self._run
        return run is None or join_run(run, timeout, run.waits_for_caller)

    def after_fork(self) -> None:
        """Begin anew in a child process. A run that is under way belongs to the parent."""
        run = self._run
        forked = run is not None and not run.closed.is_set()
        if run is not None and forked:
            run.abandon()
            self.fork.mark_forked()
        self._before = RunState(history=self.state.history)
        for subscriber in self.subscribers.renew():
            if isinstance(subscriber, EventStream):  # the others belong to threads of the parent
                if forked:
                    subscriber.abandon(NotConnected(FORKED))
                else:
                    self.subscribers.add(subscriber, subscriber.names)
        self._renew()

    # -- sending ---------------------------------------------------------------------------------------------------

    def send(self, op: int, data: Any, timeout: float | None) -> None:
        """Send a command.

        Args:
            op: the number of its opcode.
            data: the payload's ``d``.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: it was not sent in time.
            NotConnected: no run is under way, or it was closed while this waited.
            PayloadTooLarge: it is larger than the gateway accepts.
            TypeError, ValueError: `data` holds a value that cannot be encoded.
        """
        name, encoded = opcode_name(op), self._options.encode(op, data)
        self.fork.raise_if_forked(f"{name} was not sent")
        self.sender.send(name, encoded, timeout)

    def update_presence(self, presence: dict[str, Any], timeout: float | None) -> None:
        """Wait until the run is ready, then hand over the presence. It is sent as soon as the limits allow.

        Args:
            presence: what the next IDENTIFY holds.
            timeout: seconds to wait for READY; None to wait without a limit.

        Raises:
            CommandTimeout: the run was not ready in time.
            NotConnected: no run is under way, or it was closed while this waited.
            PayloadTooLarge: it is larger than the gateway accepts.
            TypeError, ValueError: `presence` holds a value that cannot be encoded.
        """
        encoded = self._options.encode(Opcode.PRESENCE_UPDATE, presence)
        self.fork.raise_if_forked("PRESENCE_UPDATE was not sent")
        self.sender.wait_to_send("PRESENCE_UPDATE", timeout)
        self.offer_presence(presence, encoded)

    def offer_presence(self, presence: dict[str, Any], encoded: bytes) -> None:
        """Hand over the presence, to be sent when the run is ready and the limits allow. Does not wait.

        Args:
            presence: what the next IDENTIFY holds.
            encoded: the command with `presence`.
        """
        if (run := self._run) is not None:
            run.presence.update(presence, encoded)

    def make_requester(self) -> Requester:
        """Make what sends requests and waits for their answers."""
        return Requester(
            options=self._options,
            subscribers=self.subscribers,
            sender=self.sender,
            session=lambda: self.session,
            check_waiting=self.receiver.check_waiting,
            error=lambda: self.error,
            log=self._log,
        )

    # -- receiving -------------------------------------------------------------------------------------------------

    def wait_until_ready(self, timeout: float | None) -> bool:
        """Wait for READY or RESUMED, and return whether it arrived; False at once in a forked child."""
        return not self.fork.warn_if_forked() and self.sender.wait_until_ready(timeout)

    def wait_until_guilds(self, timeout: float | None) -> bool:
        """Wait until the guilds have come, and return whether they did; False at once in a forked child.

        Raises:
            ValueError: the intents bring no guilds.
            RuntimeError: called on the thread that brings them.
        """
        if not self._options.intents & Intents.GUILDS:
            raise ValueError(
                "intents: without Intents.GUILDS the gateway sends no GUILD_CREATE: add it, or wait with "
                "wait_until_ready()"
            )
        if not self.guilds.is_complete:
            self.receiver.check_thread()
        return not self.fork.warn_if_forked() and self.guilds.wait(timeout)

    @property
    def caller_queue(self) -> CallerQueue | None:
        """Where handlers wait for the caller, with ``handlers="caller"``."""
        return self._caller_queue

    @property
    def delivers_here(self) -> bool:
        """Whether the caller is on the thread that brings events."""
        run = self._run
        return run is not None and run.delivers_here

    def check_running(self, what: str) -> None:
        """Check that a run is under way.

        Args:
            what: a description of what it would bring.

        Raises:
            NotConnected: no run is under way.
        """
        run = self._run
        if run is None or run.disconnected.is_set() or run.state.status in (Status.CLOSING, Status.CLOSED):
            raise NotConnected(f"{what} cannot come: the client is not connected; call connect() first")

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """The state of the newest run; before the first, that of a client that never ran."""
        run = self._run
        return self._before if run is None else run.state

    @property
    def guild_view(self) -> Guilds:
        """The states of the guilds, for the program."""
        return self.guilds.view

    @property
    def status(self) -> Status:
        """The state of the newest run."""
        return self.state.status

    @property
    def latency(self) -> float:
        """Seconds from the last heartbeat to its acknowledgement; infinity before the first."""
        return self.state.latency

    @property
    def latencies(self) -> tuple[float, ...]:
        """The last latencies, the newest last."""
        return self.state.latencies

    @property
    def session(self) -> Session:
        """The session now."""
        return self.state.session

    @property
    def stats(self) -> Stats:
        """The counts over all runs."""
        run = self._run
        return self.state.stats(0 if run is None else run.events_waiting)

    @property
    def handled(self) -> Session:
        """The session up to the last event whose handlers have returned."""
        run = self._run
        return self.session if run is None else run.handled

    @property
    def error(self) -> GatewayError | None:
        """The error that ended the newest run."""
        return self.state.error

    def explain(self) -> str:
        """See `Client.explain`."""
        snapshot = self.snapshot()
        return "\n".join([*self.state.history.render(snapshot.now), f"now: {snapshot.describe()}"])

    def health(self) -> dict[str, Any]:
        """See `Client.health`."""
        return self.snapshot().health()

    def in_short(self) -> str:
        """The shard and its state in a few words."""
        now, (shard_id, count) = self.snapshot(), self._options.shard
        state = f"{now.in_short()} seq={now.session.seq} events_waiting={now.stats.events_waiting}"
        return f"shard={shard_id}/{count} {state}"

    def snapshot(self) -> ClientSnapshot:
        """Return all that is known now."""
        run, state = self._run, self.state
        work = None if run is None else run.executor.current
        stats, event_at = self.stats, state.event_at
        return ClientSnapshot(
            now=time.monotonic(),  # read last, so that no time in the snapshot is later
            status=state.status,
            shard=self._options.shard,
            session=state.session,
            stats=stats,
            latencies=state.latencies,
            timeline=state.history.timeline,
            slow_after=self._options.slow_handler_warning,
            open=state.state is State.AWAITING_HELLO,
            next_beat=state.next_beat,
            event_at=event_at,
            work=work,
            forked=self.fork.forked,
        )


def run_until_closed(
    start: Callable[[], Run], caller_queue: CallerQueue | None, on_interrupt: Callable[[], None]
) -> None:
    """Start a run and wait until it has ended; run handlers here with ``handlers="caller"``.

    Args:
        on_interrupt: called on Ctrl-C; closes the run.

    Raises:
        GatewayError: the error that ended the run.
        Exception: any exception that `start` raised.
    """
    run = None
    try:
        run = started = start()
        if caller_queue is not None:
            caller_queue.run_until(lambda: started.closed.is_set())  # noqa: PLW0108  # a forked child replaces the event
        run.closed.wait()
    except KeyboardInterrupt:
        on_interrupt()
    if run is not None:
        join_run(run, None, waits_for_caller=False)


def join_run(run: Run, timeout: float | None, waits_for_caller: bool) -> bool:
    """Wait until a run has ended, and return whether it has.

    Args:
        timeout: seconds; None to wait without a limit.
        waits_for_caller: whether the end of the run waits for the caller, as it is a handler.

    Raises:
        GatewayError: the error that ended the run.
        RuntimeError: the caller is a handler; 0 as `timeout` is allowed.
    """
    if timeout != 0 and not run.closed.is_set() and waits_for_caller:
        raise RuntimeError(
            "a handler must not wait until the client is closed, since the client waits for the handler to return: "
            "return from the handler, or wait on another thread"
        )
    if not run.closed.wait(timeout):
        return False
    run.thread.join()
    if run.error is not None:
        raise run.error
    return True
