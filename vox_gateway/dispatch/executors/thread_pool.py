"""Handlers on several threads, with the order kept among events of one guild, channel or user.

Shards may share the threads. Each has an executor, which knows how far its own handlers have got.
"""

from __future__ import annotations

import functools
import math
import queue
import threading
import zlib
from collections.abc import Callable
from typing import Any

from ...concurrency.clock import seconds_until
from ...encoding import Payload
from ...log import ShardLog
from ..current_shard import CurrentShard
from ..event_queue import Full
from ..progress import Delivery, TrackedProgress
from ..slow_handlers import Work
from .deferred import DeferredExecutor
from .partition import partition_key
from .runner import Runner, RunnerConfig

__all__ = ["WorkerExecutor", "WorkerPool"]

#: what a worker is to do
_Task = Callable[[Runner], None]


class WorkerPool:
    """The threads.

    Args:
        name: of the threads, before their number.
        count: number of workers.
        on_failure: called on a worker with an error that no handler raised; the worker goes on.
    """

    def __init__(
        self, config: RunnerConfig, *, name: str, count: int, on_failure: Callable[[BaseException], object]
    ) -> None:
        self.workers: list[_Worker] = [
            _Worker(config, f"{name}-worker-{number}", on_failure) for number in range(count)
        ]

    def start(self) -> None:
        """Start the threads.

        Raises:
            RuntimeError: the system has no more threads; `finish` ends those that run.
        """
        for worker in self.workers:
            worker.thread.start()

    def finish(self) -> None:
        """End the threads after the tasks that wait."""
        for worker in self.workers:
            worker.inbox.put(None)

    def join(self, until: float) -> None:
        """Wait until the threads have ended, until the monotonic time `until` at most."""
        for worker in self.workers:
            if worker.thread.ident is not None:
                worker.thread.join(seconds_until(until))

    def abandon(self) -> None:
        """Leave all tasks to the parent, in a child that a handler on one of the threads forked: it ends there."""
        for worker in self.workers:
            worker.runner.abandon()
            worker.inbox = queue.SimpleQueue()
            worker.inbox.put(None)

    def is_current(self) -> bool:
        """Whether the caller is on one of the threads."""
        return any(worker.thread is threading.current_thread() for worker in self.workers)


class WorkerExecutor(DeferredExecutor):
    """Gives each event of a shard to the worker of its guild, channel or user; an event that has none, to the first.

    Args:
        shard: whose events these are.
        current: is told whose events a thread handles.
    """

    def __init__(
        self,
        progress: TrackedProgress,
        on_begun: Callable[[], None],
        *,
        pool: WorkerPool,
        shard: int,
        current: CurrentShard,
        log: ShardLog,
    ) -> None:
        super().__init__(progress, on_begun)
        self._pool = pool
        self._workers = pool.workers
        self._shard = shard
        self._current = current
        self._log = log

    def dispatch(self, payload: Payload) -> None:
        """See `HandlerExecutor`."""
        key = partition_key(payload["t"], payload.get("d"))
        number = 0 if key is None else zlib.crc32(key.encode(errors="surrogatepass")) % len(self._workers)
        task = functools.partial(self._handle, self.progress.last, payload)
        self._workers[number].inbox.put(task)

    def signal(self, event: str, *args: Any) -> None:
        """See `HandlerExecutor`."""

        def handle(runner: Runner) -> None:
            self._take(runner)
            runner.signal(event, *args)

        self._workers[0].inbox.put(handle)

    def finish(self, on_finished: Callable[[], None]) -> None:
        """See `HandlerExecutor`."""
        left = [True, *(False for _ in self._workers[1:])]  # a pop is one step, and the last worker pops True

        def finish(runner: Runner) -> None:
            if left.pop():
                on_finished()

        for worker in self._workers:
            worker.inbox.put(finish)

    def abandon(self) -> None:
        """See `HandlerExecutor`."""

    def is_current_thread(self) -> bool:
        """See `HandlerExecutor`."""
        return self._pool.is_current()

    @property
    def current(self) -> Work:
        """See `HandlerExecutor`."""
        works = [work for worker in self._workers if (work := worker.runner.work) is not None]
        own = (work[:2] for work in works if work[2] is self._log)
        return min(own, key=lambda work: work[1], default=None)  # the longest

    def warn_of_full_queue(self, full: Full) -> bool:
        """See `HandlerExecutor`."""

        def since(runner: Runner) -> float:
            work = runner.work  # once: the handler may return at any moment
            return math.inf if work is None else work[1]

        return min((worker.runner for worker in self._workers), key=since).warn_of_full_queue(full)

    def _take(self, runner: Runner) -> None:
        self._current.id, runner.log = self._shard, self._log

    def _handle(self, delivery: Delivery, payload: Payload, runner: Runner) -> None:
        if self._begin(delivery):
            self._take(runner)
            try:
                runner.dispatch(payload)
            finally:
                self.progress.finish_delivery(delivery)


class _Worker:
    """A thread that runs tasks. It is a daemon because a handler that never returns must not keep a script from ending;
    `WorkerPool` ends it."""

    def __init__(self, config: RunnerConfig, name: str, on_failure: Callable[[BaseException], object]) -> None:
        self._on_failure = on_failure
        self.inbox: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.runner = Runner(config, lambda: self.thread.ident)

    def _run(self) -> None:
        while (task := self.inbox.get()) is not None:
            try:
                task(self.runner)
            except BaseException as error:
                self._on_failure(error)
