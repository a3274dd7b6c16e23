"""Keeps the table of ``vox-gateway tail --pretty`` up to date on a terminal. Needs rich, and draws on one thread."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ...client import Client
from ...sanitize import sanitize_line
from ..shared.stderr import taken_over
from .rates import Rates, merged
from .table import Board, ShardRow, render

__all__ = ["Dashboard"]


class Dashboard:
    """Shows what clients do, for as long as the context lasts; the table stays on the screen after it.

    Lines that would be printed on stderr meanwhile are printed above the table, if stderr is the terminal too.

    Args:
        clients: one for each shard; they get handlers.
        events: the names to count; None for all.
        with_stderr: whether stderr is the terminal too.
    """

    EVERY = 0.5  #: seconds between two drawings

    def __init__(self, clients: Sequence[Client], events: frozenset[str] | None, with_stderr: bool) -> None:
        self._clients = clients
        self._began = time.monotonic()
        self._rates = [Rates(self._began) for _ in clients]
        self._bot = ""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._with_stderr = with_stderr
        # Nobody but the main thread draws: a thread of rich's own would print in the middle of its lines.
        self._live = Live(console=Console(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        for client, rates in zip(clients, self._rates, strict=True):
            self._watch(client, rates, events)

    def __enter__(self) -> Dashboard:
        with contextlib.ExitStack() as stack:
            if self._with_stderr:
                stack.enter_context(taken_over(self._lines.put))
            stack.enter_context(self._live)
            stack.callback(self._print_lines)
            self._exits = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()

    def draw(self) -> None:
        """Draw it as it is now."""
        self._print_lines()
        # The last line is left for the cursor.
        self._live.update(render(self._board(time.monotonic()), self._live.console.height - 1), refresh=True)

    def _watch(self, client: Client, rates: Rates, events: frozenset[str] | None) -> None:
        @client.on("DISPATCH")
        def count(payload: dict[str, Any]) -> None:
            if events is None or payload["t"] in events:
                rates.count(payload["t"], time.monotonic())

        @client.on("READY")
        def ready(data: dict[str, Any]) -> None:
            self._bot = str(data.get("user", {}).get("username", ""))

    def _print_lines(self) -> None:
        while not self._lines.empty():
            for line in self._lines.get().splitlines():
                self._live.console.print(Text(line))

    def _board(self, now: float) -> Board:
        looks = [rates.look(now) for rates in self._rates]
        shards = []
        for client, look in zip(self._clients, looks, strict=True):
            health = client.health()
            shards.append(
                ShardRow(
                    shard=(health["shard"][0], health["shard"][1]),
                    state=_state(client),
                    ok=health["ok"],
                    latency=health["latency"],
                    events=sum(rate.total for rate in look.values()),
                    per_second=sum(rate.per_second for rate in look.values()),
                    resumes=health["resumes"],
                )
            )
        running = timedelta(seconds=int(now - self._began))
        title = " · ".join(filter(None, ("vox-gateway tail", sanitize_line(self._bot, 32), str(running))))
        return Board(title, shards, merged(looks))


def _state(client: Client) -> str:
    """What it does now, in a few words."""
    return client.explain().splitlines()[-1].removeprefix("now: ").partition(";")[0]
