"""What nodes need to agree on, and the interface that keeps it: `Coordination`. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..discovery.session_start_limit import SessionStartLimit
from ..errors import GatewayError
from .leases import LeaseTimes

__all__ = [
    "Change",
    "Coordination",
    "CoordinationFailed",
    "GateSettings",
    "Learned",
    "Lease",
    "LeaseLost",
    "NodeInfo",
    "TurnRequest",
    "Turns",
    "View",
    "Watch",
]


class CoordinationFailed(GatewayError):
    """The server or the file that coordinates the processes of a bot could not be used. It is tried again."""


class LeaseLost(CoordinationFailed):
    """A shard belongs to another process now, so nothing was changed."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node: one process's part in running a bot.

    Attributes:
        id: random, and new with every start: what an earlier process held is not this one's.
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


@dataclass(frozen=True)
class View:
    """The nodes of a generation, and their leases, at the time of a heartbeat.

    Attributes:
        nodes: by id.
        leases: by shard; a shard that is not in it is free.
        expires_in: seconds until the first of the other nodes has missed its heartbeats; None without others.
        is_new: the node was not known before.
    """

    nodes: Mapping[str, NodeInfo]
    leases: Mapping[int, Lease]
    expires_in: float | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class GateSettings:
    """How often a bot may IDENTIFY. All nodes of a bot must use the same.

    Attributes:
        interval: seconds between two IDENTIFYs with the same rate limit key.
        max_concurrency: the number of rate limit keys, until Discord has been asked.
        daily_limit: IDENTIFYs in any 24 hours, until Discord has been asked; slightly under the 1000 that reset the
            token.
        turn: seconds after which a turn that was neither used nor given back is over.
        gather: seconds that a shard waits for others, which may come before it, if nobody was waiting.
    """

    interval: float = 5.0
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

    def beat(self, node: NodeInfo, hold: Mapping[int, float]) -> View:
        """Renew the leases of a node, and return what all nodes hold after that.

        Args:
            hold: shards and their loads. Those that are free become the node's, those of others do not; a lease of the
                node that is not in it is released.
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

    def watch(self) -> Watch:
        """Return what waits for changes."""

    def close(self) -> None:
        """Close the connection. Idempotent."""
