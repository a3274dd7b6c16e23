"""Lines for a person to read: aligned, timed, and coloured where a terminal shows it."""

from __future__ import annotations

import os
import sys
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
        at = self._paint("dim", f"{time.monotonic() - self._began:6.2f}s")
        self._print(f"{at}  {self._paint(kind, f'{_MARKS[kind]} {name:<25}')}  {words}".rstrip())

    def row(self, name: str, value: str, kind: str = "") -> None:
        """One row of a table."""
        self._print(f"  {name:<26}{self._paint(kind, value) if kind else value}")

    def _paint(self, kind: str, text: str) -> str:
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self._coloured else text

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, file=self._stream, flush=True)
