"""Handlers on several threads, with the order kept among events of one guild, channel or user."""

from __future__ import annotations

import functools
import math
import queue
import threading
import zlib
from collections.abc import Callable
from typing import Any

from ...encoding import Payload
from ..progress import Delivery, TrackedProgress
from ..slow_handlers import Work
from .deferred import DeferredExecutor
from .partition import partition_key
from .runner import Runner, RunnerConfig

__all__ = ["WorkerExecutor"]

#: what a worker is to do
_Task = Callable[[Runner], None]


class WorkerExecutor(DeferredExecutor):
    """Gives each event to the worker of its guild, channel or user; an event that has none, to the first.

    Args:
        name: of the threads, before their number.
        count: number of workers.
        on_failure: called on a worker with an error that no handler raised; the worker goes on.
    """

    def __init__(
        self,
        config: RunnerConfig,
        progress: TrackedProgress,
        on_begun: Callable[[], None],
        *,
        name: str,
        count: int,
        on_failure: Callable[[BaseException], object],
    ) -> None:
        super().__init__(progress, on_begun)
        self._workers = [_Worker(config, f"{name}-worker-{number}", on_failure) for number in range(count)]

    def start(self, dispatcher: threading.Thread) -> None:
        """See `HandlerExecutor`."""
        try:
            for worker in self._workers:
                worker.thread.start()
        except RuntimeError:  # the system has no more threads to give
            self.finish()
            raise

    def dispatch(self, payload: Payload) -> None:
        """See `HandlerExecutor`."""
        key = partition_key(payload["t"], payload.get("d"))
        number = 0 if key is None else zlib.crc32(key.encode(errors="surrogatepass")) % len(self._workers)
        task = functools.partial(self._handle, self.progress.last, payload)
        self._workers[number].inbox.put(task)

    def signal(self, event: str, *args: Any) -> None:
        """See `HandlerExecutor`."""
        self._workers[0].inbox.put(lambda runner: runner.signal(event, *args))

    def finish(self) -> None:
        """See `HandlerExecutor`."""
        for worker in self._workers:
            worker.inbox.put(None)
        for worker in self._workers:
            worker.join()

    def abandon(self) -> None:
        """See `HandlerExecutor`."""
        for worker in self._workers:
            worker.runner.abandon()
            worker.inbox = queue.SimpleQueue()
            worker.inbox.put(None)

    def is_current_thread(self) -> bool:
        """See `HandlerExecutor`."""
        return any(worker.thread is threading.current_thread() for worker in self._workers)

    @property
    def current(self) -> Work:
        """See `HandlerExecutor`."""
        works = [work for worker in self._workers if (work := worker.runner.work) is not None]
        return min(works, key=lambda work: work[1], default=None)  # the longest

    def warn_of_full_queue(self, limit: int) -> bool:
        """See `HandlerExecutor`."""

        def since(runner: Runner) -> float:
            work = runner.work  # once: the handler may return at any moment
            return math.inf if work is None else work[1]

        return min((worker.runner for worker in self._workers), key=since).warn_of_full_queue(limit)

    def _handle(self, delivery: Delivery, payload: Payload, runner: Runner) -> None:
        if self._begin(delivery):
            try:
                runner.dispatch(payload)
            finally:
                self.progress.finish_delivery(delivery)


class _Worker:
    """A thread that runs tasks. It is a daemon because a handler that never returns must not keep a script from ending;
    `WorkerExecutor` ends it."""

    def __init__(self, config: RunnerConfig, name: str, on_failure: Callable[[BaseException], object]) -> None:
        self._on_failure = on_failure
        self.inbox: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.runner = Runner(config, lambda: self.thread.ident)

    def join(self) -> None:
        """Wait until the thread has ended, if it was ever started."""
        if self.thread.ident is not None:
            self.thread.join()

    def _run(self) -> None:
        while (task := self.inbox.get()) is not None:
            try:
                task(self.runner)
            except BaseException as error:
                self._on_failure(error)
