"""What a node posts to the owner of its shards: what to run, and what to close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import ThreadFailed

__all__ = ["Assigned", "CoordinationEnded", "Drained", "Event", "Revoked"]


@dataclass(frozen=True, slots=True)
class Assigned:
    """These shards are this node's: run them.

    Attributes:
        shards: the shards.
        sessions: what was saved of their sessions; see `Node.session_store`.
    """

    shards: frozenset[int]
    sessions: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Revoked:
    """These shards are not this node's any more: close each so that it can be resumed, then call `Node.release`.

    Attributes:
        shards: the shards.
        lost: another process may run them already. Otherwise it waits, and their sessions can still be saved.
    """

    shards: frozenset[int]
    lost: bool


@dataclass(frozen=True, slots=True)
class CoordinationEnded:
    """The node's thread has failed. All its shards are revoked, and no others will come.

    Attributes:
        error: why.
    """

    error: ThreadFailed


@dataclass(frozen=True, slots=True)
class Drained:
    """The node was drained, and no shard is left: close it."""


Event = Assigned | Revoked | CoordinationEnded | Drained
