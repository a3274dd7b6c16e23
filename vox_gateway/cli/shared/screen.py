"""Lines for a person to read: aligned, timed, wrapped, and coloured where a terminal shows it."""

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

#: columns of a line's parts, with what separates them
_NAME_WIDTH = 25
_WORDS_AT = 41
#: columns that a check and its verdict get, which are short, so that their words have more room
_CHECK_WIDTH, _VERDICT_WIDTH, _REMARKS_AT = 16, 7, 29
#: columns that the words get however narrow the terminal is, and that the whole gets however wide
_LEAST_WORDS, _MOST = 24, 100
_BOLD, _DIM = "1", "2"


class Mark(enum.Enum):
    """What a line is about: the mark before it, and its colour."""

    IN = ("<-", "36")
    OUT = ("->", "33")
    GOOD = ("ok", "32")
    BAD = ("!!", "31")
    NOTE = ("..", "2")
    DOUBT = ("??", "33")


class Screen:
    """Prints one story, for one thread; whatever it is given is sanitised.

    Every method raises BrokenPipeError when nobody reads, and OutputFailed when nothing can be written.

    Args:
        stream: where to.
        width: columns.
        coloured: whether the stream shows colours.
    """

    def __init__(self, stream: TextIO, width: int, coloured: bool) -> None:
        self._stream = stream
        self._width = min(width, _MOST)
        self._coloured = coloured

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """The screen that fits a stream: a terminal of some width, or a file of 80 columns."""
        # One column less: some terminals wrap a line that fills them.
        return cls(stream, shutil.get_terminal_size((81, 24)).columns - 1, shows_colour(stream, os.environ))

    def title(self, words: str) -> None:
        """A heading, after an empty line."""
        self._print("", self._paint(_BOLD, sanitize_line(words)))

    def text(self, words: str) -> None:
        """A paragraph."""
        self._print(*textwrap.wrap(sanitize_block(words), self._width))

    def line(self, at: float, mark: Mark, name: str, words: str) -> None:
        """One thing that happened.

        Args:
            at: seconds since the story began.
            mark: what it is about.
            name: what it is called, such as an event's name.
            words: what it means.
        """
        sign, colour = mark.value
        name = sanitize_line(name, 2 * _NAME_WIDTH)
        first, *rest = self._wrap(words, _WORDS_AT)
        time = self._paint(_DIM, f"{at:6.2f}")
        # The gap is not painted, so that nothing is, where a line ends.
        gap = " " * (_NAME_WIDTH - len(name) + 2)
        self._print(f"  {time}  {self._paint(colour, f'{sign}  {name}')}{gap}{first}".rstrip())
        self._print(*(" " * _WORDS_AT + more for more in rest))

    def row(self, name: str, value: str, words: str = "", mark: Mark | None = None) -> None:
        """One row of the table at the end: a name, a figure, and what to know about it."""
        figure = f"{value:>10}" if mark is None else self._paint(mark.value[1], f"{value:>10}")
        first, *rest = self._wrap(words, _WORDS_AT)
        self._print(f"  {name:<{_NAME_WIDTH}} {figure}   {first}".rstrip())
        self._print(*(" " * _WORDS_AT + more for more in rest))

    def check(self, name: str, verdict: str, words: str, mark: Mark) -> None:
        """One line of a list of checks: a name, a verdict in its colour, and what to know about it."""
        first, *rest = self._wrap(words, _REMARKS_AT)
        shown = self._paint(mark.value[1], f"{verdict:<{_VERDICT_WIDTH}}")
        self._print(f"  {name:<{_CHECK_WIDTH}}  {shown}  {first}".rstrip())
        self._print(*(" " * _REMARKS_AT + more for more in rest))

    def verdict(self, mark: Mark, words: str) -> None:
        """The last word, in its colour."""
        lines = textwrap.wrap(sanitize_block(words), self._width)
        self._print("", *(self._paint(mark.value[1], line) for line in lines))

    def _wrap(self, words: str, column: int) -> list[str]:
        width = max(self._width - column, _LEAST_WORDS)
        return textwrap.wrap(sanitize_block(words), width, break_on_hyphens=False) or [""]

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text

    def _print(self, *lines: str) -> None:
        write_lines(self._stream, lines)


def shows_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether to paint: on a terminal that can, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
