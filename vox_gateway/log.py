"""The library's log: one standard logger, each line with its shard, and safe to show."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from .sanitize import sanitize_block, sanitize_line

__all__ = ["LOGGER", "Lines", "ShardLog"]

#: The logger of this library.
LOGGER = logging.getLogger("vox_gateway")
#: characters of one argument of a line
MAX_ARGUMENT = 1000

#: frames of this module between a call and `logging`; Python 3.10 counts those of LoggerAdapter too
_FRAMES = 1 if sys.version_info >= (3, 11) else 2

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:  # generic only from Python 3.11
    _Adapter = logging.LoggerAdapter


class Lines(str):
    """An argument of a log line that keeps its line breaks, such as a stack."""

    __slots__ = ()


class ShardLog(_Adapter):
    """`LOGGER`, with the shard before each line and on each record."""

    def __init__(self, shard: tuple[int, int]) -> None:
        name = f"{shard[0]}/{shard[1]}"
        super().__init__(LOGGER, {"shard": name})
        self._prefix = f"[shard {name}]"

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a line. A log handler that raises costs that line, and not the thread that logs."""
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + _FRAMES
        try:
            super().log(level, msg, *args, **kwargs)
        except Exception:
            if logging.raiseExceptions and sys.stderr is not None:  # as logging reports other errors of its handlers
                traceback.print_exc()

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the shard before `msg`."""
        kwargs["extra"] = self.extra
        return f"{self._prefix} {msg}", kwargs


class _Sanitizer(logging.Filter):
    """Makes what servers, proxies and exceptions say printable, before any handler sees the record.

    Here, and not where a line is logged, so that no line is forgotten. Lines that a program logs by itself have no
    shard, and are left alone.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "shard"):
            if isinstance(record.args, tuple):
                record.args = tuple(map(_printable, record.args))
            elif isinstance(record.args, Mapping):  # which logging makes of a single one
                record.args = {key: _printable(value) for key, value in record.args.items()}
            if record.exc_info:
                text = logging.Formatter().formatException(record.exc_info)
                # Left to the program's formatter where it is clean: that may show tracebacks in another way.
                if (clean := sanitize_block(text)) != text:
                    record.exc_text = clean
        return True


class _Shown:
    """Stands for an argument whose own words are not printable."""

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
        shown = _Shown(argument)
        return argument if (str(shown), repr(shown)) == (str(argument), repr(argument)) else shown
    except Exception:  # of a program's own class, which the program's handlers have to bear with
        return argument


LOGGER.addFilter(_Sanitizer())
