"""How payloads are written: one small interface, `Codec`, and a table of what implements it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from .etf import ETFCodec
from .json import JSONCodec

__all__ = ["CODECS", "Codec", "ETFCodec", "JSONCodec", "Payload"]

#: what the gateway sends, decoded: ``op``, ``d``, ``s`` and ``t``
Payload = dict[str, Any]


class Codec(Protocol):
    """Turns payloads into websocket messages and back. Holds no state: one serves every connection and thread."""

    #: the ``encoding`` of the gateway URL
    name: str
    #: whether messages go out as text frames rather than as binary ones
    text: bool

    def encode(self, payload: Any) -> bytes:
        """The bytes of one payload.

        Raises:
            TypeError, ValueError: it holds something that the encoding has no form for.
        """

    def decode(self, data: bytes) -> Any:
        """The payload in `data`.

        Raises:
            DecodeError: `data` is not one whole payload of this encoding.
        """

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """The `count` payloads that stand in `block`, one after the other.

        Raises:
            DecodeError: `block` is not so many payloads; what came before was yielded.
        """


#: encodings by name; each takes the largest message in bytes
CODECS: dict[str, Callable[[int], Codec]] = {JSONCodec.name: JSONCodec, ETFCodec.name: ETFCodec}
