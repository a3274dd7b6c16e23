"""The table as a picture."""

from __future__ import annotations

import re
from pathlib import Path

from .contest import Result

__all__ = ["draw"]

OURS, THEIRS, LIMIT = "#2f6f9f", "#a9a9a9", "#e3c98b"
#: in the names of those that are not shown
ASIDE = ("busy", "one event", "pure")


def draw(results: list[Result], path: Path) -> None:
    """Write an SVG of events in a second, one bar for each contestant that gets every event and runs alone.

    Raises:
        ImportError: pygal is not installed.
    """
    import pygal
    from pygal.style import Style

    style = Style(
        background="white", plot_background="white", foreground="#222", foreground_strong="#222",
        label_font_size=12, title_font_size=15, opacity=1, font_family="sans-serif",
    )  # fmt: skip
    shown = sorted((one for one in results if not any(word in one.name for word in ASIDE)), key=lambda one: one.rate)
    chart = pygal.HorizontalBar(
        style=style, show_legend=False, print_values=False, explicit_size=True, width=900, height=24 * len(shown) + 90,
        title="Events in a second, one connection; blue is vox_gateway, yellow the limit", js=[],
    )  # fmt: skip
    chart.value_formatter = lambda value: f"{value:,.0f}"
    chart.x_labels = [f"{one.name}  {one.rate:,.0f}" for one in shown]
    chart.add("", [{"value": one.rate, "color": color(one)} for one in shown])
    drawn = re.sub("<!--.*?-->|<script.*?</script>", "", chart.render(is_unicode=True), flags=re.DOTALL)
    path.write_text(drawn + "\n", encoding="utf-8")


def color(one: Result) -> str:
    """Of a contestant's bar."""
    if one.name.startswith("vox_gateway"):
        return OURS
    return LIMIT if one.name.startswith("limit") else THEIRS
