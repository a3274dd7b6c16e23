"""What the tests of coordination have in common."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from vox_gateway.coordination import Assigned, Coordination, GateSettings, LeaseTimes, Node, Revoked

__all__ = ["GATE", "TIMES", "Loop", "Meeting", "Open", "Owner", "pause"]

#: renewals are frequent, and no machine is so busy that a lease or a turn ends by itself
TIMES = LeaseTimes(ttl=30.0, renew=0.1, retry=0.05, give_up=20.0, join=0.0, rebalance=0.0)
GATE = GateSettings(interval=0.3, turn=15.0, gather=0.0)

#: opens a coordination for one bot, as a process would; takes `times` and `gate`
Open = Callable[..., Coordination]


def pause(process: subprocess.Popen[Any], url: str) -> None:
    """Stop a process that coordinates at `url` between two steps: within one, it would hold up all others of SQLite."""
    with contextlib.ExitStack() as stack:
        if url.startswith("sqlite"):
            path = url.removeprefix("sqlite:///")
            lock = stack.enter_context(contextlib.closing(sqlite3.connect(path, timeout=10.0)))
            lock.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGSTOP)


class Owner:
    """Runs a node, and does what it asks for at once, as a manager does with shards that close at once.

    Args:
        coordination: of the node.
        shards: their number.
        releases: whether shards that were revoked are released.

    Attributes:
        node: the node.
        running: its shards.
        events: what was posted.
    """

    def __init__(self, coordination: Coordination, shards: int = 8, *, releases: bool = True, **options: Any) -> None:
        self.running: frozenset[int] = frozenset()
        self.events: list[object] = []
        self._releases = releases
        self.node = Node(coordination, shards=shards, post=self._note, **options)
        self.node.start()

    def _note(self, event: object) -> None:
        self.events.append(event)
        match event:
            case Assigned(shards):
                self.running |= shards
            case Revoked(shards):
                self.running -= shards
                if self._releases:
                    self.node.release(*shards)

    @property
    def lost(self) -> list[frozenset[int]]:
        """The shards of each time that some were lost."""
        return [event.shards for event in self.events if isinstance(event, Revoked) and event.lost]


class Meeting:
    """A coordination whose nodes hear the answer to their first heartbeat when all have sent it.

    Args:
        coordination: of a node.
        barrier: with as many parties as there are nodes.
    """

    def __init__(self, coordination: Coordination, barrier: threading.Barrier) -> None:
        self._coordination = coordination
        self._barrier: threading.Barrier | None = barrier

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coordination, name)

    def beat(self, *arguments: Any) -> Any:
        """As the coordination's."""
        view = self._coordination.beat(*arguments)
        barrier, self._barrier = self._barrier, None
        if barrier is not None:
            barrier.wait(10)
        return view


class Loop:
    """A shard's reconnect loop, as far as the identify gate sees it. ``IDENTIFY`` is an entry in a list."""

    def __init__(self, node: Node, shard: int, identified: list[int]) -> None:
        self._node, self._shard = node, shard
        self._identified = identified
        self.is_done = False

    def step(self) -> None:
        """Ask, as after a wakeup; called by the node's thread too."""
        if self.is_done or not self._node.holds(self._shard):
            return
        now = time.monotonic()
        if self._node.gate.enter(self._shard, self, self.step, now) == 0.0:
            self.is_done = True
            self._identified.append(self._shard)
            self._node.gate.sent(self._shard, self, time.monotonic())
