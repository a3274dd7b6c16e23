"""A terminal for the tests of what is shown on one."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator

import pytest

PATIENCE = 15.0


class Terminal:
    """The side of a terminal where the person sits.

    Attributes:
        child: the descriptor of the other side, for a process.
    """

    def __init__(self, ours: int, child: int) -> None:
        self.child = child
        self._ours = ours
        self._text = ""

    def read_until(self, words: str) -> str:
        """All that was shown up to and with `words`."""
        deadline = time.monotonic() + PATIENCE
        while words not in self._text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._ours], [], [], left)[0]:
                raise AssertionError(f"{words!r} was not shown, but {self._text!r}")
            self._text += os.read(self._ours, 65_536).decode()
        end = self._text.index(words) + len(words)
        shown, self._text = self._text[:end], self._text[end:]
        return shown


@contextlib.contextmanager
def terminal(rows: int = 24, columns: int = 100) -> Iterator[Terminal]:
    """A terminal of this size."""
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    ours, child = pty.openpty()
    try:
        termios.tcsetwinsize(child, (rows, columns)) if hasattr(termios, "tcsetwinsize") else None
        yield Terminal(ours, child)
    finally:
        os.close(ours)
        os.close(child)
