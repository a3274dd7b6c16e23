"""What goes over the wire: payloads as bytes, compressed, in websocket frames."""

from __future__ import annotations

import importlib
import json
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["compressor", "encoded", "frame", "reads", "zstd_module"]

#: bytes that a client reads at once, at most
READ = 65_536


def zstd_module() -> Any:
    """The zstd package that is there, or None."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def encoded(message: bytes, encoding: str) -> bytes:
    """A JSON payload in `encoding`."""
    if encoding == "json":
        return message
    from vox_gateway.testing.protocol import etf

    return etf.VERSION + etf.write(json.loads(message))


def compressor(compress: str | None) -> Callable[[bytes], bytes]:
    """What compresses one connection's payloads, one after the other."""
    if compress == "zlib-stream":
        deflate = zlib.compressobj(6)
        return lambda data: deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
    if compress == "zstd-stream":
        zstd = zstd_module().ZstdCompressor()
        return lambda data: bytes(zstd.compress(data, zstd.FLUSH_BLOCK))
    if compress == "payload":
        return lambda data: zlib.compress(data) if len(data) >= 256 else data
    return lambda data: data


def frame(data: bytes, text: bool) -> bytes:
    """A message as a server sends it, in one frame."""
    size = len(data)
    first = 0x81 if text else 0x82
    if size < 126:
        return struct.pack(">BB", first, size) + data
    if size < 1 << 16:
        return struct.pack(">BBH", first, 126, size) + data
    return struct.pack(">BBQ", first, 127, size) + data


def reads(stream: Iterable[bytes], most: int = READ) -> list[list[bytes]]:
    """The messages as reads of `most` bytes bring them."""
    runs: list[list[bytes]] = [[]]
    size = 0
    for data in stream:
        size += len(data)
        if size > most and runs[-1]:
            runs.append([])
            size = len(data)
        runs[-1].append(data)
    return runs
