"""No compression: each websocket message is a gateway message."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["NoCompression"]


class NoCompression:
    """Hands every message on. Its size is bounded by the frame reader already."""

    def __init__(self, max_size: int) -> None:
        pass

    def feed(self, data: bytes) -> bytes:
        """`data` itself."""
        return data

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Each message of `run`."""
        return ((data, 1) for data in run)
