"""What nodes need to agree on, and the interface that keeps it: `Coordination`. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..discovery.session_start_limit import SessionStartLimit
from ..errors import CoordinationFailed
from .leases import LeaseTimes

__all__ = [
    "PIN_TIME",
    "Change",
    "Coordination",
    "CoordinationFailed",
    "GateSettings",
    "Learned",
    "Lease",
    "LeaseLost",
    "NodeInfo",
    "NodeStatus",
    "Overview",
    "ShardStatus",
    "TurnHolder",
    "TurnRequest",
    "Turns",
    "View",
    "Waiter",
    "Watch",
]


#: seconds for which a shard stays at the node to which an operator has moved it
PIN_TIME = 3600.0


class LeaseLost(CoordinationFailed):
    """A shard belongs to another process now, so nothing was changed."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node: a process's part in running a bot.

    Attributes:
        id: random, and new with every start: a node never holds what an earlier process held.
        name: for people.
        total: the number of shards of the bot. Nodes with another number are another generation: they share the
            identify gate, but neither shards nor sessions.
        capacity: how many shards it may run; 0 while it hands over its shards.
    """

    id: str
    name: str
    total: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a shard.

    Attributes:
        owner: the id of the node.
        load: of the shard, such as events per second.
    """

    owner: str
    load: float


@dataclass(frozen=True, kw_only=True)
class View:
    """The nodes of a generation, and their leases, at the time of a heartbeat.

    Attributes:
        nodes: by id.
        leases: by shard; a shard that is not in it is free.
        expires_in: seconds until the first of the other nodes has missed its heartbeats; None without others.
        is_new: the node was not known before.
        pins: the nodes to which an operator has moved shards, by shard.
        is_to_drain: an operator has ordered the node to hand over its shards.
    """

    nodes: Mapping[str, NodeInfo]
    leases: Mapping[int, Lease]
    expires_in: float | None
    is_new: bool
    pins: Mapping[int, str] = field(default_factory=dict)
    is_to_drain: bool = False


@dataclass(frozen=True, slots=True)
class GateSettings:
    """How often a bot may IDENTIFY. All nodes of a bot must use the same.

    Attributes:
        interval: seconds between two IDENTIFYs with the same rate limit key: Discord's 5, and what the way there may
            take longer than that of the next.
        max_concurrency: the number of rate limit keys, until Discord has been asked.
        daily_limit: IDENTIFYs in any 24 hours, until Discord has been asked; slightly under the 1000 that reset the
            token.
        turn: seconds from a node's last request until a turn that it holds is over, unless it was used or given back;
            longer than a node that is cut off keeps its shards connected.
        gather: seconds that a shard waits for others, which may come before it, if nobody was waiting.
    """

    interval: float = 5.5
    max_concurrency: int = 1
    daily_limit: int = 990
    turn: float = 15.0
    gather: float = 0.2


@dataclass(frozen=True, slots=True)
class Learned:
    """Discord's answer about the session starts.

    Attributes:
        limit: the answer.
        ago: seconds since it was asked for.
    """

    limit: SessionStartLimit
    ago: float


@dataclass(frozen=True)
class TurnRequest:
    """What a node has to say to the identify gate: all of it each time, so that a lost message changes nothing.

    Attributes:
        waiting: the shards that want to IDENTIFY or have a turn, and how often their turns came to nothing. A turn of a
            shard that is not in it is over.
        sent: the shards that sent their IDENTIFY, and how many seconds ago.
        learned: what Discord said since the last request.
    """

    waiting: Mapping[int, int] = field(default_factory=dict)
    sent: Mapping[int, float] = field(default_factory=dict)
    learned: Learned | None = None


@dataclass(frozen=True, slots=True)
class Turns:
    """The answer of the identify gate.

    Attributes:
        granted: the shards that may IDENTIFY.
        ask_in: seconds until it is worth asking again; None to wait for a change.
        starts_in: seconds until session starts are available; 0.0 if some remain.
        remaining: session starts.
        max_concurrency: the number of rate limit keys.
    """

    granted: frozenset[int]
    ask_in: float | None
    starts_in: float
    remaining: int
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node, for operators.

    Attributes:
        info: the node.
        expires_in: seconds until its shards may be taken by others, unless it sends another heartbeat.
        is_to_drain: it was ordered to hand over its shards.
    """

    info: NodeInfo
    expires_in: float
    is_to_drain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardStatus:
    """A shard that a node runs, for operators.

    Attributes:
        total: the number of shards of the bot.
        shard: its id.
        owner: the id of the node.
        load: as the node reported it.
        state: what the node reported beside the load; empty if it did not.
        reported_ago: seconds since the state was reported; None if it was not.
    """

    total: int
    shard: int
    owner: str
    load: float
    state: Mapping[str, Any]
    reported_ago: float | None


@dataclass(frozen=True, slots=True)
class TurnHolder:
    """A shard that may IDENTIFY now.

    Attributes:
        node: the id of its node.
        shard: its id.
        ends_in: seconds until the turn is over if it is not used.
    """

    node: str
    shard: int
    ends_in: float


@dataclass(frozen=True, slots=True)
class Waiter:
    """A shard that waits to IDENTIFY. Of the shards of a node with the same rate limit key only the first waits here.

    Attributes:
        node: the id of its node.
        shard: its id.
        failures: how often its turns came to nothing.
        waiting_for: seconds.
        turn_in: seconds until its turn, if those before it use theirs and no other comes before it.
    """

    node: str
    shard: int
    failures: int
    waiting_for: float
    turn_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the nodes of a bot have agreed on, for operators.

    Attributes:
        nodes: all that are alive, by name.
        shards: those that a node runs, in order.
        pins: the ids of the nodes to which shards were moved, by number of shards and shard.
        holding: the shards that may IDENTIFY.
        waiting: the shards that wait for it, the next first.
        remaining: session starts.
        starts_in: seconds until session starts are available; 0.0 if some remain.
        max_concurrency: the number of rate limit keys.
    """

    nodes: Sequence[NodeStatus]
    shards: Sequence[ShardStatus]
    pins: Mapping[tuple[int, int], str]
    holding: Sequence[TurnHolder]
    waiting: Sequence[Waiter]
    remaining: int
    starts_in: float
    max_concurrency: int


class Change(enum.Flag):
    """What has changed, so that it is worth asking again."""

    NONE = 0
    LEASES = enum.auto()
    GATE = enum.auto()


class Watch(Protocol):
    """Waits for changes that other nodes make; for one thread."""

    def wait(self, seconds: float) -> Change:
        """Return what has changed since the last call; wait up to `seconds` for that. Raises nothing."""

    def close(self) -> None:
        """Release what it holds. Called once `wait` has returned for the last time."""


class Coordination(Protocol):
    """Keeps what the nodes of a bot agree on. Every method is one atomic step, may block for seconds, and is for any
    thread.

    All but `close` raise CoordinationFailed: it cannot be reached. The step may have been made all the same, so each
    can be repeated.
    """

    @property
    def times(self) -> LeaseTimes:
        """The times of leases."""

    @property
    def gate(self) -> GateSettings:
        """How often the bot may IDENTIFY."""

    def beat(self, node: NodeInfo, hold: Mapping[int, float], states: Mapping[int, str] | None = None) -> View:
        """Renew the leases of a node, and return what all nodes hold after that.

        Args:
            hold: shards and their loads. Those that are free become the node's, those of others do not; a lease of the
                node that is not in it is released.
            states: what the node reports of some of these shards, as JSON; of the others the last report stays.
        """

    def leave(self, node: NodeInfo) -> None:
        """Remove a node, its leases and its turns."""

    def turns(self, node: NodeInfo, request: TurnRequest) -> Turns:
        """Tell the identify gate, and ask for turns. A shard whose lease the node does not hold gets none."""

    def load(self, total: int, shards: Collection[int]) -> dict[int, str]:
        """Return what was saved of the sessions of shards, without those of which nothing was."""

    def save(self, node: NodeInfo, shard: int, session: str) -> None:
        """Replace what is saved of a shard's session.

        Raises:
            LeaseLost: the node does not hold the shard's lease.
        """

    def clear(self, node: NodeInfo, shard: int) -> None:
        """Forget a shard's session.

        Raises:
            LeaseLost: the node does not hold the shard's lease.
        """

    def overview(self) -> Overview:
        """Return what the nodes have agreed on. Changes nothing."""

    def order_drain(self, node_id: str) -> bool:
        """Order a node to hand over its shards. It is told with each heartbeat, until it is gone.

        Returns:
            Whether there is such a node.
        """

    def order_move(self, node_id: str, shard: int) -> bool:
        """Order that a node runs a shard: it is pinned to the node for `PIN_TIME`, or until the node is gone.

        A later order for the shard replaces an earlier order.

        Returns:
            Whether there is such a node.
        """

    def bots(self) -> list[str]:
        """Return the bots for which something is kept where this bot's is, in order."""

    def watch(self) -> Watch:
        """Return what waits for changes."""

    def close(self) -> None:
        """Close the connection. Idempotent."""
