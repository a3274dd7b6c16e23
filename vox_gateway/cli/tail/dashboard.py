"""The live table of ``vox-gateway tail --pretty``. Needs rich; drawn on the main thread only."""

from __future__ import annotations

import contextlib
import queue
import time
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ...client import Client
from ...sanitize import sanitize_line
from ...sharding import ShardManager
from ..shared.stderr import redirected
from .rates import Rates, merge
from .table import ShardRow, TableData, render

__all__ = ["Dashboard", "shard_state"]


class Dashboard:
    """A context manager that shows the state of a client; the last table stays on the screen.

    Args:
        client: handlers are added to it; a `ShardManager` has a row for each shard.
        events: names of the events to count; None for all.
        with_stderr: whether stderr is the same terminal. Its lines are then printed above the table.
    """

    REFRESH_INTERVAL = 0.5  #: seconds

    def __init__(self, client: Client, events: frozenset[str] | None, with_stderr: bool) -> None:
        self._client = client
        self._manager = client if isinstance(client, ShardManager) else None
        self._started_at = time.monotonic()
        self._rates: dict[int | None, Rates] = {}  # by shard id; that of a client alone under None
        self._bot = ""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._with_stderr = with_stderr
        # No auto_refresh: rich's refresh thread would print in the middle of our lines.
        self._live = Live(console=Console(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._watch(events)

    def __enter__(self) -> Dashboard:
        with contextlib.ExitStack() as stack:
            if self._with_stderr:
                stack.enter_context(redirected(self._lines.put))
            stack.enter_context(self._live)
            stack.callback(self._print_lines)
            self._exits = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()

    def draw(self) -> None:
        """Redraw the table with the current state."""
        self._print_lines()
        # The cursor takes the last line.
        self._live.update(render(self._data(time.monotonic()), self._live.console.height - 1), refresh=True)

    def _watch(self, events: frozenset[str] | None) -> None:
        @self._client.on("DISPATCH")
        def count(payload: dict[str, Any]) -> None:
            if events is None or payload["t"] in events:
                shard = None if self._manager is None else self._manager.current_shard
                self._rates_of(shard).count(payload["t"], time.monotonic())

        @self._client.on("READY")
        def ready(data: dict[str, Any]) -> None:
            self._bot = str(data.get("user", {}).get("username", ""))

    def _print_lines(self) -> None:
        while not self._lines.empty():
            for line in self._lines.get().splitlines():
                self._live.console.print(Text(line))

    def _rates_of(self, shard: int | None) -> Rates:
        return self._rates.setdefault(shard, Rates(self._started_at))

    def _health(self) -> dict[int | None, dict[str, Any]]:
        if self._manager is None:
            return {None: self._client.health()}
        return {number: shard.health() for number, shard in self._manager.shards.items()}

    def _data(self, now: float) -> TableData:
        shards, snapshots = [], []
        for number, health in self._health().items():
            counted = self._rates_of(number).snapshot(now)
            snapshots.append(counted)
            shards.append(
                ShardRow(
                    shard=(health["shard"][0], health["shard"][1]),
                    state=shard_state(health),
                    ok=health["ok"],
                    latency=health["latency"],
                    events=sum(rate.total for rate in counted.values()),
                    per_second=sum(rate.per_second for rate in counted.values()),
                    resumes=health["resumes"],
                )
            )
        running = timedelta(seconds=int(now - self._started_at))
        title = " · ".join(filter(None, ("vox-gateway tail", sanitize_line(self._bot, 32), str(running))))
        return TableData(title, shards, merge(snapshots))


def shard_state(health: dict[str, Any]) -> str:
    """Describe the fields of `Client.health` that say what a shard is doing."""
    if health["backlog_full"]:
        return f"{health['status']}, reading paused: {health['events_waiting']:,} events wait"
    if health["slow_handler"] is not None:
        return (
            f"{health['status']}, {health['slow_handler']} handler running for {health['slow_handler_seconds']:.0f} s"
        )
    if health["downtime"] is not None and health["status"] != "closed":
        return f"{health['status']}, down for {health['downtime']:.0f} s"
    return str(health["status"])
