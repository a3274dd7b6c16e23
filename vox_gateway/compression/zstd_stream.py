"""zstd-stream: one zstd frame for a whole connection.

Rests on "Transport Compression" of the official Gateway documentation: each websocket message holds one gateway
message, flushed, and does not end the frame. The package is the standard library's own from Python 3.14 on, and its
official backport before: the extra ``zstd``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..accelerators import zstd_package
from ..errors import InflateError, MissingExtra
from .bounds import groups, within

__all__ = ["ZstdStream"]

#: a block of 4 bytes can become 128 KiB, and no byte more ("RLE_Block", RFC 8878 section 3.1.1.2)
_WORST_RATIO = 32_768


class ZstdStream:
    """Inflates one connection's zstd-stream.

    Args:
        max_size: bytes that one message may hold, inflated or not.

    Raises:
        MissingExtra: there is no zstd package.
    """

    def __init__(self, max_size: int) -> None:
        zstd = zstd_package()
        if zstd is None:
            raise MissingExtra("compress='zstd-stream'", "zstd")
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

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """The gateway messages in `run`, in as few blocks as the limit allows.

        Raises:
            InflateError: as `feed`; what came before was yielded.
        """
        for group in groups(run, self._max_size // _WORST_RATIO):
            yield self.feed(b"".join(group) if len(group) > 1 else group[0]), len(group)
