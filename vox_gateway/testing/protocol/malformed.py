"""Malformed payloads, malformed frames and decompression bombs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .wire import ENCODINGS, SYNC_FLUSH_SUFFIX

BAD_PAYLOADS: Mapping[str, Mapping[str, bytes]] = {
    "json": dict.fromkeys(ENCODINGS, b'{"t":null,"s":null,"op":'),
    "etf": dict.fromkeys(ENCODINGS, b"\x83t\x00\x00\x00\x04w\x01t"),
    "utf8": {
        "json": b'{"t":"\xff\xfe","s":null,"op":0,"d":null}',
        "etf": b"\x83t\x00\x00\x00\x04w\x01tm\x00\x00\x00\x02\xff\xfew\x01sw\x03nilw\x02opa\x00w\x01dw\x03nil",
    },
    "not an object": {
        "json": b'["t","s","op","d"]',
        "etf": b"\x83l\x00\x00\x00\x04w\x01tw\x01sw\x02opw\x01dj",
    },
}
"""Kind → encoding → payload, sent with valid compression and framing."""

BAD_FRAMES: Mapping[str, bytes] = {
    "zlib": b"\x82\x08" + b"\xff\xff\xff\xff" + SYNC_FLUSH_SUFFIX,
    "zstd": b"\x82\x07garbage",
    "text": b"\x81\x02\xff\xfe",
    "rsv": b"\xc1\x02{}",
    "opcode": b"\x83\x02{}",
    "masked": b"\x81\x82\x00\x00\x00\x00{}",
    "continuation": b"\x80\x02{}",
    "long control": b"\x89\x7e\x00\x7e" + b"x" * 126,
    "close code": b"\x88\x02\x03\xe7",
}
"""Kind → raw bytes: the websocket frame, or the compressed stream in it, is malformed."""

KINDS = (*BAD_PAYLOADS, *BAD_FRAMES)

_SMALLEST_BOMB = 64
_PIECE = bytes([ord("0")]) * 65_536


def check_bomb_size(size: int) -> None:
    """Raise ValueError unless the envelope fits and the size fits into the 32 bits that ETF uses."""
    if not _SMALLEST_BOMB <= size < 1 << 32:
        raise ValueError(f"invalid size={size}: expected a number of bytes from {_SMALLEST_BOMB} to {(1 << 32) - 1}")


def bomb(encoding_name: str, size: int) -> Iterator[bytes]:
    """A HEARTBEAT_ACK of `size` bytes whose ``d`` is a long string, in small pieces."""
    if encoding_name == "json":
        head, tail = b'{"t":null,"s":null,"op":11,"d":"', b'"}'
        return _filled(head, size - len(head) - len(tail), tail)
    head = b"\x83t\x00\x00\x00\x04w\x01tw\x03nilw\x01sw\x03nilw\x02opa\x0bw\x01dm"
    length = size - len(head) - 4
    return _filled(head + length.to_bytes(4, "big"), length, b"")


def _filled(head: bytes, length: int, tail: bytes) -> Iterator[bytes]:
    yield head
    for start in range(0, length, len(_PIECE)):
        yield _PIECE[: length - start]
    yield tail
