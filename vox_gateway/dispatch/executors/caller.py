"""Handlers on the thread that asks for them, such as the thread of a GUI."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ...concurrency.clock import deadline_after, seconds_until
from ...concurrency.signals import SignalSafeEvent
from ...encoding import Payload
from ..current_shard import CurrentShard
from ..event_queue import Full
from ..progress import Delivery, TrackedProgress
from ..slow_handlers import Work
from .deferred import DeferredExecutor
from .runner import Runner, RunnerConfig

__all__ = ["CallerExecutor", "CallerQueue"]


#: runs the handlers of an event and returns whether it had any; called again, it does nothing
_Task = Callable[[], bool]


class CallerQueue:
    """The inbox of the thread that runs handlers on request. Outlives the runs of a client.

    Ctrl-C may be raised after any call on that thread. So a task stays in the queue until it has returned, and the turn
    to run tasks is given back without a call.
    """

    def __init__(self) -> None:
        self._tasks: deque[_Task] = deque()
        self._waiters: dict[object, SignalSafeEvent] = {}  # the event of each call that waits
        # Holds the call that runs tasks, and is replaced when that returns. Not a lock: `setdefault` takes the turn, or
        # finds it taken, in a single step.
        self._turn: dict[str, object] = {}
        self._is_closed: Callable[[], bool] = lambda: False

    def begin(self, is_closed: Callable[[], bool]) -> None:
        """The client runs, until `is_closed` returns true; the thread that closes it then calls `wake`."""
        self._is_closed = is_closed

    def put(self, task: _Task) -> None:
        """Add a task."""
        self._tasks.append(task)
        self.wake()

    def wake(self) -> None:
        """Make calls that wait look again for tasks, and whether the client is closed. Any thread."""
        for event in list(self._waiters.values()):
            event.set()

    def abandon(self) -> None:
        """In a child process: what waits is the parent's."""
        self._tasks = deque()

    def run_until(self, is_closed: Callable[[], bool]) -> None:
        """Run tasks until `is_closed()`, then those that are left; the thread that makes it true calls `wake`."""
        with self._waiting() as event:
            while True:
                event.clear()
                self.run(None, 0)
                if is_closed():
                    break
                event.wait()
        self.run(None, 0)

    def run(self, limit: int | None, timeout: float | None) -> int:
        """Run the tasks that wait.

        Args:
            limit: the largest number of tasks to run; None for all.
            timeout: seconds to wait for the first task; None for as long as the client runs.

        Returns:
            The number of tasks that did anything; 0 while another call runs tasks, on another thread or in this one.
        """
        turn, call, done = self._turn, object(), 0
        try:
            if turn.setdefault("call", call) is not call:
                return 0
            if not self._tasks and timeout != 0:
                self._wait(timeout)
            while (tasks := self._tasks) and (limit is None or done < limit):
                done += tasks[0]()
                tasks.popleft()
        finally:
            if turn and turn["call"] is call:
                self._turn = {}
                if self._tasks:  # for a call that waits, and found the turn taken; also after an error
                    self.wake()
        return done

    def _wait(self, timeout: float | None) -> None:
        ends_at = deadline_after(timeout)
        with self._waiting() as event:
            # From here on the event is set for each task, even for one that has just been run, and when the client is
            # closed.
            was_closed = timeout is not None and self._is_closed()
            while not self._tasks and (was_closed or not self._is_closed()):
                if not event.wait(seconds_until(ends_at)):
                    break
                event.clear()

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[SignalSafeEvent]:
        event = SignalSafeEvent()
        try:
            self._waiters[event] = event
            yield event
        finally:
            self._waiters.pop(event, None)


class CallerExecutor(DeferredExecutor):
    """Leaves each event to the thread that runs `pending`.

    Args:
        shard: whose events these are.
        current: is told whose events the thread handles.
    """

    def __init__(
        self,
        config: RunnerConfig,
        progress: TrackedProgress,
        on_begun: Callable[[], None],
        *,
        pending: CallerQueue,
        shard: int,
        current: CurrentShard,
    ) -> None:
        super().__init__(progress, on_begun)
        self._pending = pending
        self._shard = shard
        self._current = current
        self._log = config.log
        self._caller: int | None = None
        self._runner = Runner(config, lambda: self._caller)

    def dispatch(self, payload: Payload) -> None:
        """See `HandlerExecutor`."""
        self._pending.put(functools.partial(self._handle, self.progress.last, payload))

    def signal(self, event: str, *args: Any) -> None:
        """See `HandlerExecutor`."""

        to_run = [args]

        def handle() -> bool:
            if not to_run:
                return False
            self._caller, self._current.id = threading.get_ident(), self._shard
            try:
                self._runner.signal(event, *to_run.pop())
            finally:
                self._current.id = None
            return True

        self._pending.put(handle)

    def _handle(self, delivery: Delivery, payload: Payload) -> bool:
        try:
            if not self._begin(delivery):
                return False
            self._caller, self._current.id = threading.get_ident(), self._shard
            self._runner.dispatch(payload)
        finally:  # Ctrl-C may be raised anywhere here
            self.progress.finish_delivery(delivery)
            self._current.id = None
        return True

    def finish(self, on_finished: Callable[[], None]) -> None:
        """See `HandlerExecutor`. The caller's thread is not ours."""
        self._pending.wake()
        on_finished()

    def abandon(self) -> None:
        """See `HandlerExecutor`."""
        self._runner.abandon()
        self._pending.abandon()

    def is_current_thread(self) -> bool:
        """See `HandlerExecutor`."""
        return self._runner.work is not None and threading.get_ident() == self._caller

    @property
    def current(self) -> Work:
        """See `HandlerExecutor`."""
        return self._runner.current

    def warn_of_full_queue(self, full: Full) -> bool:
        """See `HandlerExecutor`."""
        if not self._runner.warn_of_full_queue(full):
            self._log.warning(
                "%s (%s), so reading pauses: call dispatch_pending() more often", full.waiting, full.bound
            )
        return True
