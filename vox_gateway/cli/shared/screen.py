"""Human-readable output: aligned, timed and wrapped, coloured on a terminal."""

from __future__ import annotations

import enum
import os
import shutil
import textwrap
from collections.abc import Mapping
from typing import TextIO

from ...sanitize import sanitize_block, sanitize_line
from .stdout import write_lines

__all__ = ["Mark", "Screen", "shows_colour"]

#: width of the name column, and start of the text column
_NAME_WIDTH = 25
_TEXT_COLUMN = 41
#: widths of a check's name and verdict, and start of its text column
_CHECK_WIDTH, _VERDICT_WIDTH, _CHECK_TEXT_COLUMN = 16, 7, 29
#: minimum width of the text column, and maximum width of a line
_MIN_TEXT_WIDTH, _MAX_WIDTH = 24, 100
_BOLD, _DIM = "1", "2"


class Mark(enum.Enum):
    """The mark in front of a line, and its colour."""

    IN = ("<-", "36")
    OUT = ("->", "33")
    GOOD = ("ok", "32")
    BAD = ("!!", "31")
    NOTE = ("..", "2")
    DOUBT = ("??", "33")


class Screen:
    """Prints sanitised lines to a stream. Not thread-safe.

    Every method raises BrokenPipeError if the reader is gone, and OutputFailed if writing fails otherwise.

    Args:
        stream: the output.
        width: columns.
        coloured: whether to use colours.
    """

    def __init__(self, stream: TextIO, width: int, coloured: bool) -> None:
        self._stream = stream
        self._width = min(width, _MAX_WIDTH)
        self._coloured = coloured

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """Return a screen as wide as the terminal, or 80 columns for other streams."""
        # Some terminals wrap a full line.
        return cls(stream, shutil.get_terminal_size((81, 24)).columns - 1, shows_colour(stream, os.environ))

    def title(self, text: str) -> None:
        """Print an empty line and a heading."""
        self._print("", self._paint(_BOLD, sanitize_line(text)))

    def text(self, text: str) -> None:
        """Print a paragraph."""
        self._print(*textwrap.wrap(sanitize_block(text), self._width))

    def line(self, at: float, mark: Mark, name: str, text: str) -> None:
        """Print an event.

        Args:
            at: seconds since the start.
            mark: the kind of event.
            name: its name.
            text: its description.
        """
        sign, colour = mark.value
        name = sanitize_line(name, 2 * _NAME_WIDTH)
        first, *rest = self._wrap(text, _TEXT_COLUMN)
        time = self._paint(_DIM, f"{at:6.2f}")
        # The gap is not painted, so that rstrip can remove it.
        gap = " " * (_NAME_WIDTH - len(name) + 2)
        self._print(f"  {time}  {self._paint(colour, f'{sign}  {name}')}{gap}{first}".rstrip())
        self._print(*(" " * _TEXT_COLUMN + line for line in rest))

    def row(self, name: str, value: str, text: str = "", mark: Mark | None = None) -> None:
        """Print a row of a summary: a name, a value and a remark."""
        figure = f"{value:>10}" if mark is None else self._paint(mark.value[1], f"{value:>10}")
        first, *rest = self._wrap(text, _TEXT_COLUMN)
        self._print(f"  {name:<{_NAME_WIDTH}} {figure}   {first}".rstrip())
        self._print(*(" " * _TEXT_COLUMN + line for line in rest))

    def check(self, name: str, verdict: str, text: str, mark: Mark) -> None:
        """Print a check: a name, a coloured verdict and a remark."""
        first, *rest = self._wrap(text, _CHECK_TEXT_COLUMN)
        shown = self._paint(mark.value[1], f"{verdict:<{_VERDICT_WIDTH}}")
        self._print(f"  {name:<{_CHECK_WIDTH}}  {shown}  {first}".rstrip())
        self._print(*(" " * _CHECK_TEXT_COLUMN + line for line in rest))

    def verdict(self, mark: Mark, text: str) -> None:
        """Print the coloured conclusion."""
        lines = textwrap.wrap(sanitize_block(text), self._width)
        self._print("", *(self._paint(mark.value[1], line) for line in lines))

    def _wrap(self, text: str, column: int) -> list[str]:
        width = max(self._width - column, _MIN_TEXT_WIDTH)
        return textwrap.wrap(sanitize_block(text), width, break_on_hyphens=False) or [""]

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text

    def _print(self, *lines: str) -> None:
        write_lines(self._stream, lines)


def shows_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether to use colours: on a capable terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
