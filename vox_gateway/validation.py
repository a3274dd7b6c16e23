"""What the client asks of its methods' arguments: each check names the argument, and says what it must be."""

from __future__ import annotations

import threading

from .dispatch.stream import OVERFLOWS
from .opcodes import OPCODES, Opcode

__all__ = ["check_code", "check_event", "check_op", "check_overflow", "check_reason", "check_timeout"]

#: opcodes that the client itself sends, or that only the server sends
_NOT_COMMANDS = {
    Opcode.DISPATCH: "it is only received",
    Opcode.IDENTIFY: "the client sends it by itself",
    Opcode.RESUME: "the client sends it by itself",
    Opcode.RECONNECT: "it is only received",
    Opcode.INVALID_SESSION: "it is only received",
    Opcode.HELLO: "it is only received",
    Opcode.HEARTBEAT_ACK: "it is only received",
}


def check_op(op: object) -> int:
    """An opcode that may be sent, by number or name; its number."""
    if isinstance(op, str):
        number = OPCODES.get(op)
        if not isinstance(number, int):
            raise ValueError(f"op_code must be an opcode's number or name, and {op!r} is no opcode's name")
        op = number
    if not isinstance(op, int) or isinstance(op, bool):
        raise TypeError(f"op_code must be an opcode's number or name, not {op!r}")
    if why := _NOT_COMMANDS.get(op):  # type: ignore[call-overload]
        raise ValueError(f"op_code must not be {OPCODES[op]}: {why}")
    return op


def check_event(name: object) -> None:
    """The name of an event that can come."""
    if not isinstance(name, str):
        raise TypeError(f"names must be text, such as 'MESSAGE_CREATE', not {name!r}")
    if name == "error":
        raise ValueError("names must not hold 'error': no event brings it; register a handler with on('error')")


def check_overflow(overflow: object) -> str:
    """What a stream does when it is full."""
    if overflow not in OVERFLOWS:
        raise ValueError(f"overflow must be one of {', '.join(map(repr, OVERFLOWS))}, not {overflow!r}")
    return str(overflow)


def check_timeout(timeout: object) -> float | None:
    """Seconds from 0 on, or None; no more than Python can wait."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if not timeout >= 0:
        raise ValueError(f"timeout must be 0 or more seconds, not {timeout!r}")
    return float(min(timeout, threading.TIMEOUT_MAX))


def check_reason(reason: object) -> str:
    """The reason of a close frame, or None for none."""
    if reason is None:
        return ""
    if not isinstance(reason, str):
        raise TypeError(f"reason must be text or None, not {reason!r}")
    if len(reason.encode(errors="surrogatepass")) > 123:
        raise ValueError(f"reason must be 123 bytes at the most, not {len(reason.encode(errors='surrogatepass'))}")
    return reason


def check_code(code: object) -> int:
    """A close code that a client may send."""
    if not isinstance(code, int) or isinstance(code, bool):
        raise TypeError(f"code must be a close code such as 1000 or 4000, not {code!r}")
    if not (code in (1000, 1001) or 3000 <= code <= 4999):
        raise ValueError(f"code must be 1000, 1001, or from 3000 to 4999, not {code}")
    return code
