"""zlib-stream: one zlib context for a whole connection.

Rests on "Transport Compression" of the official Gateway documentation: a message ends with ``00 00 ff ff`` (a sync
flush) and may span several websocket messages.
"""

from __future__ import annotations

import zlib

from ..errors import InflateError
from .bounds import within

__all__ = ["ZlibStream"]

_SYNC_FLUSH = b"\x00\x00\xff\xff"


class ZlibStream:
    """Inflates one connection's zlib-stream.

    Args:
        max_size: bytes that one message may hold, inflated or not.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._context = zlib.decompressobj()
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes | None:
        """The gateway message that `data` completes, or None while more must come.

        Raises:
            InflateError: `data` is not zlib, or the message is larger than `max_size`.
        """
        if self._parts or not data.endswith(_SYNC_FLUSH):
            if not self._add(data):
                return None
            data = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
        try:
            message = within(self._context.decompress(data, self._max_size + 1), self._max_size)
        except zlib.error as error:
            raise InflateError(f"the zlib-stream does not inflate: {error}") from None
        if self._context.eof:
            raise InflateError("the zlib-stream ended, and a connection's stream has no end")
        return message

    def _add(self, data: bytes) -> bool:
        """Keep a part of a message; whether the message is whole now."""
        self._size += len(data)
        if self._size > self._max_size:
            raise InflateError(f"a compressed message is over max_message_size={self._max_size} bytes")
        if data:
            self._parts.append(data)
        # The marker itself may be cut in two, even in five.
        tail = data if len(data) >= 4 else b"".join(self._parts[-4:])
        return tail.endswith(_SYNC_FLUSH)
