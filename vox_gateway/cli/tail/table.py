"""Renders the table of ``vox-gateway tail --pretty`` to fit a terminal. Pure; needs rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...sanitize import sanitize_line
from .rates import Rate

__all__ = ["ShardRow", "TableData", "render"]

#: lines besides shards and names: the title, and two headings with an empty line before each
_FIXED = 5
_GOOD, _BAD, _QUIET, _TITLE = "green", "red", "dim", "bold"


@dataclass(frozen=True, kw_only=True)
class ShardRow:
    """The row of a shard.

    Attributes:
        shard: the shard id and the number of shards.
        state: a short description of the state.
        ok: whether the shard is healthy.
        latency: seconds, or None if unknown.
        events: total number of events.
        per_second: recent rate of events.
        resumes: number of resumed connections.
    """

    shard: tuple[int, int]
    state: str
    ok: bool
    latency: float | None
    events: int
    per_second: float
    resumes: int


@dataclass(frozen=True)
class TableData:
    """The content of the table.

    Attributes:
        title: the first line.
        shards: a row per shard.
        names: the rate of each event name, the most frequent first.
    """

    title: str
    shards: Sequence[ShardRow]
    names: Sequence[Rate]


def render(data: TableData, height: int) -> RenderableType:
    """Render at most `height` lines; a summary line replaces the rows that do not fit."""
    room = max(height - _FIXED, 2)
    for_shards = min(len(data.shards), max(room - len(data.names), room // 2))
    for_names = room - for_shards
    return Group(
        _line(data.title, _TITLE),
        Text(),
        *_shards(data.shards, for_shards),
        Text(),
        *_names(data.names, for_names),
    )


def _shards(rows: Sequence[ShardRow], room: int) -> list[RenderableType]:
    shown, rest = list(rows), []
    if len(rows) > room:
        # Unhealthy shards are shown first.
        rest = sorted(rows, key=lambda row: (row.ok, row.shard))
        shown, rest = rest[: room - 1], rest[room - 1 :]
    table = _table("shard", "state", "latency", "events", "per second", "resumes")
    for row in shown:
        table.add_row(
            f"{row.shard[0]}/{row.shard[1]}",
            _line(row.state, _GOOD if row.ok else _BAD),
            "-" if row.latency is None else f"{row.latency * 1000:,.0f} ms",
            f"{row.events:,}",
            f"{row.per_second:,.1f}",
            f"{row.resumes:,}",
        )
    healthy = ", all healthy" if all(row.ok for row in rest) else ""
    return [table, *([_line(f"and {len(rest):,} other shards{healthy}", _QUIET)] if rest else [])]


def _names(rates: Sequence[Rate], room: int) -> list[RenderableType]:
    if not rates:
        return [_line("no events yet", _QUIET)]
    shown = rates if len(rates) <= room else rates[: max(room - 1, 0)]
    table = _table("event", "events", "per second")
    for rate in shown:
        table.add_row(_line(rate.name), f"{rate.total:,}", f"{rate.per_second:,.1f}")
    rest = rates[len(shown) :]
    more = f"and {len(rest):,} other names: {sum(rate.total for rate in rest):,} events" if rest else ""
    return [table, *([_line(more, _QUIET)] if rest else [])]


def _table(name: str, *headings: str) -> Table:
    """Return a table without borders, text aligned left and numbers right."""
    table = Table(box=None, pad_edge=False, header_style=_QUIET)
    table.add_column(_line(name))
    for heading in headings:
        # If the table is too wide, text is truncated first; no cell wraps.
        is_text = heading == "state"
        table.add_column(_line(heading), justify="left" if is_text else "right", no_wrap=not is_text)
    return table


def _line(text: str, style: str = "") -> Text:
    """Return untrusted text as a single line, truncated to fit and without markup."""
    return Text(sanitize_line(text), style, no_wrap=True, overflow="ellipsis")
