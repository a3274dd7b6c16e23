"""How large a message may grow."""

from __future__ import annotations

from ..errors import InflateError

__all__ = ["within"]


def within(message: bytes, max_size: int) -> bytes:
    """`message` itself; what made it was told to stop one byte beyond the limit, so that memory stays bounded.

    Raises:
        InflateError: it is larger than `max_size` bytes.
    """
    if len(message) > max_size:
        raise InflateError(f"a message inflates beyond max_message_size={max_size} bytes")
    return message
