"""Event streams: events that the caller takes, instead of handlers that are called."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from ..arguments.validation import check_timeout
from ..concurrency.clock import deadline_after, seconds_until
from ..concurrency.signals import SignalSafeEvent
from ..errors import GatewayError, StreamEnded
from ..event import Event
from ..log import ShardLog
from .subscriptions import NoRoom, Subscriber

__all__ = ["EventStream", "StreamTable"]

T = TypeVar("T")

#: seconds that a full stream may hold up all events before somebody should know why
STUCK_AFTER = 1.0


class StreamTable(Protocol):
    """Brings events to streams: the subscribers of a shard, or of all."""

    def add(self, subscriber: Subscriber, names: Iterable[str]) -> None:
        """Publish the events of `names` to `subscriber` from now on."""

    def remove(self, subscriber: Subscriber) -> None:
        """Publish nothing more to `subscriber`."""


class EventStream(Subscriber, Generic[T]):
    """Events in the order in which they came; made by `Client.stream`. ::

        with client.stream("MESSAGE_CREATE") as events:
            for event in events:
                print(event.data["content"])

    It collects from the moment it is made until `close`, or until the client is closed: what has been collected by then
    can still be taken. Any thread may take events, each is given to one of them. A handler must not wait for one, where
    it runs on the thread that would bring it: that is refused.

    Attributes:
        names: the events that it collects; ``"DISPATCH"`` stands for all that Discord sends.
        maxsize: the largest number of events that it holds; 0 for no limit.
        overflow: what happens when it is full.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        *,
        maxsize: int,
        overflow: str,
        subscribers: StreamTable,
        check_thread: Callable[[], None],
        log: ShardLog,
    ) -> None:
        self.names = names
        self.maxsize = maxsize
        self.overflow = overflow
        self._subscribers = subscribers
        self._check_thread = check_thread
        self._log = log
        self._dropped = 0
        # No lock, since a signal handler may close the client in the middle of any method. Dispatchers append and any
        # thread takes, each in a single step.
        self._events: deque[Event[T]] = deque()
        self._end: tuple[GatewayError | None] | None = None  # nothing more comes: the error that ended the client
        self._is_closed = False  # by `close`: events that come are discarded
        self._arrived = SignalSafeEvent()  # set when there may be something to take, or nothing more comes
        self._room = SignalSafeEvent()  # set when there may be room, or nothing more comes
        subscribers.add(self, names)

    def __repr__(self) -> str:
        return f"<EventStream of {', '.join(self.names)}: {len(self)} waiting, {self.dropped} dropped>"

    def __enter__(self) -> EventStream[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Events that wait to be taken."""
        return len(self._events)

    def __iter__(self) -> EventStream[T]:
        return self

    def __next__(self) -> Event[T]:
        """The next event; ends when the client or the stream is closed, and raises the error that ended the client."""
        try:
            return self.get()
        except StreamEnded:
            raise StopIteration from None

    @property
    def dropped(self) -> int:
        """Events that were dropped since the stream was full."""
        return self._dropped

    def get(self, timeout: float | None = None) -> Event[T]:
        """Take the next event, and wait for it.

        Args:
            timeout: seconds; None for as long as it takes.

        Raises:
            TimeoutError: none came in time.
            StreamEnded: none is left, and none will come.
            ConnectionClosed, ConnectFailed: the same, for the error that ended the client.
            NotConnected: the same, in a child process that was forked after `Client.connect`.
            RuntimeError: the caller is a handler on the thread that would bring the event.
            TypeError, ValueError: `timeout` is not a number of seconds from 0 on.
        """
        timeout = check_timeout(timeout)
        deadline = deadline_after(timeout)
        try:
            while True:
                self._arrived.clear()
                event = self._take()
                if event is not None:
                    return event
                self._check_thread()
                left = seconds_until(deadline)
                if left == 0:
                    raise TimeoutError(f"no {' or '.join(self.names)} came within timeout={timeout:g} seconds")
                self._arrived.wait(left)
        finally:
            if self._events or self._end is not None:
                self._arrived.set()  # which this call has cleared: others may wait

    def wait(self, check: Callable[[T], object] | None, timeout: float | None) -> T:
        """Take events until `check(data)` is true, and return that event; without `check`, return the first.

        Raises as `get`.
        """
        deadline = deadline_after(timeout)
        while True:
            left = seconds_until(deadline)
            try:
                data = self.get(left).data
            except TimeoutError:
                passed = "" if check is None else " that check accepts"
                raise TimeoutError(
                    f"no {' or '.join(self.names)}{passed} came within timeout={timeout:g} seconds"
                ) from None
            if check is None or check(data):
                return data

    def get_nowait(self) -> Event[T]:
        """Take the next event if it is here.

        Raises:
            queue.Empty: it is not.
            StreamEnded, ConnectionClosed, ConnectFailed, NotConnected: as `get`.
        """
        event = self._take()
        if event is None:
            raise queue.Empty
        return event

    def close(self) -> None:
        """Collect no more, and forget what was not taken."""
        self._subscribers.remove(self)
        self._is_closed = True
        self.end(None)
        self._events.clear()

    # -- for the dispatcher ----------------------------------------------------------------------------------------

    def receive(self, event: Event[T]) -> None:
        """Collect an event.

        Raises:
            NoRoom: the client was closed before there was room.
        """
        if self.overflow == "block":
            self._wait_for_room()
        if self._end is not None:
            self._refuse()
            return
        full = 0 < self.maxsize <= len(self._events)
        if full:
            with contextlib.suppress(IndexError):  # taken by now
                self._events.popleft()
                self._dropped += 1
        self._events.append(event)
        if self._end is not None:  # it came in between: those who take events may have seen the end already
            # It may be taken by now; without the GIL another may be taken in the middle, and then it is not refused.
            with contextlib.suppress(ValueError, IndexError):
                self._events.remove(event)
                self._refuse()
            return
        self._arrived.set()
        if full and self._dropped == 1:
            self._log.warning(
                "the stream of %s is full (maxsize=%d), and drops its oldest events: take them faster, or make it "
                "with a larger maxsize or with overflow='block'",
                ", ".join(self.names),
                self.maxsize,
            )

    def _refuse(self) -> None:
        if not self._is_closed:
            raise NoRoom

    def _wait_for_room(self) -> None:
        timeout: float | None = STUCK_AFTER
        while True:
            self._room.clear()
            if self._end is not None or not 0 < self.maxsize <= len(self._events):
                return
            if not self._room.wait(timeout):
                timeout = None
                self._log.warning(
                    "the stream of %s has been full (maxsize=%d) for %g seconds, so all events wait: take some, or "
                    "make it with a larger maxsize or with overflow='drop'",
                    ", ".join(self.names),
                    self.maxsize,
                    STUCK_AFTER,
                )

    def end(self, error: GatewayError | None) -> None:
        """Nothing more comes. Never waits."""
        if self._end is None:
            self._end = (error,)
        self._room.set()
        self._arrived.set()

    def abandon(self, error: GatewayError) -> None:
        """What has been collected, and will be, is the parent's: this is a child process."""
        # Without the GIL every container has a lock, which a thread of the parent may have held.
        self._events, self._arrived, self._room = deque(), SignalSafeEvent(), SignalSafeEvent()
        self._end = (error,)

    def _take(self) -> Event[T] | None:
        end = self._end  # read first: what came before the end is taken before the end is reported
        try:
            return self._events.popleft()
        except IndexError:
            if end is None:
                return None
        finally:
            if self.overflow == "block":
                self._room.set()  # even if nothing was taken: Ctrl-C may have ended an earlier call before this step
        (error,) = end
        raise StreamEnded("the stream is over: it was closed, or the client was") if error is None else error
