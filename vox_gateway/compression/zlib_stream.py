"""zlib-stream: one zlib context for a whole connection.

Rests on "Transport Compression" of the official Gateway documentation: a message ends with ``00 00 ff ff`` (a sync
flush) and may span several websocket messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..accelerators import zlib_package as zlib
from ..errors import InflateError
from .bounds import groups, within

__all__ = ["ZlibStream"]

_SYNC_FLUSH = b"\x00\x00\xff\xff"
#: no byte of deflate becomes more than 1032 ("Maximum Compression Factor", zlib's technical details)
_WORST_RATIO = 1032


class ZlibStream:
    """Inflates one connection's zlib-stream.

    Args:
        max_size: bytes that one message may hold, inflated or not.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._context = zlib.decompressobj()
        self._partial = bytearray()  # one buffer: a part of two bytes must not cost an object

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """The gateway messages that `run` completes, in as few blocks as the limit allows.

        Raises:
            InflateError: as `feed`; what came before was yielded.
        """
        if self._partial or sum([data.endswith(_SYNC_FLUSH) for data in run]) < len(run):
            for data in run:
                if (message := self.feed(data)) is not None:
                    yield message, 1
            return
        for group in groups(run, self._max_size // _WORST_RATIO):
            yield self._inflate(b"".join(group)), len(group)

    def feed(self, data: bytes) -> bytes | None:
        """The gateway message that `data` completes, or None while more must come.

        Raises:
            InflateError: `data` is not zlib, or the message is larger than `max_size`.
        """
        if not self._partial and data.endswith(_SYNC_FLUSH):
            return self._inflate(data)
        if not self._add(data):
            return None
        whole, self._partial = self._partial, bytearray()
        return self._inflate(whole)

    def _inflate(self, data: bytes | bytearray) -> bytes:
        try:
            message: bytes = within(self._context.decompress(data, self._max_size + 1), self._max_size)
        except zlib.error as error:
            raise InflateError(f"the zlib-stream does not inflate: {error}") from None
        if self._context.eof:
            raise InflateError("the zlib-stream ended, and a connection's stream has no end")
        return message

    def _add(self, data: bytes) -> bool:
        """Keep a part of a message; whether the message is whole now."""
        if len(self._partial) + len(data) > self._max_size:
            raise InflateError(f"a compressed message is over max_message_size={self._max_size} bytes")
        self._partial += data
        return self._partial.endswith(_SYNC_FLUSH)  # the marker itself may be cut in two, even in five
