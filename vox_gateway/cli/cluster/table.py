"""The live table of ``vox-gateway shards``. Needs rich; drawn on the main thread only."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .rows import HEADINGS, TEXT, LeaseRow

__all__ = ["LiveTable", "render"]

#: lines besides the shards: the summary, an empty line, the headings, and the cursor's
_FIXED = 4
_GOOD, _BAD, _QUIET, _TITLE = "green", "red", "dim", "bold"


def render(title: str, rows: list[LeaseRow], height: int) -> RenderableType:
    """Render at most `height` lines; those that do not fit are counted, and shards that are not ready come first."""
    room = max(height - _FIXED, 1)
    shown = rows if len(rows) <= room else sorted(rows, key=lambda row: row.ok)[: max(room - 1, 1)]
    table = Table(box=None, pad_edge=False, header_style=_QUIET)
    for column, heading in enumerate(HEADINGS):
        is_last = column == len(HEADINGS) - 1
        table.add_column(Text(heading), justify="left" if column in TEXT else "right", no_wrap=not is_last)
    for row in shown:
        style = _GOOD if row.ok else _BAD
        table.add_row(
            *(_line(cell, style if HEADINGS[column] == "state" else "") for column, cell in enumerate(row.cells))
        )
    left = len(rows) - len(shown)
    return Group(_line(title, _TITLE), Text(), table, *([_line(f"and {left:,} other shards", _QUIET)] if left else []))


def _line(text: str, style: str = "") -> Text:
    """Return text as a single line, truncated to fit and without markup."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


class LiveTable:
    """A context manager that shows the table; the last table stays on the screen."""

    def __init__(self) -> None:
        # No auto_refresh: rich's refresh thread would print in the middle of our lines.
        self._live = Live(console=Console(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def __enter__(self) -> LiveTable:
        self._live.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._live.stop()

    def draw(self, title: str, rows: list[LeaseRow]) -> None:
        """Replace the table."""
        self._live.update(render(title, rows, self._live.console.height), refresh=True)
