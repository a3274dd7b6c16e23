"""The client's side of the wire formats, to test the local gateway."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from vox_gateway.encoding import ETFCodec  # shares no code with the local gateway's

ZSTD_NAME = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
ETF = ETFCodec(1 << 30)

try:
    zstd: Any = importlib.import_module(ZSTD_NAME)
except ImportError:
    zstd = None

needs_zstd = pytest.mark.skipif(zstd is None, reason="no zstd here")

# Every encoding with every compression; "payload" is `compress: true` in IDENTIFY.
FORMATS = [
    pytest.param(encoding, compress, id=f"{encoding}-{compress}", marks=[needs_zstd] * (compress == "zstd-stream"))
    for encoding, compress in [
        *itertools.product(["json", "etf"], [None, "zlib-stream", "zstd-stream"]),
        ("json", "payload"),
    ]
]


def query(encoding: str, compress: str | None) -> str:
    """Return the query of the URL for a format."""
    stream = "" if compress in (None, "payload") else f"&compress={compress}"
    return f"v=10&encoding={encoding}{stream}"


class Inflater:
    """Decompresses a transport stream; `more` receives the next websocket message."""

    def __init__(self, compress: str | None) -> None:
        self._compress = compress
        self._zlib = zlib.decompressobj()
        self._zstd: Any = zstd.ZstdDecompressor() if zstd else None

    def __call__(self, message: str | bytes, more: Callable[[], str | bytes]) -> bytes:
        if self._compress is None:
            return _plain(message)
        assert isinstance(message, bytes)
        if self._compress == "zstd-stream":
            inflated: bytes = self._zstd.decompress(message)
            assert not self._zstd.eof
            return inflated
        while not message.endswith(b"\x00\x00\xff\xff"):
            part = more()
            assert isinstance(part, bytes)
            message += part
        return self._zlib.decompress(message)


def _plain(message: str | bytes) -> bytes:
    """Return a message without transport compression: text, ETF, or JSON compressed by itself."""
    if isinstance(message, str):
        return message.encode()
    return message if message.startswith(b"\x83") else zlib.decompress(message)


def decode(encoding: str, message: bytes) -> Any:
    """Decode a gateway message."""
    return ETF.decode(message) if encoding == "etf" else json.loads(message.decode())


def encode(encoding: str, payload: Any) -> str | bytes:
    """Encode a payload as a websocket message."""
    return ETF.encode(payload) if encoding == "etf" else json.dumps(payload)
