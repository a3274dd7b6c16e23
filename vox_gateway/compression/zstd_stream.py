"""zstd-stream: a zstd frame for a whole connection.

Called on the reader thread; the messages go to `encoding`. Each WebSocket message holds a flushed gateway message and
does not end the frame. The package is in the standard library from Python 3.14 on; the extra ``zstd`` is its official
backport.

See: https://docs.discord.com/developers/events/gateway#zstd-stream
"""

from __future__ import annotations

from ..accelerators import zstd_package
from ..errors import MissingExtra
from .stream import StreamInflater

__all__ = ["ZstdStream"]


class ZstdStream(StreamInflater):
    """Inflates a connection's zstd-stream.

    Args:
        max_size: bytes of the largest message accepted, compressed or not.

    Raises:
        MissingExtra: no zstd package is installed.
    """

    name = "zstd-stream"
    # A block of 4 bytes becomes at most 128 KiB ("RLE_Block"): https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.2
    max_ratio = 32_768

    def __init__(self, max_size: int) -> None:
        zstd = zstd_package()
        if zstd is None:
            raise MissingExtra("compress='zstd-stream'", "zstd")
        super().__init__(max_size, zstd.ZstdDecompressor(), zstd.ZstdError)

    def feed(self, data: bytes) -> bytes:
        """Return the gateway message in `data`.

        Raises:
            InflateError: `data` is not zstd, or the message is larger than the limit.
        """
        return self._inflate(data)
