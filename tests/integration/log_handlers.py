"""Log handlers that record, block or fail."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import TypeVar

from vox_gateway import LOGGER

TIMEOUT = 10.0
HandlerT = TypeVar("HandlerT", bound=logging.Handler)


@contextlib.contextmanager
def installed(handler: HandlerT, level: int | None = None) -> Iterator[HandlerT]:
    """Add a handler to the library's logger, and set the logger's level unless it is None."""
    before = LOGGER.level
    LOGGER.addHandler(handler)
    if level is not None:
        LOGGER.setLevel(level)
    try:
        yield handler
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)


class LogRecorder(logging.Handler):
    """Records all lines, formatted."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []  # guarded by `_grown`
        self._grown = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._grown:
            self._lines.append(self.format(record))
            self._grown.notify_all()

    @property
    def text(self) -> str:
        with self._grown:
            return "\n".join(self._lines)

    def wait(self, *texts: str) -> None:
        """Wait until a line contains one of `texts`."""
        with self._grown:
            found = self._grown.wait_for(lambda: any(text in line for text in texts for line in self._lines), TIMEOUT)
            assert found, f"none of {texts} was logged"


class LogGate(logging.Handler):
    """Blocks the thread that logs a line with `text` until `released` is set."""

    def __init__(self, text: str) -> None:
        super().__init__(logging.DEBUG)
        self._text = text
        self.entered, self.released = threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self.entered.set()
            self.released.wait(TIMEOUT)


class RaiseOnLine(logging.Handler):
    """Raises `error` in the thread that logs a line with `text`."""

    def __init__(self, text: str, error: BaseException) -> None:
        super().__init__()
        self._text, self._error = text, error
        self.raised = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self.raised.set()
            raise self._error


class RaiseInThread(logging.Handler):
    """Raises SystemExit once, in a thread whose name ends with `thread_suffix`, at the first line with `part` in it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.thread_suffix: str | tuple[str, ...] | None = None
        self.part = ""
        self.raised = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.check(record.getMessage())

    def check(self, text: str) -> None:
        """Raise if it is time, and `part` is in `text`."""
        if self.thread_suffix is None or self.part not in text:
            return
        if threading.current_thread().name.endswith(self.thread_suffix):
            self.thread_suffix = None
            self.raised.set()
            raise SystemExit("raised by a test")
