"""What a stream yields."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Event"]


class Event(NamedTuple):
    """One event, as it arrived.

    Attributes:
        name: ``"MESSAGE_CREATE"``, or what else was listened to.
        data: what a handler of it gets: a dispatch's ``d``, the whole payload of any other opcode.
        seq: a dispatch's sequence number; None for all else.
        shard: the id of the shard that it came from.
    """

    name: str
    data: Any
    seq: int | None
    shard: int
