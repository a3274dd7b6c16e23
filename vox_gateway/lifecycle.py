"""Starts and ends the runs of a client, and holds the state that they share.

`Client` calls this on its callers' threads. A run is a `Shard`, which has threads of its own; whatever a run publishes
about itself is read here and nowhere else in the client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from .concurrency.fork import FORKED, ForkCheck
from .concurrency.signals import defer_sigint
from .config import CALLER, Options
from .diagnostics.snapshot import ClientSnapshot
from .diagnostics.stats import Stats, Status
from .dispatch.emitter import Emitter
from .dispatch.executors import CallerQueue
from .dispatch.guilds import GuildTracker
from .dispatch.stream import EventStream
from .dispatch.subscriptions import Subscribers
from .errors import AlreadyConnected, GatewayError, NotConnected, StreamEnded
from .intents import Intents, missing_intent_warning
from .log import ShardLog
from .protocol.state import State
from .session.state import Session
from .session.writer import Loaded, SessionLease, SessionWriter
from .shard.run_state import RunState
from .shard.sender import CommandSender
from .shard.shard import ClientParts, Shard

__all__ = ["Lifecycle"]


class Lifecycle:
    """The runs of a client in a process. At most 1 of them is connected.

    Args:
        options: the client's checked arguments.
        emitter: has the handlers.

    Attributes:
        subscribers: receive the events of every run.
        fork: refuses calls in a forked child until `start`.
        sender: sends the commands of the run that is connected.
        guilds: has the states of the guilds, over all runs.
    """

    def __init__(self, options: Options, emitter: Emitter, log: ShardLog) -> None:
        self._options = options
        self._emitter = emitter
        self._log = log
        self.subscribers: Subscribers = Subscribers(options.shard[0])
        self._before = RunState()  # what the first run of this process continues
        self.fork: ForkCheck = ForkCheck(log)
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
        self._warned: set[str] = set()  # the names of streams whose missing intents were logged
        store, thread_name = self._options.session_store, f"{self._options.name}-session-file"
        self._session_writer = None if store is None else SessionWriter(thread_name, store, self._log)
        # Held by `start` alone, also while a session store takes long to load; `close` does not wait for that.
        self._starting = threading.RLock()
        self._is_loading = False  # guarded by `_lock`, as is the next
        self._closed_early: tuple[int, str] | None = None  # `close` was called while the store was loaded

    # -- starting and ending ---------------------------------------------------------------------------------------

    def start(self) -> Shard:
        """Start a run and return it.

        Raises:
            AlreadyConnected: a run is connected, or another client uses the session file.
            ValueError: the session file belongs to another bot or shard, or is not a session file.
            OSError: the session file cannot be read.
            RuntimeError: a thread cannot be started; nothing was connected.
            Exception: any exception that the session store raises.
        """
        with self._starting:
            loaded = self._load_ahead()
            with self._lock:
                previous = self._check_disconnected()
                self._warn_of_missing_intents(self._emitter.heard_events())
                with defer_sigint():
                    run = self._start_after(previous, loaded)
                close, self._closed_early = self._closed_early, None
        if close is not None:
            run.stop(*close)
        return run

    def _check_disconnected(self) -> Shard | None:
        """Return the run before. Raises AlreadyConnected if it is connected."""
        previous = self._run
        if previous is not None and not previous.disconnected.is_set():
            raise AlreadyConnected("the client is connected already: call close() first")
        return previous

    def _load_ahead(self) -> Loaded | None:
        """Load the session from a store that may take long, without a lock and with Ctrl-C at work."""
        if self._session_writer is None:
            return None
        with self._lock:
            self._check_disconnected()
            self._is_loading, self._closed_early = True, None
        try:
            return self._session_writer.load_ahead()
        finally:
            with self._lock:
                self._is_loading = False

    def _start_after(self, previous: Shard | None, loaded: Loaded | None) -> Shard:
        state, lease = self.state, None
        if self._session_writer is not None:
            lease, session = self._session_writer.acquire(state.session, loaded)
            state = replace(state, ended_session=session)
        try:
            run = self._run = self._make_run(previous, state, lease)
            self.fork.mark_connected()
            run.start()
        except BaseException:
            self._run = previous
            if lease is not None:
                lease.end()
            raise
        return run

    def _make_run(self, previous: Shard | None, state: RunState, lease: SessionLease | None) -> Shard:
        parts = ClientParts(
            options=self._options,
            emitter=self._emitter,
            subscribers=self.subscribers,
            guilds=self.guilds,
            caller_queue=self._caller_queue,
            sender=self.sender,
            log=self._log,
        )
        presence = self._options.presence if previous is None else previous.presence.newest
        return Shard(parts, initial=state, presence=presence, lease=lease)

    def run(self, on_interrupt: Callable[[], None]) -> None:
        """Start a run and wait until it has ended; run handlers here with ``handlers="caller"``.

        Args:
            on_interrupt: called on Ctrl-C; closes the run.

        Raises:
            GatewayError: the error that ended the run, or of `start`.
            ValueError, OSError, RuntimeError: see `start`.
        """
        run = None
        try:
            run = started = self.start()
            if self._caller_queue is not None:
                self._caller_queue.run_until(lambda: started.closed.is_set())  # noqa: PLW0108  # a forked child replaces the event
            run.closed.wait()
        except KeyboardInterrupt:
            on_interrupt()
        if run is not None:
            _join(run)

    def close(self, code: int, reason: str, reconnect: bool) -> None:
        """Close the connection, if any, and unless `reconnect` end the run."""
        with self._lock:
            run = self._run
            if self._is_loading and not reconnect:
                self._closed_early = code, reason
        if run is None or run.closed.is_set():
            return
        if reconnect:
            run.restart(code, reason)
        else:
            run.stop(code, reason)

    def wait_closed(self, timeout: float | None) -> bool:
        """Wait until no run is left, and return whether that is so.

        Args:
            timeout: seconds; None to wait without a limit.

        Raises:
            GatewayError: the error that ended the newest run.
            RuntimeError: called by a handler, for which the run would wait in turn; 0 as `timeout` is allowed.
        """
        run = self._run
        if run is None:
            return True
        if timeout != 0 and not run.closed.is_set() and run.waits_for_caller:
            raise RuntimeError(
                "a handler must not wait until the client is closed, since the client waits for the handler to return: "
                "return from the handler, or wait on another thread"
            )
        if not run.closed.wait(timeout):
            return False
        _join(run)
        return True

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

    def send(self, name: str, encoded: bytes, timeout: float | None) -> None:
        """Send an encoded command.

        Args:
            name: of its opcode.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: it was not sent in time.
            NotConnected: no run is under way, or it was closed while this waited.
        """
        self.fork.raise_if_forked(f"{name} was not sent")
        self.sender.send(name, encoded, timeout)

    def update_presence(self, name: str, presence: dict[str, Any], encoded: bytes, timeout: float | None) -> None:
        """Wait until the run is ready, then hand over the presence. It is sent as soon as the limits allow.

        Args:
            name: of the opcode.
            presence: what the next IDENTIFY holds.
            encoded: the command with `presence`.
            timeout: seconds to wait for READY; None to wait without a limit.

        Raises:
            CommandTimeout: the run was not ready in time.
            NotConnected: no run is under way, or it was closed while this waited.
        """
        self.fork.raise_if_forked(f"{name} was not sent")
        self.sender.wait_to_send(name, timeout)
        if (run := self._run) is not None:
            run.presence.update(presence, encoded)

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
            self._check_thread()
        return not self.fork.warn_if_forked() and self.guilds.wait(timeout)

    def open_stream(self, names: tuple[str, ...], maxsize: int, overflow: str) -> EventStream[Any]:
        """Return a stream that collects the events of `names`."""
        new = [name for name in dict.fromkeys(names) if name not in self._warned]
        self._warn_of_missing_intents(new)
        self._warned.update(new)
        return EventStream(
            names,
            maxsize=maxsize,
            overflow=overflow,
            subscribers=self.subscribers,
            check_thread=self._check_taking,
            log=self._log,
        )

    def wait_for(self, name: str, check: Callable[[Any], object] | None, timeout: float | None) -> Any:
        """Return the data of the next event `name` for which `check` is true.

        Raises:
            TimeoutError: it did not arrive within `timeout` seconds.
            NotConnected: no run is under way, or it was closed while this waited.
            GatewayError: the error that ended the run.
            RuntimeError: called on the thread that brings the event.
        """
        self._check_thread()
        with self.open_stream((name,), 0, "drop") as events:
            self._check_running(name)
            try:
                return events.wait(check, timeout)
            except StreamEnded:
                raise NotConnected(f"{name} did not come: the client was closed") from None

    def dispatch_pending(self, limit: int | None, timeout: float | None) -> int:
        """Run the handlers of events that have arrived, and return for how many events.

        Args:
            limit: number of events; None for all.
            timeout: seconds to wait for the first; None to wait without a limit.

        Raises:
            RuntimeError: the client runs handlers on threads of its own.
        """
        if self._caller_queue is None:
            raise RuntimeError("the client runs handlers on its own thread: make it with handlers='caller'")
        self.fork.warn_if_forked()
        return self._caller_queue.run(limit, timeout)

    def check_waiting(self, what: str) -> None:
        """Check that the caller may wait for an answer, and that it can arrive.

        Args:
            what: a description of the answer.

        Raises:
            RuntimeError: called on the thread that brings the answer.
            NotConnected: no run is under way.
        """
        self._check_thread()
        self._check_running(what)

    def _check_taking(self) -> None:
        self._check_thread()
        self.fork.raise_if_forked("no event can come")

    def _check_thread(self) -> None:
        run = self._run
        if run is not None and run.delivers_here:
            raise RuntimeError(
                "a handler must not wait for events on the thread that would bring them: wait on another thread, or "
                "make the client with workers=, whose handlers may"
            )

    def _check_running(self, what: str) -> None:
        self.fork.raise_if_forked(f"{what} cannot come")
        run = self._run
        if run is None or run.disconnected.is_set() or run.state.status in (Status.CLOSING, Status.CLOSED):
            raise NotConnected(f"{what} cannot come: the client is not connected; call connect() first")

    def _warn_of_missing_intents(self, events: Iterable[str]) -> None:
        for event in events:
            if warning := missing_intent_warning(event, self._options.intents):
                self._log.warning("%s", warning)

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """The state of the newest run; before the first, that of a client that never ran."""
        run = self._run
        return self._before if run is None else run.state

    @property
    def status(self) -> Status:
        """The state of the newest run."""
        return self.state.status

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


def _join(run: Shard) -> None:
    """Wait for the last steps of a finished run. Raises the error that ended it."""
    run.thread.join()
    if run.error is not None:
        raise run.error
