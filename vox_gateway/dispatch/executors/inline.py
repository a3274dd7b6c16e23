"""Handlers on the dispatcher's own thread, one after the other: the default."""

from __future__ import annotations

import threading

from ...concurrency.scheduler import Scheduler
from ...log import ShardLog
from ..emitter import Emitter
from ..slow_handlers import Work
from .base import HandlerExecutor
from .runner import Runner

__all__ = ["InlineExecutor"]


class InlineExecutor(Runner, HandlerExecutor):
    """Runs the handlers at once.

    Args:
        thread: the dispatcher's.
    """

    def __init__(
        self, emitter: Emitter, slow_after: float, timers: Scheduler, log: ShardLog, thread: threading.Thread
    ) -> None:
        super().__init__(emitter, slow_after, timers, log, lambda: thread.ident)
        self._thread = thread

    def finish(self) -> None:
        """Nothing is left: each event was handled when it came."""

    @property
    def current(self) -> Work:
        """See `HandlerExecutor`."""
        return self.work

    def is_current_thread(self) -> bool:
        """See `HandlerExecutor`."""
        return threading.current_thread() is self._thread
