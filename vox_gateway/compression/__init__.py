"""How messages are compressed: one small interface, `Inflater`, and a table of what implements it.

An inflater is made for each connection and thrown away with it: its context must never meet another connection's bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .none import NoCompression
from .payload import ZlibPayloads
from .zlib_stream import ZlibStream
from .zstd_stream import ZstdStream

__all__ = ["INFLATERS", "Inflater", "NoCompression", "ZlibPayloads", "ZlibStream", "ZstdStream"]


class Inflater(Protocol):
    """Websocket messages in, gateway messages out."""

    def feed(self, data: bytes) -> bytes | None:
        """The gateway message that `data` completes, or None while more must come.

        Raises:
            InflateError: `data` does not continue the stream, or inflates beyond the limit.
        """


#: compressions by the name in `Client`'s ``compress``, None for no compression; each takes the largest message in bytes
INFLATERS: dict[str | None, Callable[[int], Inflater]] = {
    None: NoCompression,
    "zlib-stream": ZlibStream,
    "zstd-stream": ZstdStream,
    "payload": ZlibPayloads,
}
