"""The client: the face of the library. It checks, wires and delegates; no loop runs here."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from .accelerators import Reader
from .client_commands import ClientCommands
from .client_questions import ClientQuestions
from .concurrency.fork import FORKED, ForkCheck, in_child
from .concurrency.signals import defer_sigint
from .config import CALLER, DEFAULT_PROPERTIES, MAX_MESSAGE_SIZE, make_options
from .diagnostics.history import TransitionHistory
from .diagnostics.snapshot import ClientSnapshot
from .diagnostics.stats import Counters, Stats, Status
from .discovery.identify_limiter import IdentifyGate
from .dispatch.emitter import Emitter
from .dispatch.executors import CallerQueue
from .dispatch.stream import EventStream
from .dispatch.subscriptions import Subscribers
from .errors import AlreadyConnected, GatewayError, NotConnected, StreamEnded
from .intents import unreachable
from .log import LOGGER, ShardLog
from .network.urls import DEFAULT_API, DEFAULT_GATEWAY, GATEWAY_VERSION
from .opcodes import OPCODES
from .protocol.machine import KEEP_SESSION
from .requests import Requester
from .session import state
from .session.writer import SessionLease, SessionWriter
from .shard.sender import CommandSender
from .shard.shard import Shard
from .validation import check_code, check_count, check_event, check_overflow, check_reason, check_timeout

__all__ = ["Client"]


class Client(ClientCommands, ClientQuestions, Emitter):
    """Keeps one connection (one shard) to the Discord Gateway alive and hands its events to plain functions. ::

        client = Client(token="...")

        @client.on("MESSAGE_CREATE")
        def greet(message):
            print(message["content"])

        client.connect()

    Handlers are registered with pyee's whole interface (`on`, `once`, `remove_listener`, ...) under

    - a dispatch event's name (``"MESSAGE_CREATE"``): called with its data, the payload's ``d``;
    - an opcode's name (``"HELLO"``, ``"DISPATCH"``, ...): called with the whole payload;
    - ``"open"``: called with nothing; ``"close"``: with ``{"code", "reason"}``, the reason as the server wrote it;
      ``"error"``: with an exception and the name of the event whose handler raised it, or ``"close"`` for the error
      that ended the client.

    They run on a thread of their own, one after the other, and may block, raise, send and close. `stream` and
    `wait_for` give events to who asks for them instead.

    The connection belongs to the process that called `connect`. In a child made by `os.fork` the client is closed:
    commands raise NotConnected with the words "forked after connect()", and `connect` begins a session of its own.

    Args:
        token: the bot's token. It appears in no log, repr or exception.
        url: the gateway's URL, ``wss://`` or ``ws://``; None asks Get Gateway Bot before each IDENTIFY, and waits
            with it while no session starts remain. `get_gateway_bot` tells the same.
        api_url: whom to ask then: the base of the HTTP API.
        port: instead of the URL's own port.
        encoding: ``"json"`` or ``"etf"``. Handlers get the same values from both, but for one thing of Discord's own:
            ids that JSON has as strings may be integers in ETF.
        compress: True for ``"zlib-stream"``, False for none, or a name: ``"zlib-stream"``, ``"zstd-stream"`` (extra
            ``zstd``) or ``"payload"`` (with ``"json"`` only).
        json: what reads JSON: ``"simplejson"``, ``"msgspec"`` (extra ``speed``), ``"orjson"``, or a function that makes
            a value of a document in bytes; None for the fastest that is there, see `speedups`. Any exception that the
            function raises counts as an unreadable payload: the connection is closed and resumed.
        shard: ``(shard id, number of shards)``.
        properties: what IDENTIFY says about this program: ``os``, ``browser``, ``device``.
        large_threshold: 50 to 250 members, above which a guild's offline members are not sent.
        presence: the first presence; see `presence_update` for its keys.
        intents: an `Intents` or its number; None for `Intents.default()`, all that need no privilege.
        proxy: ``http://`` or ``socks5://`` (and ``socks4``, ``socks4a``, ``socks5h``; extra ``socks``); None looks at
            the environment's ``HTTPS_PROXY`` and ``NO_PROXY``.
        ssl_context: verifies the server; certificates and host names are always checked.
        connect_timeout: seconds for DNS, TCP, proxy, TLS and upgrade together, and for what is asked with url=None.
        max_message_size: bytes that one message may hold, compressed or not; a larger one closes and resumes the
            connection. Decoded, Discord's events take about 3 times their size in memory; the worst that a server can
            write takes 30 times its size as JSON, and 75 times as ETF.
        slow_handler_warning: seconds after which a handler is warned of, with the stack of where it is.
        backlog: events that may wait for their handlers before reading pauses.
        handlers: ``"thread"`` runs them on a thread of the client's; ``"caller"`` on the one that calls
            `dispatch_pending`, or a blocking `connect`.
        workers: with ``"thread"``, run handlers on that many threads. Events of one guild keep their order, outside of
            guilds those of one channel or user, and those that belong to none of these.
        session_file: path of a file that keeps the session for the next process, which resumes where the handlers had
            got to, so that no event is missed over a restart; see `close`. After a kill the events of the last second
            may come twice. The file is for this bot and shard only, for one client at a time, and never holds the
            token. With another token, other intents, or another `encoding` or `compress`, a new session begins; so it
            does after a damaged file, which is renamed to ``NAME.damaged``. ``NAME.lock`` beside it is locked while the
            client runs.
        identify_gate: shared by shards that need more than one IDENTIFY in 5 seconds; see `IdentifyGate`.

    Raises:
        TypeError, ValueError: an argument is not usable; the message names it.
        MissingExtra: an argument needs an optional package.
        OSError: `session_file` cannot be read.

    Rests on the Gateway page of the official documentation ("Connections", "Identifying", "Sharding").
    """

    DEFAULT_PROPERTIES = DEFAULT_PROPERTIES
    GATEWAY_VERSION = GATEWAY_VERSION
    LOGGER = LOGGER
    OPCODES = OPCODES
    Session = state.Session

    _engine: Shard | None = None  # here for a client whose constructor raised, which can still be looked at

    def __init__(
        self,
        *,
        token: str,
        url: str | None = DEFAULT_GATEWAY,
        api_url: str = DEFAULT_API,
        port: int | None = None,
        encoding: str = "json",
        compress: bool | str = True,
        json: str | Reader | None = None,
        shard: tuple[int, int] = (0, 1),
        properties: Mapping[str, str] = DEFAULT_PROPERTIES,
        large_threshold: int | None = None,
        presence: Mapping[str, Any] | None = None,
        intents: int | None = None,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float = 10.0,
        max_message_size: int = MAX_MESSAGE_SIZE,
        slow_handler_warning: float = 10.0,
        backlog: int = 10_000,
        handlers: str = "thread",
        workers: int = 0,
        session_file: str | os.PathLike[str] | None = None,
        identify_gate: IdentifyGate | None = None,
    ) -> None:
        # Guards `_engine`, so that two connects make one; reentrant for `close` in a signal handler. Made first, so
        # that a client whose constructor raised can be closed; and anew in a forked child.
        self._engine_lock = threading.RLock()
        self._options = make_options(
            url=url,
            api_url=api_url,
            token=token,
            port=port,
            encoding=encoding,
            compress=compress,
            json=json,
            shard=shard,
            properties=properties,
            large_threshold=large_threshold,
            presence=presence,
            intents=intents,
            proxy=proxy,
            ssl_context=ssl_context,
            connect_timeout=connect_timeout,
            max_message_size=max_message_size,
            slow_handler_warning=slow_handler_warning,
            backlog=backlog,
            handlers=handlers,
            workers=workers,
            session_file=session_file,
            identify_gate=identify_gate,
        )
        self._log = ShardLog(self._options.shard)
        super().__init__(self._log)
        self._fork = ForkCheck(self._log)
        self._journal = TransitionHistory()
        self._taps = Subscribers(self._options.shard[0])
        self._begin_anew()
        in_child(self, Client._after_fork)

    def _begin_anew(self) -> None:
        """Make what belongs to one process: all but the arguments, the handlers, the taps and the journal."""
        self._engine = None
        self._engine_lock = threading.RLock()
        self._session = state.Session()
        self._counters = Counters()
        self._outbox = CommandSender()
        self._pending = CallerQueue() if self._options.handlers == CALLER else None
        self._warned_of: set[str] = set()  # events that a stream was made of though no intent brings them
        file = self._options.session_file
        self._keeper = None if file is None else SessionWriter(f"{self._options.name}-session-file", file, self._log)
        self._questions = Requester(
            self._options,
            self._taps,
            self._outbox,
            self._session,
            self._check_waiting,
            self._what_ended_it,
            self._log,
        )

    def __repr__(self) -> str:
        if not hasattr(self, "_questions"):  # the last of the constructor's
            return "<Client not initialized>"
        now, shard, url = self._situation(), self._options.shard, self._options.url
        state = f"{now.in_short()} seq={now.session.seq} events_waiting={now.stats.events_waiting}"
        return f"<Client shard={shard[0]}/{shard[1]} {state} url={url!r}>"

    def __enter__(self) -> Client:
        """Connect as with ``async_=True``; commands wait for READY by themselves."""
        self.connect(async_=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close. Raises the error that ended the client, unless the block itself raised."""
        self._leave()
        if error is None:
            self.wait_closed(0)

    # -- connecting and closing ------------------------------------------------------------------------------------

    def connect(self, async_: bool = False) -> threading.Thread | None:
        """Connect, and stay connected until `close` or until nothing can help.

        Args:
            async_: return at once, with the daemon thread that keeps the connection. Otherwise this call returns when
                the client was closed; Ctrl-C closes it in order, and with `session_file` keeps the session.

        Raises:
            AlreadyConnected: the client runs, or another client, in this process or another, uses its `session_file`.
            ValueError: `session_file` has become the file of another bot or shard, or is not a session file.
            OSError: `session_file` cannot be read.
            RuntimeError: a thread cannot be started; nothing was connected, and `connect` may be called again.
            ThreadFailed: (not with `async_`, see below) a thread of the client ended unexpectedly.
            ConnectionClosed, ConnectFailed: (not with `async_`, where it is emitted as `error` and raised by
                `wait_closed`) the gateway refused for good, with what to do about it.
        """
        if async_:
            return self._start().thread
        engine = None
        try:
            engine = run = self._start()
            if self._pending is not None:
                self._pending.run_until(lambda: run.finished.rung)
            engine.finished.wait()
        except KeyboardInterrupt:
            self._leave()
        if engine is not None:
            engine.thread.join()
            if engine.error is not None:
                raise engine.error
        return None

    def close(
        self, reason: str | None = None, code: int = 1000, reconnect: bool = False, resumable: bool = False
    ) -> None:
        """Close the connection; harmless when there is none. Takes 2 seconds at the most, however dead the other side
        is.

        Events that have arrived and wait for their handlers are not delivered any more. May be called from anywhere, a
        handler included; `connect` works again afterwards.

        Args:
            reason: for the server, 123 bytes at the most.
            code: the close code. 1000 and 1001 end the session: the bot goes offline, and `session_file` is deleted.
                With any other, the next `connect` resumes it.
            reconnect: stay connected: close with 4000, then resume on a new connection. Does not wait for it.
            resumable: close with 4000 instead of 1000.

        Raises:
            TypeError, ValueError: `reason` or `code` cannot be sent.
        """
        reason = check_reason(reason)
        code = check_code(code)
        if (reconnect or resumable) and code == 1000:
            code = KEEP_SESSION
        with self._engine_lock:
            engine = self._engine
        if engine is None or engine.finished.rung:
            return
        if reconnect:
            engine.restart(code, reason)
        else:
            engine.stop(code, reason)

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Wait for READY or RESUMED. Before the first `connect` this waits for that too.

        Args:
            timeout: seconds; None for as long as it takes.

        Returns:
            Whether the client is ready; False after `timeout`, or when the client closes or has been closed.

        False at once in a child process that was forked after `connect`, until `connect` is called there.
        """
        if self._fork.noticed():
            return False
        return self._outbox.wait_until_live(check_timeout(timeout))

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until the client is closed; False when `timeout` seconds passed first.

        Raises:
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: called by a handler, for which the client would wait in turn; `timeout` 0 is allowed.
        """
        timeout = check_timeout(timeout)
        engine = self._engine
        if engine is None:
            return True
        if timeout != 0 and not engine.finished.rung and engine.waits_for_caller:
            raise RuntimeError(
                "a handler must not wait until the client is closed, since the client waits for the handler to return: "
                "return from the handler, or wait on another thread"
            )
        if not engine.finished.wait(timeout):
            return False
        engine.thread.join()  # it has rung `finished`, and does nothing more
        if engine.error is not None:
            raise engine.error
        return True

    # -- events, instead of handlers -------------------------------------------------------------------------------

    def stream(self, *names: str, maxsize: int = 10_000, overflow: str = "drop") -> EventStream:
        """Collect events from now on, to take them one by one. ::

            with client.stream("MESSAGE_CREATE") as events:
                for event in events:
                    print(event.data["content"])

        Args:
            names: dispatch events, opcodes (``"HEARTBEAT_ACK"``), ``"open"`` and ``"close"``; none for every dispatch
                event.
            maxsize: events that it holds at the most; 0 for any number.
            overflow: when it is full, ``"drop"`` the oldest, counted in `EventStream.dropped` and warned of once; or
                ``"block"`` all events, those of handlers included, until one was taken.

        Raises:
            TypeError, ValueError: an argument is not usable; the message names it.
        """
        return self._stream(names or ("DISPATCH",), check_count("maxsize", maxsize, 0), check_overflow(overflow))

    def wait_for(self, name: str, check: Callable[[Any], object] | None = None, timeout: float | None = None) -> Any:
        """Wait for an event, and return its data.

        What came before the call does not count: to wait for the answer to a command, make a `stream`, send the
        command, and take the answer from the stream. A handler must not wait where it runs on the thread that would
        bring the event (the default); with `workers`, or ``handlers="caller"``, it may.

        Args:
            name: as for `stream`.
            check: called with the data, on this thread; the first for which it is true is returned.
            timeout: seconds; None for as long as it takes.

        Raises:
            TimeoutError: it did not come in time.
            NotConnected: the client does not run, or was closed meanwhile.
            ConnectionClosed, ConnectFailed: the error that ended the client.
            RuntimeError: the caller is a handler that would wait for itself.
            TypeError, ValueError: an argument is not usable.
        """
        timeout = check_timeout(timeout)
        if check is not None and not callable(check):
            raise TypeError(f"check must be a function or None, not {check!r}")
        self._check_delivery()
        with self._stream((name,), 0, "drop") as events:
            self._check_running(name)
            try:
                return events.wait(check, timeout)
            except StreamEnded:
                raise NotConnected(f"{name} did not come: the client was closed") from None

    def dispatch_pending(self, limit: int | None = None, timeout: float | None = 0) -> int:
        """With ``handlers="caller"``: run the handlers of what has arrived, on this thread.

        Args:
            limit: events at the most; None for all.
            timeout: seconds to wait for the first one; None for as long as it takes.

        Returns:
            How many events had their turn; 0 also when a call is under way already, on another thread or, from a
            handler, on this one.

        Raises:
            RuntimeError: the client runs handlers by itself.
            TypeError, ValueError: an argument is not usable.
        """
        if self._pending is None:
            raise RuntimeError("the client runs handlers on its own thread: make it with handlers='caller'")
        if limit is not None:
            check_count("limit", limit, 0)
        self._fork.noticed()
        return self._pending.run(limit, check_timeout(timeout))

    # -- what the client knows -------------------------------------------------------------------------------------

    @property
    def handled(self) -> state.Session:
        """The session as far as the handlers have got: they have returned from every event up to its `seq`. A copy.

        It is behind `session` while events wait or a handler runs, and has no `resume_url`.
        """
        engine = self._engine
        return self.session if engine is None else engine.handled

    @property
    def session(self) -> state.Session:
        """The session now: `id`, `seq` and `resume_url`. A copy."""
        return replace(self._session)

    @property
    def status(self) -> Status:
        """What the client is doing."""
        engine = self._engine
        return Status.CLOSED if engine is None else engine.status

    @property
    def latency(self) -> float:
        """Seconds from the last heartbeat to its acknowledgement; infinity before the first."""
        return self._counters.latency

    @property
    def stats(self) -> Stats:
        """Counts since the client was made, or since this process was forked."""
        engine = self._engine
        return self._counters.snapshot(0 if engine is None else engine.events_waiting)

    def explain(self) -> str:
        """Tell in words what the client has been through lately, and what it waits for now. ::

            >>> print(client.explain())

        Up to 20 transitions, the newest last, each with how long ago it was; then what it does now. Heartbeats are
        summed up in one line for each connection. The lines hold neither the token nor a whole session id.
        """
        situation = self._situation()
        return "\n".join([*self._journal.tell(situation.now), f"now: {situation.describe()}"])

    def health(self) -> dict[str, Any]:
        """Tell how the client is, in figures that JSON can hold: for a health route, or a monitor.

        Returns:
            What follows; times are in seconds, and None where there is nothing to tell.

            - ``ok``: whether the client does what it is for. True while it is ready, and while it reconnects, for up to
              30 seconds after the drop. False when it is not connected or closes, before it is ready for the first time
              after `connect`, when a reconnect takes longer, and while the backlog is full.
            - ``status``: as `status`.
            - ``shard``: ``[shard id, number of shards]``.
            - ``latency``: from the last heartbeat to its acknowledgement.
            - ``uptime``: since READY or RESUMED, on this connection.
            - ``downtime``: since the last connection was lost; None while there is one.
            - ``since_event``: since the last event came.
            - ``since_heartbeat``: since the last heartbeat was acknowledged.
            - ``events``: how many have come since the client was made.
            - ``events_waiting``: how many of them wait for their handlers.
            - ``backlog_full``: whether so many wait that reading has paused.
            - ``handler``: the event whose handler runs now; of several, the one that has run for longest.
            - ``handler_seconds``: for how long.
            - ``slow_handler``: the event whose handler has run for longer than `slow_handler_warning`; of several, the
              one that has run for longest.
            - ``slow_handler_seconds``: for how long.
            - ``reconnects``, ``resumes``, ``identifies``: as in `Stats`.
            - ``last_error``: what went wrong last since `connect`, in words; a reconnect that the gateway or
              `close` asked for is no error.
            - ``since_error``: since when.
        """
        return self._situation().health()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _after_fork(self) -> None:
        """In a child process: be as if made there, with the same handlers; a run that goes on is the parent's."""
        engine = self._engine
        runs = engine is not None and not engine.finished.rung
        if engine is not None and runs:
            engine.abandon()
            self._fork.begin()
        self._renew_handlers()
        self._journal.after_fork(time.monotonic(), FORKED if runs else None)
        for tap in self._taps.renew():
            if isinstance(tap, EventStream):  # others are of those who wait, who are threads of the parent
                if runs:
                    tap.abandon(NotConnected(FORKED))
                else:
                    self._taps.add(tap, tap.names)
        self._begin_anew()

    def _leave(self) -> None:
        """Close as a program ends: who keeps the session on disk wants it to go on in the next."""
        self.close(resumable=self._options.session_file is not None)

    def _start(self) -> Shard:
        with self._engine_lock:
            last = self._engine
            if last is not None and not last.disconnected.rung:
                raise AlreadyConnected("the client is connected already: call close() first")
            self._warn_of_missing_intents()
            with defer_sigint():
                lease = None if self._keeper is None else self._keeper.acquire(self._session)
                try:
                    engine = self._make_engine(last, lease)
                    self._engine = engine
                    self._fork.end()
                    engine.start()
                except BaseException:
                    self._engine = last
                    if lease is not None:
                        lease.end()
                    raise
            return engine

    def _make_engine(self, last: Shard | None, lease: SessionLease | None) -> Shard:
        presence = self._options.presence if last is None else last.presence.for_identify()
        return Shard(
            self._options,
            self,
            self._taps,
            self._pending,
            self._session,
            self._counters,
            self._outbox,
            presence,
            self._log,
            self._journal,
            lease,
        )

    def _situation(self) -> ClientSnapshot:
        engine, options = self._engine, self._options
        connection = None if engine is None else engine.connection
        # The clock is read last: nothing is younger than that.
        status, session, stats, progress = self.status, self.session, self.stats, self._journal.progress
        work = None if engine is None else engine.work
        event_at = self._counters.event_at
        return ClientSnapshot(
            now=time.monotonic(),
            status=status,
            shard=options.shard,
            session=session,
            stats=stats,
            latency=self._counters.latency,
            progress=progress,
            slow_after=options.slow_handler_warning,
            open=connection is not None,
            next_beat=None if connection is None else connection.next_beat,
            event_at=event_at,
            work=work,
            forked=self._fork.forked,
        )

    def _stream(self, names: tuple[str, ...], maxsize: int, overflow: str) -> EventStream:
        for name in names:
            check_event(name)
            if name not in self._warned_of and (words := unreachable(name, self._options.intents)):
                self._warned_of.add(name)
                self._log.warning("%s", words)
        return EventStream(names, maxsize, overflow, self._taps, self._check_taking, self._log)

    def _check_delivery(self) -> None:
        engine = self._engine
        if engine is not None and engine.delivers_here:
            raise RuntimeError(
                "a handler must not wait for events on the thread that would bring them: wait on another thread, or "
                "make the client with workers=, whose handlers may"
            )

    def _check_taking(self) -> None:
        self._check_delivery()
        self._fork.check("no event can come")

    def _check_running(self, what: str) -> None:
        self._fork.check(f"{what} cannot come")
        engine = self._engine
        if engine is None or engine.disconnected.rung or engine.status in (Status.CLOSING, Status.CLOSED):
            raise NotConnected(f"{what} cannot come: the client is not connected; call connect() first")

    def _check_waiting(self, what: str) -> None:
        self._check_delivery()
        self._check_running(what)

    def _what_ended_it(self) -> GatewayError | None:
        engine = self._engine
        return None if engine is None else engine.error

    def _warn_of_missing_intents(self) -> None:
        for event in self.heard_events():
            if words := unreachable(event, self._options.intents):
                self._log.warning("%s", words)
