"""The event that a stream yields."""

from __future__ import annotations

import sys
from typing import Generic, TypeVar

if sys.version_info >= (3, 11):
    from typing import NamedTuple
else:
    from typing_extensions import NamedTuple  # one that may be generic

__all__ = ["Event"]

T = TypeVar("T")


class Event(NamedTuple, Generic[T]):
    """An event as it arrived.

    Attributes:
        name: the name that the stream collects, such as ``"MESSAGE_CREATE"``.
        data: the argument of a handler: the ``d`` of a dispatch, the whole payload of any other opcode.
        seq: the sequence number of a dispatch; otherwise None.
        shard: the id of the shard that received it.
    """

    name: str
    data: T
    seq: int | None
    shard: int
