"""The one thread of the gateway: it waits for sockets, timers and other threads, and does all the I/O.

One thread for all connections means that a test which opens two hundred of them starts no thread,
and that a connection can be stalled, starved or cut without any thread being stuck in it.
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

logger = logging.getLogger(__name__)

Task = Callable[[], None]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Reactor:
    """Runs tasks on one thread, always under `lock`.

    Attributes:
        lock: guards all of the gateway's state: its sessions, world, log, faults, connections. The thread holds
            it whenever it does anything but wait, and so does every public method of the gateway. No condition, whose
            own `with` Ctrl-C can break.
        news: waiting on it is waiting for news.
        failures: exceptions that tasks raised. They are faults of the gateway itself, so closing it raises the
            first.
    """

    def __init__(self, name: str) -> None:
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.failures: list[Exception] = []
        self._is_woken = False  # a byte is on its way through the pair, so another one would be wasted
        self._inbox: deque[Task] = deque()
        self._timers: list[tuple[float, int, Task]] = []
        self._order = itertools.count()  # tells timers of the same moment apart
        self._is_open = False
        self._is_stopping = False
        # Not a daemon: whoever starts a gateway closes it, and a forgotten one should be noticed.
        self._thread = threading.Thread(target=self._run, name=name)

    def open(self) -> None:
        """Take the sockets that the thread needs; a reactor that was never opened holds none."""
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._selector.register(self._wake_receiver, READ, self._drain_wakes)
        self._is_open = True

    def start(self) -> None:
        """Start the thread; what was submitted before runs first."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for its end. The caller does not hold the lock."""
        with self.lock:
            self._is_stopping = True
            self._wake()
        if self._thread.ident is not None:
            self._thread.join()

    def release(self) -> None:
        """Give back the reactor's own sockets, once it is stopped and watches nothing any more."""
        if self._is_open:
            self._is_open = False
            self._selector.close()
            self._wake_receiver.close()
            self._wake_sender.close()

    def forget_descriptors(self) -> None:
        """Close the reactor's own descriptors, and nothing else, in a child process."""
        self._is_stopping = True  # should it be the reactor's thread that has forked
        self.release()

    def submit(self, task: Task) -> None:
        """Have a task run soon. From any thread that holds the lock."""
        self._inbox.append(task)
        self._wake()

    # From the reactor's own thread only, or before it starts and after it has stopped.

    def call_later(self, seconds: float, task: Task) -> None:
        """Run a task after a delay. A task that has become pointless must notice so itself."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), task))

    def watch(self, sock: socket.socket, interest: int, on_ready: Callable[[int], None]) -> None:
        """Call back when the socket is ready for any of READ and WRITE; no interest means not at all."""
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
        # Reset here and nowhere else: a task that ran earlier in this very turn may have sent the byte.
        self._wake_receiver.recv(64)
        self._is_woken = False

    def _run(self) -> None:
        timeout: float | None = 0.0
        while True:
            ready = self._selector.select(timeout)
            with self.lock:
                for key, mask in ready:
                    self._guarded(key.data, mask)
                # Only what is there now: a task that resubmits itself lets others have the lock in between.
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
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _guarded(self, task: Callable[..., None], *arguments: int) -> None:
        try:
            task(*arguments)
        except Exception as error:
            logger.exception("the local gateway itself failed")
            self.failures.append(error)
