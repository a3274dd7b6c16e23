"""The client: checks arguments, then calls the part that does the work. Runs no loop and has no state of its own.

Called on the program's threads. `Lifecycle` starts and ends the connection and takes commands; `Requester` sends the
requests whose answer the caller waits for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from .arguments.defaults import DEFAULT_PROPERTIES, MAX_BACKLOG_BYTES, MAX_MESSAGE_SIZE
from .arguments.validation import (
    check_code,
    check_count,
    check_event,
    check_op,
    check_overflow,
    check_predicate,
    check_reason,
    check_timeout,
)
from .concurrency.fork import in_child
from .diagnostics.stats import Stats, Status
from .dispatch.emitter import Emitter
from .events import EventName, PlainName, SignalName
from .log import LOGGER, ShardLog
from .network.urls import DEFAULT_API, DEFAULT_GATEWAY, GATEWAY_VERSION
from .opcodes import KEEP_SESSION, OPCODES, Opcode
from .protocol import payloads
from .session import state

if TYPE_CHECKING:  # what a connection needs: the first client imports it, not `import vox_gateway`
    import ssl

    from typing_extensions import Self

    from .accelerators import Reader
    from .discovery.identify_limiter import IdentifyGate
    from .dispatch.guilds import Guilds
    from .dispatch.stream import EventStream
    from .payloads import PresenceUpdateStatus
    from .requests import Members, Requests, VoiceConnection
    from .runs.lifecycle import Runs
    from .session.store import SessionStore

__all__ = ["Client"]

T = TypeVar("T")


class Client(Emitter):
    """Keeps a connection to the Discord Gateway (a shard) alive and calls plain functions with its events. ::

        client = Client(token="...")

        @client.on(events.MESSAGE_CREATE)
        def greet(message):
            print(message["content"])

        client.connect()

    Handlers are registered with `on`, `once` and pyee's other methods, under a name of `vox_gateway.events` or the same
    as text:

    - the name of a dispatch event (``"MESSAGE_CREATE"``): called with its data, the payload's ``d``;
    - the name of an opcode (``"HELLO"``, ``"DISPATCH"``, ...): called with the whole payload;
    - ``"guilds_ready"``: called without arguments when the guilds have come; see `wait_until_guilds`;
    - ``"open"``: called without arguments; ``"close"``: with ``{"code", "reason"}``, the reason as the server wrote it;
      ``"error"``: with an exception and the name of the event whose handler raised it, or ``"close"`` for the error
      that ended the client.

    Handlers run sequentially on a thread of their own, and may block, raise, send and close. `stream` and
    `wait_for` return events to the caller instead.

    The connection belongs to the process that called `connect`. In a child made by `os.fork` the client is closed:
    commands raise NotConnected with the words "forked after connect()", and `connect` begins a session of its own.

    Args:
        token: the bot's token. It appears in no log, repr or exception.
        url: the gateway's URL, ``wss://`` or ``ws://``; a ``v=`` in it is kept, for services that serve another version
            than `GATEWAY_VERSION`. None requests Get Gateway Bot before each IDENTIFY, and waits while no session
            starts remain; while the API is down the last URL serves, or Discord's documented URL, with a count of
            session starts of our own. `get_gateway_bot` returns the same.
        api_url: the base of the HTTP API that is requested if `url` is None.
        port: a TCP port that replaces the URL's own.
        encoding: ``"json"`` or ``"etf"``. Handlers get the same values from both; ids are text in both. Only where a
            field may hold anything, as the ``value`` of an option, an id may be an integer in ETF.
        compress: True for ``"zlib-stream"``, False for none, or a name: ``"zlib-stream"``, ``"zstd-stream"`` (extra
            ``zstd``) or ``"payload"`` (with ``"json"`` only).
        json: the JSON reader: ``"msgspec"`` (extra ``speed``), ``"orjson"``, ``"json"`` (the standard library's),
            ``"simplejson"``, or a function from a document in bytes to its value, with objects as plain dicts; None
            for the fastest that is installed, see `speedups`. Any exception that the function raises counts as an
            unreadable payload: the connection is closed and resumed.
        shard: ``(shard id, number of shards)``.
        properties: what IDENTIFY says about this program: ``os``, ``browser``, ``device``.
        large_threshold: 50 to 250 members; offline members of larger guilds are not sent.
        presence: the first presence; see `presence_update` for its keys.
        intents: an `Intents` or its number; None for `Intents.default()`, all that need no privilege.
        capabilities: a `Capabilities` or its number: what this client opts into.
        proxy: ``http://`` or ``socks5://`` (and ``socks4``, ``socks4a``, ``socks5h``; extra ``socks``); None reads the
            environment's ``HTTPS_PROXY`` and ``NO_PROXY``.
        ssl_context: verifies the server; certificates and host names are always checked.
        connect_timeout: seconds for DNS, TCP, proxy, TLS and upgrade together, and for Get Gateway Bot.
        max_message_size: bytes of a message, compressed or not; a larger message closes and resumes the connection.
            Decoded, Discord's events take about 3 times their size in memory; the worst that a server can write takes
            30 times its size as JSON, and 75 times as ETF.
        slow_handler_warning: seconds after which a running handler is logged, with the stack of where it is.
        backlog: number of events that may wait for their handlers before reading pauses.
        backlog_bytes: bytes of payloads, inflated and not decoded, that may wait for their handlers before reading
            pauses. A message is let in while fewer wait, so they may be exceeded by what one read brings. With
            ``encoding="etf"``, `workers` or ``handlers="caller"``, events are decoded when they begin to wait, and take
            about 3 times as much memory.
        handlers: ``"thread"`` runs them on a thread of the client; ``"caller"`` on the thread that calls
            `dispatch_pending`, or a blocking `connect`.
        workers: with ``"thread"``, the number of threads that run handlers; 0 for the client's own thread. Events of
            a guild keep their order; so do, outside of guilds, events of a channel or user, and events that belong
            to none of these.
        session_file: path of a file that keeps the session for the next process, which resumes where the handlers had
            got to, so that no event is missed over a restart; see `close`. After a kill the events of the last second
            may arrive twice. The file is for this bot and shard only, for one client at a time, and never holds the
            token. With another token, other intents or capabilities, or another `encoding`, `compress` or ``v=`` of
            `url`, a new session begins; the same after a damaged file, which is renamed to ``NAME.damaged``.
            ``NAME.lock`` beside it is locked while the client runs. Or a `SessionStore`, which keeps the session
            elsewhere.
        identify_gate: shared by shards that need more than one IDENTIFY in 5 seconds; see `IdentifyGate`.

    Raises:
        TypeError, ValueError: an argument cannot be used; the message names it.
        MissingExtra: an argument needs an optional package.
        OSError: `session_file` cannot be read.

    See: https://docs.discord.com/developers/events/gateway#connections
    """

    DEFAULT_PROPERTIES = DEFAULT_PROPERTIES
    GATEWAY_VERSION = GATEWAY_VERSION
    LOGGER = LOGGER
    OPCODES = OPCODES
    Session = state.Session

    def __init__(
        self,
        *,
        token: str,
        url: str | None = DEFAULT_GATEWAY,
        api_url: str = DEFAULT_API,
        port: int | None = None,
        encoding: Literal["json", "etf"] = "json",
        compress: bool | Literal["zlib-stream", "zstd-stream", "payload"] = True,
        json: Literal["msgspec", "orjson", "json", "simplejson"] | Reader | None = None,
        shard: tuple[int, int] = (0, 1),
        properties: Mapping[str, str] = DEFAULT_PROPERTIES,
        large_threshold: int | None = None,
        presence: Mapping[str, Any] | None = None,
        intents: int | None = None,
        capabilities: int = 0,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout: float = 10.0,
        max_message_size: int = MAX_MESSAGE_SIZE,
        slow_handler_warning: float = 10.0,
        backlog: int = 10_000,
        backlog_bytes: int = MAX_BACKLOG_BYTES,
        handlers: Literal["thread", "caller"] = "thread",
        workers: int = 0,
        session_file: str | os.PathLike[str] | SessionStore | None = None,
        identify_gate: IdentifyGate | None = None,
    ) -> None:
        # Three quarters of all that is imported: `ssl`, websocket-client, the JSON reader, the threads of a run. A
        # program that imports this package pays for them when it makes a client, on that thread and before any of ours
        # starts.
        from .config import make_options

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
            capabilities=capabilities,
            proxy=proxy,
            ssl_context=ssl_context,
            connect_timeout=connect_timeout,
            max_message_size=max_message_size,
            slow_handler_warning=slow_handler_warning,
            backlog=backlog,
            backlog_bytes=backlog_bytes,
            handlers=handlers,
            workers=workers,
            session_file=session_file,
            identify_gate=identify_gate,
        )
        self._log = self._make_log()
        super().__init__(self._log)
        self._lifecycle = self._make_lifecycle()
        self._requester = self._make_requester()
        in_child(self, Client._after_fork)

    def __repr__(self) -> str:
        if not self._initialized:
            return "<Client not initialized>"
        return f"<Client {self._lifecycle.in_short()} url={self._options.url!r}>"

    def __enter__(self) -> Self:
        """Connect as with ``async_=True``; commands wait for READY.

        Raises:
            AlreadyConnected, ValueError, OSError, RuntimeError: see `connect`.
        """
        self.connect(async_=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close; with `session_file`, keep the session.

        Raises:
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client, unless the block raised.
        """
        self._close_for_exit()
        if error is None:
            self.wait_closed(0)

    # -- connecting and closing ------------------------------------------------------------------------------------

    @overload
    def connect(self, async_: Literal[False] = False) -> None: ...
    @overload
    def connect(self, async_: Literal[True]) -> threading.Thread: ...
    @overload
    def connect(self, async_: bool) -> threading.Thread | None: ...
    def connect(self, async_: bool = False) -> threading.Thread | None:
        """Connect, and stay connected until `close` or an error that reconnecting cannot fix.

        Args:
            async_: return at once, with the daemon thread that keeps the connection. Otherwise return when the client
                was closed; Ctrl-C closes it in order, and with `session_file` keeps the session.

        Raises:
            AlreadyConnected: the client runs, or another client, in this process or another, uses its `session_file`.
            ValueError: `session_file` has become the file of another bot or shard, or is not a session file.
            OSError: `session_file` cannot be read.
            Exception: any exception that ``load`` of a `SessionStore` raises; nothing was connected.
            RuntimeError: a thread cannot be started; nothing was connected, and `connect` may be called again.
            ThreadFailed: a thread of the client failed. Not with `async_`: then `wait_closed` raises it.
            ConnectionClosed, ConnectFailed: the gateway refused permanently; the message says how to fix it. Not with
                `async_`: then it is emitted as `error`, and `wait_closed` raises it.

        See: https://docs.discord.com/developers/events/gateway#connection-lifecycle
        """
        self._lifecycle.receiver.warn_of_missing_intents(self.heard_events())
        if async_:
            return self._lifecycle.start().thread
        self._lifecycle.run(on_interrupt=self._close_for_exit)
        return None

    def close(
        self, reason: str | None = None, code: int = 1000, reconnect: bool = False, resumable: bool = False
    ) -> None:
        """Close the connection. Idempotent. Returns within 2 seconds even if the peer is unresponsive.

        Events that have arrived and wait for their handlers are discarded. May be called from any thread, from a
        handler and from a signal handler; `connect` may be called again afterwards.

        Args:
            reason: text for the server, at most 123 bytes.
            code: the close code. 1000 and 1001 end the session: the bot goes offline, and `session_file` is deleted.
                With any other, the next `connect` resumes it.
            reconnect: stay connected: close with 4000, then resume on a new connection. Does not wait for it.
            resumable: close with 4000 instead of 1000.

        Raises:
            TypeError, ValueError: `reason` or `code` cannot be sent.

        See: https://docs.discord.com/developers/events/gateway#initiating-a-disconnect
        """
        reason, code = check_reason(reason), check_code(code)
        if (reconnect or resumable) and code == 1000:
            code = KEEP_SESSION
        if self._initialized:
            self._lifecycle.close(code, reason, reconnect)

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Wait for READY or RESUMED. Before the first `connect` this waits for that too.

        Args:
            timeout: seconds; None to wait without a limit.

        Returns:
            Whether the client is ready. False after `timeout`, when the client closes or has been closed, and in a
            child process that was forked after `connect`, until `connect` is called there.

        Raises:
            TypeError, ValueError: `timeout` is not a number of seconds.
        """
        return self._lifecycle.wait_until_ready(check_timeout(timeout))

    def wait_until_guilds(self, timeout: float | None = None) -> bool:
        """Wait until every guild of READY has come (GUILD_CREATE) or is unavailable. ::

            client.connect(async_=True)
            if client.wait_until_guilds(60):
                print("in", len(client.guilds), "guilds")

        Discord may send nothing for a guild in an outage. So, when no guild has come for 5 seconds while the client was
        ready, those that are left count as unavailable. The event ``guilds_ready`` comes at the same moment, behind the
        handlers of the last GUILD_CREATE; with `workers` or ``handlers="caller"`` these may still be at work.

        Before the first `connect` this waits for that too. A reconnect continues the wait; a new READY restarts it.
        Where a session is resumed from `session_file` there is no READY, and RESUMED ends the wait: what Discord had
        sent by then has come.

        Args:
            timeout: seconds; None to wait without a limit.

        Returns:
            Whether the guilds have come. False after `timeout`, when the client closes or has been closed, and in a
            child process that was forked after `connect`, until `connect` is called there.

        Raises:
            ValueError: the intent GUILDS is missing, without which no guild comes.
            RuntimeError: the caller is a handler on the thread that brings the guilds; see `wait_for`.
            TypeError, ValueError: `timeout` is not a number of seconds.

        See: https://docs.discord.com/developers/events/gateway-events#guild-create
        """
        return self._lifecycle.wait_until_guilds(check_timeout(timeout))

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until the client is closed.

        Args:
            timeout: seconds; None to wait without a limit.

        Returns:
            Whether the client is closed; False after `timeout`.

        Raises:
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: called by a handler, which would wait for itself; ``timeout=0`` is allowed.
            TypeError, ValueError: `timeout` is not a number of seconds.
        """
        timeout = check_timeout(timeout)
        return not self._initialized or self._lifecycle.wait_closed(timeout)

    # -- receiving events without handlers -------------------------------------------------------------------------

    @overload
    def stream(
        self, name: EventName[T], /, *, maxsize: int = 10_000, overflow: Literal["drop", "block"] = "drop"
    ) -> EventStream[T]: ...
    @overload
    def stream(
        self, *names: str, maxsize: int = 10_000, overflow: Literal["drop", "block"] = "drop"
    ) -> EventStream[Any]: ...
    def stream(self, *names: str, maxsize: int = 10_000, overflow: str = "drop") -> EventStream[Any]:
        """Collect events from now on, to take them in a loop. ::

            with client.stream(events.MESSAGE_CREATE) as messages:
                for event in messages:
                    print(event.data["content"])

        Args:
            names: names of `vox_gateway.events`, or the same as text: dispatch events, opcodes (``"HEARTBEAT_ACK"``),
                ``"open"``, ``"close"`` and ``"guilds_ready"``; none for every dispatch event. The data of a single
                constant has its type; that of several has the type `Any`.
            maxsize: number of events that the stream holds; 0 for any number.
            overflow: when it is full, ``"drop"`` the oldest, counted in `EventStream.dropped` and logged once; or
                ``"block"`` all events, those of handlers included, until an event is taken.

        Raises:
            TypeError, ValueError: an argument cannot be used; the message names it.
        """
        checked = tuple(map(check_event, names)) or ("DISPATCH",)
        return self._lifecycle.receiver.open_stream(
            checked, check_count("maxsize", maxsize, 0), check_overflow(overflow)
        )

    @overload
    def wait_for(
        self, name: EventName[T], check: Callable[[T], object] | None = None, timeout: float | None = None
    ) -> T: ...
    @overload
    def wait_for(
        self,
        name: PlainName | SignalName[[]],
        check: Callable[[Any], object] | None = None,
        timeout: float | None = None,
    ) -> Any: ...
    def wait_for(self, name: Any, check: Callable[[Any], object] | None = None, timeout: float | None = None) -> Any:
        """Wait for an event, and return its data.

        Events from before the call do not count: to wait for the answer to a command, make a `stream`, send the
        command, and take the answer from the stream. A handler must not wait where it runs on the thread that brings
        the event (the default); with `workers`, or ``handlers="caller"``, it may.

        Args:
            name: as for `stream`.
            check: called with the data, on this thread; the first data for which it is true is returned.
            timeout: seconds; None to wait without a limit.

        Raises:
            TimeoutError: the event did not arrive in time.
            NotConnected: the client is not running, or was closed while this waited.
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: the caller is a handler that would wait for itself.
            TypeError, ValueError: an argument cannot be used; the message names it.
        """
        return self._lifecycle.receiver.wait_for(check_event(name), check_predicate(check), check_timeout(timeout))

    def dispatch_pending(self, limit: int | None = None, timeout: float | None = 0) -> int:
        """With ``handlers="caller"``: run the handlers of events that have arrived, on this thread.

        Args:
            limit: number of events; None for all.
            timeout: seconds to wait for the first event; None to wait without a limit.

        Returns:
            The number of events whose handlers were run; 0 also while another call is under way, on another thread or,
            from a handler, on this thread.

        Raises:
            RuntimeError: the client runs handlers on threads of its own.
            TypeError, ValueError: an argument cannot be used; the message names it.
        """
        limit = None if limit is None else check_count("limit", limit, 0)
        return self._lifecycle.receiver.dispatch_pending(limit, check_timeout(timeout))

    # -- sending commands ------------------------------------------------------------------------------------------

    def send_packet(self, op_code: int | str, data: Any, timeout: float | None = None) -> None:
        """Send any command. Waits for READY and for the send limit (120 events in 60 seconds, heartbeats included).

        Args:
            op_code: an `Opcode`, its number or its name.
            data: the payload's ``d``.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: the command was not sent in time. Nothing of it was written.
            NotConnected: the client is not running, or was closed while this waited.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used, or `data` holds a value that cannot be encoded.

        See: https://docs.discord.com/developers/events/gateway#sending-events
        """
        op, timeout = check_op(op_code), check_timeout(timeout)
        if op == Opcode.PRESENCE_UPDATE:
            self._update_presence(payloads.check_presence(data), timeout)
        else:
            self._requester.expect_refusal(op)
            self._lifecycle.send(op, data, timeout)

    def presence_update(
        self,
        *,
        status: PresenceUpdateStatus,
        afk: bool = False,
        game: Mapping[str, Any] | None = None,
        since: int | None = None,
        activities: Iterable[Mapping[str, Any]] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Change the bot's presence, also for the next IDENTIFY.

        The gateway accepts 5 presences in 20 seconds. Beyond that this returns at once and the newest presence is sent
        as soon as the limit allows; a presence that was replaced by then is not sent.

        Args:
            status: ``online``, ``dnd``, ``idle``, ``invisible`` or ``offline``.
            afk: whether the user is away.
            game: a single activity; the same as ``activities=[game]``.
            since: when the bot became idle, Unix time in milliseconds.
            activities: what the bot is doing: mappings with a ``name`` and a ``type`` (0 playing, 1 streaming,
                2 listening, 3 watching, 4 custom, 5 competing), and optionally ``state`` and ``url``.
            timeout: seconds to wait for READY; None to wait without a limit.

        Raises:
            CommandTimeout: the client was not ready in time. The presence was not changed.
            NotConnected: the client is not running, or was closed while this waited.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#update-presence
        """
        data = payloads.presence_update(status=status, afk=afk, game=game, since=since, activities=activities)
        self._update_presence(data, check_timeout(timeout))

    def voice_state_update(
        self,
        guild_id: str | int,
        channel_id: str | int | None,
        self_mute: bool = False,
        self_deaf: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Join a voice channel, move to it, or leave. Answered by VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE.

        Args:
            guild_id: the guild.
            channel_id: the channel, or None to leave.
            self_mute, self_deaf: whether the bot is muted or deafened.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: the command was not sent in time. Nothing of it was written.
            NotConnected: the client is not running, or was closed while this waited.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#update-voice-state
        """
        data = payloads.voice_state_update(guild_id, channel_id, self_mute, self_deaf)
        self.send_packet(Opcode.VOICE_STATE_UPDATE, data, timeout)

    def request_guild_members(
        self,
        guild_id: str | int,
        query: str | None = None,
        limit: int = 0,
        presences: bool | None = None,
        user_ids: str | int | Iterable[str | int] | None = None,
        nonce: str | int | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Request members of a guild, which arrive as GUILD_MEMBERS_CHUNK events.

        Args:
            guild_id: the guild.
            query: the beginning of the names; ``""`` with `limit` 0 for all members, which needs GUILD_MEMBERS.
            limit: number of members to send, with `query`.
            presences: whether to send presences too, which needs GUILD_PRESENCES.
            user_ids: the members to send, at most 100, instead of `query`.
            nonce: is repeated in the chunks, at most 32 bytes.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: the command was not sent in time. Nothing of it was written.
            NotConnected: the client is not running, or was closed while this waited.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#request-guild-members
        """
        data = payloads.request_guild_members(
            guild_id, query=query, limit=limit, presences=presences, user_ids=user_ids, nonce=nonce
        )
        for explain in payloads.unanswered, payloads.answered_in_part:
            if warning := explain(data, self._options.intents):
                self._log.warning("%s", warning)
        self.send_packet(Opcode.REQUEST_GUILD_MEMBERS, data, timeout)

    def request_soundboard_sounds(self, guild_ids: Iterable[str | int], *, timeout: float | None = None) -> None:
        """Request the soundboard sounds of guilds, which arrive as a SOUNDBOARD_SOUNDS event for each guild.

        Args:
            guild_ids: the guilds.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: the command was not sent in time. Nothing of it was written.
            NotConnected: the client is not running, or was closed while this waited.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#request-soundboard-sounds
        """
        self.send_packet(Opcode.REQUEST_SOUNDBOARD_SOUNDS, payloads.request_soundboard_sounds(guild_ids), timeout)

    def request_channel_info(self, guild_id: str | int, fields: Iterable[str], *, timeout: float | None = None) -> None:
        """Request details of a guild's channels, which arrive as a CHANNEL_INFO event.

        Args:
            guild_id: the guild.
            fields: the details to send: ``status``, ``voice_start_time``, and any others that Discord will know.
            timeout: seconds; None to wait without a limit.

        Raises:
            CommandTimeout: the command was not sent in time. Nothing of it was written.
            NotConnected: the client is not running, or was closed while this waited.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#request-channel-info
        """
        self.send_packet(Opcode.REQUEST_CHANNEL_INFO, payloads.request_channel_info(guild_id, fields), timeout)

    # -- sending requests and waiting for the answer ---------------------------------------------------------------

    def fetch_guild_members(
        self,
        guild_id: str | int,
        query: str | None = None,
        limit: int = 0,
        *,
        user_ids: str | int | Iterable[str | int] | None = None,
        presences: bool | None = None,
        timeout: float | None = 60.0,
    ) -> Members:
        """Request members of a guild, and wait for all of them. ::

            members = client.fetch_guild_members(guild_id, user_ids=[1, 2])
            print(len(members), "are members,", members.not_found, "are not")

        When the gateway refuses a request because there were too many (Discord sends all members of a guild once in 30
        seconds), this waits and requests once more, if `timeout` leaves the time. When the connection drops, what is
        lost is requested again. Equal requests of several threads are sent once.

        Args:
            guild_id: a guild of this client's shard.
            query: the beginning of the names; None or ``""`` for all members, which needs GUILD_MEMBERS.
            limit: number of members to send, with `query`; Discord sends at most 100 that are found by name.
            user_ids: the members to send, any number of them, instead of `query`.
            presences: whether to send presences too, which needs GUILD_PRESENCES.
            timeout: seconds; None to wait without a limit, which may be forever: the gateway does not answer for a
                guild that the bot is not in.

        Returns:
            The members, with the ids that were not found and the presences.

        Raises:
            TimeoutError: not all members arrived in time, or the connection dropped 3 times in a row after the request,
                before any answer: the message names the last close code.
            RateLimited: there were too many requests, and the members will not arrive in time; a TimeoutError.
            NotConnected: the client is not running, or was closed while this waited.
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: the caller is a handler on the thread that brings the answer; see `wait_for`.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used, or an intent is missing; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#request-guild-members
        """
        timeout = check_timeout(timeout)
        return self._requester.guild_members(
            guild_id, query=query, limit=limit, user_ids=user_ids, presences=presences, timeout=timeout
        )

    def join_voice(
        self,
        guild_id: str | int,
        channel_id: str | int,
        *,
        self_mute: bool = False,
        self_deaf: bool = False,
        timeout: float | None = 10.0,
    ) -> VoiceConnection:
        """Join a voice channel, or move to it, and wait for the credentials of the voice connection.

        Needs the intent GUILD_VOICE_STATES. While Discord has no voice server available, this waits.

        Args:
            guild_id: a guild of this client's shard.
            channel_id: the channel.
            self_mute, self_deaf: whether the bot is muted or deafened.
            timeout: seconds; None to wait without a limit, which may be forever: Discord does not answer if the bot may
                not connect, or if the channel is full.

        Returns:
            The credentials that a voice connection is opened with.

        Raises:
            TimeoutError: no answer in time, or the connection dropped 3 times in a row after the command, before any
                answer: the message names the last close code.
            NotConnected: the client is not running, or was closed while this waited.
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: the caller is a handler on the thread that brings the answer; see `wait_for`.
            TypeError, ValueError: an argument cannot be used, or the intent is missing; the message names it.

        See: https://docs.discord.com/developers/topics/voice-connections#retrieving-voice-server-information
        """
        timeout = check_timeout(timeout)
        return self._requester.join_voice(guild_id, channel_id, self_mute, self_deaf, timeout)

    def leave_voice(self, guild_id: str | int, *, timeout: float | None = 10.0) -> None:
        """Leave the voice channel of a guild, and wait until the bot has left.

        Harmless after `join_voice` whatever has happened since. If the client does not know whether the bot was in a
        channel, and it was not, Discord does not answer: that is a TimeoutError.

        Needs the intent GUILD_VOICE_STATES.

        Args:
            guild_id: a guild of this client's shard.
            timeout: seconds; None to wait without a limit, which may be forever.

        Raises:
            TimeoutError: no answer in time, or the connection dropped 3 times in a row after the command, before any
                answer: the message names the last close code.
            NotConnected: the client is not running, or was closed while this waited.
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: the caller is a handler on the thread that brings the answer; see `wait_for`.
            TypeError, ValueError: an argument cannot be used, or the intent is missing; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#update-voice-state
        """
        self._requester.leave_voice(guild_id, check_timeout(timeout))

    def fetch_soundboard_sounds(
        self, guild_ids: Iterable[str | int], *, timeout: float | None = 10.0
    ) -> dict[str | int, list[dict[str, Any]]]:
        """Request the soundboard sounds of guilds, and wait for all of them.

        Args:
            guild_ids: any number of guilds, all of this client's shard.
            timeout: seconds; None to wait without a limit, which may be forever.

        Returns:
            A list of sounds for each guild, under the id as it was given.

        Raises:
            TimeoutError: not all sounds arrived in time, or the connection dropped 3 times in a row after the request,
                before any answer: the message names the last close code.
            NotConnected: the client is not running, or was closed while this waited.
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: the caller is a handler on the thread that brings the answer; see `wait_for`.
            PayloadTooLarge: the encoded command is over 4096 bytes; a ValueError.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#request-soundboard-sounds
        """
        return self._requester.soundboard_sounds(guild_ids, check_timeout(timeout))

    def fetch_channel_info(
        self, guild_id: str | int, fields: Iterable[str], *, timeout: float | None = 10.0
    ) -> list[dict[str, Any]]:
        """Request details of a guild's channels, and wait for them.

        Args:
            guild_id: a guild of this client's shard.
            fields: the details to send: ``status``, ``voice_start_time``, and any others that Discord will know.
            timeout: seconds; None to wait without a limit, which may be forever.

        Returns:
            A dict for each channel that has any of the details: its ``id`` and those details.

        Raises:
            TimeoutError: no answer in time, or the connection dropped 3 times in a row after the request, before any
                answer: the message names the last close code.
            NotConnected: the client is not running, or was closed while this waited.
            ConnectionClosed, ConnectFailed, ThreadFailed: the error that ended the client.
            RuntimeError: the caller is a handler on the thread that brings the answer; see `wait_for`.
            TypeError, ValueError: an argument cannot be used; the message names it.

        See: https://docs.discord.com/developers/events/gateway-events#request-channel-info
        """
        return self._requester.channel_info(guild_id, fields, check_timeout(timeout))

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def handled(self) -> state.Session:
        """The session up to the last event whose handlers have returned.

        It is behind `session` while events wait or a handler runs, and has no `resume_url`.
        """
        return self._lifecycle.handled

    @property
    def session(self) -> state.Session:
        """The session now: `id`, `seq` and `resume_url`."""
        return self._lifecycle.session

    @property
    def guilds(self) -> Guilds:
        """The ids and states of the bot's guilds, and why each GUILD_CREATE came. Contents are not kept."""
        return self._lifecycle.guild_view

    @property
    def status(self) -> Status:
        """What the client is doing."""
        return self._lifecycle.status if self._initialized else Status.CLOSED

    @property
    def latency(self) -> float:
        """Seconds from the last heartbeat to its acknowledgement; infinity before the first."""
        return self._lifecycle.latency

    @property
    def latencies(self) -> tuple[float, ...]:
        """Seconds from heartbeat to acknowledgement, of the last 5 heartbeats; the newest last."""
        return self._lifecycle.latencies

    @property
    def stats(self) -> Stats:
        """Counts since the client was made, or since this process was forked."""
        return self._lifecycle.stats

    def explain(self) -> str:
        """Return a text that says what the client has done lately, and what it does now. ::

            >>> print(client.explain())
            2.4 s ago  connecting to gateway.discord.gg, to begin a session
            2.1 s ago  connected
            2.1 s ago  asked for a new session
            1.9 s ago  ready: session 3f9a1c… begun
            now: connected, waiting for events; next heartbeat in 33 s

        Up to 20 transitions, the newest last, each with its age; then the current state. Heartbeats take a line for
        each connection. The lines hold neither the token nor a whole session id.
        """
        return self._lifecycle.explain()

    def health(self) -> dict[str, Any]:
        """Return the client's state as values that JSON can hold, for a health route or a monitor.

        Returns:
            A dict with these keys. Times are in seconds; a value that does not exist is None.

            - ``ok``: whether the client does its work. True while it is ready, and while it reconnects, for up to
              30 seconds after the drop. False when it is not connected or closes, before it is ready for the first time
              after `connect`, when a reconnect takes longer, and while the backlog is full.
            - ``status``: as `status`.
            - ``shard``: ``[shard id, number of shards]``.
            - ``latency``: from the last heartbeat to its acknowledgement.
            - ``latencies``: a list of that for the last 5 heartbeats, the newest last.
            - ``uptime``: since READY or RESUMED, on this connection.
            - ``downtime``: since the last connection was lost; None while there is a connection.
            - ``since_event``: since the last event arrived.
            - ``since_heartbeat``: since the last heartbeat was acknowledged.
            - ``events``: number of events that have arrived since the client was made.
            - ``events_waiting``: number of them that wait for their handlers.
            - ``backlog_full``: whether reading is paused because `backlog` events or `backlog_bytes` wait.
            - ``handler``: the event whose handler runs now; of several, the longest-running.
            - ``handler_seconds``: for how long.
            - ``slow_handler``: the event whose handler has run for longer than `slow_handler_warning`; of several, the
              longest-running.
            - ``slow_handler_seconds``: for how long.
            - ``reconnects``, ``resumes``, ``identifies``: as in `Stats`.
            - ``last_error``: the message of the last error since `connect`; a reconnect that the gateway or `close`
              requested is not an error.
            - ``since_error``: since that error.
        """
        return self._lifecycle.health()

    # -- private ---------------------------------------------------------------------------------------------------

    @property
    def _initialized(self) -> bool:
        """Whether the constructor has returned. If it raised, the client can still be inspected and closed."""
        return hasattr(self, "_requester")

    def _make_log(self) -> ShardLog:
        return ShardLog(self._options.shard)

    def _make_lifecycle(self) -> Runs:
        """Make what starts and ends the connection. `ShardManager` has many connections."""
        from .runs.lifecycle import Lifecycle  # see the constructor

        return Lifecycle(self._options, self, self._log)

    def _make_requester(self) -> Requests:
        return self._lifecycle.make_requester()

    def _after_fork(self) -> None:
        """Make the client in a child process as new, with the same handlers."""
        self._renew_handlers()
        self._lifecycle.after_fork()
        self._requester = self._make_requester()

    def _close_for_exit(self) -> None:
        """Close as the program ends: a session that is kept in a file stays resumable."""
        self.close(resumable=self._options.session_store is not None)

    def _update_presence(self, presence: dict[str, Any], timeout: float | None) -> None:
        self._lifecycle.update_presence(presence, timeout)
