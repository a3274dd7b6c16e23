"""The library's log: one standard logger, each line with its shard."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

__all__ = ["LOGGER", "ShardLog"]

#: The logger of this library.
LOGGER = logging.getLogger("vox_gateway")

#: frames of this module between a call and `logging`; Python 3.10 counts those of LoggerAdapter too
_FRAMES = 1 if sys.version_info >= (3, 11) else 2

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:  # generic only from Python 3.11
    _Adapter = logging.LoggerAdapter


class ShardLog(_Adapter):
    """`LOGGER`, with the shard before each line."""

    def __init__(self, shard: tuple[int, int]) -> None:
        super().__init__(LOGGER, {})
        self._prefix = f"[shard {shard[0]}/{shard[1]}]"

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
        return f"{self._prefix} {msg}", kwargs
