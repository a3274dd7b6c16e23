"""How long a node may rely on its leases. Pure: the time is an argument.

All leases of a node live as long as its heartbeat, so they are renewed together. The node gives up before they expire
for the others: the time is counted from before the renewal was sent, and leaves enough to close the connections.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LeaseTimes", "Leases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """Times in seconds. All nodes of a bot must use the same.

    Attributes:
        ttl: after its last heartbeat a node's shards may be taken by others.
        renew: between two heartbeats. With `give_up`, this says how long a node may be cut off before its shards move.
        retry: until the next attempt, after a failed attempt.
        give_up: after its last heartbeat a node closes its shards; by at least 2, the time of `close`, less than `ttl`.
        join: between a node's first heartbeat and the first shard that it takes, so that nodes that start together
            share the shards from the beginning.
        rebalance: for this long no node must have come or gone before shards move to another.
    """

    ttl: float = 10.0
    renew: float = 1.0
    retry: float = 0.5
    give_up: float = 7.0
    join: float = 0.5
    rebalance: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.renew < self.give_up < self.ttl:
            raise ValueError(f"renew, give_up and ttl must be above 0 and each more than the one before, not {self}")


@dataclass(frozen=True, slots=True)
class Leases:
    """The shards that a node may run, and until when. A value: any thread reads it.

    Attributes:
        shards: the shards.
        until: monotonic time, in seconds.
    """

    shards: frozenset[int] = frozenset()
    until: float = 0.0

    def holds(self, shard: int, now: float) -> bool:
        """Return whether the node may connect a shard."""
        return shard in self.shards and now < self.until

    def expired(self, now: float) -> bool:
        """Return whether the shards have to be closed."""
        return bool(self.shards) and now >= self.until
