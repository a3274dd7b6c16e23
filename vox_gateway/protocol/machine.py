"""The gateway protocol on one connection: payloads in, actions out.

A `Protocol` is made for each connection and thrown away with it. It has no socket, no thread and no clock: the reader
passes it every payload that arrives, in order, and carries out the actions that it returns. ::

    AWAITING_HELLO ──HELLO──▶ IDENTIFYING or RESUMING ──READY, RESUMED──▶ READY
          └──────────────── RECONNECT, INVALID_SESSION: ended ──────────────┘

What follows a disconnect is decided in `reconnect_policy`; what a payload means is decided here.

See: https://docs.discord.com/developers/events/gateway#connections
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import DecodeError
from ..opcodes import KEEP_SESSION, Opcode
from ..session.state import Session
from . import payloads
from .reconnect_policy import Cause, Disconnect
from .state import State

__all__ = [
    "Action",
    "AnswerHeartbeat",
    "BecomeReady",
    "CloseConnection",
    "HeartbeatAcknowledged",
    "Protocol",
    "StartHeartbeat",
    "Transmit",
]

#: the usual reasons for op 9 in answer to IDENTIFY, which gives none itself. See "Max Concurrency" of the documentation
WHY_REFUSED = (
    "usually because this bot sent another IDENTIFY less than 5 seconds before, or more at once than max_concurrency"
)


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write this payload now, before anything else. Holds the token, so its data has no repr."""

    op: Opcode
    data: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StartHeartbeat:
    """Begin to beat; `interval` in seconds."""

    interval: float


@dataclass(frozen=True, slots=True)
class AnswerHeartbeat:
    """The server asked for a heartbeat: send it at once. It needs no acknowledgement."""


@dataclass(frozen=True, slots=True)
class HeartbeatAcknowledged:
    """The server acknowledged a beat."""


@dataclass(frozen=True, slots=True)
class BecomeReady:
    """READY or RESUMED came: commands may be sent."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection with `code`; `ending` says why."""

    code: int
    ending: Disconnect


Action = Transmit | StartHeartbeat | AnswerHeartbeat | HeartbeatAcknowledged | BecomeReady | CloseConnection

#: the dispatches that mean something to the protocol
_MILESTONES = frozenset({"READY", "RESUMED"})
_NOTHING: tuple[Action, ...] = ()
_ANSWER: tuple[Action, ...] = (AnswerHeartbeat(),)
_ACKNOWLEDGED: tuple[Action, ...] = (HeartbeatAcknowledged(),)


class Protocol:
    """What each payload of a connection calls for.

    Args:
        session: the session to RESUME, or to replace by an IDENTIFY if it is not resumable.
        identify: builds the data of IDENTIFY; called once, when HELLO comes.
        token: for RESUME.

    Attributes:
        state: how far the connection has come.
        ended: whether a payload has ended it; nothing that follows is looked at.
        seq: the sequence number of the last dispatch.
    """

    def __init__(self, session: Session, identify: Callable[[], dict[str, Any]], token: str) -> None:
        self.state: State = State.AWAITING_HELLO
        self.ended: bool = False
        self.seq: int | None = session.seq
        self._session = session
        self._identify = identify
        self._token = token

    @property
    def session(self) -> Session:
        """The session, up to the last dispatch."""
        return self._session.at(self.seq)

    def receive(self, payload: Any) -> tuple[Action, ...]:
        """Take a decoded payload and return what to do, in order.

        Raises:
            DecodeError: it does not have the shape of a gateway payload, or comes out of turn.
        """
        if type(payload) is not dict or type(op := payload.get("op")) is not int:
            raise DecodeError(f"a gateway payload is an object with a number op, not {_brief(payload)}")
        if self.ended:
            return _NOTHING
        if op == 0:
            return self._dispatch(payload)
        receive = _RECEIVERS.get(op)
        return _NOTHING if receive is None else receive(self, payload.get("d"))

    def receive_events(self, payloads: list[Any], start: int) -> int:
        """Take the dispatches from `start` on that change nothing but the sequence number, as nearly all do.

        Returns:
            The position of the first payload that is something else, and is for `receive`; or that of the end.
        """
        if self.ended or self.state is State.AWAITING_HELLO:
            return start
        end = start
        for payload in itertools.islice(payloads, start, None):
            if (
                type(payload) is not dict
                or type(op := payload.get("op")) is not int
                or op != 0
                or type(name := payload.get("t")) is not str
                or name in _MILESTONES
                or type(payload.get("s")) is not int
            ):
                break
            end += 1
        if end > start:
            self.seq = payloads[end - 1]["s"]
        return end

    def receive_raw(self, seq: int) -> None:
        """Take dispatches that nobody has opened, up to the sequence number `seq`; none of them is READY or RESUMED.

        Raises:
            DecodeError: they come before HELLO.
        """
        if self.ended:
            return
        if self.state is State.AWAITING_HELLO:
            raise DecodeError("an event came before HELLO")
        self.seq = seq

    def _dispatch(self, payload: dict[str, Any]) -> tuple[Action, ...]:
        name, seq = payload.get("t"), payload.get("s")
        if type(name) is not str:
            raise DecodeError(f"a dispatch needs a name in t, not {_brief(name)}")
        if self.state is State.AWAITING_HELLO:
            raise DecodeError(f"{_brief(name)} came before HELLO")
        actions = _NOTHING
        if name == "READY":
            actions = self._ready(payload.get("d"))
        elif name == "RESUMED":
            if self.state is State.IDENTIFYING:
                raise DecodeError("RESUMED came in answer to IDENTIFY")
            self.state = State.READY
            actions = (BecomeReady(resumed=True),)
        if type(seq) is int:
            self.seq = seq
        return actions

    def _ready(self, data: Any) -> tuple[Action, ...]:
        if type(data) is not dict:
            raise DecodeError(f"READY needs an object in d, not {_brief(data)}")
        session_id, resume_url = data.get("session_id"), data.get("resume_gateway_url")
        user = data.get("user")
        user_id = user.get("id") if type(user) is dict else None
        if type(user_id) is int and 0 <= user_id < 1 << 64:
            user_id = str(user_id)  # ETF has integers where JSON has strings
        self._session = Session(
            session_id if isinstance(session_id, str) else None,
            self.seq,
            resume_url if isinstance(resume_url, str) else None,
            user_id if isinstance(user_id, str) else self._session.user_id,
        )
        self.state = State.READY
        return (BecomeReady(resumed=False),)

    def _hello(self, data: Any) -> tuple[Action, ...]:
        if self.state is not State.AWAITING_HELLO:
            return _NOTHING
        milliseconds = data.get("heartbeat_interval") if type(data) is dict else None
        # Bounded on both sides: a threading wait takes no more than some decades, and no less than nothing.
        if not (
            isinstance(milliseconds, (int, float))
            and not isinstance(milliseconds, bool)
            and 1 <= milliseconds <= 86_400_000
        ):
            raise DecodeError(f"HELLO needs a heartbeat_interval of 1 to 86400000 ms, not {_brief(data)}")
        return (self._introduction(), StartHeartbeat(milliseconds / 1000))

    def _introduction(self) -> Transmit:
        session = self._session
        if session.id is not None and session.seq is not None:
            self.state = State.RESUMING
            data = payloads.resume(token=self._token, session_id=session.id, seq=session.seq)
            return Transmit(Opcode.RESUME, data)
        self.state = State.IDENTIFYING
        return Transmit(Opcode.IDENTIFY, self._identify())

    def _heartbeat(self, data: Any) -> tuple[Action, ...]:
        return _ANSWER

    def _heartbeat_ack(self, data: Any) -> tuple[Action, ...]:
        return _ACKNOWLEDGED

    def _reconnect(self, data: Any) -> tuple[Action, ...]:
        return self._hang_up(Disconnect(Cause.RECONNECT, reason="op 7"))

    def _invalid_session(self, data: Any) -> tuple[Action, ...]:
        if self.state is State.IDENTIFYING:
            return self._hang_up(Disconnect(Cause.IDENTIFY_REFUSED, reason=WHY_REFUSED, resumable=data is True))
        reason = "it can be resumed" if data is True else "it is over"
        return self._hang_up(Disconnect(Cause.INVALID_SESSION, reason=reason, resumable=data is True))

    def _hang_up(self, ending: Disconnect) -> tuple[Action, ...]:
        self.ended = True
        return (CloseConnection(KEEP_SESSION, ending),)


_RECEIVERS: dict[int, Callable[[Protocol, Any], tuple[Action, ...]]] = {
    Opcode.HEARTBEAT: Protocol._heartbeat,
    Opcode.RECONNECT: Protocol._reconnect,
    Opcode.INVALID_SESSION: Protocol._invalid_session,
    Opcode.HELLO: Protocol._hello,
    Opcode.HEARTBEAT_ACK: Protocol._heartbeat_ack,
}


def _brief(value: Any) -> str:
    """`value` for an error message: never more than a line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
