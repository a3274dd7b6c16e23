"""LocalGateway, the public interface of the local gateway.

Its methods take the gateway's lock and work on the state that the event loop thread in `server` serves.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol

from .faults import Faults, check_cut
from .fork import in_child
from .http_api import HttpApi
from .protocol.malformed import BAD_FRAMES, BAD_PAYLOADS, KINDS, bomb, check_bomb_size
from .protocol.opcodes import Close, Op, opcode_number
from .records import Closed, ConnectionRecord, Inbox, Received, SessionView
from .server.connection import Connection
from .server.listener import Listener
from .server.state import GatewayState
from .settings import Settings
from .world import World, default_bot, default_guilds, public_channel

#: seconds that `LocalGateway.drop` waits for the gateway's thread to cut the connections
CUT_TIMEOUT = 5.0
#: seconds between two polls of a client's progress, for which it has no notification
POLL_INTERVAL = 0.01


class Position(Protocol):
    """A position in a session."""

    @property
    def id(self) -> str | None:
        """The session's id; `None` before READY."""

    @property
    def seq(self) -> int | None:
        """A sequence number; `None` before the first event."""


class HandlingClient(Protocol):
    """What `LocalGateway.wait_handled` reads from a client; `vox_gateway.Client` provides it."""

    @property
    def session(self) -> Position:
        """The last event that arrived."""

    @property
    def handled(self) -> Position:
        """The last event whose handlers have returned."""

    @property
    def status(self) -> str:
        """``"closing"`` or ``"closed"``; any other value means running."""


class LocalGateway:
    """A Discord Gateway on loopback: real sockets, real websockets, the documented behaviour, and faults on demand.

    A context manager that listens on entry and closes its thread and sockets on exit. Every method may
    be called from any thread. Times are in seconds.

    The gateway belongs to the process that started it. In a forked child it is closed, but `url` still gives the
    address of the parent's gateway, so that clients in the child can connect to it.

    Args:
        host: address to listen on.
        port: port to listen on, 0 for any free port.
        token: the only bot token accepted, others are closed with 4004; `None` accepts any token.
        heartbeat_interval: the interval that HELLO announces; 0.05 works. Heartbeats count towards the rate limit,
            unless they alone would use more than half of it.
        heartbeat_timeout: a client that sends no heartbeat for this long is closed with 4000 and may resume; 1.5
            intervals plus a second if `None`.
        allowed_intents: other privileged intents are closed with 4014, and missing from the flags of the bot's
            application; `None` allows all.
        shards: the recommended number of shards.
        max_concurrency: how many IDENTIFYs are allowed in each ``identify_interval``, at most 1 for each
            ``shard_id % max_concurrency``. An IDENTIFY above the limit gets op 9 ``false``.
        identify_interval: see ``max_concurrency``.
        session_starts: the session start limit: the number of IDENTIFYs in each ``session_start_period``.
        session_starts_remaining: how many are left; all if `None`. With 0 left an IDENTIFY is closed with 4004.
        session_start_period: time after which the session start limit resets.
        session_timeout: a session that was disconnected for longer cannot be resumed.
        rate_limit: payloads that a connection may send in each ``rate_limit_period``; above it, it is closed with 4008.
        rate_limit_period: see ``rate_limit``.
        max_payload: largest encoded payload in bytes; a larger payload is closed with 4002.
        max_guilds_per_shard: a shard with more guilds is closed with 4011.
        shard_multiple: a number of shards that is not a multiple of it is closed with 4010, as for large bots.
        member_request_interval: minimum time between requests for all members of a guild; sooner gets RATE_LIMITED.
        replay_limit: events that a session keeps for a RESUME; a RESUME that needs older events gets op 9 ``false``.
        guilds: the bot's guilds, from `vox_gateway.testing.guild`, or any `dict` with at least an ``id``, such as the
            data of a GUILD_CREATE. What a guild, its members and its channels leave out is filled in; two sample
            guilds if `None`.
        bot: the bot's user, from `vox_gateway.testing.user`, or any `dict` with at least an ``id``.
        resume_url: the ``resume_gateway_url`` of READY; a path such as ``"/resume"`` is appended to the
            gateway's own URL, which is the default.
        ssl_context: a server-side context, to serve ``wss`` and ``https``.

    Raises:
        ValueError: an argument is out of range; the message names it.

    See: https://docs.discord.com/developers/events/gateway, https://docs.discord.com/developers/events/gateway-events
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
        self._state = GatewayState(settings, world)
        self._listener = Listener(self._state)
        self._lock, self._changed = self._state.event_loop.lock, self._state.event_loop.changed
        self._is_started = False
        self._is_closed = False

    # Lifecycle.

    def start(self) -> LocalGateway:
        """Listen and serve; return the gateway itself.

        Raises:
            OSError: the port cannot be bound.
            RuntimeError: the gateway was started before.
        """
        with self._lock:
            if self._is_started:
                raise RuntimeError("this gateway was already started: create a new LocalGateway")
            self._is_started = True
            self._state.event_loop.open()
            try:
                self._listener.open()
            except OSError:
                self._state.event_loop.release()
                raise
            self._state.url = self.url
            in_child(self, LocalGateway._after_fork)
            self._state.event_loop.start()
        return self

    def close(self) -> None:
        """Cut every connection, free the port and stop the thread. Idempotent.

        Raises:
            Exception: the first exception raised inside the gateway itself while it served.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._changed.notify_all()
        self._state.event_loop.stop()
        self._listener.close()
        self._state.abandon_connections()
        self._state.event_loop.release()
        if self._state.event_loop.failures:
            raise self._state.event_loop.failures[0]

    def _after_fork(self) -> None:
        """Close in a forked child without affecting the parent."""
        self._is_closed = True
        self._state.forget_descriptors()
        self._listener.forget_descriptor()
        # The parent's thread may have held the lock during the fork: replace everything that it guards.
        state, port = self._state, self._listener.port
        self._state = GatewayState(state.settings, state.world)
        self._listener = Listener(self._state)
        self._listener.port = port
        self._lock, self._changed = self._state.event_loop.lock, self._state.event_loop.changed

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
            return f"<LocalGateway {state} on {self._authority}, {len(self._state.sessions)} sessions>"

    # Addresses.

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before `start` if any port was asked for."""
        return self._listener.port

    @property
    def url(self) -> str:
        """The websocket URL, such as ``ws://127.0.0.1:40123``."""
        return f"{'ws' if self._state.settings.ssl_context is None else 'wss'}://{self._authority}"

    @property
    def http_url(self) -> str:
        """The URL of the HTTP routes, such as ``http://127.0.0.1:40123``; ``/api/v10`` may follow."""
        return f"{'http' if self._state.settings.ssl_context is None else 'https'}://{self._authority}"

    @property
    def api_url(self) -> str:
        """The base URL for a client of the HTTP API, where ``https://discord.com/api/v10`` would be."""
        return f"{self.http_url}/api/v10"

    @property
    def _authority(self) -> str:
        host = self._state.settings.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    # Records and state.

    @property
    def received(self) -> tuple[Received, ...]:
        """Every payload that clients have sent, in order."""
        return self._state.log.received

    @property
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """Every connection that requested a websocket, in order."""
        return self._state.log.connections

    @property
    def sessions(self) -> tuple[SessionView, ...]:
        """The sessions that are connected or can be resumed, oldest first; none once it is closed."""
        with self._lock:
            return () if self._is_closed else tuple(session.view() for session in self._state.live_sessions())

    @property
    def session_starts_remaining(self) -> int:
        """The session starts that are left before the limit resets."""
        with self._lock:
            return self._state.starts.remaining(time.monotonic())

    @property
    def http(self) -> HttpApi:
        """The HTTP API: what is expected of it, and what was requested."""
        return self._state.http

    @property
    def faults(self) -> Faults:
        """The faults to inject into future connections."""
        return self._state.faults

    @property
    def guilds(self) -> tuple[Mapping[str, Any], ...]:
        """The bot's guilds."""
        with self._lock:
            return tuple(self._state.world.guilds.values())

    # Waiting.

    def expect(
        self,
        op: int | str,
        timeout: float = 5.0,
        *,
        shard: int | None = None,
        where: Callable[[Received], bool] | None = None,
    ) -> Received:
        """Wait for the next payload with this opcode and take it: no later call returns it again.

        Args:
            op: number or name of the opcode.
            timeout: seconds to wait.
            shard: only a payload of this shard id; that of a RESUME is its session's.
            where: only a payload for which this returns true.

        Raises:
            AssertionError: it did not arrive in time; the message lists what did.
            ValueError: the opcode name is unknown.
        """
        return self._state.log.expect(opcode_number(op), timeout, shard, where)

    def expect_close(
        self,
        timeout: float = 5.0,
        *,
        shard: int | None = None,
        by: str | None = None,
        where: Callable[[Closed], bool] | None = None,
    ) -> Closed:
        """Wait for the next connection to end and take its record: no later call returns it again.

        Args:
            timeout: seconds to wait.
            shard: only a connection of this shard id.
            by: only a connection ended by ``"client"`` or by ``"gateway"``.
            where: only a record for which this returns true.

        Raises:
            AssertionError: no such connection ended in time.
            ValueError: ``by`` is unknown.
        """
        if by not in (None, "client", "gateway"):
            raise ValueError(f"invalid by={by!r}: expected 'client' or 'gateway'")
        return self._state.log.expect_close(timeout, shard, by, where)

    def wait_connection(self, number: int = 1, timeout: float = 5.0) -> ConnectionRecord:
        """Wait until the n-th connection, counted from 1, has requested a websocket.

        Raises:
            AssertionError: it did not come in time.
            ValueError: ``number`` is less than 1.
        """
        if number < 1:
            raise ValueError(f"invalid number={number}: expected an integer of at least 1")
        return self._state.log.wait_connection(number, timeout)

    def wait_connected(self, count: int = 1, timeout: float = 5.0) -> tuple[SessionView, ...]:
        """Wait until at least `count` sessions are connected at once: READY or RESUMED was sent to each.

        Raises:
            AssertionError: they did not connect in time.
        """

        def connected() -> list[SessionView]:
            return [session.view() for session in self._state.sessions.values() if session.connection is not None]

        with self._lock:
            if not self._changed.wait_for(lambda: len(connected()) >= count, timeout):
                raise AssertionError(f"{len(connected())} of {count} sessions were connected within {timeout:g} s")
            return tuple(connected())

    def wait_sent(self, timeout: float = 5.0) -> bool:
        """Wait until everything dispatched and sent to open connections is in the kernel's send buffers.

        Returns:
            False on timeout, or when the gateway is closed while waiting.
        """

        def is_sent() -> bool:
            return not any(connection.has_unsent for connection in self._state.open_connections(None))

        with self._lock:
            self._changed.wait_for(lambda: self._is_closed or is_sent(), timeout)
            return not self._is_closed and is_sent()

    def wait_handled(self, client: HandlingClient, timeout: float = 5.0) -> bool:
        """Wait until the client's handlers have returned from every event that was dispatched to it so far.

        Also waits for a client that is connecting or reconnecting; events that it missed are replayed and count.
        With ``handlers="caller"`` another thread has to run the handlers during the call.

        Args:
            client: a `vox_gateway.Client` of this gateway.
            timeout: seconds to wait.

        Returns:
            False on timeout, or when the client or the gateway is closed first.
        """
        deadline = time.monotonic() + timeout
        sent: dict[str, int] = {}
        while True:
            # Read the client without the lock: it may be waiting for the lock in a call to this gateway.
            is_running = client.status not in ("closing", "closed")
            session_id, handled = client.session.id, client.handled
            with self._lock:
                if not sent:
                    sent = {current.id: current.seq for current in self._state.sessions.values()}
                session = self._state.sessions.get(session_id or "")
                if session is not None:
                    goal = sent.setdefault(session.id, session.seq)  # it started after this call
                    if handled.id == session.id and handled.seq is not None and handled.seq >= goal:
                        return True
                left = deadline - time.monotonic()
                if self._is_closed or not is_running or left <= 0:
                    return False
                self._changed.wait(min(left, POLL_INTERVAL))

    def follow(self, inbox: Inbox) -> None:
        """Put a record of everything that happens from now on into ``inbox``, such as a `queue.SimpleQueue`.

        These are a `ConnectionRecord` for each upgrade response, `Received` for each payload, a `SessionView` for each
        READY or RESUMED, `SessionRefused` for each op 9, `Closed` for each connection that ended, and an `HttpRequest`
        for each plain request.

        Args:
            inbox: its ``put`` is called on the gateway's thread, and must return at once.
        """
        self._state.log.follow(inbox)

    # Sending.

    def dispatch(self, name: str, data: Any, shard: int | None = None) -> int:
        """Dispatch an event to every session that would get it from Discord.

        The event's ``guild_id`` selects the shard; without it that is shard 0. The session's intents filter it, and
        without MESSAGE_CONTENT its content is removed. Sessions that are disconnected get it when they resume.

        Args:
            name: the event's name.
            data: its ``d``.
            shard: send it to this shard id, regardless of the ``guild_id``.

        Returns:
            The number of sessions.

        Raises:
            TypeError, ValueError: ``data`` cannot be encoded for a session, such as half a surrogate
                pair in ETF. Then it was sent to no session.

        See: https://docs.discord.com/developers/events/gateway#sharding,
            https://docs.discord.com/developers/events/gateway#gateway-intents
        """
        with self._lock:
            return self._state.dispatch(name, data, shard)

    def hide_channel(self, channel_id: int | str) -> int:
        """Take a channel from the bot's view, and dispatch CHANNEL_UPDATE; return the number of sessions.

        A client that identifies with the capability CHANNEL_OBFUSCATION gets it obfuscated, here, in GUILD_CREATE and
        in what `dispatch` sends about it; a category is hidden if it and all its channels are. Other clients get it in
        full, as they did from Discord before 16 November 2026.

        Raises:
            ValueError: no guild has the channel.

        See: https://docs.discord.com/developers/resources/channel#channel-object-obfuscated-channels
        """
        return self._set_hidden(channel_id, True)

    def show_channel(self, channel_id: int | str) -> int:
        """Give the bot access to a hidden channel; dispatch CHANNEL_UPDATE with all of it, and so for its category.

        Returns:
            The number of sessions.

        Raises:
            ValueError: no guild has the channel.
        """
        return self._set_hidden(channel_id, False)

    def _set_hidden(self, channel_id: int | str, hidden: bool) -> int:
        with self._lock:
            guild_id, changed = self._state.world.set_hidden(str(channel_id), hidden)
            return max(
                self._state.dispatch("CHANNEL_UPDATE", {**public_channel(channel), "guild_id": guild_id})
                for channel in changed
            )

    def send(
        self, op: int | str, d: Any = None, *, s: int | None = None, t: str | None = None, shard: int | None = None
    ) -> int:
        """Send any payload, outside the session's sequence and replay; return the number of connections.

        Raises:
            TypeError, ValueError: ``d`` cannot be encoded for a connection. Then it was sent to none.
        """
        number = opcode_number(op)
        with self._lock:
            targets = self._state.open_connections(shard)
            payloads = [connection.encode(number, d, s, t) for connection in targets]
            for connection, payload in zip(targets, payloads, strict=True):
                connection.send(payload)
            return len(targets)

    def send_raw(self, data: bytes, shard: int | None = None) -> int:
        """Send bytes without any framing; return the number of connections."""
        return self._for_each(shard, lambda connection: connection.send_raw(data))

    def send_garbage(self, kind: str, shard: int | None = None) -> int:
        """Send malformed data; return the number of connections.

        Args:
            kind: malformed payloads are ``"json"`` and ``"etf"`` (truncated), and in the connection's encoding
                ``"utf8"`` (a text that is not UTF-8) and ``"not an object"``; malformed compressed streams are
                ``"zlib"`` and ``"zstd"``; malformed frames are ``"text"`` (not UTF-8), ``"rsv"``, ``"opcode"``,
                ``"masked"``, ``"continuation"``, ``"long control"`` and ``"close code"``.
            shard: only to this shard id.
        """
        if kind in BAD_PAYLOADS:
            forms = BAD_PAYLOADS[kind]
            return self._for_each(shard, lambda connection: connection.send(forms[connection.wire.encoding_name]))
        if kind in BAD_FRAMES:
            return self.send_raw(BAD_FRAMES[kind], shard)
        raise ValueError(f"invalid kind={kind!r}: expected {', '.join(KINDS)}")

    def send_bomb(self, size: int, shard: int | None = None) -> int:
        """Send a payload that is small on the wire and inflates to `size` bytes; return the number of connections.

        It is a valid HEARTBEAT_ACK with a long string, and not replayed by a RESUME. It is compressed in pieces, so
        that the gateway never holds it as a whole.

        Args:
            size: bytes, at least 64 and less than 4 GiB. A GiB takes some seconds to compress.
            shard: only to this shard id.

        Raises:
            ValueError: ``size`` is out of range, or a connection has no compression: neither ``compress`` in its URL
                nor ``compress: true`` in its IDENTIFY.
        """
        check_bomb_size(size)
        with self._lock:
            targets = self._state.open_connections(shard)
            plain = [connection.number for connection in targets if not connection.wire.is_compressed]
            if plain:
                raise ValueError(f"connection {plain[0]} has no compression: cannot send it a bomb")
            for connection in targets:
                connection.send_pieces(bomb(connection.wire.encoding_name, size))
            return len(targets)

    def request_heartbeat(self, shard: int | None = None) -> int:
        """Request a heartbeat with op 1; return the number of connections.

        See: https://docs.discord.com/developers/events/gateway
        """
        return self.send(Op.HEARTBEAT, None, shard=shard)

    def reconnect(self, shard: int | None = None) -> int:
        """Ask clients to reconnect with op 7; return the number of connections.

        See: https://docs.discord.com/developers/events/gateway-events
        """
        return self.send(Op.RECONNECT, None, shard=shard)

    def invalidate(self, resumable: bool = False, shard: int | None = None) -> int:
        """Send op 9, and end the sessions unless `resumable`; return the number of connections.

        See: https://docs.discord.com/developers/events/gateway-events
        """
        return self._for_each(shard, lambda connection: connection.handler.on_invalidate(resumable))

    def expire_sessions(self, shard: int | None = None) -> int:
        """Forget sessions. Connected sessions are closed with 4009; a later RESUME of the others gets op 9 ``false``.

        Returns:
            The number of sessions.
        """
        with self._lock:
            sessions = self._state.sessions.values()
            expired = [session for session in sessions if shard is None or session.shard_id == shard]
            for session in expired:
                if session.connection is not None:
                    session.connection.close(Close.SESSION_TIMED_OUT, "Session timed out.")
                    session.connection = None
                self._state.end_session(session)
            return len(expired)

    # Faults on open connections.

    def drop(self, how: str = "reset", *, code: int = 4000, reason: str = "", shard: int | None = None) -> int:
        """Cut connections, after sending what was dispatched so far as long as the client reads it.

        On return the cut has been made, and the sessions can be resumed.

        Args:
            how: ``"reset"`` is a TCP reset, ``"eof"`` a FIN without close frame, ``"close"`` a close frame,
                ``"silent"`` leaves a zombie: the socket stays open, nothing more is sent or answered, and
                dispatches are only kept for the replay.
            code: the close code for ``"close"``.
            reason: the close reason for ``"close"``.
            shard: only connections of this shard id.

        Returns:
            The number of connections.

        Raises:
            ValueError: ``how`` is unknown, or a close frame cannot contain ``code``.
        """
        check_cut(how, code)
        with self._lock:
            targets = self._state.open_connections(shard)
            for connection in targets:
                self._state.cut(connection, how, code, reason)
            self._changed.wait_for(lambda: all(connection.was_cut for connection in targets), CUT_TIMEOUT)
            return len(targets)

    def silence(self, shard: int | None = None) -> int:
        """Turn connections into silent zombies, as ``drop("silent")``; return the number of connections."""
        return self.drop("silent", shard=shard)

    def withhold_acks(self, shard: int | None = None) -> int:
        """Leave heartbeats of open connections unanswered; return the number of connections."""

        def withhold(connection: Connection) -> None:
            connection.acknowledges = False

        return self._for_each(shard, withhold)

    def stop_reading(self, shard: int | None = None) -> int:
        """Stop reading from the sockets until `resume_reading`, so that the clients' send buffers fill."""
        return self._for_each(shard, lambda connection: connection.read(False))

    def resume_reading(self, shard: int | None = None) -> int:
        """Read again after `stop_reading`."""
        return self._for_each(shard, lambda connection: connection.read(True))

    def stop_accepting(self) -> None:
        """Close the listening socket: new connections are refused until `accept_again`, open connections stay."""
        self._on_event_loop_thread(self._listener.close)

    def accept_again(self) -> None:
        """Listen again, on the same port."""
        self._on_event_loop_thread(self._listener.open)

    def _for_each(self, shard: int | None, act: Callable[[Connection], None]) -> int:
        with self._lock:
            targets = self._state.open_connections(shard)
            for connection in targets:
                act(connection)
            return len(targets)

    def _on_event_loop_thread(self, task: Callable[[], None]) -> None:
        """Run `task` on the gateway's thread and wait for it to return."""
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
                self._changed.notify_all()

            self._state.event_loop.submit(run)
            self._changed.wait_for(lambda: bool(done))
            if done[0] is not None:
                raise done[0]
