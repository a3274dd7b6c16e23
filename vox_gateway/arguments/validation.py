"""Checks of arguments, for every public function and for the command line.

Each check returns the value in the form that the rest of the package uses, and raises TypeError or ValueError with the
argument's name, what it must be, and the value. Arguments that have to be parsed are checked where they are parsed:
URLs in `network.urls`, a proxy in `network.proxy`, a presence and ids in `protocol.payloads`.

Called on the caller's thread. Opens nothing, except that `check_session_file` looks at the folder of the path.
"""

from __future__ import annotations

import inspect
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..capabilities import Capabilities
from ..intents import Intents
from ..opcodes import OPCODES, Opcode

if TYPE_CHECKING:
    import ssl

__all__ = [
    "OVERFLOWS",
    "check_capabilities",
    "check_choice",
    "check_code",
    "check_count",
    "check_event",
    "check_intents",
    "check_large_threshold",
    "check_op",
    "check_overflow",
    "check_port",
    "check_predicate",
    "check_properties",
    "check_reason",
    "check_seconds",
    "check_session_file",
    "check_shard",
    "check_ssl_context",
    "check_timeout",
    "check_token",
    "is_async",
]

#: seconds of the longest wait that every system call accepts: poll takes 2**31 - 1 milliseconds
LONGEST_WAIT = 2_000_000.0
#: what a full stream does with the next event
OVERFLOWS = ("drop", "block")
#: bytes of a close frame's reason. See: https://www.rfc-editor.org/rfc/rfc6455#section-5.5
MAX_REASON = 123
#: characters of the longest token that is accepted; Discord's have about 70, and IDENTIFY has room for 4096 bytes
MAX_TOKEN = 1000
#: the keys of IDENTIFY's properties.
#: See: https://docs.discord.com/developers/events/gateway-events#identify-identify-connection-properties
PROPERTY_KEYS = ("os", "browser", "device")

#: opcodes that the client sends itself, or that only the server sends
_NOT_COMMANDS: Mapping[int, str] = {
    Opcode.DISPATCH: "it is only received",
    Opcode.IDENTIFY: "the client sends it by itself",
    Opcode.RESUME: "the client sends it by itself",
    Opcode.RECONNECT: "it is only received",
    Opcode.INVALID_SESSION: "it is only received",
    Opcode.HELLO: "it is only received",
    Opcode.HEARTBEAT_ACK: "it is only received",
}


# -- of any argument ---------------------------------------------------------------------------------------------------


def check_count(name: str, value: object, minimum: int) -> int:
    """Return `value`, a whole number of at least `minimum`.

    Raises:
        TypeError, ValueError: it is not.
    """
    return _whole_number(name, value, "a whole number", minimum=minimum, within=f"{minimum} or more")


def check_seconds(name: str, value: object) -> float:
    """Return `value`, a finite number of seconds above 0. It is capped at `LONGEST_WAIT`, 23 days.

    Raises:
        TypeError, ValueError: it is not.
    """
    seconds = _number(name, value, "a number of seconds")
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} must be more than 0 seconds and finite, not {value!r}")
    return float(min(seconds, LONGEST_WAIT))


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return `value`.

    Raises:
        ValueError: it is not in `choices`.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return value


# -- of methods --------------------------------------------------------------------------------------------------------


def check_timeout(timeout: object) -> float | None:
    """Return `timeout` in seconds, or None to wait without a limit. It is capped at the longest wait of Python.

    Raises:
        TypeError, ValueError: it is not a number of seconds from 0 on.
    """
    if timeout is None:
        return None
    seconds = _number("timeout", timeout, "a number of seconds or None")
    if not seconds >= 0:
        raise ValueError(f"timeout must be 0 or more seconds, not {timeout!r}")
    return float(min(seconds, threading.TIMEOUT_MAX))


def check_op(op: object) -> int:
    """Return the number of an opcode that a program may send, given by number or name.

    Raises:
        TypeError, ValueError: it is not an opcode, or programs may not send it; the message says why.
    """
    if isinstance(op, str) and op not in OPCODES:
        raise ValueError(f"op_code must be an opcode's number or name, not {op!r}")
    number = OPCODES[op] if isinstance(op, str) else op
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"op_code must be an opcode's number or name, not {op!r}")
    if why := _NOT_COMMANDS.get(number):
        raise ValueError(f"op_code must not be {OPCODES[number]}: {why}")
    return number


def check_event(name: object) -> str:
    """Return the name of an event that a stream can collect.

    Raises:
        TypeError, ValueError: it is not text, or ``"error"``.
    """
    if not isinstance(name, str):
        raise TypeError(f"names must be text, such as 'MESSAGE_CREATE', not {name!r}")
    if name == "error":
        raise ValueError("names must not hold 'error': no event brings it; register a handler with on('error')")
    return str.__str__(name)  # a constant of `events` as plain text, which tables find faster


def check_predicate(check: object) -> Callable[[Any], object] | None:
    """Return `check`, a plain function or None.

    Raises:
        TypeError: it is neither.
    """
    if check is not None and not callable(check):
        raise TypeError(f"check must be a function or None, not {check!r}")
    if is_async(check):  # a coroutine is true, so it would accept every event
        raise TypeError(f"check must be a plain function, not an async function or a generator: {check!r}")
    return check


def is_async(function: object) -> bool:
    """Return whether a call only makes a coroutine or a generator, and runs none of its code."""
    return any(
        inspect.iscoroutinefunction(called) or inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)
        for called in (function, getattr(function, "__call__", None))  # noqa: B004  # of an object with that method
    )


def check_overflow(overflow: object) -> str:
    """Return the behaviour of a full stream.

    Raises:
        ValueError: it is not in `OVERFLOWS`.
    """
    return check_choice("overflow", overflow, OVERFLOWS)


def check_reason(reason: object) -> str:
    """Return the reason of a close frame; empty for None.

    Raises:
        TypeError, ValueError: it is not text, too long, or cannot be encoded.
    """
    if reason is None:
        return ""
    if not isinstance(reason, str):
        raise TypeError(f"reason must be text or None, not {reason!r}")
    try:
        size = len(reason.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"reason must not hold the lone surrogate {reason[error.start]!r}") from None
    if size > MAX_REASON:
        raise ValueError(f"reason must be at most {MAX_REASON} bytes, not {size}")
    return reason


def check_code(code: object) -> int:
    """Return a close code that a client may send.

    Raises:
        TypeError, ValueError: a client may not send it.

    See: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
    """
    if not isinstance(code, int) or isinstance(code, bool):
        raise TypeError(f"code must be a close code such as 1000 or 4000, not {code!r}")
    if not (code in (1000, 1001) or 3000 <= code <= 4999):
        raise ValueError(f"code must be 1000, 1001, or from 3000 to 4999, not {code}")
    return code


# -- of constructors ---------------------------------------------------------------------------------------------------


def check_token(token: object) -> str:
    """Return the token without the ``Bot`` that the REST API wants before it. No message shows it.

    Raises:
        TypeError, ValueError: it cannot be a token.
    """
    if not isinstance(token, str):
        raise TypeError(f"token must be a string, not {type(token).__name__}")
    parts = token.split()
    if parts[:1] == ["Bot"]:
        parts = parts[1:]
    if not parts:
        raise ValueError("token must not be empty: copy the bot's token from the developer portal")
    if len(parts) > 1 or not (parts[0].isascii() and parts[0].isprintable()):
        raise ValueError(
            "token must hold no spaces, line breaks or other than ASCII characters: "
            "copy it again from the developer portal"
        )
    if len(parts[0]) > MAX_TOKEN:
        raise ValueError(
            f"token must have at most {MAX_TOKEN} characters, not {len(parts[0])}: "
            "copy it again from the developer portal"
        )
    return parts[0]


def check_port(port: object) -> int | None:
    """Return a TCP port, or None for the URL's own.

    Raises:
        TypeError, ValueError: it is neither.
    """
    if port is None:
        return None
    return _whole_number("port", port, "a number from 1 to 65535, or None for the URL's own", minimum=1, maximum=65535)


def check_shard(shard: object) -> tuple[int, int]:
    """Return the shard as ``(id, count)``.

    Raises:
        TypeError, ValueError: it is not two whole numbers with 0 <= id < count.

    See: https://docs.discord.com/developers/events/gateway#sharding
    """
    if not isinstance(shard, (tuple, list)) or len(shard) != 2 or not all(map(_is_int, shard)):
        raise TypeError(f"shard must be two whole numbers (id, count), not {shard!r}")
    shard_id, count = shard
    if not 0 <= shard_id < count:
        raise ValueError(f"shard must be (id, count) with 0 <= id < count, not {tuple(shard)!r}")
    return shard_id, count


def check_large_threshold(value: object) -> int | None:
    """Return `large_threshold`, a number of members or None.

    Raises:
        TypeError, ValueError: it is neither, or not from 50 to 250.

    See: https://docs.discord.com/developers/events/gateway-events#identify-identify-structure
    """
    if value is None:
        return None
    return _whole_number("large_threshold", value, "a whole number from 50 to 250 or None", minimum=50, maximum=250)


def check_intents(value: object) -> Intents:
    """Return `intents`; `Intents.default()` for None. Bits that are not known yet are kept.

    Raises:
        TypeError, ValueError: it is not a set of intents.

    See: https://docs.discord.com/developers/events/gateway#gateway-intents
    """
    if value is None:
        return Intents.default()
    expected = "an Intents or its number"
    return Intents(
        _whole_number("intents", value, expected, minimum=0, maximum=(1 << 53) - 1, within="from 0 to 2**53 - 1")
    )


def check_capabilities(value: object) -> Capabilities:
    """Return `capabilities`. Bits that are not known yet are kept.

    Raises:
        TypeError, ValueError: it is not a set of capabilities.

    See: https://docs.discord.com/developers/events/gateway-events#identify-gateway-capabilities
    """
    expected = "a Capabilities or its number"
    return Capabilities(
        _whole_number("capabilities", value, expected, minimum=0, maximum=(1 << 53) - 1, within="from 0 to 2**53 - 1")
    )


def check_properties(properties: object) -> dict[str, str]:
    """Return the connection properties as a dict with at least ``os``, ``browser`` and ``device``.

    Raises:
        TypeError, ValueError: a key is missing, or not text; the message names it.

    See: https://docs.discord.com/developers/events/gateway-events#identify-identify-connection-properties
    """
    if not isinstance(properties, Mapping):
        raise TypeError(f"properties must be a mapping with {', '.join(PROPERTY_KEYS)}, not {properties!r}")
    for key, value in properties.items():
        if isinstance(key, str) and key.startswith("$"):
            raise ValueError(f"properties must hold {key.lstrip('$')!r} instead of {key!r}: the $ prefix is obsolete")
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"properties must map text to text, not {key!r} to {value!r}")
    if missing := [key for key in PROPERTY_KEYS if key not in properties]:
        raise ValueError(f"properties must hold {', '.join(PROPERTY_KEYS)}; {', '.join(missing)} is missing")
    return dict(properties)


def check_ssl_context(context: object) -> ssl.SSLContext | None:
    """Return a context that verifies the server, or None for the default.

    Raises:
        TypeError, ValueError: it is neither, or does not verify certificates and host names.
    """
    if context is None:
        return None
    import ssl  # 5 ms; a caller that has a context has imported it

    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext or None, not {context!r}")
    if not context.check_hostname or context.verify_mode is not ssl.CERT_REQUIRED:
        raise ValueError(
            "ssl_context must verify certificates and host names (verify_mode=CERT_REQUIRED, check_hostname=True); to "
            "trust a certificate of your own, make the context with ssl.create_default_context(cafile=...)"
        )
    return context


def check_session_file(path: object) -> Path | None:
    """Return the absolute path of a file in an existing folder, or None. A program may change its folder later.

    Raises:
        TypeError, ValueError: it is neither.
    """
    if path is None:
        return None
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        missing = [name for name in ("load", "save", "clear") if not hasattr(path, name)]
        if isinstance(path, type) or len(missing) == 3:
            raise TypeError(f"session_file must be a path, a SessionStore or None, not {path!r}")
        raise TypeError(f"session_file must be a path, a SessionStore or None; {path!r} has no {', '.join(missing)}")
    absolute = Path(path).absolute()
    if not absolute.name or absolute.is_dir():
        raise ValueError(f"session_file must be the path of a file, and {str(path)!r} is a folder")
    if not absolute.parent.is_dir():
        raise ValueError(f"session_file={str(path)!r} is in a folder that does not exist: make it first")
    return absolute


def check_session_files(path: object) -> str | Callable[[int, int], Any] | None:
    """Return the absolute path of an existing folder, or a path with ``{shard}`` in an existing folder, or a function.

    Raises:
        TypeError, ValueError: it is none of these, and not None.
    """
    if path is None or (callable(path) and not isinstance(path, os.PathLike)):
        return path
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise TypeError(
            f"session_file must be a path, a function of a shard's id and the number of shards, or None, not {path!r}"
        )
    absolute = Path(path).absolute()
    folder = absolute.parent if "{shard}" in absolute.name else absolute
    if not folder.is_dir():
        raise ValueError(
            f"session_file={str(path)!r} must be a folder that exists, or a path with {{shard}} in its name"
        )
    return str(absolute)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole_number(
    name: str, value: object, expected: str, *, minimum: int, maximum: int | None = None, within: str | None = None
) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}, not {value!r}")
    if value < minimum or (maximum is not None and value > maximum):
        raise ValueError(f"{name} must be {within or f'from {minimum} to {maximum}'}, not {value}")
    return value


def _number(name: str, value: object, expected: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be {expected}, not {value!r}")
    return value
