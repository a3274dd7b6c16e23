"""The table as a picture."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from .contest import Result
from .cores import CORES, SHARDS, Setting

__all__ = ["draw", "draw_cores"]

OURS, THEIRS, LIMIT = "#2f6f9f", "#a9a9a9", "#e3c98b"
#: with the GIL, beside OURS without
WITH_GIL, OTHER = "#8fbfe0", "#d2a679"
#: in the names of those that are not shown
ASIDE = ("busy", "one event", "pure")


def draw(results: list[Result], path: Path) -> None:
    """Write an SVG of events in a second, one bar for each contestant that gets every event and runs alone.

    Raises:
        ImportError: pygal is not installed.
    """
    import pygal

    shown = sorted((one for one in results if not any(word in one.name for word in ASIDE)), key=lambda one: one.rate)
    chart = pygal.HorizontalBar(
        style=style(), show_legend=False, print_values=False, explicit_size=True, width=900,
        height=24 * len(shown) + 90, title="Events in a second, one connection; blue is vox_gateway, yellow the limit",
        js=[],
    )  # fmt: skip
    chart.value_formatter = lambda value: f"{value:,.0f}"
    chart.x_labels = [f"{one.name}  {one.rate:,.0f}" for one in shown]
    chart.add("", [{"value": one.rate, "color": color(one)} for one in shown])
    write(chart, path)


def draw_cores(results: list[Result], path: Path) -> None:
    """Write an SVG of events in a second over shards: a line for each client, its cores and GIL.

    Raises:
        ImportError: pygal is not installed.
    """
    import pygal

    rates = {one.name: one.rate for one in results}
    # One core or two, with the GIL or without, make no difference to the peers: they compute on one thread.
    lines = [
        *(
            (Setting("vox_gateway", cores, gil, 1), WITH_GIL if gil else OURS)
            for cores in CORES
            for gil in (False, True)
        ),
        (Setting("hikari", CORES[-1], False, 1), THEIRS),
        (Setting("discord.py", CORES[-1], False, 1), OTHER),
    ]
    chart = pygal.Line(
        style=style(colors=tuple(color for _, color in lines)), explicit_size=True, width=900, height=380, js=[],
        legend_at_bottom=True, legend_at_bottom_columns=2, truncate_legend=-1, dots_size=3,
        range=(0, max(rates.values())), title="Events in a second, one process, by number of shards",
    )  # fmt: skip
    chart.value_formatter = lambda value: f"{value:,.0f}"
    chart.x_labels = [f"{shards}" for shards in SHARDS]
    for line, _ in lines:
        values = [rates.get(dataclasses.replace(line, shards=shards).name) for shards in SHARDS]
        dashes = {"dasharray": "6, 4"} if line.cores == 1 else {}
        chart.add(line.line, values, stroke_style={"width": 2, **dashes})
    write(chart, path)


def style(**options: object) -> Any:
    """How every picture looks."""
    from pygal.style import Style

    return Style(
        background="white", plot_background="white", foreground="#222", foreground_strong="#222",
        label_font_size=12, legend_font_size=12, title_font_size=15, opacity=1, font_family="sans-serif", **options,
    )  # fmt: skip


def write(chart: Any, path: Path) -> None:
    """Save a chart, without what a picture does not need."""
    drawn = re.sub("<!--.*?-->|<script.*?</script>", "", chart.render(is_unicode=True), flags=re.DOTALL)
    path.write_text(drawn + "\n", encoding="utf-8")


def color(one: Result) -> str:
    """Of a contestant's bar."""
    if one.name.startswith("vox_gateway"):
        return OURS
    return LIMIT if one.name.startswith("limit") else THEIRS
