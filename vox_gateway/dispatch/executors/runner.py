"""Runs the handlers of one event after the other on one thread, and knows which event that is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...concurrency.scheduler import Scheduler
from ...encoding import Payload
from ...log import ShardLog
from ..emitter import Emitter
from ..event_queue import Full
from ..slow_handlers import RunningWork, SlowHandlers, Work

__all__ = ["Runner", "RunnerConfig"]


@dataclass(frozen=True)
class RunnerConfig:
    """What every runner of a run is made from.

    Attributes:
        emitter: has the handlers.
        slow_after: seconds after which a running handler is warned about.
        scheduler: calls the check for slow handlers.
        log: of the shard, or the first shard, whose events it runs.
    """

    emitter: Emitter
    slow_after: float
    scheduler: Scheduler
    log: ShardLog


class Runner:
    """Runs handlers on the thread that calls it; one thread at a time does.

    Args:
        thread_id: returns the identifier of that thread, for the stack in warnings.

    Attributes:
        log: of the shard whose events it runs now.
        slow: watches the thread.
    """

    def __init__(self, config: RunnerConfig, thread_id: Callable[[], int | None]) -> None:
        self.work: RunningWork = None
        self.log: ShardLog = config.log
        self._emitter = config.emitter
        self._abandoned = False
        self.slow: SlowHandlers = SlowHandlers(config.slow_after, config.scheduler, lambda: self.work, thread_id)

    def dispatch(self, payload: Payload) -> None:
        """Run the handlers of a dispatch, if it has any."""
        emitter, name = self._emitter, payload["t"]
        whole = "DISPATCH" in emitter.heard
        if not whole and name not in emitter.heard:
            return
        try:
            self.work = (name, time.monotonic(), self.log)
            if not self.slow.armed:
                self.slow.arm()
            if whole:
                emitter.emit("DISPATCH", payload)
            if name in emitter.heard and not self._abandoned:  # asked again: a handler of DISPATCH may have added one
                emitter.emit(name, payload["d"] if "d" in payload else None)  # noqa: SIM401  # as in `progress`
        finally:  # Ctrl-C may come out of a handler that runs on the main thread
            self.work = None

    def signal(self, event: str, *args: Any) -> None:
        """Run the handlers of anything else, if it has any."""
        if event not in self._emitter.heard:
            return
        try:
            self.work = (event, time.monotonic(), self.log)
            self.slow.arm()
            self._emitter.emit(event, *args)
        finally:
            self.work = None

    @property
    def current(self) -> Work:
        """The event whose handlers run now, and since when (monotonic); None when none run."""
        work = self.work
        return None if work is None else work[:2]

    def abandon(self) -> None:
        """In a child process: the rest of the event is the parent's, if it was forked by a handler."""
        self._abandoned = True

    def warn_of_full_queue(self, full: Full) -> bool:
        """Warn that reading is paused while the queue is full; return false if no handler runs here."""
        return self.slow.warn_of_full_queue(full)
