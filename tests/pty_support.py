"""Pseudo-terminals for tests of terminal output."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator

import pytest

TIMEOUT = 60.0


class Terminal:
    """The user's side of a pseudo-terminal.

    Attributes:
        child: the descriptor of the process's side.
    """

    def __init__(self, ours: int, child: int) -> None:
        self.child = child
        self._ours = ours
        self._text = ""

    def read_until(self, text: str) -> str:
        """Read up to and including `text`; return what was read."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self._text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._ours], [], [], left)[0]:
                raise AssertionError(f"{text!r} was not shown, but {self._text!r}")
            self._text += os.read(self._ours, 65_536).decode()
        end = self._text.index(text) + len(text)
        shown, self._text = self._text[:end], self._text[end:]
        return shown


@contextlib.contextmanager
def terminal(rows: int = 24, columns: int = 100) -> Iterator[Terminal]:
    """Open a terminal of the given size."""
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    ours, child = pty.openpty()
    try:
        termios.tcsetwinsize(child, (rows, columns)) if hasattr(termios, "tcsetwinsize") else None
        yield Terminal(ours, child)
    finally:
        os.close(ours)
        os.close(child)
