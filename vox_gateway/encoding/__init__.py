"""Payloads to bytes and back: the `Codec` interface and its implementations by name.

In: inflated blocks, on the reader thread; raw dispatches, on the dispatcher; commands, on the caller's thread. Out:
payloads for the protocol and for handlers, and WebSocket messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from .etf import ETFCodec
from .json import JSONCodec

__all__ = ["CODECS", "Codec", "ETFCodec", "JSONCodec", "Payload"]

#: a decoded gateway payload: ``op``, ``d``, ``s`` and ``t``
Payload = dict[str, Any]


class Codec(Protocol):
    """Encodes and decodes payloads. Stateless: a codec serves all connections and threads of a client."""

    #: the value of ``encoding`` in the gateway URL
    name: str
    #: whether messages are sent in text frames, not binary ones
    text: bool
    #: whether most payloads are decoded by `decode` when they are dispatched, not by `decode_all` when they are read
    decodes_late: bool

    def encode(self, payload: Any) -> bytes:
        """Encode a payload.

        Raises:
            TypeError, ValueError: it holds a value that the encoding cannot represent.
        """

    def decode(self, data: bytes) -> Any:
        """Decode the payload in `data`.

        Raises:
            DecodeError: `data` is not exactly 1 payload of this encoding.
        """

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """Yield the `count` concatenated payloads in `block`.

        Raises:
            DecodeError: `block` is not exactly `count` payloads; all earlier payloads were yielded.
        """


#: codecs by the client's `encoding` argument; each takes the size limit in bytes
CODECS: dict[str, Callable[[int], Codec]] = {JSONCodec.name: JSONCodec, ETFCodec.name: ETFCodec}
