"""zlib-stream: a zlib context for a whole connection.

Called on the reader thread; the messages go to `encoding`. A gateway message ends with a sync flush, ``00 00 ff ff``,
and may span several WebSocket messages.

See: https://docs.discord.com/developers/events/gateway#zlib-stream
"""

from __future__ import annotations

from collections.abc import Iterator

from ..accelerators import zlib_package as zlib
from ..errors import InflateError
from .stream import StreamInflater

__all__ = ["ZlibStream"]

_SYNC_FLUSH = b"\x00\x00\xff\xff"


class ZlibStream(StreamInflater):
    """Inflates a connection's zlib-stream.

    Args:
        max_size: bytes of the largest message accepted, compressed or not.
    """

    name = "zlib-stream"
    max_ratio = 1032  # "Maximum Compression Factor": https://zlib.net/zlib_tech.html

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size, zlib.decompressobj(), zlib.error)
        self._partial = bytearray()  # a single buffer, since an object for each tiny part would cost memory

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """As `StreamInflater.feed_all`, for messages that may be partial."""
        whole = [data.endswith(_SYNC_FLUSH) for data in run]  # a generator takes twice as long
        if all(whole) and not self._partial:
            return super().feed_all(run)
        return ((message, 1) for message in map(self.feed, run) if message is not None)

    def feed(self, data: bytes) -> bytes | None:
        """Return the gateway message that `data` completes, or None if it completes none.

        Raises:
            InflateError: `data` is not zlib, or the message is larger than the limit.
        """
        if not self._partial and data.endswith(_SYNC_FLUSH):
            return self._inflate(data)
        if len(self._partial) + len(data) > self._max_size:
            raise InflateError(f"a compressed message is over max_message_size={self._max_size} bytes")
        self._partial += data
        if not self._partial.endswith(_SYNC_FLUSH):  # the mark itself may be split
            return None
        whole, self._partial = self._partial, bytearray()
        return self._inflate(whole)
