"""The event that a stream yields."""

from __future__ import annotations

import sys
from collections import namedtuple
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

__all__ = ["Event"]

T = TypeVar("T")


if TYPE_CHECKING or sys.version_info >= (3, 11):

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

else:  # where a NamedTuple cannot be generic

    class Event(namedtuple("Event", "name data seq shard"), Generic[T]):
        """An event as it arrived."""

        __slots__ = ()
