"""No compression: each websocket message is a gateway message."""

from __future__ import annotations

__all__ = ["NoCompression"]


class NoCompression:
    """Hands every message on. Its size is bounded by the frame reader already."""

    def __init__(self, max_size: int) -> None:
        pass

    def feed(self, data: bytes) -> bytes | None:
        """`data` itself."""
        return data
