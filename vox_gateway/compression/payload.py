"""Payload compression: each payload is a zlib stream of its own, and some come plain.

Rests on "Payload Compression" of the official Gateway documentation.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ..errors import InflateError
from .bounds import within

__all__ = ["ZlibPayloads"]


class ZlibPayloads:
    """Inflates the payloads that are compressed.

    Args:
        max_size: bytes that one payload may hold.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`.

        Raises:
            InflateError: `data` is not one whole zlib stream, or larger than the limit.
        """
        if data.startswith(b"{"):  # plain, in a binary message; no zlib stream begins so
            return data
        context = zlib.decompressobj()
        try:
            payload = within(context.decompress(data, self._max_size + 1), self._max_size)
        except zlib.error as error:
            raise InflateError(f"a compressed payload does not inflate: {error}") from None
        if not context.eof or context.unused_data:
            raise InflateError(f"a compressed payload of {len(data)} bytes is not one whole zlib stream")
        return payload

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Each payload of `run`; they are streams of their own, and cannot be inflated together."""
        return ((self.feed(data), 1) for data in run)
