"""Opcodes and close codes.

The client has its own tables. The local gateway does not import them: if the tables disagree a test fails, which a
shared table would not detect.

See: https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway
"""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """The purpose of a payload."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11
    REQUEST_SOUNDBOARD_SOUNDS = 31
    REQUEST_CHANNEL_INFO = 43


class Close(IntEnum):
    """Why the gateway ends a connection."""

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


CLIENT_OPS = frozenset(
    {
        Op.HEARTBEAT,
        Op.IDENTIFY,
        Op.PRESENCE_UPDATE,
        Op.VOICE_STATE_UPDATE,
        Op.RESUME,
        Op.REQUEST_GUILD_MEMBERS,
        Op.REQUEST_SOUNDBOARD_SOUNDS,
        Op.REQUEST_CHANNEL_INFO,
    }
)
"""The opcodes that a client may send. Any other is closed with 4001."""

CLIENT_CODES_THAT_END_A_SESSION = frozenset({1000, 1001})
"""See: https://docs.discord.com/developers/events/gateway#initiating-a-disconnect"""

GATEWAY_CODES_THAT_END_A_SESSION = frozenset(
    {
        Close.NOT_AUTHENTICATED,
        Close.AUTHENTICATION_FAILED,
        Close.INVALID_SEQ,
        Close.SESSION_TIMED_OUT,
    }
)
"""After these the session cannot be resumed: RESUME gets op 9 ``false``."""


def opcode_number(op: int | str) -> int:
    """Return the number of an opcode given by number or name.

    Raises:
        ValueError: the name is unknown.
    """
    if isinstance(op, str):
        try:
            return Op[op.upper()].value
        except KeyError:
            names = ", ".join(known.name for known in Op)
            raise ValueError(f"invalid op={op!r}: expected a number or {names}") from None
    return int(op)


def opcode_name(op: int) -> str:
    """Return the name of an opcode, such as ``"OP 99"`` for an undocumented number."""
    try:
        return Op(op).name
    except ValueError:
        return f"OP {op}"
