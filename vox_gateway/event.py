"""The event that a stream yields."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Event"]


class Event(NamedTuple):
    """An event as it arrived.

    Attributes:
        name: the name that the stream collects, such as ``"MESSAGE_CREATE"``.
        data: the argument of a handler: the ``d`` of a dispatch, the whole payload of any other opcode.
        seq: the sequence number of a dispatch; otherwise None.
        shard: the id of the shard that received it.
    """

    name: str
    data: Any
    seq: int | None
    shard: int
