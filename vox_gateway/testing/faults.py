"""Faults on demand.

Tests arm faults from any thread; the gateway's thread takes them when a connection reaches the point they apply to.
This module sends nothing itself.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TypeVar

from websockets.exceptions import ProtocolError
from websockets.frames import Close

from .protocol.opcodes import Op, opcode_number
from .server.http_messages import check_status

CUT_POINTS = ("upgraded", "hello", "identify", "ready", "resume", "replay", "event")
CUT_STYLES = ("reset", "eof", "close", "silent")


@dataclass
class _Armed:
    """A fault that has not been used up; ``times`` is `None` for always."""

    times: int | None


@dataclass
class RefusedUpgrade(_Armed):
    status: int
    retry_after: float | None


@dataclass
class RefusedRequest(_Armed):
    status: int
    retry_after: float | None


@dataclass
class IgnoredRequest(_Armed):
    pass


@dataclass
class IgnoredConnection(_Armed):
    pass


@dataclass
class IgnoredUpgrade(_Armed):
    pass


@dataclass
class NoHello(_Armed):
    pass


@dataclass
class ReconnectBeforeHello(_Armed):
    pass


@dataclass
class NoAck(_Armed):
    pass


@dataclass
class LateReady(_Armed):
    seconds: float


@dataclass
class InvalidSession(_Armed):
    op: int
    resumable: bool


@dataclass
class LimitedMembers(_Armed):
    retry_after: float


@dataclass
class WithheldAnswer(_Armed):
    name: str


@dataclass
class Cut(_Armed):
    at: str
    how: str
    code: int
    reason: str
    after: int
    reached: int = 0  # how often, since it was armed or used


Fault = TypeVar("Fault", bound=_Armed)


def check_cut(how: str, code: int) -> None:
    """Raise ValueError unless `how` is in `CUT_STYLES`, and a close frame may contain `code`."""
    if how not in CUT_STYLES:
        raise ValueError(f"invalid how={how!r}: expected {', '.join(CUT_STYLES)}")
    try:
        Close(code, "").check()
    except ProtocolError:
        raise ValueError(f"invalid code={code}: expected 1000 to 1003, 1007 to 1014 or 3000 to 4999") from None


def check_retry_after(seconds: float | None) -> None:
    """Raise ValueError unless a response can contain `seconds`, or has none."""
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"invalid retry_after={seconds}: expected a finite number of seconds of at least 0")


class Faults:
    """Faults that the gateway injects. Each is used ``times`` times, or until `clear` if that is `None`.

    Faults apply to connections opened from now on. For faults on open connections see `LocalGateway.drop`,
    `LocalGateway.silence`, `LocalGateway.withhold_acks`, `LocalGateway.stop_reading`,
    `LocalGateway.send_garbage` and `LocalGateway.send_bomb`. The three ways to split (`split_writes`, `fragment`,
    `split_messages`) also apply to open connections, from the next payload on.

    All methods raise ValueError for an argument out of range.
    """

    def __init__(self, lock: AbstractContextManager[bool]) -> None:
        self._lock = lock
        self._armed: list[_Armed] = []
        self.write_size: int | None = None
        self.fragment_size: int | None = None
        self.message_size: int | None = None
        self.clock_shift: float = 0.0

    def refuse_upgrade(self, status: int = 503, times: int | None = 1, retry_after: float | None = None) -> None:
        """Answer the websocket handshake with an HTTP status such as 503, 429, 401 or 403.

        Args:
            status: the HTTP status, from 200 to 599.
            times: how many handshakes.
            retry_after: seconds for a ``Retry-After`` header.
        """
        check_retry_after(retry_after)
        self._arm(RefusedUpgrade(times, check_status(status), retry_after))

    def refuse_request(self, status: int = 503, times: int | None = 1, retry_after: float | None = None) -> None:
        """Answer a plain HTTP request, such as ``GET /gateway/bot``, with a status such as 503, 429 or 401.

        Args:
            status: the HTTP status, from 200 to 599.
            times: how many requests.
            retry_after: seconds for a ``Retry-After`` header.
        """
        check_retry_after(retry_after)
        self._arm(RefusedRequest(times, check_status(status), retry_after))

    def ignore_request(self, times: int | None = 1) -> None:
        """Accept the TCP connection but never answer the plain HTTP request."""
        self._arm(IgnoredRequest(times))

    def shift_clock(self, seconds: float) -> None:
        """Shift the ``Date`` header of HTTP responses by `seconds`; negative is in the past, 0 ends it."""
        try:
            formatdate(time.time() + seconds)
        except (ValueError, OverflowError, OSError):
            raise ValueError(f"invalid seconds={seconds}: there is no such date") from None
        with self._lock:
            self.clock_shift = seconds

    def ignore_connection(self, times: int | None = 1) -> None:
        """Accept the TCP connection but never answer on it, not even the TLS handshake."""
        self._arm(IgnoredConnection(times))

    def ignore_upgrade(self, times: int | None = 1) -> None:
        """Accept the TCP connection but never answer the websocket handshake."""
        self._arm(IgnoredUpgrade(times))

    def no_hello(self, times: int | None = 1) -> None:
        """Open the websocket but never send HELLO."""
        self._arm(NoHello(times))

    def reconnect_before_hello(self, times: int | None = 1) -> None:
        """Send op 7 (RECONNECT) instead of HELLO.

        See: https://docs.discord.com/developers/events/gateway-events
        """
        self._arm(ReconnectBeforeHello(times))

    def no_ack(self, times: int | None = 1) -> None:
        """Leave every heartbeat of a new connection unanswered; everything else works."""
        self._arm(NoAck(times))

    def delay_ready(self, seconds: float, times: int | None = 1) -> None:
        """Delay READY after IDENTIFY, or the replay after RESUME, by `seconds`."""
        if not seconds >= 0:
            raise ValueError(f"invalid seconds={seconds}: expected a number of seconds of at least 0")
        self._arm(LateReady(times, seconds))

    def invalid_session(self, op: int | str = "RESUME", resumable: bool = False, times: int | None = 1) -> None:
        """Answer IDENTIFY or RESUME with op 9.

        Args:
            op: ``"IDENTIFY"`` or ``"RESUME"``.
            resumable: the ``d`` of op 9; when false, RESUME also loses the session.
            times: how many answers.
        """
        number = opcode_number(op)
        if number not in (Op.IDENTIFY, Op.RESUME):
            raise ValueError(f"invalid op={op!r}: expected IDENTIFY or RESUME")
        self._arm(InvalidSession(times, number, resumable))

    def limit_members(self, retry_after: float, times: int | None = 1) -> None:
        """Answer any REQUEST_GUILD_MEMBERS with RATE_LIMITED.

        Args:
            retry_after: the ``retry_after`` of the event, in seconds; the gateway does not enforce it.
            times: how many requests.
        """
        check_retry_after(retry_after)
        self._arm(LimitedMembers(times, retry_after))

    def withhold(self, name: str, times: int | None = 1) -> None:
        """Leave an event, such as ``"VOICE_SERVER_UPDATE"``, out of the answers to commands.

        ``"GUILD_CREATE"`` is left out of the guilds after READY, as for a guild in an outage.

        `LocalGateway.dispatch` still sends it.

        Args:
            name: the event's name.
            times: how many such events.
        """
        self._arm(WithheldAnswer(times, name))

    def cut(
        self,
        at: str,
        how: str = "reset",
        *,
        code: int = 4000,
        reason: str = "",
        after: int = 1,
        times: int | None = 1,
    ) -> None:
        """End a connection at a chosen point.

        Args:
            at: ``"upgraded"`` (before HELLO), ``"hello"`` (right after it), ``"identify"`` (instead of READY),
                ``"ready"`` (right after READY), ``"resume"`` (before the replay), ``"replay"`` (after the
                replay, instead of RESUMED), or ``"event"`` (right after an event).
            how: see `LocalGateway.drop`.
            code: the close code for ``how="close"``.
            reason: the close reason for ``how="close"``.
            after: number of events, from now on or from the last such cut, for ``"event"``.
            times: how many connections.
        """
        if at not in CUT_POINTS:
            raise ValueError(f"invalid at={at!r}: expected {', '.join(CUT_POINTS)}")
        if after < 1:
            raise ValueError(f"invalid after={after}: expected an integer of at least 1")
        check_cut(how, code)
        self._arm(Cut(times, at=at, how=how, code=code, reason=reason, after=after))

    def split_writes(self, size: int | None = 1) -> None:
        """Write at most `size` bytes to the socket at a time; `None` ends it."""
        self._set("write_size", size)

    def fragment(self, size: int | None = 16) -> None:
        """Send each websocket message as fragments of at most `size` bytes; `None` ends it."""
        self._set("fragment_size", size)

    def split_messages(self, size: int | None = 16) -> None:
        """With zlib-stream, split each payload into websocket messages of at most `size` bytes; `None` ends it.

        See: https://docs.discord.com/developers/events/gateway#zlib-stream
        """
        self._set("message_size", size)

    def clear(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._armed.clear()
            self.write_size = self.fragment_size = self.message_size = None
            self.clock_shift = 0.0

    # For the gateway, which holds the lock.

    def take(self, kind: type[Fault]) -> Fault | None:
        """Use up the first fault of this kind; `None` if none is armed."""
        fault = next((armed for armed in self._armed if isinstance(armed, kind)), None)
        if fault is not None:
            self._use_up(fault)
        return fault

    def take_invalid_session(self, op: int) -> InvalidSession | None:
        """Use up a fault that refuses this opcode."""
        fault = next((armed for armed in self._armed if isinstance(armed, InvalidSession) and armed.op == op), None)
        if fault is not None:
            self._use_up(fault)
        return fault

    def take_withheld(self, name: str) -> WithheldAnswer | None:
        """Use up a fault that withholds this event."""
        fault = next((armed for armed in self._armed if isinstance(armed, WithheldAnswer) and armed.name == name), None)
        if fault is not None:
            self._use_up(fault)
        return fault

    def take_cut(self, at: str) -> Cut | None:
        """Use up a cut at this point, once the point was reached ``after`` times."""
        for fault in self._armed:
            if isinstance(fault, Cut) and fault.at == at:
                fault.reached += 1
                if fault.reached >= fault.after:
                    fault.reached = 0
                    self._use_up(fault)
                    return fault
        return None

    def _use_up(self, fault: _Armed) -> None:
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._armed.remove(fault)

    def _arm(self, fault: _Armed) -> None:
        if fault.times is not None and fault.times < 1:
            raise ValueError(f"invalid times={fault.times}: expected an integer of at least 1, or None for always")
        with self._lock:
            self._armed.append(fault)

    def _set(self, name: str, size: int | None) -> None:
        if size is not None and size < 1:
            raise ValueError(f"invalid size={size}: expected a number of bytes of at least 1, or None")
        with self._lock:
            setattr(self, name, size)
