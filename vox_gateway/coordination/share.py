"""Which shards a node takes and hands over, and when it may. Pure: times are arguments.

The node's thread calls it with each view of the other nodes.
"""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from .assignment import assign
from .interface import NodeInfo, View
from .leases import LeaseTimes

__all__ = ["Moves", "ShardShare"]

#: how much busier than another a node may be before shards move; loads other than 1 change all the time
SLACK = 0.2


@dataclass(frozen=True, slots=True)
class Moves:
    """What a node should do to have its share.

    Attributes:
        take: shards to take with the next heartbeat.
        hand_over: its shards that another node should have.
        beat_by: when the next heartbeat should be sent at the latest, as monotonic time.
    """

    take: frozenset[int] = frozenset()
    hand_over: frozenset[int] = frozenset()
    beat_by: float = math.inf


class ShardShare:
    """A node's share of the shards.

    Args:
        node: the node's id.
        total: the number of shards of the bot.
        times: of the leases.
    """

    def __init__(self, node: str, total: int, times: LeaseTimes) -> None:
        self._node = node
        self._total = total
        self._times = times
        self._may_take_at = 0.0  # or hand over
        self._members: frozenset[NodeInfo] = frozenset()
        self._members_since = 0.0

    def note(self, view: View, now: float, *, is_first: bool) -> None:
        """Note who is there; to be called with each view, before `plan`."""
        if view.is_new:
            # A server that has forgotten this node has forgotten the others too: they need time to come back.
            self._may_take_at = now + (self._times.join if is_first else self._times.give_up)
        members = frozenset(view.nodes.values())
        if members != self._members:
            self._members, self._members_since = members, now

    def plan(self, view: View, running: AbstractSet[int], closing: AbstractSet[int], now: float) -> Moves:
        """Return what to do. Pinned shards are handed over at any time, others once the nodes are settled.

        Args:
            view: the newest.
            running: the shards that the node runs.
            closing: shards that it has to release yet.
            now: monotonic time.
        """
        if now < self._may_take_at:
            return Moves(beat_by=self._may_take_at)
        rebalance_at = self._members_since + self._times.rebalance
        may_move = now >= rebalance_at
        mine = self._assigned(view, may_move)
        take = frozenset(mine - view.leases.keys() - closing)
        others = frozenset(running - mine)
        beat_by = now if take else math.inf if may_move else rebalance_at
        hand_over = others if may_move else others & view.pins.keys()
        return Moves(take, hand_over, beat_by)

    def _assigned(self, view: View, may_move: bool) -> set[int]:
        known = {shard: lease.load for shard, lease in view.leases.items() if lease.load != 1.0}
        # What is not reported yet counts as the mean: a shard that has just moved should not look idle, and move again.
        usual = math.fsum(known.values()) / len(known) if known else 1.0
        planned = assign(
            self._total,
            {node.id: node.capacity for node in view.nodes.values()},
            {shard: lease.owner for shard, lease in view.leases.items()},
            dict.fromkeys(range(self._total), usual) | known,
            view.pins,
            may_move=may_move,
            slack=SLACK if known else 0.0,
        )
        return {shard for shard, node in planned.items() if node == self._node}
