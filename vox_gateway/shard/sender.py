"""Commands on their way out: each waits for READY, then for a place in the send window, then is written.

    command → window (rate) → encode → socket

A command is never dropped in silence: it is written, or its caller gets an exception.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from ..errors import CommandTimeout, ConnectionLost, NotConnected
from ..protocol.rate_limit import CommandRateLimiter

__all__ = ["CommandSender"]


class Line(Protocol):
    """What the outbox needs of a connection."""

    window: CommandRateLimiter

    def write(self, name: str, data: bytes) -> None:
        """Write one encoded payload; raises ConnectionLost when nothing of it was written."""


class CommandSender:
    """Where any thread sends from; knows whether there is a connection that takes commands."""

    def __init__(self) -> None:
        self._line: Line | None = None
        self._running = False
        self._runs_ended = 0
        self._lock = threading.RLock()  # guards the three fields above
        self._changed = threading.Condition(self._lock)

    def open(self) -> None:
        """The client runs: from now on commands wait."""
        with self._lock:
            self._running = True

    def live(self, line: Line) -> None:
        """READY or RESUMED came on `line`: commands go out."""
        with self._lock:
            self._line = line
            self._changed.notify_all()

    def down(self, line: Line) -> None:
        """`line` takes no more commands; they wait for the next."""
        with self._lock:
            if self._line is line:
                self._line = None

    def close(self) -> None:
        """The client has stopped: every wait ends, even if the client is started again at once."""
        with self._lock:
            self._running = False
            self._runs_ended += 1
            self._line = None
            self._changed.notify_all()

    @property
    def is_live(self) -> bool:
        """Whether a command could go out now, but for the send window."""
        with self._lock:
            return self._line is not None

    def wait_until_live(self, timeout: float | None) -> bool:
        """Wait for READY or RESUMED.

        Before the client is started for the first time, this waits for that too.

        Args:
            timeout: seconds; None for as long as it takes.

        Returns:
            False when `timeout` passed first, or the client has stopped.
        """
        with self._lock:
            ended = self._runs_ended
            if not self._running and ended:
                return False
            self._changed.wait_for(lambda: self._line or self._runs_ended != ended, timeout)
            return self._line is not None and self._runs_ended == ended

    def wait_for_line(self, name: str, timeout: float | None) -> None:
        """Wait for READY or RESUMED, in order to send `name`; raises as `send`."""
        self._wait_for_line(name, None if timeout is None else time.monotonic() + timeout, timeout, self._runs_ended)

    def send(self, name: str, data: bytes, timeout: float | None) -> None:
        """Send one encoded command.

        Args:
            name: for messages.
            timeout: seconds for all of it; None for as long as it takes.

        Raises:
            NotConnected: the client does not run, or stopped meanwhile.
            CommandTimeout: `timeout` passed first.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        ended = self._runs_ended
        while True:
            line = self._wait_for_line(name, deadline, timeout, ended)
            delay = line.window.take(time.monotonic())
            if not delay:
                try:
                    line.write(name, data)
                    return
                except ConnectionLost:
                    self.down(line)
            else:
                self._wait_for_window(name, line, delay, deadline, timeout)

    def try_send(self, name: str, data: bytes) -> float | None:
        """Send now or not at all: 0.0 when sent, the seconds until there is room, or None while not live."""
        with self._lock:
            line = self._line
        if line is None:
            return None
        delay = line.window.take(time.monotonic())
        if not delay:
            try:
                line.write(name, data)
            except ConnectionLost:
                self.down(line)
                return None
        return delay

    def _wait_for_line(self, name: str, deadline: float | None, timeout: float | None, ended: int) -> Line:
        def over() -> bool:
            return not self._running or self._runs_ended != ended

        with self._lock:
            self._changed.wait_for(lambda: self._line or over(), _left(deadline))
            if over():
                raise NotConnected(f"{name} was not sent: the client is not connected; call connect() first")
            if self._line is None:
                raise CommandTimeout(f"{name} was not sent: the gateway was not ready within timeout={timeout} seconds")
            return self._line

    def _wait_for_window(
        self, name: str, line: Line, delay: float, deadline: float | None, timeout: float | None
    ) -> None:
        left = _left(deadline)
        if left is not None and left < delay:
            raise CommandTimeout(
                f"{name} was not sent: the send limit of {line.window.limit} events in {line.window.period:g} seconds "
                f"has no room for {delay:.1f} seconds, and timeout={timeout}"
            )
        with self._lock:
            self._changed.wait_for(lambda: self._line is not line, delay)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)
