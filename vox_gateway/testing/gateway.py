"""LocalGateway: the face of the gateway in the box."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol

from .faults import Faults, check_style
from .fork import in_child
from .protocol.malformed import BAD_FRAMES, BAD_PAYLOADS, KINDS, bomb, check_bomb_size
from .protocol.opcodes import Close, Op, opcode_number
from .records import Closed, ConnectionRecord, HttpRequest, Inbox, Received, SessionView
from .server.connection import Connection
from .server.listener import Listener
from .server.state import Hub
from .settings import Settings
from .world import World, default_bot, default_guilds

CUT_TIMEOUT = 5.0
#: seconds between two looks at a client's progress, which does not announce itself
GLANCE = 0.01


class Position(Protocol):
    """How far something has got in a session."""

    @property
    def id(self) -> str | None:
        """The session's id; `None` before READY."""

    @property
    def seq(self) -> int | None:
        """A sequence number; `None` before the first event."""


class HandlingClient(Protocol):
    """What `LocalGateway.wait_handled` asks of a client; `vox_gateway.Client` has it."""

    @property
    def session(self) -> Position:
        """How far events have arrived."""

    @property
    def handled(self) -> Position:
        """How far their handlers have returned."""

    @property
    def status(self) -> str:
        """``"closing"`` or ``"closed"``, or anything else while it runs."""


class LocalGateway:
    """A Discord Gateway on loopback: real sockets, real websockets, the documented behaviour, and faults on demand.

    A context manager; it listens on entry, and leaves no thread and no socket behind on exit. Every method may
    be called from any thread. Times are in seconds.

    It belongs to the process that started it. In a child that is forked while it runs it is closed, and only says where
    it is: clients of the child may connect to the parent's by its `url`.

    Args:
        host: address to listen on.
        port: port to listen on, 0 for any free one.
        token: the only bot token that is let in, others get 4004; `None` lets every token in.
        heartbeat_interval: what HELLO tells clients; 0.05 works. Beats count in the rate limit, unless the
            interval is so short that they alone would use up half of it.
        heartbeat_timeout: a client that has not beaten for so long is closed with 4000 and may resume; one and a
            half intervals and a second if `None`.
        allowed_intents: privileged intents outside it are closed with 4014, and are not among the flags of the bot's
            application; `None` allows all.
        shards: the recommended number of shards.
        max_concurrency: how many IDENTIFYs there may be in each ``identify_interval``, one for each ``shard_id %
            max_concurrency``. One too many gets op 9 ``false``.
        identify_interval: see ``max_concurrency``.
        session_starts: the session start limit: so many IDENTIFYs in each ``session_start_period``.
        session_starts_remaining: how many are left; all if `None`. An IDENTIFY when none is left is closed with 4004.
        session_start_period: after so long all session starts are there again.
        session_timeout: a session that is disconnected for longer cannot be resumed.
        rate_limit: payloads that a connection may send in each ``rate_limit_period``; one more is closed with 4008.
        rate_limit_period: see ``rate_limit``.
        max_payload: encoded size in bytes that a payload may have; a larger one is closed with 4002.
        max_guilds_per_shard: a shard that would have more is closed with 4011.
        shard_multiple: numbers of shards that are no multiple of it are closed with 4010, as for large bots.
        member_request_interval: all members of one guild can be had once in so long; sooner gets RATE_LIMITED.
        replay_limit: events that a session keeps for a RESUME; a RESUME that needs older ones gets op 9 ``false``.
        guilds: the bot's guilds, from `vox_gateway.testing.guild`, or `dict`s with at least an ``id``; two
            pleasant ones if `None`.
        bot: the bot's user, from `vox_gateway.testing.user`.
        resume_url: what READY tells as ``resume_gateway_url``; a path such as ``"/resume"`` is put after the
            gateway's own URL, which it is if `None`.
        ssl_context: a server's context makes it ``wss`` and ``https``.

    Raises:
        ValueError: an argument that cannot be, with its name.

    Documentation: Gateway; Gateway Events; Opcodes and Status Codes.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        heartbeat_interval: float = 41.25,
        heartbeat_timeout: float | None = None,
        allowed_intents: int | None = None,
        shards: int = 1,
        max_concurrency: int = 1,
        identify_interval: float = 5.0,
        session_starts: int = 1000,
        session_starts_remaining: int | None = None,
        session_start_period: float = 86_400.0,
        session_timeout: float = 180.0,
        rate_limit: int = 120,
        rate_limit_period: float = 60.0,
        max_payload: int = 4096,
        max_guilds_per_shard: int = 2500,
        shard_multiple: int = 1,
        member_request_interval: float = 30.0,
        replay_limit: int = 100_000,
        guilds: Iterable[Mapping[str, Any]] | None = None,
        bot: Mapping[str, Any] | None = None,
        resume_url: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        settings = Settings(
            host=host,
            port=port,
            token=token,
            heartbeat_interval=heartbeat_interval,
            heartbeat_timeout=1.5 * heartbeat_interval + 1 if heartbeat_timeout is None else heartbeat_timeout,
            allowed_intents=None if allowed_intents is None else int(allowed_intents),
            shards=shards,
            max_concurrency=max_concurrency,
            identify_interval=identify_interval,
            session_starts=session_starts,
            session_starts_remaining=session_starts if session_starts_remaining is None else session_starts_remaining,
            session_start_period=session_start_period,
            session_timeout=session_timeout,
            rate_limit=rate_limit,
            rate_limit_period=rate_limit_period,
            max_payload=max_payload,
            max_guilds_per_shard=max_guilds_per_shard,
            shard_multiple=shard_multiple,
            member_request_interval=member_request_interval,
            replay_limit=replay_limit,
            resume_url=resume_url,
            ssl_context=ssl_context,
        )
        world = World(
            default_bot() if bot is None else bot,
            default_guilds() if guilds is None else guilds,
        )
        self._hub = Hub(settings, world)
        self._listener = Listener(self._hub)
        self._lock, self._news = self._hub.reactor.lock, self._hub.reactor.news
        self._is_started = False
        self._is_closed = False

    # Life.

    def start(self) -> LocalGateway:
        """Listen and serve; returns the gateway itself.

        Raises:
            OSError: the port is taken.
            RuntimeError: it was started before.
        """
        with self._lock:
            if self._is_started:
                raise RuntimeError("this gateway was started before: make a new LocalGateway")
            self._is_started = True
            self._hub.reactor.open()
            try:
                self._listener.open()
            except OSError:
                self._hub.reactor.release()
                raise
            self._hub.url = self.url
            in_child(self, LocalGateway._after_fork)
            self._hub.reactor.start()
        return self

    def close(self) -> None:
        """Cut every connection, free the port, stop the thread. A second call does nothing.

        Raises:
            Exception: what went wrong inside the gateway while it served, if anything did.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._news.notify_all()
        self._hub.reactor.stop()
        self._listener.close()
        self._hub.abandon_connections()
        self._hub.reactor.release()
        if self._hub.reactor.failures:
            raise self._hub.reactor.failures[0]

    def _after_fork(self) -> None:
        """Be closed in a child process, and leave all that is shared with the parent as it is."""
        self._is_closed = True
        self._hub.forget_descriptors()
        self._listener.forget_descriptor()
        # A new one of all that is behind a lock, which the thread of the parent may have held.
        hub, port = self._hub, self._listener.port
        self._hub = Hub(hub.settings, hub.world)
        self._listener = Listener(self._hub)
        self._listener.port = port
        self._lock, self._news = self._hub.reactor.lock, self._hub.reactor.news

    def __enter__(self) -> LocalGateway:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        with self._lock:
            state = "closed" if self._is_closed else "listening" if self._is_started else "not started"
            return f"<LocalGateway {state} on {self._authority}, {len(self._hub.sessions)} sessions>"

    # Where it is.

    @property
    def port(self) -> int:
        """The port it listens on; known once started."""
        return self._listener.port

    @property
    def url(self) -> str:
        """The websocket URL, such as ``ws://127.0.0.1:40123``."""
        return f"{'ws' if self._hub.settings.ssl_context is None else 'wss'}://{self._authority}"

    @property
    def http_url(self) -> str:
        """The URL of the HTTP routes, such as ``http://127.0.0.1:40123``; ``/api/v10`` may follow."""
        return f"{'http' if self._hub.settings.ssl_context is None else 'https'}://{self._authority}"

    @property
    def _authority(self) -> str:
        host = self._hub.settings.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    # What it has seen.

    @property
    def received(self) -> tuple[Received, ...]:
        """Every payload that clients have sent, in order."""
        return self._hub.log.received

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """Every connection that asked for a websocket, in order."""
        return self._hub.log.connections

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """Every plain HTTP request, in order."""
        return self._hub.log.requests

    @property
    def sessions(self) -> tuple[SessionView, ...]:
        """The sessions that are connected or can be resumed, oldest first."""
        with self._lock:
            return tuple(session.view() for session in self._hub.sessions.values())

    @property
    def session_starts_remaining(self) -> int:
        """What is left of the session start limit."""
        with self._lock:
            return self._hub.starts.remaining(time.monotonic())

    @property
    def faults(self) -> Faults:
        """What shall go wrong with connections to come."""
        return self._hub.faults

    @property
    def guilds(self) -> tuple[Mapping[str, Any], ...]:
        """The bot's guilds."""
        with self._lock:
            return tuple(self._hub.world.guilds.values())

    # Waiting.

    def expect(
        self,
        op: int | str,
        timeout: float = 5.0,
        *,
        shard: int | None = None,
        where: Callable[[Received], bool] | None = None,
    ) -> Received:
        """Wait for the next payload with this opcode, and take it: it is not handed out again.

        Args:
            op: number or name of the opcode.
            timeout: seconds to wait.
            shard: only from a session of this shard id.
            where: only a payload for which this is true.

        Raises:
            AssertionError: none came in time; tells what did come.
            ValueError: no opcode has this name.
        """
        return self._hub.log.expect(opcode_number(op), timeout, shard, where)

    def expect_close(
        self,
        timeout: float = 5.0,
        *,
        shard: int | None = None,
        by: str | None = None,
        where: Callable[[Closed], bool] | None = None,
    ) -> Closed:
        """Wait for the next connection that ends, and take its record.

        Args:
            timeout: seconds to wait.
            shard: only a connection of this shard id.
            by: only those ended by ``"client"`` or by ``"gateway"``.
            where: only a record for which this is true.

        Raises:
            AssertionError: none ended in time.
        """
        return self._hub.log.expect_close(timeout, shard, by, where)

    def wait_connection(self, number: int = 1, timeout: float = 5.0) -> ConnectionRecord:
        """Wait until the n-th connection, counted from 1, has asked for a websocket.

        Raises:
            AssertionError: it did not come in time.
        """
        return self._hub.log.wait_connection(number, timeout)

    def wait_request(self, number: int = 1, timeout: float = 5.0) -> HttpRequest:
        """Wait until the n-th plain HTTP request, counted from 1, has come.

        Raises:
            AssertionError: it did not come in time.
        """
        return self._hub.log.wait_request(number, timeout)

    def wait_connected(self, count: int = 1, timeout: float = 5.0) -> tuple[SessionView, ...]:
        """Wait until so many sessions are connected at once: READY or RESUMED is on its way to each.

        Raises:
            AssertionError: they were not in time.
        """

        def connected() -> list[SessionView]:
            return [session.view() for session in self._hub.sessions.values() if session.connection is not None]

        with self._lock:
            if not self._news.wait_for(lambda: len(connected()) >= count, timeout):
                raise AssertionError(f"{len(connected())} of {count} sessions were connected within {timeout:g} s")
            return tuple(connected())

    def wait_sent(self, timeout: float = 5.0) -> bool:
        """Wait until the kernel has taken all that was dispatched and sent to open connections.

        Returns:
            Whether that was so in time; False too when the gateway was closed meanwhile.
        """

        def is_sent() -> bool:
            return not any(one.has_unsent for one in self._hub.open_connections(None))

        with self._lock:
            self._news.wait_for(lambda: self._is_closed or is_sent(), timeout)
            return not self._is_closed and is_sent()

    def wait_handled(self, client: HandlingClient, timeout: float = 5.0) -> bool:
        """Wait until the client's handlers have returned from every event that was dispatched to it so far.

        A client that is connecting is waited for, and so is one that reconnects: what it missed is replayed, and
        counts. With ``handlers="caller"`` another thread has to run the handlers meanwhile.

        Args:
            client: a `vox_gateway.Client` of this gateway.
            timeout: seconds to wait.

        Returns:
            Whether that was so in time; False too when the client or the gateway is closed before.
        """
        deadline = time.monotonic() + timeout
        sent: dict[str, int] = {}
        while True:
            # The client is asked without the lock: it may be at work on a call of this gateway's.
            is_running = client.status not in ("closing", "closed")
            session_id, handled = client.session.id, client.handled
            with self._lock:
                if not sent:
                    sent = {one.id: one.seq for one in self._hub.sessions.values()}
                session = self._hub.sessions.get(session_id or "")
                if session is not None:
                    goal = sent.setdefault(session.id, session.seq)  # it was begun since
                    if handled.id == session.id and handled.seq is not None and handled.seq >= goal:
                        return True
                left = deadline - time.monotonic()
                if self._is_closed or not is_running or left <= 0:
                    return False
                self._news.wait(min(left, GLANCE))

    def follow(self, inbox: Inbox) -> None:
        """Put a record of everything that happens from now on into ``inbox``, such as a `queue.SimpleQueue`.

        A `ConnectionRecord` when an upgrade was answered, `Received` for each payload, a `SessionView` when READY or
        RESUMED is on its way to a session, `SessionRefused` for each op 9, `Closed` for each end, and an `HttpRequest`
        for each plain request.

        Args:
            inbox: its ``put`` is called on the gateway's thread, and must return at once.
        """
        self._hub.log.follow(inbox)

    # Sending.

    def dispatch(self, name: str, data: Any, shard: int | None = None) -> int:
        """Dispatch an event to every session that would get it from Discord.

        The event's ``guild_id`` chooses the shard, without one it is shard 0; the session's intents filter it
        and, without MESSAGE_CONTENT, empty it. Sessions that are disconnected get it when they resume.

        Args:
            name: the event's name.
            data: its ``d``.
            shard: sends it to this shard id, whatever the ``guild_id``.

        Returns:
            The number of sessions.

        Raises:
            TypeError, ValueError: ``data`` has no form in the encoding of one of the sessions, such as half a surrogate
                pair in ETF. None of them has got it then.

        Documentation: Gateway, "Sharding" and "Gateway Intents".
        """
        with self._lock:
            return self._hub.dispatch(name, data, shard)

    def send(
        self, op: int | str, d: Any = None, *, s: int | None = None, t: str | None = None, shard: int | None = None
    ) -> int:
        """Send any payload, outside the session's sequence and replay; returns the number of connections.

        Raises:
            TypeError, ValueError: ``d`` has no form in the encoding of one of the connections. None has got it then.
        """
        number = opcode_number(op)
        with self._lock:
            targets = self._hub.open_connections(shard)
            payloads = [one.encode(number, d, s, t) for one in targets]
            for one, payload in zip(targets, payloads, strict=True):
                one.send(payload)
            return len(targets)

    def send_raw(self, data: bytes, shard: int | None = None) -> int:
        """Send bytes past all framing; returns the number of connections."""
        return self._for_each(shard, lambda one: one.send_raw(data))

    def send_garbage(self, kind: str, shard: int | None = None) -> int:
        """Send what no healthy gateway sends; returns the number of connections.

        Args:
            kind: broken payloads are ``"json"`` and ``"etf"`` (cut short), and in whatever encoding the connection has
                ``"utf8"`` (a text that is not UTF-8) and ``"not an object"``; broken compressed streams are
                ``"zlib"`` and ``"zstd"``; broken frames are ``"text"`` (not UTF-8), ``"rsv"``, ``"opcode"``,
                ``"masked"``, ``"continuation"``, ``"long control"`` and ``"close code"``.
            shard: only to this shard id.
        """
        if kind in BAD_PAYLOADS:
            forms = BAD_PAYLOADS[kind]
            return self._for_each(shard, lambda one: one.send(forms[one.wire.encoding_name]))
        if kind in BAD_FRAMES:
            return self.send_raw(BAD_FRAMES[kind], shard)
        raise ValueError(f"kind: {kind!r} is not one of {', '.join(KINDS)}")

    def send_bomb(self, size: int, shard: int | None = None) -> int:
        """Send a payload that is small on the wire and inflates to so many bytes; returns the number of connections.

        It is a sound HEARTBEAT_ACK with one long text: whoever has room for it can read it, and a RESUME does not bring
        it back. It is compressed in pieces, so that the gateway itself never holds it.

        Args:
            size: bytes, at least 64 and less than 4 GiB. A GiB takes some seconds to compress.
            shard: only to this shard id.

        Raises:
            ValueError: ``size``, or a connection that does not compress: neither ``compress`` in its URL, nor
                ``compress: true`` in its IDENTIFY.
        """
        check_bomb_size(size)
        with self._lock:
            targets = self._hub.open_connections(shard)
            plain = [one.number for one in targets if not one.wire.is_compressed]
            if plain:
                raise ValueError(f"connection {plain[0]} does not compress: it cannot be sent a bomb")
            for one in targets:
                one.send_pieces(bomb(one.wire.encoding_name, size))
            return len(targets)

    def request_heartbeat(self, shard: int | None = None) -> int:
        """Ask for a heartbeat with op 1. Documentation: Gateway, "Heartbeat Requests"."""
        return self.send(Op.HEARTBEAT, None, shard=shard)

    def reconnect(self, shard: int | None = None) -> int:
        """Ask clients to reconnect with op 7. Documentation: Gateway Events, "Reconnect"."""
        return self.send(Op.RECONNECT, None, shard=shard)

    def invalidate(self, resumable: bool = False, shard: int | None = None) -> int:
        """Invalidate sessions with op 9; unless resumable, they are gone.

        Documentation: Gateway Events, "Invalid Session".
        """
        return self._for_each(shard, lambda one: one.handler.on_invalidate(resumable))

    def expire_sessions(self, shard: int | None = None) -> int:
        """Forget sessions: the connected ones are closed with 4009, the others find out when they resume.

        Returns:
            The number of sessions.
        """
        with self._lock:
            expired = [one for one in self._hub.sessions.values() if shard is None or one.shard_id == shard]
            for session in expired:
                if session.connection is not None:
                    session.connection.close(Close.SESSION_TIMED_OUT, "Session timed out.")
                    session.connection = None
                self._hub.end_session(session)
            return len(expired)

    # Hurting connections that live.

    def drop(self, how: str = "reset", *, code: int = 4000, reason: str = "", shard: int | None = None) -> int:
        """Cut connections, after what has been dispatched so far as far as the client takes it.

        When this returns the cut has been made, and the sessions are free to be resumed.

        Args:
            how: ``"reset"`` is a TCP reset, ``"eof"`` a FIN without close frame, ``"close"`` a close frame,
                ``"silent"`` leaves a zombie: the socket stays open, nothing more is sent or answered, dispatches
                go nowhere but into the replay.
            code: the close code for ``"close"``.
            reason: the close reason for ``"close"``.
            shard: only connections of this shard id.

        Returns:
            The number of connections.
        """
        check_style(how)
        with self._lock:
            targets = self._hub.open_connections(shard)
            for one in targets:
                self._hub.cut(one, how, code, reason)
            self._news.wait_for(lambda: all(one.was_cut for one in targets), CUT_TIMEOUT)
            return len(targets)

    def silence(self, shard: int | None = None) -> int:
        """Turn connections into silent zombies: ``drop("silent")``."""
        return self.drop("silent", shard=shard)

    def withhold_acks(self, shard: int | None = None) -> int:
        """Leave heartbeats of living connections unanswered, while all else goes on."""

        def withhold(one: Connection) -> None:
            one.acknowledges = False

        return self._for_each(shard, withhold)

    def stop_reading(self, shard: int | None = None) -> int:
        """Stop reading from the sockets, so that the clients' send buffers fill; see `resume_reading`."""
        return self._for_each(shard, lambda one: one.read(False))

    def resume_reading(self, shard: int | None = None) -> int:
        """Read again after `stop_reading`."""
        return self._for_each(shard, lambda one: one.read(True))

    def stop_accepting(self) -> None:
        """Close the listening socket: connections are refused until `accept_again`; living ones stay."""
        self._on_reactor(self._listener.close)

    def accept_again(self) -> None:
        """Listen again, on the same port."""
        self._on_reactor(self._listener.open)

    def _for_each(self, shard: int | None, act: Callable[[Connection], None]) -> int:
        with self._lock:
            targets = self._hub.open_connections(shard)
            for one in targets:
                act(one)
            return len(targets)

    def _on_reactor(self, task: Callable[[], None]) -> None:
        """Have the gateway's thread do something, and wait until it has."""
        with self._lock:
            if not self._is_started or self._is_closed:
                raise RuntimeError("the gateway is not running")
            done: list[BaseException | None] = []

            def run() -> None:
                try:
                    task()
                    done.append(None)
                except OSError as error:
                    done.append(error)
                self._news.notify_all()

            self._hub.reactor.submit(run)
            self._news.wait_for(lambda: bool(done))
            if done[0] is not None:
                raise done[0]
