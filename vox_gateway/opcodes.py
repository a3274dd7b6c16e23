"""The gateway's opcodes and close codes, and how a client recovers from each close code. Pure.

See: https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from . import errors

__all__ = ["KEEP_SESSION", "OPCODES", "CloseCode", "Opcode", "Remedy", "fatal_error", "opcode_name", "remedy_for"]


class Opcode(enum.IntEnum):
    """The ``op`` of a payload."""

    DISPATCH = 0  # in: an event
    HEARTBEAT = 1  # out: a heartbeat; in: a request to send it
    IDENTIFY = 2  # out: starts a session
    PRESENCE_UPDATE = 3  # out
    VOICE_STATE_UPDATE = 4  # out: join, move or leave a voice channel
    RESUME = 6  # out: continues a session
    RECONNECT = 7  # in: reconnect and resume now
    REQUEST_GUILD_MEMBERS = 8  # out
    INVALID_SESSION = 9  # in: the session is over; d says whether it can be resumed
    HELLO = 10  # in: the first payload, with the heartbeat interval
    HEARTBEAT_ACK = 11  # in
    REQUEST_SOUNDBOARD_SOUNDS = 31  # out
    REQUEST_CHANNEL_INFO = 43  # out


#: Names to numbers and numbers to names.
OPCODES: Mapping[int | str, int | str] = MappingProxyType(
    {**{int(op): op.name for op in Opcode}, **{op.name: int(op) for op in Opcode}}
)


def opcode_name(op: int) -> str:
    """Return the name of an opcode, such as ``"HELLO"``; ``"op 99"`` for an unknown opcode."""
    return str(OPCODES.get(int(op), f"op {op}"))


class Remedy(enum.Enum):
    """How a client recovers when a connection ends."""

    RESUME = "resume"
    NEW_SESSION = "new session"
    FATAL = "fatal"


class CloseCode(enum.IntEnum):
    """The close codes of the gateway."""

    UNKNOWN_ERROR = 4000
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    SHARDING_REQUIRED = 4011
    INVALID_API_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014

    @property
    def remedy(self) -> Remedy:
        """How a client recovers from this code."""
        return remedy_for(self)


#: the close code that keeps the session, for every connection that we end in order to resume
KEEP_SESSION = int(CloseCode.UNKNOWN_ERROR)

_NEW_SESSION = frozenset(
    {
        CloseCode.NOT_AUTHENTICATED,
        CloseCode.ALREADY_AUTHENTICATED,
        CloseCode.INVALID_SEQ,
        CloseCode.SESSION_TIMED_OUT,
    }
)

_FATAL: Mapping[int, type[errors.ConnectionClosed]] = {
    CloseCode.AUTHENTICATION_FAILED: errors.AuthenticationFailed,
    CloseCode.INVALID_SHARD: errors.InvalidShard,
    CloseCode.SHARDING_REQUIRED: errors.ShardingRequired,
    CloseCode.INVALID_API_VERSION: errors.InvalidVersion,
    CloseCode.INVALID_INTENTS: errors.InvalidIntents,
    CloseCode.DISALLOWED_INTENTS: errors.DisallowedIntents,
}


def remedy_for(code: int | None) -> Remedy:
    """Return how a client recovers from a close with `code`; None means that no close frame arrived.

    A code that is not listed is resumed, also 1000 and 1001 from the server.
    """
    if code in _FATAL:
        return Remedy.FATAL
    if code in _NEW_SESSION:
        return Remedy.NEW_SESSION
    return Remedy.RESUME


def fatal_error(code: int, reason: str) -> errors.ConnectionClosed:
    """Return the error of a fatal close code, of the class that belongs to it."""
    return _FATAL.get(code, errors.ConnectionClosed)(code, reason)
