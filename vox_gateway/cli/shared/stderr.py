"""Messages and a progress line on stderr."""

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

__all__ = ["Progress", "print_line", "redirected", "say"]

#: seconds between updates of the progress line
_REFRESH_INTERVAL = 0.25
#: replacements for `print_line`, of which the last is used
_sinks: list[Callable[[str], None]] = []


def say(message: object) -> None:
    """Print a sanitised message on stderr, prefixed with the command's name."""
    text = str(message)
    print_line(f"vox-gateway: {sanitize_line(text, len(text))}")


def print_line(line: str) -> None:
    """Print sanitised text on stderr, above the progress line. Errors of stderr are ignored."""
    line = sanitize_block(line)
    sinks = _sinks[-1:]  # copied: another thread may empty the list
    if sinks:
        sinks[0](line)
        return
    Progress.erase_current()
    _write(line + "\n")


def _write(text: str) -> None:
    if sys.stderr is None:  # closed when the process started
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        abandon(sys.stderr)


@contextlib.contextmanager
def redirected(sink: Callable[[str], None]) -> Iterator[None]:
    """Pass the lines of `print_line` to `sink`, which is called on any thread."""
    _sinks.append(sink)
    try:
        yield
    finally:
        _sinks.remove(sink)


class Progress:
    """A progress line on stderr, shown only on a terminal and updated at most four times a second. Thread-safe.

    Anything else printed on stderr calls `erase_current` first.
    """

    _current: ClassVar[Progress | None] = None

    def __init__(self) -> None:
        self.is_shown: bool = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._next = 0.0
        self._is_visible = False
        self._lock = threading.Lock()  # guards the fields above and the line on the terminal

    def is_due(self) -> bool:
        """Return whether `show` would update the line now."""
        return self.is_shown and time.monotonic() >= self._next

    def show(self, text: str) -> None:
        """Show `text`, unless the line was updated less than the interval ago."""
        if not self.is_due():
            return
        with self._lock:
            self._next = time.monotonic() + _REFRESH_INTERVAL
            self._is_visible = True
            Progress._current = self
            # Some terminals wrap a full line.
            _write("\r" + sanitize_line(text, shutil.get_terminal_size().columns - 1) + "\x1b[K")

    @staticmethod
    def erase_current() -> None:
        """Erase the visible progress line, if any; the next `show` restores it."""
        if Progress._current is not None:
            Progress._current.erase()

    def erase(self) -> None:
        """Erase the line."""
        with self._lock:
            if self._is_visible:
                self._is_visible = False
                _write("\r\x1b[K")
