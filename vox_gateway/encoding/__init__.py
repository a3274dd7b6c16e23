"""How payloads are written: one small interface, `Codec`, and a table of what implements it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

    def decode_all(self, block: bytes, count: int) -> Iterator[Any]:
        """The `count` payloads that stand in `block`, one after the other.

        What a dispatch carries may be left as it came, in `bytes`, which no decoded value ever is. `complete` takes it
        when its turn comes and if somebody listens: what lives for one moment only is faster, and smaller, than what
        waits in line. READY and RESUMED, which the protocol reads, are decoded.

        Raises:
            DecodeError: `block` is not so many payloads; what came before was yielded.
        """

    def complete(self, payload: dict[str, Any]) -> None:
        """Decode what a dispatch carries, where `decode_all` has left it in `bytes`.

        Raises:
            DecodeError: it is not of this encoding.
        """


#: encodings by name; each takes the largest message in bytes
CODECS: dict[str, Callable[[int], Codec]] = {JSONCodec.name: JSONCodec, ETFCodec.name: ETFCodec}
