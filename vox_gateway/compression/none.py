"""No compression: each websocket message is a gateway message."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["NoCompression"]


class NoCompression:
    """Hands every message on. Its size is bounded by the frame reader already."""

    def __init__(self, max_size: int = 0) -> None:
        pass

    def feed(self, data: bytes) -> bytes:
        """`data` itself."""
        return data

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """All messages of `run`."""
        yield b"".join(run), len(run)
