"""Nodes, leases and the identify queue of a bot as one value. Pure: the time is an argument.

`memory` keeps it in an object and `sqlite` in a row of a table; both change it under a lock. Redis has the same in
``scripts``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .interface import (
    PIN_TIME,
    Change,
    GateSettings,
    Lease,
    LeaseLost,
    NodeInfo,
    NodeStatus,
    Overview,
    ShardStatus,
    TurnRequest,
    Turns,
    View,
)
from .leases import LeaseTimes
from .turns import IdentifyQueue

__all__ = ["Report", "SharedState", "lost"]


@dataclass
class _Node:
    info: NodeInfo
    expires_at: float
    slot: int | None
    is_to_drain: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a node has reported of a shard. It counts while the node holds the shard's lease.

    Attributes:
        node: its id.
        at: the time.
        state: JSON.
    """

    node: str
    at: float
    state: str


class SharedState:
    """What the nodes of a bot agree on. A node's leases count as long as its heartbeat.

    Attributes:
        queue: the identify queue.
    """

    def __init__(self, max_concurrency: int) -> None:
        self.queue: IdentifyQueue = IdentifyQueue(max_concurrency)
        self._nodes: dict[str, _Node] = {}
        self._leases: dict[int, dict[int, Lease]] = {}  # by number of shards and shard
        self._pins: dict[tuple[int, int], tuple[str, float]] = {}  # the same; the id of the node, and until when

    def slots(self) -> dict[str, int]:
        """Return the ids of nodes, and the numbers that they gave in `beat`."""
        return {name: node.slot for name, node in self._nodes.items() if node.slot is not None}

    def beat(
        self, node: NodeInfo, hold: Mapping[int, float], times: LeaseTimes, now: float, slot: int | None = None
    ) -> tuple[View, Change]:
        """Renew, take and release leases; see `Coordination.beat`. Returns what has changed for other nodes too."""
        changed = self.expire(now, times.ttl)
        before = self._nodes.get(node.id)
        if before is None or before.info != node:
            changed |= Change.LEASES
        self._nodes[node.id] = _Node(node, now + times.ttl, slot, before is not None and before.is_to_drain)
        leases = self._leases.setdefault(node.total, {})
        for shard in [shard for shard, lease in leases.items() if lease.owner == node.id and shard not in hold]:
            del leases[shard]
            changed |= Change.LEASES
        for shard, load in hold.items():
            if shard not in leases or leases[shard].owner == node.id:
                leases[shard] = Lease(node.id, load)
        return self._view(node, now, before is None), changed

    def _view(self, node: NodeInfo, now: float, is_new: bool) -> View:
        peers = {name: peer for name, peer in self._nodes.items() if peer.info.total == node.total}
        expiries = [peer.expires_at - now for name, peer in peers.items() if name != node.id]
        return View(
            nodes={name: peer.info for name, peer in peers.items()},
            leases=dict(self._leases.get(node.total, {})),
            expires_in=min(expiries, default=None),
            is_new=is_new,
            pins={shard: name for (total, shard), (name, _) in self._pins.items() if total == node.total},
            is_to_drain=self._nodes[node.id].is_to_drain,
        )

    def leave(self, node_id: str) -> Change:
        """Remove a node; return what has changed."""
        changed = Change.LEASES if self._nodes.pop(node_id, None) else Change.NONE
        self._release(node_id)
        if self.queue.forget(node_id):
            changed |= Change.GATE
        return changed

    def expire(self, now: float, ttl: float) -> Change:
        """Remove the nodes whose heartbeat is too old; return what has changed."""
        changed = Change.NONE
        for name, node in list(self._nodes.items()):
            # A clock that was set back must not keep a dead node alive.
            node.expires_at = min(node.expires_at, now + ttl)
            if node.expires_at <= now:
                changed |= self._drop(name)
        # Nor may it keep a pin.
        pins = {key: (name, min(until, now + PIN_TIME)) for key, (name, until) in self._pins.items()}
        self._pins = {key: (name, until) for key, (name, until) in pins.items() if until > now}
        return changed

    def _drop(self, node_id: str) -> Change:
        """Remove a node that died. Its turns run out by themselves: it may have sent an IDENTIFY."""
        del self._nodes[node_id]
        self._release(node_id)
        return Change.LEASES | Change.GATE

    def _release(self, node_id: str) -> None:
        for leases in self._leases.values():
            for shard in [shard for shard, lease in leases.items() if lease.owner == node_id]:
                del leases[shard]
        self._pins = {key: (name, until) for key, (name, until) in self._pins.items() if name != node_id}

    def bury(self, node_ids: set[str]) -> Change:
        """Remove nodes that are known to be dead; return what has changed."""
        changed = Change.NONE
        for name in node_ids & self._nodes.keys():
            changed |= self._drop(name)
        return changed

    def turns(
        self, node: NodeInfo, request: TurnRequest, settings: GateSettings, ttl: float, now: float
    ) -> tuple[Turns, Change]:
        """Ask for turns; see `Coordination.turns`. Returns what has changed for other nodes too."""
        changed = self.expire(now, ttl)
        waiting = {shard: count for shard, count in request.waiting.items() if self.owns(node, shard)}
        allowed = TurnRequest(waiting, request.sent, request.learned)
        turns, ask_again = self.queue.ask(node.id, allowed, self._nodes, settings, now)
        return turns, changed | (Change.GATE if ask_again else Change.NONE)

    def owns(self, node: NodeInfo, shard: int) -> bool:
        """Return whether a node holds the lease of a shard."""
        lease = self._leases.get(node.total, {}).get(shard)
        return lease is not None and lease.owner == node.id

    # -- for operators -------------------------------------------------------------------------------------------------

    def order_drain(self, node_id: str, now: float) -> tuple[bool, Change]:
        """Order a node to hand over its shards; see `Coordination.order_drain`."""
        node = self._nodes.get(node_id)
        if node is None or node.expires_at <= now:
            return False, Change.NONE
        node.is_to_drain = True
        return True, Change.LEASES

    def order_move(self, node_id: str, shard: int, now: float) -> tuple[bool, Change]:
        """Pin a shard to a node; see `Coordination.order_move`."""
        node = self._nodes.get(node_id)
        if node is None or node.expires_at <= now:
            return False, Change.NONE
        self._pins[node.info.total, shard] = node_id, now + PIN_TIME
        return True, Change.LEASES

    def overview(self, reports: Mapping[tuple[int, int], Report], settings: GateSettings, now: float) -> Overview:
        """Return what operators see; see `Coordination.overview`. What is over is removed: call it on a copy.

        Args:
            reports: by number of shards and shard.
        """
        self.expire(now, math.inf)
        holding, waiting, starts_in, remaining = self.queue.overview(self._nodes, settings, now)
        return Overview(
            nodes=sorted(
                (NodeStatus(node.info, node.expires_at - now, node.is_to_drain) for node in self._nodes.values()),
                key=lambda status: (status.info.name, status.info.id),
            ),
            shards=[
                _status(total, shard, lease, reports.get((total, shard)), now)
                for total, leases in sorted(self._leases.items())
                for shard, lease in sorted(leases.items())
                if lease.owner in self._nodes
            ],
            pins={key: name for key, (name, _) in sorted(self._pins.items()) if name in self._nodes},
            holding=holding,
            waiting=waiting,
            remaining=remaining,
            starts_in=starts_in,
            max_concurrency=self.queue.max_concurrency,
        )

    # -- as JSON -------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the state as values that JSON can hold."""
        return {
            "nodes": [asdict(node) for node in self._nodes.values()],
            "leases": [
                [total, shard, lease.owner, lease.load]
                for total, leases in self._leases.items()
                for shard, lease in leases.items()
            ],
            "pins": [[total, shard, name, until] for (total, shard), (name, until) in self._pins.items()],
            "queue": self.queue.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SharedState:
        """Return what `to_json` made values of."""
        state = cls(1)
        state.queue = IdentifyQueue.from_json(data["queue"])
        for node in data["nodes"]:
            info = NodeInfo(**node["info"])
            state._nodes[info.id] = _Node(info, node["expires_at"], node["slot"], node["is_to_drain"])
        for total, shard, owner, load in data["leases"]:
            state._leases.setdefault(total, {})[shard] = Lease(owner, load)
        state._pins = {(total, shard): (name, until) for total, shard, name, until in data["pins"]}
        return state


def _status(total: int, shard: int, lease: Lease, report: Report | None, now: float) -> ShardStatus:
    if report is None or report.node != lease.owner:
        return ShardStatus(total=total, shard=shard, owner=lease.owner, load=lease.load, state={}, reported_ago=None)
    return ShardStatus(
        total=total,
        shard=shard,
        owner=lease.owner,
        load=lease.load,
        state=json.loads(report.state),
        reported_ago=max(now - report.at, 0.0),
    )


def lost(node: NodeInfo, shard: int) -> LeaseLost:
    """Return the error of a node that does not hold a shard's lease."""
    return LeaseLost(f"shard {shard} of {node.total} belongs to another process, so its session was not changed")
