"""The shards of an overview as rows of text, and as a JSON document. Pure; all text of others is made safe to show."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from ...coordination import Overview, ShardStatus
from ...sanitize import sanitize_line
from .access import labels

__all__ = ["HEADINGS", "TEXT", "LeaseRow", "as_lines", "document", "rows_of", "summary"]

HEADINGS = ("shard", "owner", "state", "latency", "events/s", "guilds", "resumes", "last reason")
#: the columns of text; the others are numbers
TEXT = frozenset({0, 1, 2, 7})
#: seconds after which the state of a shard is old: nodes report every 5
_OLD = 30.0
#: characters of a status and of a reason
_STATUS, _REASON = 32, 60


@dataclass(frozen=True)
class LeaseRow:
    """A shard.

    Attributes:
        cells: the text under each of `HEADINGS`.
        ok: whether it is ready.
    """

    cells: tuple[str, ...]
    ok: bool


def rows_of(overview: Overview) -> list[LeaseRow]:
    """Return a row for each shard, also for those that no node runs, in order."""
    names = labels(overview)
    to_drain = {node.info.id for node in overview.nodes if node.is_to_drain}
    rows = []
    for total, number, shard, target in _all_shards(overview):
        notes = []
        if shard is not None and shard.owner in to_drain:
            notes.append("to be handed over")
        if target is not None and (shard is None or shard.owner != target):
            notes.append(f"moves to {names.get(target, target)}")
        rows.append(_row(total, number, shard, names, notes))
    return rows


def _all_shards(overview: Overview) -> Iterator[tuple[int, int, ShardStatus | None, str | None]]:
    """Yield the number of shards, the id, the status if a node runs it, and the node that it was moved to, if any."""
    held = {(shard.total, shard.shard): shard for shard in overview.shards}
    for total in sorted({node.info.total for node in overview.nodes}):
        for number in range(total):
            yield total, number, held.get((total, number)), overview.pins.get((total, number))


def _row(total: int, number: int, shard: ShardStatus | None, names: dict[str, str], notes: list[str]) -> LeaseRow:
    name = f"{number}/{total}"
    if shard is None:
        return LeaseRow((name, "-", ", ".join(["free", *notes]), "-", "-", "-", "-", ""), ok=False)
    state = shard.state
    status = sanitize_line(str(state.get("status", "not reported")), _STATUS)
    age = shard.reported_ago or 0.0
    if age > _OLD:
        notes = [f"reported {age:,.0f} s ago", *notes]
    latency, rate = state.get("latency"), state.get("rate")
    cells = (
        name,
        names.get(shard.owner, "-"),
        ", ".join([status, *notes]),
        f"{latency * 1000:,.0f} ms" if _is_number(latency) else "-",
        f"{rate:,.1f}" if _is_number(rate) else "-",
        _number(state.get("guilds")),
        _number(state.get("resumes")),
        sanitize_line(str(state.get("reason") or ""), _REASON),
    )
    return LeaseRow(cells, ok=status == "ready" and age <= _OLD)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Any) -> str:
    return f"{value:,}" if _is_number(value) else "-"


def summary(overview: Overview) -> str:
    """Return the line above the rows."""
    nodes, shards = len(overview.nodes), len(overview.shards)
    waiting = len(overview.waiting)
    waits = f"{waiting:,} shard{'s wait' if waiting != 1 else ' waits'} to IDENTIFY"
    starts = f"{overview.remaining:,} session starts remain, {waits}"
    return f"{nodes:,} node{'s run' if nodes != 1 else ' runs'} {shards:,} shard{'s' * (shards != 1)}; {starts}"


def as_lines(rows: list[LeaseRow], widths: list[int] | None = None) -> list[str]:
    """Return the headings and the rows, in columns."""
    table = [HEADINGS, *(row.cells for row in rows)]
    found = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            f"{cell:<{width}}" if column in TEXT else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(cells, widths or found, strict=True))
        ).rstrip()
        for cells in table
    ]


def document(overview: Overview) -> dict[str, Any]:
    """Return all of it as values that JSON can hold. A shard that no node runs has no owner."""
    names = {node.info.id: node.info.name for node in overview.nodes}
    return {
        "nodes": [
            {
                **dataclasses.asdict(node.info),
                "expires_in": node.expires_in,
                "is_to_drain": node.is_to_drain,
                "shards": sum(shard.owner == node.info.id for shard in overview.shards),
            }
            for node in overview.nodes
        ],
        "shards": [
            {
                "total": total,
                "shard": number,
                "owner": None if shard is None else shard.owner,
                "owner_name": None if shard is None else names.get(shard.owner),
                "load": None if shard is None else shard.load,
                "reported_ago": None if shard is None else shard.reported_ago,
                "moves_to": target,
                "state": {} if shard is None else dict(shard.state),
            }
            for total, number, shard, target in _all_shards(overview)
        ],
    }
