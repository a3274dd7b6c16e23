"""How payloads are written: one small interface, `Codec`, and a table of what implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .etf import ETFCodec
from .json import JSONCodec

__all__ = ["CODECS", "Codec", "ETFCodec", "JSONCodec"]


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


#: encodings by name; each takes the largest message in bytes
CODECS: dict[str, Callable[[int], Codec]] = {JSONCodec.name: JSONCodec, ETFCodec.name: ETFCodec}
