"""Messages that are inflated independently: plain messages, and payload compression, where each is a zlib stream.

Called on the reader thread; the messages go to `encoding`.

See: https://docs.discord.com/developers/events/gateway#payload-compression
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ..errors import InflateError
from .stream import check_size

__all__ = ["NoCompression", "ZlibPayloads"]


class NoCompression:
    """Returns every message as it is. The frame reader has checked its size."""

    def __init__(self, max_size: int = 0) -> None:
        pass

    def feed(self, data: bytes) -> bytes:
        """Return `data`."""
        return data

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield all messages of `run` in a single block."""
        yield b"".join(run), len(run)


class ZlibPayloads:
    """Inflates payload compression; plain payloads are returned as they are.

    Args:
        max_size: bytes of the largest payload accepted.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size

    def feed(self, data: bytes) -> bytes:
        """Return the payload in `data`.

        Raises:
            InflateError: not exactly 1 zlib stream, or larger than the limit.
        """
        if data.startswith(b"{"):  # plain JSON; no zlib stream begins with this byte
            return data
        context = zlib.decompressobj()
        try:
            payload = check_size(context.decompress(data, self._max_size + 1), self._max_size)
        except zlib.error as error:
            raise InflateError(f"a compressed payload does not inflate: {error}") from None
        if not context.eof or context.unused_data:
            raise InflateError(f"a compressed payload of {len(data)} bytes is not exactly 1 zlib stream")
        return payload

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield each payload of `run` as a block of its own."""
        return ((self.feed(data), 1) for data in run)
