"""What a command says on stderr beside its output: lines, and one that changes in place on a terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

from ...sanitize import sanitize_block, sanitize_line
from .stdout import abandon

__all__ = ["Progress", "print_line", "say", "taken_over"]

#: seconds between two looks of the line that changes
_EVERY = 0.25


#: who prints lines in the place of `print_line`; the last of them does
_takers: list[Callable[[str], None]] = []


def say(words: object) -> None:
    """Print one line for the person at the terminal, sanitised."""
    text = str(words)
    print_line(f"vox-gateway: {sanitize_line(text, len(text))}")


def print_line(line: str) -> None:
    """Print a line, or lines such as those of a traceback, on stderr, sanitised and where nothing is torn by it.

    A stderr that cannot be written to is not an error: there is nowhere left to report it.
    """
    line = sanitize_block(line)
    takers = _takers[-1:]  # looked at once: another thread may end it meanwhile
    if takers:
        takers[0](line)
        return
    Progress.lift()
    _write(line + "\n")


def _write(text: str) -> None:
    if sys.stderr is None:  # it was closed when the process began
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        abandon(sys.stderr)


@contextlib.contextmanager
def taken_over(taker: Callable[[str], None]) -> Iterator[None]:
    """Have somebody else print the lines; it is called on any thread."""
    _takers.append(taker)
    try:
        yield
    finally:
        _takers.remove(taker)


class Progress:
    """A line on stderr that tells how far it is, where stderr is a terminal. Any thread may use it.

    It is rewritten in place, four times a second at the most. What is printed on stderr otherwise says `lift` before.
    """

    _current: ClassVar[Progress | None] = None

    def __init__(self) -> None:
        self.is_shown = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._next = 0.0
        self._is_on = False
        self._lock = threading.Lock()  # guards the two fields above, and the line

    def is_due(self) -> bool:
        """Whether `show` would show anything now."""
        return self.is_shown and time.monotonic() >= self._next

    def show(self, words: str) -> None:
        """Show these words, unless others were shown just now."""
        if not self.is_due():
            return
        with self._lock:
            self._next = time.monotonic() + _EVERY
            self._is_on = True
            Progress._current = self
            # One column less: some terminals wrap a line that fills them.
            _write("\r" + sanitize_line(words, shutil.get_terminal_size().columns - 1) + "\x1b[K")

    @staticmethod
    def lift() -> None:
        """Take away the line that is shown, if there is one; it comes again by itself."""
        if Progress._current is not None:
            Progress._current.off()

    def off(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._is_on:
                self._is_on = False
                _write("\r\x1b[K")
