"""The state that all connections of a gateway share: sessions, world, limits, faults, responses and the log."""

from __future__ import annotations

import socket
import time
from typing import Any

from ..faults import Faults
from ..http_api import HttpApi
from ..protocol import intents as intent_bits
from ..protocol.limits import MinimumInterval, SessionStarts
from ..protocol.obfuscation import CHANNEL_OBFUSCATION
from ..protocol.opcodes import GATEWAY_CODES_THAT_END_A_SESSION
from ..protocol.validation import Identify
from ..settings import Settings
from ..world import World, shard_of
from .connection import Connection
from .event_loop import EventLoop
from .recorder import Log
from .sessions import Event, Session

_GUILD_ITSELF = ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE")
_CHANNELS = ("CHANNEL_CREATE", "CHANNEL_UPDATE")


class GatewayState:
    """The shared state and the fan-out of events to sessions. Guarded by the event loop's lock."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.settings = settings
        self.world = world
        self.event_loop: EventLoop = EventLoop("vox_gateway-local-gateway")
        self.faults: Faults = Faults(self.event_loop.lock)
        self.log: Log = Log(self.event_loop.lock, self.event_loop.changed)
        self.http: HttpApi = HttpApi(self.event_loop.lock, self.log)
        self.starts: SessionStarts = SessionStarts(
            settings.session_starts, settings.session_starts_remaining, settings.session_start_period, time.monotonic()
        )
        self.identify_limiter: MinimumInterval = MinimumInterval(settings.identify_interval)
        self.member_list_limiter: MinimumInterval = MinimumInterval(settings.member_request_interval)
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.ignored: list[socket.socket] = []  # accepted, never answered
        self.url = ""

    @property
    def resume_url(self) -> str:
        """The ``resume_gateway_url`` of READY."""
        given = self.settings.resume_url
        if given is None:
            return self.url
        return self.url + given if given.startswith("/") else given

    # Sessions.

    def start_session(self, identify: Identify, connection: Connection) -> Session:
        session = Session(identify, connection, self.settings.replay_limit)
        self.sessions[session.id] = session
        connection.shard_id = session.shard_id
        return session

    def live_sessions(self) -> list[Session]:
        """The sessions that are connected or can be resumed, oldest first; ends those that timed out."""
        for session in [held for held in self.sessions.values() if self._is_expired(held)]:
            self.end_session(session)
        return list(self.sessions.values())

    def resumable_session(self, session_id: str) -> Session | None:
        """The session with this id, unless it was disconnected for too long."""
        session = self.sessions.get(session_id)
        if session is not None and self._is_expired(session):
            self.end_session(session)
            return None
        return session

    def attach(self, session: Session, connection: Connection) -> None:
        """Attach the session to a new connection."""
        session.connection = connection
        session.encoding = connection.wire.encoding
        connection.shard_id = session.shard_id

    def detach(self, session: Session, connection: Connection, code: int | None) -> None:
        """Detach the session from a connection that ends; `code` is the close code that the gateway sent."""
        if session.connection is connection:
            session.connection = None
            session.disconnected_at = time.monotonic()
        if code in GATEWAY_CODES_THAT_END_A_SESSION:
            self.end_session(session)

    def end_session(self, session: Session) -> None:
        self.sessions.pop(session.id, None)

    def _is_expired(self, session: Session) -> bool:
        return (
            session.connection is None and time.monotonic() - session.disconnected_at >= self.settings.session_timeout
        )

    # Events.

    def dispatch(self, name: str, data: Any, shard: int | None = None) -> int:
        """Send an event to every session that receives it; return their number.

        Raises:
            TypeError, ValueError: the encoding of a session cannot represent it. Then it is sent to none.
        """
        obfuscated = None
        if name in _CHANNELS and isinstance(data, dict):
            data, obfuscated = self.world.channel_views(str(data.get("guild_id")), data)
        complete = Event(name, data)
        redacted: Event | None = None
        deliveries: list[tuple[Session, Event]] = []
        for session in self.live_sessions():
            intents = session.identify.intents
            if not _routes_to(session, name, data, shard):
                continue
            if not intent_bits.brings(intents, name, data, self.world.bot_id):
                continue
            if obfuscated is not None and session.identify.capabilities & CHANNEL_OBFUSCATION:
                visible = obfuscated
            else:
                visible = intent_bits.redacted(intents, name, data, self.world.bot_id)
            if visible is not data and redacted is None:
                redacted = Event(name, visible)
            deliveries.append((session, complete if visible is data or redacted is None else redacted))
        for session, event in deliveries:
            event.body(session.encoding)  # raises before the event is sent to any session
        for session, event in deliveries:
            self.deliver(session, event)
        return len(deliveries)

    def deliver(self, session: Session, event: Event, *, keep: bool = True) -> None:
        """Send an event to a session, or keep it until the session resumes."""
        payload = session.stamp(event, keep=keep)
        if session.connection is not None:
            self.transmit(session.connection, payload)

    def transmit(self, connection: Connection, payload: bytes) -> None:
        """Send an event's payload; a fault may cut the connection after it."""
        connection.send(payload)
        fault = self.faults.take_cut("event")
        if fault is not None:
            self.cut(connection, fault.how, fault.code, fault.reason)

    # Connections.

    def cut(self, connection: Connection, how: str, code: int = 4000, reason: str = "") -> None:
        """Cut a connection. Its session can be resumed at once, unless `how` is ``"silent"``."""
        connection.cut(how, code, reason)
        if how != "silent":
            for session in [held for held in self.sessions.values() if held.connection is connection]:
                self.detach(session, connection, code if how == "close" else None)

    def abandon_connections(self) -> None:
        """Close every socket, after the event loop has stopped."""
        for connection in self.connections:
            connection.abandon()
        self.connections.clear()
        for sock in self.ignored:
            sock.close()
        self.ignored.clear()

    def forget_descriptors(self) -> None:
        """Close only the descriptors, in a forked child; they stay open in the parent."""
        self.event_loop.forget_descriptors()
        for connection in self.connections:
            connection.forget_descriptor()
        for sock in self.ignored:
            sock.close()

    def open_connections(self, shard: int | None) -> list[Connection]:
        """Connections with an open websocket, of `shard` or of all shards."""
        matching = (each for each in self.connections if shard is None or each.shard_id == shard)
        return [connection for connection in matching if connection.is_open]


def _routes_to(session: Session, name: str, data: Any, shard: int | None) -> bool:
    """Whether an event belongs to the session's shard.

    See: https://docs.discord.com/developers/events/gateway#sharding
    """
    if shard is not None:
        return session.shard_id == shard
    fields = data if isinstance(data, dict) else {}
    guild_id = fields.get("id" if name in _GUILD_ITSELF else "guild_id")
    if guild_id is None:
        return session.shard_id == 0
    return session.shard_id == shard_of(guild_id, session.identify.shard[1])
