"""The library's log: one standard logger, each line with its shard."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

__all__ = ["LOGGER", "ShardLog"]

#: The logger of this library.
LOGGER = logging.getLogger("vox_gateway")

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:  # generic only from Python 3.11
    _Adapter = logging.LoggerAdapter


class ShardLog(_Adapter):
    """`LOGGER`, with the shard before each line."""

    def __init__(self, shard: tuple[int, int]) -> None:
        super().__init__(LOGGER, {})
        self._prefix = f"[shard {shard[0]}/{shard[1]}]"

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Put the shard before `msg`."""
        return f"{self._prefix} {msg}", kwargs
