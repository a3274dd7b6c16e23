"""Shows the library's log on stderr while a command runs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from ...log import LOGGER
from .stderr import print_line

__all__ = ["SILENT", "log_on_stderr"]

#: above every level
SILENT = logging.CRITICAL + 1


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            print_line(self.format(record))
        except Exception:
            self.handleError(record)


@contextlib.contextmanager
def log_on_stderr(level: int) -> Iterator[None]:
    """Print records of at least `level` on stderr; restore the logger on exit."""
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
