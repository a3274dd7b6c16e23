"""The package's logger. Each record has its shard, and its arguments are made printable.

Any thread logs. The sanitizing filter runs on the logging thread, before any handler sees the record.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from .sanitize import sanitize_block, sanitize_line

__all__ = ["LOGGER", "Lines", "ShardLog"]

#: The logger of this package.
LOGGER = logging.getLogger("vox_gateway")
#: characters of an argument of a log record
MAX_ARGUMENT = 1000

#: stack frames of this module between a call and `logging`; Python 3.10 counts those of LoggerAdapter too
_FRAMES = 1 if sys.version_info >= (3, 11) else 2

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:  # generic only from Python 3.11
    _Adapter = logging.LoggerAdapter


class Lines(str):
    """An argument of a record that keeps its line breaks, such as a stack trace."""

    __slots__ = ()


class ShardLog(_Adapter):
    """`LOGGER` with the shard in each message and on each record; None for all shards of a manager."""

    def __init__(self, shard: tuple[int, int] | None) -> None:
        name = "all" if shard is None else f"{shard[0]}/{shard[1]}"
        super().__init__(LOGGER, {"shard": name})
        self._prefix = "[all shards]" if shard is None else f"[shard {name}]"

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a message. An exception of a log handler is printed and does not reach the caller."""
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + _FRAMES
        try:
            super().log(level, msg, *args, **kwargs)
        except Exception:
            if logging.raiseExceptions and sys.stderr is not None:  # as `logging` reports other errors of handlers
                traceback.print_exc()

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the shard to the message and to the record."""
        kwargs["extra"] = self.extra
        return f"{self._prefix} {msg}", kwargs


class _Sanitizer(logging.Filter):
    """Makes the text of servers, proxies and exceptions printable before any handler sees the record.

    A filter covers every call, so that no call has to sanitize its arguments. Records that the program itself logs have
    no shard, and are not changed.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "shard"):
            if isinstance(record.args, tuple):
                record.args = tuple(map(_printable, record.args))
            elif isinstance(record.args, Mapping):  # logging unpacks a mapping that is the only argument
                record.args = {key: _printable(value) for key, value in record.args.items()}
            if record.exc_info:
                text = logging.Formatter().formatException(record.exc_info)
                # A clean traceback is left to the program's formatter, which may format it differently.
                if (clean := sanitize_block(text)) != text:
                    record.exc_text = clean
        return True


class _Sanitized:
    """Replaces an argument whose `str` or `repr` is not printable."""

    __slots__ = ("_repr", "_str")

    def __init__(self, argument: object) -> None:
        self._str = sanitize_line(str(argument), MAX_ARGUMENT)
        self._repr = sanitize_line(repr(argument), MAX_ARGUMENT)

    def __str__(self) -> str:
        return self._str

    def __repr__(self) -> str:
        return self._repr


def _printable(argument: object) -> object:
    if argument is None or isinstance(argument, (int, float)):
        return argument
    if isinstance(argument, str):
        return sanitize_block(argument) if isinstance(argument, Lines) else sanitize_line(argument, MAX_ARGUMENT)
    try:
        sanitized = _Sanitized(argument)
        unchanged = (str(sanitized), repr(sanitized)) == (str(argument), repr(argument))
        return argument if unchanged else sanitized
    except Exception:  # raised by a class of the program; `logging` reports it when it formats the record
        return argument


LOGGER.addFilter(_Sanitizer())
