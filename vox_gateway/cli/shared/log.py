"""The library's log on stderr, for as long as a command runs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from ...log import LOGGER
from .stderr import print_line

__all__ = ["SILENT", "log_on_stderr"]

#: a level above all others
SILENT = logging.CRITICAL + 1


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            print_line(self.format(record))
        except Exception:
            self.handleError(record)


@contextlib.contextmanager
def log_on_stderr(level: int) -> Iterator[None]:
    """Show records from `level` on, and leave the logger as it was."""
    handler = _Handler()
    if level <= logging.DEBUG:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("vox-gateway: %(message)s"))
    before = LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before[0])
        LOGGER.propagate = before[1]
