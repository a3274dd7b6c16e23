"""Runs the handlers of one event after the other, and knows which it is at."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...concurrency.scheduler import Scheduler
from ...encoding import Payload
from ...log import ShardLog
from ..emitter import Emitter
from ..slow_handlers import SlowHandlers, Work

__all__ = ["MakeRunner", "Runner"]


class Runner:
    """Runs handlers on whichever thread calls it; one at a time does.

    Args:
        emitter: whose handlers are run.
        slow_after: seconds after which a handler is warned of.
        thread_id: tells which thread that is, for the warning's stack.
    """

    def __init__(
        self, emitter: Emitter, slow_after: float, timers: Scheduler, log: ShardLog, thread_id: Callable[[], int | None]
    ) -> None:
        self.work: Work = None
        self._emitter = emitter
        self._abandoned = False
        self._slow = SlowHandlers(slow_after, timers, lambda: self.work, thread_id, log)

    def dispatch(self, payload: Payload) -> None:
        """Run the handlers of a dispatch, if it has any."""
        emitter, name = self._emitter, payload["t"]
        whole = "DISPATCH" in emitter.heard
        if not whole and name not in emitter.heard:
            return
        try:
            self.work = (name, time.monotonic())
            if not self._slow.armed:
                self._slow.arm()
            if whole:
                emitter.emit("DISPATCH", payload)
            if name in emitter.heard and not self._abandoned:  # asked again: a handler of DISPATCH may have added one
                emitter.emit(name, payload.get("d"))
        finally:  # Ctrl-C may come out of a handler that runs on the main thread
            self.work = None

    def signal(self, event: str, *args: Any) -> None:
        """Run the handlers of anything else, if it has any."""
        if event not in self._emitter.heard:
            return
        try:
            self.work = (event, time.monotonic())
            self._slow.arm()
            self._emitter.emit(event, *args)
        finally:
            self.work = None

    def abandon(self) -> None:
        """In a child process: the rest of the event is the parent's, if it was forked by a handler."""
        self._abandoned = True

    def backlog_is_stuck(self, limit: int) -> bool:
        """Reading has paused, since `limit` events wait; warn, and say so, if it is for a handler that runs here."""
        return self._slow.backlog_is_stuck(limit)


#: makes a runner for the thread that a function tells
MakeRunner = Callable[[Callable[[], int | None]], Runner]
