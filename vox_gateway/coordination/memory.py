"""Coordination within one process. Nothing outlives it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping

from ..concurrency.fork import in_child
from .interface import Change, GateSettings, NodeInfo, Overview, TurnRequest, Turns, View, Watch
from .leases import LeaseTimes
from .state import Report, SharedState, lost

__all__ = ["MemoryCoordination"]


class MemoryCoordination:
    """Coordinates nodes of one process; the default, and the reference for the other forms.

    Args:
        times: of leases.
        gate: how often the bot may IDENTIFY.
    """

    def __init__(self, times: LeaseTimes | None = None, gate: GateSettings | None = None) -> None:
        self.times: LeaseTimes = times or LeaseTimes()
        self.gate: GateSettings = gate or GateSettings()
        self._renew()
        in_child(self, MemoryCoordination._renew)

    def _renew(self) -> None:
        self._state = SharedState(self.gate.max_concurrency)
        self._sessions: dict[tuple[int, int], str] = {}  # by number of shards and shard, like the next
        self._reports: dict[tuple[int, int], Report] = {}
        self._changes = {Change.LEASES: 0, Change.GATE: 0}
        self._changed = threading.Condition()  # guards all fields above

    def beat(self, node: NodeInfo, hold: Mapping[int, float], states: Mapping[int, str] | None = None) -> View:
        """See `Coordination`."""
        with self._changed:
            now = time.monotonic()
            view, changed = self._state.beat(node, hold, self.times, now)
            for shard, text in (states or {}).items():
                if self._state.owns(node, shard):
                    self._reports[node.total, shard] = Report(node.id, now, text)
            self._notify(changed)
            return view

    def leave(self, node: NodeInfo) -> None:
        """See `Coordination`."""
        with self._changed:
            self._notify(self._state.leave(node.id))

    def turns(self, node: NodeInfo, request: TurnRequest) -> Turns:
        """See `Coordination`."""
        with self._changed:
            turns, changed = self._state.turns(node, request, self.gate, self.times.ttl, time.monotonic())
            self._notify(changed)
            return turns

    def load(self, total: int, shards: Collection[int]) -> dict[int, str]:
        """See `Coordination`."""
        with self._changed:
            return {shard: self._sessions[total, shard] for shard in shards if (total, shard) in self._sessions}

    def save(self, node: NodeInfo, shard: int, session: str) -> None:
        """See `Coordination`."""
        with self._changed:
            self._check(node, shard)
            self._sessions[node.total, shard] = session

    def clear(self, node: NodeInfo, shard: int) -> None:
        """See `Coordination`."""
        with self._changed:
            self._check(node, shard)
            self._sessions.pop((node.total, shard), None)

    def overview(self) -> Overview:
        """See `Coordination`."""
        with self._changed:
            copy = SharedState.from_json(self._state.to_json())
            return copy.overview(self._reports, self.gate, time.monotonic())

    def order_drain(self, node_id: str) -> bool:
        """See `Coordination`."""
        with self._changed:
            exists, changed = self._state.order_drain(node_id, time.monotonic())
            self._notify(changed)
            return exists

    def order_move(self, node_id: str, shard: int) -> bool:
        """See `Coordination`."""
        with self._changed:
            exists, changed = self._state.order_move(node_id, shard, time.monotonic())
            self._notify(changed)
            return exists

    def bots(self) -> list[str]:
        """See `Coordination`."""
        return []

    def watch(self) -> Watch:
        """See `Coordination`."""
        return _MemoryWatch(self)

    def close(self) -> None:
        """See `Coordination`."""

    def _check(self, node: NodeInfo, shard: int) -> None:
        self._state.expire(time.monotonic(), self.times.ttl)
        if not self._state.owns(node, shard):
            raise lost(node, shard)

    def _notify(self, changed: Change) -> None:
        for kind in self._changes:
            self._changes[kind] += kind in changed
        if changed:
            self._changed.notify_all()

    def _wait(self, seen: dict[Change, int], seconds: float) -> Change:
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen, seconds)
            changed = Change.NONE
            for kind, count in self._changes.items():
                if seen[kind] != count:
                    changed |= kind
            seen.update(self._changes)
            return changed


class _MemoryWatch:
    def __init__(self, coordination: MemoryCoordination) -> None:
        self._coordination = coordination
        self._seen = dict(coordination._changes)

    def wait(self, seconds: float) -> Change:
        return self._coordination._wait(self._seen, seconds)

    def close(self) -> None:
        pass
