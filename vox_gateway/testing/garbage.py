"""Bytes that no healthy gateway sends."""

from __future__ import annotations

from .wire import SYNC_FLUSH_SUFFIX

BAD_PAYLOADS = {
    "json": b'{"t":null,"s":null,"op":',
    "utf8": b'{"t":"\xff\xfe","s":null,"op":0,"d":null}',
    "not an object": b'["t","s","op","d"]',
    "etf": b"\x83t\x00\x00\x00\x04w\x01t",
}
"""Sent through the connection's encoding, compression and framing: only the payload is broken."""

BAD_FRAMES = {
    "zlib": b"\x82\x08" + b"\xff\xff\xff\xff" + SYNC_FLUSH_SUFFIX,
    "zstd": b"\x82\x07garbage",
    "rsv": b"\xc1\x02{}",
    "opcode": b"\x83\x02{}",
    "masked": b"\x81\x82\x00\x00\x00\x00{}",
    "continuation": b"\x80\x02{}",
    "long control": b"\x89\x7e\x00\x7e" + b"x" * 126,
    "close code": b"\x88\x02\x03\xe7",
}
"""Sent as raw bytes: the websocket frame, or the compressed stream in it, is broken."""

KINDS = (*BAD_PAYLOADS, *BAD_FRAMES)
