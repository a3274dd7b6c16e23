"""The table of ``vox-gateway tail --pretty``: what it shows, and how that fits a terminal. Pure; needs rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...sanitize import sanitize_line
from .rates import Rate

__all__ = ["Board", "ShardRow", "render"]

#: lines that are neither a shard nor a name: the title, two headings, and an empty line before each
_FIXED = 5
_GOOD, _BAD, _QUIET, _TITLE = "green", "red", "dim", "bold"


@dataclass(frozen=True)
class ShardRow:
    """One shard.

    Attributes:
        shard: its id and the number of all.
        state: what it does now, in words.
        ok: whether that is what it is for.
        latency: seconds, or None.
        events: how many came.
        per_second: how many of late.
        resumes: how often its session was resumed.
    """

    shard: tuple[int, int]
    state: str
    ok: bool
    latency: float | None
    events: int
    per_second: float
    resumes: int


@dataclass(frozen=True)
class Board:
    """All that is shown.

    Attributes:
        title: in words.
        shards: every shard.
        names: every name that came, the most frequent first.
    """

    title: str
    shards: Sequence[ShardRow]
    names: Sequence[Rate]


def render(board: Board, height: int) -> RenderableType:
    """The board, in so many lines at the most; what does not fit is summed up."""
    room = max(height - _FIXED, 2)
    for_shards = min(len(board.shards), max(room - len(board.names), room // 2))
    for_names = room - for_shards
    return Group(
        _line(board.title, _TITLE),
        Text(),
        *_shards(board.shards, for_shards),
        Text(),
        *_names(board.names, for_names),
    )


def _shards(rows: Sequence[ShardRow], room: int) -> list[RenderableType]:
    shown, rest = list(rows), []
    if len(rows) > room:
        # Whatever is not well must be seen.
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
    well = ", all of them well" if all(row.ok for row in rest) else ""
    return [table, *([_line(f"and {len(rest):,} other shards{well}", _QUIET)] if rest else [])]


def _names(rates: Sequence[Rate], room: int) -> list[RenderableType]:
    if not rates:
        return [_line("no event yet", _QUIET)]
    shown = rates if len(rates) <= room else rates[: max(room - 1, 0)]
    table = _table("event", "events", "per second")
    for rate in shown:
        table.add_row(_line(rate.name), f"{rate.total:,}", f"{rate.per_second:,.1f}")
    rest = rates[len(shown) :]
    more = f"and {len(rest):,} other names: {sum(rate.total for rate in rest):,} events" if rest else ""
    return [table, *([_line(more, _QUIET)] if rest else [])]


def _table(name: str, *headings: str) -> Table:
    """A table without lines, with texts to the left of it and figures to the right."""
    table = Table(box=None, pad_edge=False, header_style=_QUIET)
    table.add_column(_line(name))
    for heading in headings:
        # Where all is too wide, the texts are cut first, and no cell becomes two lines.
        is_text = heading == "state"
        table.add_column(_line(heading), justify="left" if is_text else "right", no_wrap=not is_text)
    return table


def _line(words: str, style: str = "") -> Text:
    """Text from outside: one line, cut where it does not fit, and never markup."""
    return Text(sanitize_line(words), style, no_wrap=True, overflow="ellipsis")
