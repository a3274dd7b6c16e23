"""How large a message may grow, and what that means for inflating many at once."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InflateError

__all__ = ["groups", "within"]


def within(message: bytes, max_size: int) -> bytes:
    """`message` itself; what made it was told to stop one byte beyond the limit, so that memory stays bounded.

    Raises:
        InflateError: it is larger than `max_size` bytes.
    """
    if len(message) > max_size:
        raise InflateError(f"a message inflates beyond max_message_size={max_size} bytes")
    return message


def groups(run: list[bytes], max_size: int) -> Iterator[list[bytes]]:
    """`run` in order, in groups of `max_size` bytes together; a larger message is a group of its own."""
    group: list[bytes] = []
    size = 0
    for message in run:
        size += len(message)
        if size > max_size and group:
            yield group
            group, size = [], len(message)
        group.append(message)
    if group:
        yield group
