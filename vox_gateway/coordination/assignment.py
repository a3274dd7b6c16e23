"""Decides which node runs which shard. Pure: every node computes the same from the same view.

A shard stays where it is unless its node is gone, has more shards than it may run, or is so much busier than another
that moving the shard makes both even. `node` calls it on its own thread, after each heartbeat.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Mapping

__all__ = ["assign"]

#: what a shard counts at least: the shards of a bot that nobody talks to are shared out too
LEAST_LOAD = 1.0


def assign(
    shards: int,
    capacities: Mapping[str, int],
    owners: Mapping[int, str],
    loads: Mapping[int, float] | None = None,
    pins: Mapping[int, str] | None = None,
    *,
    may_move: bool = True,
    slack: float = 0.0,
) -> dict[int, str]:
    """Return the node of each shard. Shards for which no node has room are left out.

    Args:
        shards: their number.
        capacities: the nodes, and how many shards each may run. Loads are shared out in proportion.
        owners: the shards that run, and their nodes.
        loads: of shards, such as events per second; 1.0 for the others, and at the least.
        pins: shards, and the nodes on which an operator wants them, also if `may_move` is false. Such a shard is not
            moved away to make loads even. Void while the node is not among `capacities` or has no room.
        may_move: take shards from nodes that are alive, so that loads become even.
        slack: how much busier than another a node may be, as a part of the mean; below that nothing moves.
    """
    balance = _Balance(capacities, loads or {})
    here = {shard: node for shard, node in sorted(owners.items()) if node in capacities and 0 <= shard < shards}
    wanted = {shard: node for shard, node in sorted((pins or {}).items()) if 0 <= shard < shards}
    coming = {shard: node for shard, node in wanted.items() if here.get(shard) != node}
    for shard, node in here.items():
        if shard not in coming and balance.has_room(node):
            balance.add(shard, node, is_pinned=shard in wanted)
    for shard, node in coming.items():  # they get the room that is left
        if balance.has_room(node):
            balance.add(shard, node, is_pinned=True)
    for shard, node in here.items():
        if shard not in balance.nodes and balance.has_room(node):
            balance.add(shard, node)
    balance.place([shard for shard in range(shards) if shard not in balance.nodes])
    if may_move:
        balance.even_out(slack)
    return balance.nodes


class _Balance:
    """An assignment that is being made.

    Attributes:
        nodes: of the shards that are assigned.
    """

    def __init__(self, capacities: Mapping[str, int], loads: Mapping[int, float]) -> None:
        self.nodes: dict[int, str] = {}
        self._capacities = {node: capacity for node, capacity in capacities.items() if capacity > 0}
        self._loads = loads
        self._sums = dict.fromkeys(self._capacities, 0.0)
        self._counts = dict.fromkeys(self._capacities, 0)
        self._shards: dict[str, list[tuple[float, int]]] = {node: [] for node in self._capacities}  # may move; sorted

    def has_room(self, node: str) -> bool:
        return self._counts.get(node, 0) < self._capacities.get(node, 0)

    def add(self, shard: int, node: str, *, is_pinned: bool = False) -> None:
        load = self._load(shard)
        self.nodes[shard] = node
        self._sums[node] += load
        self._counts[node] += 1
        if not is_pinned:
            bisect.insort(self._shards[node], (load, shard))

    def place(self, shards: list[int]) -> None:
        """Give each shard to the node that is the least busy with it, the busiest shards first."""
        mean = sum(map(self._load, shards)) / len(shards) if shards else 0.0
        heap = [(self._share(node, mean), node) for node in self._capacities if self.has_room(node)]
        heapq.heapify(heap)
        for shard in sorted(shards, key=lambda shard: (-self._load(shard), shard)):
            if not heap:
                return
            _, node = heapq.heappop(heap)
            self.add(shard, node)
            if self.has_room(node):
                heapq.heappush(heap, (self._share(node, mean), node))

    def even_out(self, slack: float) -> None:
        """Move shards from the busiest node to the least busy, while that makes the busier of both less busy."""
        allowed = slack * sum(self._sums.values()) / max(sum(self._capacities.values()), 1)
        while any(map(self.has_room, self._capacities)) and any(self._shards.values()):
            busiest = max(filter(self._shards.get, self._capacities), key=lambda node: (self._share(node), node))
            idlest = min(filter(self.has_room, self._capacities), key=lambda node: (self._share(node), node))
            limit = (self._share(busiest) - allowed) * self._capacities[idlest] - self._sums[idlest]
            # The busiest shard that is below the limit: it saves the most moves. Sums of floats are not exact.
            index = bisect.bisect_left(self._shards[busiest], (limit - 1e-9 * max(abs(limit), 1.0), -1)) - 1
            if index < 0 or busiest == idlest:
                return
            load, _ = self._shards[busiest][index]
            end = bisect.bisect_right(self._shards[busiest], (load, len(self.nodes) + max(self.nodes)))
            _, shard = self._shards[busiest].pop(min(end - 1, index))
            self._sums[busiest] -= load
            self._counts[busiest] -= 1
            self.add(shard, idlest)

    def _load(self, shard: int) -> float:
        return max(self._loads.get(shard, 1.0), LEAST_LOAD)

    def _share(self, node: str, more: float = 0.0) -> float:
        return (self._sums[node] + more) / self._capacities[node]
