"""Inflates WebSocket messages into gateway messages: the `Inflater` interface and its implementations by name.

In: runs of messages, on the reader thread. Out: blocks of inflated messages, which `encoding` decodes. Each connection
makes an inflater of its own, whose context must never see another connection's bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from .payload import NoCompression, ZlibPayloads
from .zlib_stream import ZlibStream
from .zstd_stream import ZstdStream

__all__ = ["INFLATERS", "Block", "Inflater", "NoCompression", "ZlibPayloads", "ZlibStream", "ZstdStream"]

#: concatenated gateway messages, and their number
Block = tuple[bytes, int]


class Inflater(Protocol):
    """WebSocket messages in, gateway messages out."""

    def feed(self, data: bytes) -> bytes | None:
        """Return the gateway message that `data` completes, or None if it completes none.

        Raises:
            InflateError: `data` is not valid, or the message exceeds the size limit.
        """

    def feed_all(self, run: list[bytes]) -> Iterator[Block]:
        """Yield the gateway messages that `run` completes, in as few blocks as the size limit allows.

        Each call into a decompressor releases the GIL, and reacquiring it beside a busy thread takes milliseconds. So
        everything from a single read is inflated in a single call.

        Raises:
            InflateError: as `feed`; all earlier messages were yielded.
        """


#: inflaters by the client's `compress` argument, None for no compression; each takes the size limit in bytes
INFLATERS: dict[str | None, Callable[[int], Inflater]] = {
    None: NoCompression,
    "zlib-stream": ZlibStream,
    "zstd-stream": ZstdStream,
    "payload": ZlibPayloads,
}
