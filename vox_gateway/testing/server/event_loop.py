"""The gateway's single thread: waits for sockets, timers and tasks from other threads, and does all the I/O.

With a single thread for all connections, a test can open two hundred connections without starting threads,
and a stalled connection blocks no thread.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

logger: logging.Logger = logging.getLogger(__name__)

Task = Callable[[], None]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

#: the longest wait for a timer, in seconds: `epoll` and `poll` take no more than 24 days, and no infinity
LONGEST_WAIT = 3600.0


class EventLoop:
    """Runs tasks on a single thread, always under `lock`.

    Attributes:
        lock: guards all of the gateway's state: its sessions, world, log, faults and connections. The thread holds
            it except while it waits, and so does every public method of the gateway. It is separate from the
            condition, because Ctrl-C can break a condition's own ``with``.
        changed: condition on `lock`, notified when the gateway's state changes.
        failures: exceptions that tasks raised. They are bugs of the gateway itself, so closing it raises the
            first.
    """

    def __init__(self, name: str) -> None:
        self.lock: threading.RLock = threading.RLock()
        self.changed: threading.Condition = threading.Condition(self.lock)
        self.failures: list[Exception] = []
        self._is_woken = False  # a byte is in the socket pair already
        self._inbox: deque[Task] = deque()
        self._timers: list[tuple[float, int, Task]] = []
        self._order = itertools.count()  # breaks ties between timers due at the same time
        self._is_open = False
        self._is_stopping = False
        # Not a daemon: the caller has to close the gateway, and a leak should be noticed.
        self._thread = threading.Thread(target=self._run, name=name)

    def open(self) -> None:
        """Create the sockets that the thread needs; before, the event loop holds no descriptor."""
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._selector.register(self._wake_receiver, READ, self._drain_wakes)
        self._is_open = True

    def start(self) -> None:
        """Start the thread; tasks submitted before run first."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and join it. The caller must not hold the lock."""
        with self.lock:
            self._is_stopping = True
            self._wake()
        if self._thread.ident is not None:
            self._thread.join()

    def release(self) -> None:
        """Close the event loop's own sockets, once it is stopped and watches no socket."""
        if self._is_open:
            self._is_open = False
            self._selector.close()
            self._wake_receiver.close()
            self._wake_sender.close()

    def forget_descriptors(self) -> None:
        """Close only the event loop's own descriptors, in a forked child."""
        self._is_stopping = True  # in case the event loop's thread forked
        self.release()

    def submit(self, task: Task) -> None:
        """Schedule a task to run soon. From any thread that holds the lock."""
        self._inbox.append(task)
        self._wake()

    # From the event loop's own thread only, or before it starts and after it has stopped.

    def call_later(self, seconds: float, task: Task) -> None:
        """Run a task after a delay in seconds. It cannot be cancelled: the task checks whether it still applies."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), task))

    def watch(self, sock: socket.socket, interest: int, on_ready: Callable[[int], None]) -> None:
        """Call back when the socket is ready for the events in `interest`; 0 stops watching."""
        known = sock in self._selector.get_map()
        if interest and known:
            self._selector.modify(sock, interest, on_ready)
        elif interest:
            self._selector.register(sock, interest, on_ready)
        elif known:
            self._selector.unregister(sock)

    def _wake(self) -> None:
        if self._is_open and not self._is_woken:
            self._is_woken = True
            self._wake_sender.send(b"\0")

    def _drain_wakes(self, _mask: int) -> None:
        # Reset nowhere else: a task that ran earlier in this turn may have sent the byte.
        self._wake_receiver.recv(64)
        self._is_woken = False

    def _run(self) -> None:
        timeout: float | None = 0.0
        while True:
            ready = self._selector.select(timeout)
            with self.lock:
                for key, mask in ready:
                    self._guarded(key.data, mask)
                # Only the tasks queued now: a task that resubmits itself must let other threads take the lock.
                for _ in range(len(self._inbox)):
                    self._guarded(self._inbox.popleft())
                while self._timers and self._timers[0][0] <= time.monotonic():
                    self._guarded(heapq.heappop(self._timers)[2])
                if self._is_stopping:
                    return
                timeout = self._seconds_to_wait()

    def _seconds_to_wait(self) -> float | None:
        if self._inbox:
            return 0.0
        return min(max(0.0, self._timers[0][0] - time.monotonic()), LONGEST_WAIT) if self._timers else None

    def _guarded(self, task: Callable[..., None], *arguments: int) -> None:
        try:
            task(*arguments)
        except Exception as error:
            logger.exception("the local gateway itself failed")
            self.failures.append(error)
