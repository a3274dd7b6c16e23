"""The gateway's side of the protocol on a connection, from the handshake to the close.

See: https://docs.discord.com/developers/events/gateway#connection-lifecycle
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Any

from websockets.http11 import Request

from ..faults import (
    IgnoredRequest,
    IgnoredUpgrade,
    LateReady,
    LimitedMembers,
    NoAck,
    NoHello,
    ReconnectBeforeHello,
    RefusedRequest,
    RefusedUpgrade,
)
from ..protocol import intents as intent_bits
from ..protocol import validation
from ..protocol.limits import RateLimit
from ..protocol.opcodes import CLIENT_CODES_THAT_END_A_SESSION, CLIENT_OPS, Close, Op, opcode_name
from ..protocol.validation import API_VERSIONS, Identify, Refused, Resume
from ..protocol.wire import DecodeError, UnknownWire, wire_for
from ..records import Closed, ConnectionRecord, HttpRequest, Received, SessionRefused
from . import http_routes, responses
from .connection import Connection
from .http_messages import INVALID_JSON, REQUEST_TOO_LARGE, HttpResponse, bare_response, error_response, split_target
from .sessions import Event, Session
from .state import GatewayState

VOICE_ENDPOINT = "local-gateway.invalid:443"


class Peer:
    """The gateway's protocol state for a connection. Guarded by the gateway's lock.

    Attributes:
        connection: the connection to the client.
    """

    def __init__(self, state: GatewayState, connection: Connection) -> None:
        self.connection = connection
        self._state = state
        self._session: Session | None = None
        self._version = 10
        self._has_logged_in = False  # IDENTIFY or RESUME was accepted; READY may be delayed
        self._last_heartbeat = 0.0
        self._window = RateLimit(state.settings.rate_limit, state.settings.rate_limit_period)
        connection.handler = self
        state.connections.add(connection)

    # The handshake.

    def on_handshake(self, request: Request) -> None:
        path, query = split_target(request.path)
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        log, faults = self._state.log, self._state.faults
        number = self.connection.number = log.next_connection_number
        log.add_connection(ConnectionRecord(number, path, query, headers, time.monotonic()))
        if faults.take(IgnoredUpgrade):
            return
        refused = faults.take(RefusedUpgrade)
        if refused is not None:
            self.connection.refuse(refused.status, _retry_after(refused.retry_after))
            log.set_status(number, refused.status)
            return
        status = self.connection.accept(request)
        log.set_status(number, status)
        if status == 101:
            self._begin(query)

    def on_http_request(self, request: HttpRequest) -> HttpResponse | None:
        state = self._state
        if state.faults.take(IgnoredRequest):
            state.log.add_request(request)
            return None
        response, problem = self._respond(request)
        state.log.add_request(replace(request, status=response.status, problem=problem))
        date = formatdate(time.time() + state.faults.clock_shift, usegmt=True)
        return response.with_headers([("Date", date)])

    def _respond(self, request: HttpRequest) -> tuple[HttpResponse, str | None]:
        """Return the response to a request, and what is wrong with the request."""
        state = self._state
        refused = state.faults.take(RefusedRequest)
        if refused is not None:
            return bare_response(refused.status).with_headers(_retry_after(refused.retry_after)), None
        if request.status == 413:
            return error_response(413, "Request entity too large", REQUEST_TOO_LARGE), "its body is too large"
        try:
            request.json  # noqa: B018 - raises
        except ValueError:
            response = error_response(400, "The request body contains invalid JSON.", INVALID_JSON)
            return response, "its body is not valid JSON"
        found = state.http.look_up(request)
        if found is not None:
            return found
        if request.method == "GET":
            built_in = http_routes.respond(
                request.path,
                request.headers.get("authorization"),
                url=state.url,
                settings=state.settings,
                world=state.world,
                starts=state.starts,
                now=request.at,
            )
            if built_in is not None:
                return built_in, None
        return error_response(404), "nothing expects it"

    def _begin(self, query: dict[str, str]) -> None:
        """Send HELLO on the open websocket, unless a fault applies."""
        faults, settings = self._state.faults, self._state.settings
        if self._is_cut_at("upgraded"):
            return
        if query.get("v") not in API_VERSIONS:
            self.close(Close.INVALID_API_VERSION, "Invalid API version.")
            return
        self._version = int(query["v"])
        try:
            self.connection.wire = wire_for(query)
        except UnknownWire as error:
            self.close(Close.DECODE_ERROR, str(error))
            return
        self.connection.acknowledges = faults.take(NoAck) is None
        if faults.take(ReconnectBeforeHello):
            self.send(Op.RECONNECT, None)
            return
        if faults.take(NoHello):
            return
        self.send(Op.HELLO, {"heartbeat_interval": max(1, round(settings.heartbeat_interval * 1000))})
        self._last_heartbeat = time.monotonic()
        self._state.event_loop.call_later(settings.heartbeat_timeout, self._check_heartbeats)
        self._is_cut_at("hello")

    # Input.

    def on_message(self, message: bytes) -> None:
        now = time.monotonic()
        try:
            op, data = self._decode(message, now)
            self._check_limits(op, len(message), now)
            self._handle(op, data, now)
        except Refused as refused:
            self.close(refused.code, refused.reason)

    def _decode(self, message: bytes, now: float) -> tuple[int, Any]:
        """Decode and log a payload, including a payload that will be refused."""
        try:
            payload = self.connection.wire.encoding.decode(message)
        except DecodeError as error:
            self._log(-1, message, len(message), now)
            raise Refused(Close.DECODE_ERROR, "Error while decoding payload.") from error
        op = payload.get("op") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(op, int) or isinstance(op, bool):
            self._log(-1, payload, len(message), now)
            raise Refused(Close.DECODE_ERROR, "Error while decoding payload: no opcode.")
        data = payload.get("d")
        self._log(op, data, len(message), now)
        return op, data

    def _log(self, op: int, data: Any, size: int, now: float) -> None:
        connection = self.connection
        assert connection.number is not None  # there are no messages before the handshake
        name = opcode_name(op) if op >= 0 else "UNREADABLE"
        shard_id = self._claimed_shard(op, data) if connection.shard_id is None else connection.shard_id
        self._state.log.add_received(
            Received(op=op, name=name, data=data, at=now, connection=connection.number, shard=shard_id, size=size)
        )

    def _claimed_shard(self, op: int, data: Any) -> int | None:
        """Return the shard of an IDENTIFY or RESUME, which is logged before it is validated; otherwise None."""
        if not isinstance(data, dict):
            return None
        if op == Op.IDENTIFY:
            with suppress(Refused):
                return validation.parse_shard(data.get("shard"))[0]
        elif op == Op.RESUME and isinstance(data.get("session_id"), str):
            session = self._state.sessions.get(data["session_id"])
            return None if session is None else session.shard_id
        return None

    def _check_limits(self, op: int, size: int, now: float) -> None:
        settings = self._state.settings
        if (op != Op.HEARTBEAT or settings.counts_heartbeats) and not self._window.admit(now):
            raise Refused(Close.RATE_LIMITED, "You are being rate limited.")
        if size > settings.max_payload:
            raise Refused(
                Close.DECODE_ERROR,
                f"Error while decoding payload: {size} bytes are more than {settings.max_payload}.",
            )

    def _handle(self, op: int, data: Any, now: float) -> None:
        if op not in CLIENT_OPS:
            raise Refused(Close.UNKNOWN_OPCODE, "Unknown opcode.")
        if op == Op.HEARTBEAT:
            validation.check_heartbeat(data)
            self._last_heartbeat = now
            if self.connection.acknowledges:
                self.send(Op.HEARTBEAT_ACK, None)
        elif op in (Op.IDENTIFY, Op.RESUME):
            if self._has_logged_in:
                raise Refused(Close.ALREADY_AUTHENTICATED, "Already authenticated.")
            if op == Op.IDENTIFY:
                self._identify(validation.parse_identify(data, self._state.settings.allowed_intents), now)
            else:
                self._resume(validation.parse_resume(data))
        elif self._session is None:
            raise Refused(Close.NOT_AUTHENTICATED, "Not authenticated.")
        else:
            self._answer(self._session, op, data, now)

    def _check_heartbeats(self) -> None:
        """Close a client that stopped sending heartbeats, with 4000 so that it may resume.

        The documentation specifies no code, only that the client resumes.

        See: https://docs.discord.com/developers/events/gateway#connection-lifecycle
        """
        if not self.connection.is_open:
            return
        due = self._last_heartbeat + self._state.settings.heartbeat_timeout - time.monotonic()
        if due > 0:
            self._state.event_loop.call_later(due, self._check_heartbeats)
        elif not self.connection.is_muted:
            self.close(Close.UNKNOWN_ERROR, "Heartbeat timeout.")

    # Logging in.

    def _identify(self, identify: Identify, now: float) -> None:
        state, settings = self._state, self._state.settings
        shard_id, shard_count = identify.shard
        if settings.token is not None and identify.token.removeprefix("Bot ") != settings.token:
            raise Refused(Close.AUTHENTICATION_FAILED, "Authentication failed.")
        if shard_count % settings.shard_multiple:
            raise Refused(Close.INVALID_SHARD, "Invalid shard.")
        if len(state.world.guilds_of(identify.shard)) > settings.max_guilds_per_shard:
            raise Refused(Close.SHARDING_REQUIRED, "Sharding required.")
        if not state.starts.spend(now):  # Discord resets the token of a bot that identifies too often
            raise Refused(Close.AUTHENTICATION_FAILED, "Authentication failed: no session starts remain.")
        fault = state.faults.take_invalid_session(Op.IDENTIFY)
        if fault is not None:
            self._refuse_session("IDENTIFY refused by faults.invalid_session()", fault.resumable)
            return
        wait = state.identify_limiter.wait(shard_id % settings.max_concurrency, now)
        if wait > 0:
            interval, concurrency = settings.identify_interval, settings.max_concurrency
            self._refuse_session(
                f"IDENTIFY refused: the last was {interval - wait:.1f} s ago "
                f"(identify_interval={interval:g}, max_concurrency={concurrency})"
            )
            return
        if self._is_cut_at("identify"):
            return
        self._log_in(partial(self._start, identify))

    def _start(self, identify: Identify) -> None:
        state = self._state
        if identify.compress:
            self.connection.wire.compress_payloads()
        session = self._session = state.start_session(identify, self.connection)
        guilds = state.world.guilds_of(identify.shard)
        flags = http_routes.application_flags(state.settings, state.world)
        ready = {
            "v": self._version,
            "user_settings": {},
            "user": state.world.bot,
            "session_type": "normal",
            "session_id": session.id,
            "resume_gateway_url": state.resume_url,
            "relationships": [],
            "private_channels": [],
            "presences": [],
            "guilds": [{"id": guild["id"], "unavailable": True} for guild in guilds],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "application": {"id": state.world.bot_id, "flags": flags, "flags_new": str(flags)},
            **({"shard": list(identify.shard)} if identify.has_shard else {}),
            "_trace": ["local-gateway"],
        }
        state.deliver(session, Event("READY", ready))
        state.log.add_session(session.view())
        self._is_cut_at("ready")  # if it is, the other events are kept for the replay
        if identify.intents & intent_bits.GUILDS:
            for guild in guilds:
                if state.faults.take_withheld("GUILD_CREATE"):
                    continue
                create = state.world.guild_create(
                    guild["id"], identify.intents, identify.large_threshold, identify.capabilities
                )
                state.deliver(session, Event("GUILD_CREATE", create))

    def _resume(self, resume: Resume) -> None:
        state = self._state
        session = state.resumable_session(resume.session_id)
        fault = state.faults.take_invalid_session(Op.RESUME)
        if fault is not None:
            if session is not None and not fault.resumable:
                state.end_session(session)
            self._refuse_session("RESUME refused by faults.invalid_session()", fault.resumable)
            return
        if state.settings.token is not None and resume.token.removeprefix("Bot ") != state.settings.token:
            raise Refused(Close.AUTHENTICATION_FAILED, "Authentication failed.")
        if session is None:
            timeout = state.settings.session_timeout
            self._refuse_session(
                f"RESUME refused: no such session, or it was disconnected for too long (session_timeout={timeout:g})"
            )
            return
        if resume.token != session.identify.token:
            raise Refused(Close.AUTHENTICATION_FAILED, "Authentication failed.")
        if not 0 <= resume.seq <= session.seq:
            state.end_session(session)
            raise Refused(Close.INVALID_SEQ, "Invalid seq.")
        if not session.can_replay_after(resume.seq):
            state.end_session(session)
            limit = state.settings.replay_limit
            self._refuse_session(f"RESUME refused: too many events were missed (replay_limit={limit})")
            return
        if self._is_cut_at("resume"):
            return
        self._log_in(partial(self._replay, session, resume.seq))

    def _replay(self, session: Session, seq: int) -> None:
        state = self._state
        if state.resumable_session(session.id) is not session or not session.can_replay_after(seq):
            state.end_session(session)
            self._has_logged_in = False
            self._refuse_session("RESUME refused: the session was lost while faults.delay_ready() delayed the replay")
            return
        if session.connection is not None:  # the client reconnected before the gateway noticed the disconnect
            session.connection.close(Close.UNKNOWN_ERROR, "Session resumed on another connection.")
        self._session = session
        if session.identify.compress:
            self.connection.wire.compress_payloads()
        state.attach(session, self.connection)
        for payload in session.replay_after(seq):
            state.transmit(self.connection, payload)
            if not self.connection.is_open:
                return
        if self._is_cut_at("replay"):
            return
        state.deliver(session, Event("RESUMED", {"_trace": ["local-gateway"]}), keep=False)
        state.log.add_session(session.view())

    def _log_in(self, finish: Callable[[], None]) -> None:
        """Send READY or the replay, now or after the delay of a fault."""
        self._has_logged_in = True
        late = self._state.faults.take(LateReady)
        if late is None:
            finish()
        else:
            self._state.event_loop.call_later(late.seconds, lambda: finish() if self.connection.is_open else None)

    # After READY.

    def _answer(self, session: Session, op: int, data: Any, now: float) -> None:
        state = self._state
        for answer in self._answers(session, op, data, now):
            if state.faults.take_withheld(answer.name):
                continue
            if answer.to_all:
                state.dispatch(answer.name, answer.data)
            else:
                state.deliver(session, Event(answer.name, answer.data))

    def _answers(self, session: Session, op: int, data: Any, now: float) -> list[responses.Answer]:
        world = self._state.world
        if op == Op.PRESENCE_UPDATE:
            session.presence = validation.parse_presence(data)
            return responses.presence_update(world, world.guilds_of(session.identify.shard), session.presence)
        if op == Op.VOICE_STATE_UPDATE:
            return responses.voice_update(world, session.id, validation.parse_voice(data), VOICE_ENDPOINT)
        if op == Op.REQUEST_GUILD_MEMBERS:
            request = validation.parse_member_request(data)
            limited = self._state.faults.take(LimitedMembers)
            if limited is not None:
                return [responses.members_limited(request, limited.retry_after)]
            return responses.guild_members(
                world, session.identify.intents, request, self._state.member_list_limiter, now
            )
        if op == Op.REQUEST_SOUNDBOARD_SOUNDS:
            return responses.soundboard_sounds(world, validation.parse_soundboard_request(data))
        return responses.channel_info(world, *validation.parse_channel_info_request(data))

    def on_invalidate(self, resumable: bool) -> None:
        """Send op 9 in the middle of a session."""
        if not resumable and self._session is not None:
            self._state.end_session(self._session)
            self._session = None
            self._has_logged_in = False
        self._refuse_session("the session was ended by invalidate()", resumable)

    def _refuse_session(self, reason: str, resumable: bool = False) -> None:
        """Send op 9 and record the reason."""
        connection = self.connection
        assert connection.number is not None  # op 9 is never sent before the handshake
        self.send(Op.INVALID_SESSION, resumable)
        self._state.log.add_refused(
            SessionRefused(connection.number, connection.shard_id, resumable, reason, time.monotonic())
        )

    # Output.

    def send(self, op: int, data: Any, seq: int | None = None, name: str | None = None) -> None:
        """Send a payload that is not part of the session's replay."""
        self.connection.send(self.connection.encode(op, data, seq, name))

    def close(self, code: int, reason: str) -> None:
        """Close the connection and detach its session."""
        self.connection.close(code, reason)
        if self._session is not None:
            self._state.detach(self._session, self.connection, code)

    def _is_cut_at(self, point: str) -> bool:
        fault = self._state.faults.take_cut(point)
        if fault is not None:
            self._state.cut(self.connection, fault.how, fault.code, fault.reason)
        return fault is not None

    # The end.

    def on_closed(self, closed: Closed) -> None:
        session = self._session
        if session is not None:
            self._state.detach(session, self.connection, closed.sent_code if closed.by == "gateway" else None)
            if closed.by == "client" and closed.code in CLIENT_CODES_THAT_END_A_SESSION:
                self._state.end_session(session)
        self._state.log.add_closed(closed)

    def on_gone(self) -> None:
        self._state.connections.discard(self.connection)


def _retry_after(seconds: float | None) -> list[tuple[str, str]]:
    return [] if seconds is None else [("Retry-After", f"{seconds:g}")]
