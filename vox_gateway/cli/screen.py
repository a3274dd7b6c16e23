"""Lines for a person to read: aligned, timed, and coloured where a terminal shows it."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
from typing import TextIO

__all__ = ["Screen"]

_COLOURS = {"in": "36", "out": "33", "good": "32", "bad": "31", "title": "1", "dim": "2"}
_MARKS = {"in": "<-", "out": "->", "good": "ok", "bad": "!!", "dim": "  "}


class Screen:
    """Prints one story. Any thread may print; a line is never broken by another."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._coloured = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._width = shutil.get_terminal_size().columns  # 80 where no terminal is
        self._began = time.monotonic()
        self._lock = threading.Lock()  # keeps lines whole

    def title(self, words: str) -> None:
        """A heading, after an empty line."""
        self._print("\n" + self._paint("title", words))

    def line(self, kind: str, name: str, words: str) -> None:
        """One thing that happened.

        Args:
            kind: ``in``, ``out``, ``good``, ``bad`` or ``dim``.
            name: what, such as an event's name.
            words: what it means.
        """
        at = f"{time.monotonic() - self._began:6.2f}s"
        what = f"{_MARKS[kind]} {name:<25}"
        indent = len(at) + len(what) + 4
        lines = textwrap.wrap(words, max(self._width - indent, 20)) or [""]
        head = f"{self._paint('dim', at)}  {self._paint(kind, what)}  {lines[0]}".rstrip()
        self._print("\n".join([head, *(" " * indent + line for line in lines[1:])]))

    def row(self, name: str, value: str, kind: str = "") -> None:
        """One row of a table."""
        self._print(f"  {name:<26}{self._paint(kind, value) if kind else value}")

    def _paint(self, kind: str, text: str) -> str:
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self._coloured else text

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, file=self._stream, flush=True)
