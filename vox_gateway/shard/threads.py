"""The threads that the shards of a client have in common: dispatcher, standby, workers, heartbeat and timers.

A `Client` has one shard, a `ShardManager` has many; both make these threads anew for each `connect`. Of the shards' own
threads, one reader and one supervisor each, the reader waits here while the dispatcher or the standby reads for it.
"""

from __future__ import annotations

import atexit
import threading
import time
from typing import Protocol

from ..concurrency.clock import seconds_until
from ..concurrency.gil import HAS_GIL
from ..concurrency.scheduler import Scheduler
from ..concurrency.signals import SignalSafeEvent
from ..config import Options
from ..dispatch.current_shard import CurrentShard
from ..dispatch.dispatcher_thread import DispatcherThread
from ..dispatch.emitter import Emitter
from ..dispatch.executors import CallerQueue, WorkerPool
from ..dispatch.executors.runner import RunnerConfig
from ..errors import ThreadFailed
from ..log import ShardLog
from ..network.shared_reader import SharedReader
from .failure import log_failure

__all__ = ["CLOSE_BOUND", "Member", "SharedThreads"]

#: seconds that `close` waits at most
CLOSE_BOUND = 2.0
#: seconds that idle threads have to end
END_WITHIN = 0.1


class Member(Protocol):
    """A shard that uses the threads, or what starts shards."""

    def fail(self, failure: ThreadFailed) -> None:
        """One of the threads has failed: end."""

    def close_at_exit(self) -> None:
        """The program ends without `close`: close. Does not wait."""

    @property
    def closed(self) -> SignalSafeEvent:
        """Set when nothing of it is left."""


class SharedThreads:
    """The threads. They start with the first member and end with the last.

    Args:
        name: the prefix of their names.
        options: of any of the shards.
        log: for what concerns no shard.
        emitter: has the handlers.
        caller_queue: where handlers wait for the caller, with ``handlers="caller"``.
        current: is told whose event a thread handles.
        dispatchers: the number of dispatchers; more than one run side by side only without the GIL.

    Attributes:
        timers: calls what is due, and may log.
        heartbeats: the same for heartbeats, which wait for no log.
        reader: reads the connections that are ready; None if each is read on its own thread.
        dispatchers: dispatch the events, each for its part of the shards.
        workers: run the handlers, with ``workers``.
        caller_queue, current: the arguments.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        log: ShardLog,
        *,
        emitter: Emitter,
        caller_queue: CallerQueue | None,
        current: CurrentShard,
        dispatchers: int = 1,
    ) -> None:
        self.timers: Scheduler = Scheduler(f"{name}-timers", log, self.fail)
        self.heartbeats: Scheduler = Scheduler(f"{name}-heartbeat", log, self.fail)
        self.reader: SharedReader | None = None
        # With the GIL the dispatcher reads too, as a reader would only wait for it. Without it each connection is read
        # by its own thread, side by side with the dispatcher.
        if HAS_GIL and dispatchers == 1:
            self.reader = SharedReader(f"{name}-standby", self.fail)
        alone = f"{name}-dispatcher"
        names = [alone] if dispatchers == 1 else [f"{alone}-{number}" for number in range(dispatchers)]
        self.dispatchers: tuple[DispatcherThread, ...] = tuple(
            DispatcherThread(each, self.fail, self.reader) for each in names
        )
        self._dispatcher_of: dict[int, DispatcherThread] = {}
        self.current = current
        self.caller_queue = caller_queue
        self.workers: WorkerPool | None = None
        self._log = log
        if options.workers:
            config = RunnerConfig(emitter, options.slow_handler_warning, self.timers, log)
            self.workers = WorkerPool(config, name=name, count=options.workers, on_failure=self.fail)
        # Guards the members, which are replaced whole. Taken by `connect` and by supervisors.
        self._lock = threading.Lock()
        self._members: tuple[Member, ...] = ()
        self._started = False

    def join(self, member: Member) -> None:
        """Start the threads for the first member.

        Raises:
            RuntimeError: the system has no more threads; none is left behind.
        """
        with self._lock:
            self._members = (*self._members, member)
            if self._started:
                return
            self._started = True
        try:
            if self.reader is not None:
                self.reader.start()
            for dispatcher in self.dispatchers:
                dispatcher.start()
            if self.workers is not None:
                self.workers.start()
        except RuntimeError:
            self.leave(member)
            raise
        # A script that ends without close() says goodbye all the same.
        atexit.register(self._close_at_exit)

    def leave(self, member: Member) -> None:
        """End the threads after the last member. A handler that is still at work is not waited for."""
        with self._lock:
            self._members = tuple(other for other in self._members if other is not member)
            if self._members:
                return
        atexit.unregister(self._close_at_exit)
        for dispatcher in self.dispatchers:
            dispatcher.finish()
        if self.workers is not None:
            self.workers.finish()
        self.timers.stop()
        self.heartbeats.stop()
        ends = time.monotonic() + END_WITHIN
        for dispatcher in self.dispatchers:
            dispatcher.join(seconds_until(ends))
        if self.reader is not None:
            self.reader.finish()
            self.reader.join(seconds_until(ends))
        if self.workers is not None:
            self.workers.join(ends)

    def abandon(self) -> None:
        """Leave all to the parent, in a forked child; a handler that runs there is the last."""
        atexit.unregister(self._close_at_exit)
        for dispatcher in self.dispatchers:
            dispatcher.abandon()
        if self.workers is not None:
            self.workers.abandon()

    def dispatcher_of(self, shard: int) -> DispatcherThread:
        """Return the thread that dispatches the events of a shard. Shards get them in turn, whichever run here."""
        return self._dispatcher_of.setdefault(shard, self.dispatchers[len(self._dispatcher_of) % len(self.dispatchers)])

    def is_dispatcher(self) -> bool:
        """Whether the caller is on a thread that brings events."""
        return any(dispatcher.is_current() for dispatcher in self.dispatchers)

    def is_handler_thread(self) -> bool:
        """Whether the caller is a handler, or on the dispatcher: what the end of a run waits for."""
        pool = self.workers
        return self.current.id is not None or self.is_dispatcher() or (pool is not None and pool.is_current())

    def fail(self, error: BaseException) -> None:
        """A thread of the client failed, which is the calling one: end all members. Raises nothing."""
        failure = log_failure(self._log, error)
        for member in self._members:
            member.fail(failure)

    def _close_at_exit(self) -> None:
        members, until = self._members, time.monotonic() + CLOSE_BOUND
        for member in members:
            member.close_at_exit()
        for member in members:
            member.closed.wait(seconds_until(until))
