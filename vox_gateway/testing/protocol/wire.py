"""Turns payloads into bytes: an encoding, then a compression.

Each connection has its own `Wire`, since a transport compression keeps its context for the
whole connection. To add an encoding or compression, add a class and an entry to a table.

See: https://docs.discord.com/developers/events/gateway#transport-compression,
    https://docs.discord.com/developers/events/gateway#payload-compression
"""

from __future__ import annotations

import importlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from . import etf

SYNC_FLUSH_SUFFIX = b"\x00\x00\xff\xff"


class DecodeError(Exception):
    """A message is not a payload in the connection's encoding."""


class UnknownWire(Exception):
    """The URL requests an encoding or a compression that this gateway does not support."""


class Encoding(Protocol):
    """Turns values into bytes and back."""

    @property
    def is_text(self) -> bool:
        """Whether uncompressed payloads travel in text frames."""

    def encode(self, value: object) -> bytes:
        """Encode a value, such as a payload's ``d``.

        Raises:
            TypeError, ValueError: this encoding cannot represent it.
        """

    def payload(self, op: int, body: bytes, seq: int | None, name: str | None) -> bytes:
        """Put the envelope ``t, s, op, d`` around an already encoded ``d``.

        An event's ``d`` is encoded once, regardless of the number of sessions.
        """

    def decode(self, message: bytes) -> object:
        """Decode a whole payload.

        Raises:
            DecodeError: the message is malformed.
        """


class JsonEncoding:
    """Plain JSON in UTF-8, with the keys in the order in which Discord sends them."""

    is_text = True

    def encode(self, value: object) -> bytes:
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:  # a lone surrogate can only be escaped
            return json.dumps(value, separators=(",", ":")).encode()

    def payload(self, op: int, body: bytes, seq: int | None, name: str | None) -> bytes:
        head = f'{{"t":{json.dumps(name)},"s":{json.dumps(seq)},"op":{op},"d":'
        return head.encode() + body + b"}"

    def decode(self, message: bytes) -> object:
        try:
            value = json.loads(message.decode())
            # Python accepts NaN and lone surrogates, which cannot be sent to other sessions.
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise DecodeError(str(error)) from error
        return value


class EtfEncoding:
    """Erlang's external term format, with atoms for the keys of the envelope."""

    is_text = False

    def encode(self, value: object) -> bytes:
        return etf.write(value)

    def payload(self, op: int, body: bytes, seq: int | None, name: str | None) -> bytes:
        envelope = {b"t": etf.write(name), b"s": etf.write(seq), b"op": etf.write(op), b"d": body}
        pairs = b"".join(etf.write_atom(key) + term for key, term in envelope.items())
        return etf.VERSION + b"t" + len(envelope).to_bytes(4, "big") + pairs

    def decode(self, message: bytes) -> object:
        try:
            return etf.read(message)
        except etf.BadTerm as error:
            raise DecodeError(str(error)) from error


class Compression(Protocol):
    """Turns encoded payloads into the bytes of a websocket message."""

    def compress(self, payload: bytes) -> bytes | None:
        """Compress a payload; `None` to send it as it is."""

    def compress_pieces(self, pieces: Iterable[bytes]) -> bytes:
        """Compress a payload given as pieces, without holding it as a whole."""


class NoCompression:
    """Sends payloads as they are."""

    def compress(self, payload: bytes) -> bytes | None:
        return None

    def compress_pieces(self, pieces: Iterable[bytes]) -> bytes:
        return b"".join(pieces)


class ZlibStream:
    """A deflate context for the whole connection, flushed after every payload."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj()

    def compress(self, payload: bytes) -> bytes | None:
        return self.compress_pieces((payload,))

    def compress_pieces(self, pieces: Iterable[bytes]) -> bytes:
        return b"".join(map(self._deflate.compress, pieces)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class ZlibPayloads:
    """``compress: true`` in IDENTIFY: each large payload is its own zlib stream, small payloads stay plain."""

    smallest = 256

    def compress(self, payload: bytes) -> bytes | None:
        return zlib.compress(payload) if len(payload) >= self.smallest else None

    def compress_pieces(self, pieces: Iterable[bytes]) -> bytes:
        deflate = zlib.compressobj()
        return b"".join(map(deflate.compress, pieces)) + deflate.flush()


class ZstdStream:
    """A zstd frame for the whole connection, flushed after every payload."""

    def __init__(self) -> None:
        self._compressor = _zstd.ZstdCompressor()

    def compress(self, payload: bytes) -> bytes | None:
        return self.compress_pieces((payload,))

    def compress_pieces(self, pieces: Iterable[bytes]) -> bytes:
        compressed = b"".join(map(self._compressor.compress, pieces))
        flushed: bytes = self._compressor.flush(self._compressor.FLUSH_BLOCK)
        return compressed + flushed


def _import_zstd() -> Any:
    """Import the standard library's zstd (Python 3.14) or its official backport; `None` without either."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_zstd = _import_zstd()

ENCODINGS: Mapping[str, Callable[[], Encoding]] = {"json": JsonEncoding, "etf": EtfEncoding}
COMPRESSIONS: Mapping[str, Callable[[], Compression]] = {
    "zlib-stream": ZlibStream,
    **({"zstd-stream": ZstdStream} if _zstd is not None else {}),
}


class Wire:
    """A connection's encoding and compression."""

    def __init__(self, encoding_name: str, encoding: Encoding, transport: Compression | None) -> None:
        self.encoding_name = encoding_name
        self.encoding = encoding
        self._has_transport_compression = transport is not None
        self._compression: Compression = transport or NoCompression()

    @property
    def is_stream(self) -> bool:
        """Whether a payload may be split into several websocket messages."""
        return isinstance(self._compression, ZlibStream)

    @property
    def is_compressed(self) -> bool:
        """Whether payloads may be compressed."""
        return not isinstance(self._compression, NoCompression)

    def compress_payloads(self) -> None:
        """Honour ``compress: true``, unless the transport is compressed or the encoding is not JSON."""
        if self.encoding.is_text and not self._has_transport_compression:
            self._compression = ZlibPayloads()

    def pack(self, payload: bytes) -> tuple[bytes, bool]:
        """Return a payload as the bytes of a websocket message, and whether they are text."""
        compressed = self._compression.compress(payload)
        if compressed is None:
            return payload, self.encoding.is_text
        return compressed, False

    def pack_pieces(self, pieces: Iterable[bytes]) -> bytes:
        """Return a payload given as pieces as the bytes of a binary websocket message."""
        return self._compression.compress_pieces(pieces)


def wire_for(query: Mapping[str, str]) -> Wire:
    """Create the wire that a connection's URL requests.

    Args:
        query: the parameters ``encoding`` (JSON when absent) and ``compress``.

    Raises:
        UnknownWire: the encoding or the compression is not supported.
    """
    encoding_name = query.get("encoding", "json")
    if encoding_name not in ENCODINGS:
        raise UnknownWire(f"invalid encoding={encoding_name}: expected {', '.join(ENCODINGS)}")
    compression_name = query.get("compress")
    if compression_name is not None and compression_name not in COMPRESSIONS:
        raise UnknownWire(f"invalid compress={compression_name}: expected {', '.join(COMPRESSIONS)}")
    transport = COMPRESSIONS[compression_name]() if compression_name is not None else None
    return Wire(encoding_name, ENCODINGS[encoding_name](), transport)
