"""How messages are compressed: one small interface, `Inflater`, and a table of what implements it.

An inflater is made for each connection and thrown away with it: its context must never meet another connection's bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from .none import NoCompression
from .payload import ZlibPayloads
from .zlib_stream import ZlibStream
from .zstd_stream import ZstdStream

__all__ = ["INFLATERS", "Block", "Inflater", "NoCompression", "ZlibPayloads", "ZlibStream", "ZstdStream"]

#: gateway messages, one after the other, and how many they are
Block = tuple[bytes, int]


class Inflater(Protocol):
    """Websocket messages in, gateway messages out."""

    def feed(self, data: bytes) -> bytes | None:
        """The gateway message that `data` completes, or None while more must come.

        Raises:
            InflateError: `data` does not continue the stream, or inflates beyond the limit.
        """

    def feed_all(self, run: list[bytes]) -> Iterator[Block]:
        """The gateway messages that `run` completes, in as few blocks as the limit on their size allows.

        Each call into a decompressor gives up the GIL, and beside a busy thread getting it back takes milliseconds: so
        whatever one read brought is inflated in one call.

        Raises:
            InflateError: as `feed`; what came before was yielded.
        """


#: compressions by the name in `Client`'s ``compress``, None for no compression; each takes the largest message in bytes
INFLATERS: dict[str | None, Callable[[int], Inflater]] = {
    None: NoCompression,
    "zlib-stream": ZlibStream,
    "zstd-stream": ZstdStream,
    "payload": ZlibPayloads,
}
