"""zstd-stream: one zstd frame for a whole connection.

Rests on "Transport Compression" of the official Gateway documentation: each websocket message holds one gateway
message, flushed, and does not end the frame. The package is the standard library's own from Python 3.14 on, and its
official backport before: the extra ``zstd``.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import InflateError, MissingExtra
from .bounds import within

__all__ = ["ZstdStream", "zstd_package"]


def zstd_package() -> Any:
    """The module that inflates zstd.

    Raises:
        MissingExtra: there is none.
    """
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise MissingExtra("compress='zstd-stream'", "zstd")


class ZstdStream:
    """Inflates one connection's zstd-stream.

    Args:
        max_size: bytes that one message may hold, inflated or not.

    Raises:
        MissingExtra: there is no zstd package.
    """

    def __init__(self, max_size: int) -> None:
        zstd = zstd_package()
        self._error = zstd.ZstdError
        self._context = zstd.ZstdDecompressor()
        self._max_size = max_size

    def feed(self, data: bytes) -> bytes:
        """The gateway message in `data`.

        Raises:
            InflateError: `data` is not zstd, or the message is larger than the limit.
        """
        try:
            message: bytes = self._context.decompress(data, self._max_size + 1)
        except self._error as error:
            raise InflateError(f"the zstd-stream does not inflate: {error}") from None
        if self._context.eof:
            raise InflateError("the zstd-stream ended, and a connection's stream has no end")
        return within(message, self._max_size)
