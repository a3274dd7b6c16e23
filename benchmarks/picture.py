"""The table as a picture."""

from __future__ import annotations

from pathlib import Path

from .contest import Result

__all__ = ["draw"]


def draw(results: list[Result], path: Path) -> None:
    """Write an SVG of events in a second, one bar for each contestant.

    Raises:
        ImportError: pygal is not installed.
    """
    import pygal
    from pygal.style import LightStyle

    chart = pygal.HorizontalBar(
        style=LightStyle, show_legend=False, print_values=True, explicit_size=True, width=900,
        height=32 * len(results) + 90, title="Events in a second, one connection (higher is better)", js=[],
    )  # fmt: skip
    chart.value_formatter = lambda value: f"{value:,.0f}"
    ordered = sorted(results, key=lambda result: result.rate)
    chart.x_labels = [result.name for result in ordered]
    ours, theirs = "#2f6f9f", "#b8b8b8"
    chart.add(
        "", [{"value": one.rate, "color": ours if one.name.startswith("vox_gateway") else theirs} for one in ordered]
    )
    chart.render_to_file(str(path))
