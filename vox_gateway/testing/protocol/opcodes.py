"""Opcodes and close codes, written down from the documentation a second time.

The client has tables of its own. The gateway in the box does not import them: two readings of the
documentation that disagree make a test fail, one shared reading never would.

Documentation: Opcodes and Status Codes, "Gateway Opcodes" and "Gateway Close Event Codes".
"""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """What a payload is for."""

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
"""What a client may send. Anything else is closed with 4001."""

CLIENT_CODES_THAT_END_A_SESSION = frozenset({1000, 1001})
"""Documentation: Gateway, "Initiating a Disconnect"."""

GATEWAY_CODES_THAT_END_A_SESSION = frozenset(
    {
        Close.NOT_AUTHENTICATED,
        Close.AUTHENTICATION_FAILED,
        Close.INVALID_SEQ,
        Close.SESSION_TIMED_OUT,
    }
)
"""After one of these the session is gone: RESUME is answered with op 9 ``false``."""


def opcode_number(op: int | str) -> int:
    """Turn an opcode's number or name into its number.

    Raises:
        ValueError: no opcode has that name.
    """
    if isinstance(op, str):
        try:
            return Op[op.upper()].value
        except KeyError:
            names = ", ".join(known.name for known in Op)
            raise ValueError(f"op: no opcode is named {op!r}; the names are {names}") from None
    return int(op)


def opcode_name(op: int) -> str:
    """Name an opcode, ``"OP 99"`` when the documentation has no name for it."""
    try:
        return Op(op).name
    except ValueError:
        return f"OP {op}"
