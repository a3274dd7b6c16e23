"""Handlers on the dispatcher's own thread, one after the other: the default."""

from __future__ import annotations

import threading

from ..progress import InlineProgress
from ..slow_handlers import Work
from .base import HandlerExecutor
from .runner import Runner, RunnerConfig

__all__ = ["InlineExecutor"]


class InlineExecutor(Runner, HandlerExecutor):
    """Runs the handlers at once."""

    def __init__(self, config: RunnerConfig, progress: InlineProgress) -> None:
        super().__init__(config, self._thread_id)
        self.progress: InlineProgress = progress
        self._thread: threading.Thread | None = None

    def _thread_id(self) -> int | None:
        return None if self._thread is None else self._thread.ident

    def start(self, dispatcher: threading.Thread) -> None:
        """See `HandlerExecutor`."""
        self._thread = dispatcher

    def finish(self) -> None:
        """See `HandlerExecutor`. Every event was handled when it came."""

    @property
    def current(self) -> Work:
        """See `HandlerExecutor`."""
        return self.work

    def is_current_thread(self) -> bool:
        """See `HandlerExecutor`."""
        return threading.current_thread() is self._thread
