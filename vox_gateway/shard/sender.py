"""Sends commands: each waits for READY, then for the rate limit, and is then written, all on its caller's thread.

A command is written, or its caller gets an exception.
"""

from __future__ import annotations

import time
from typing import Protocol

from ..concurrency.clock import deadline_after, seconds_until
from ..concurrency.signals import SignalSafeCondition
from ..errors import CommandTimeout, ConnectionLost, NotConnected
from ..protocol.rate_limit import CommandRateLimiter

__all__ = ["CommandSender"]


class CommandConnection(Protocol):
    """What the sender needs of a connection."""

    rate_limiter: CommandRateLimiter

    def write(self, name: str, data: bytes) -> None:
        """Write an encoded payload.

        Raises:
            ConnectionLost: nothing of it was written.
        """


class _Link:
    """Holds the connection that is ready, until it is lost."""

    def __init__(self, connection: CommandConnection | None = None) -> None:
        self.connection = connection


class CommandSender:
    """Sends commands from any thread, over the connection that is ready. Outlives the runs of its client.

    The thread that starts a run calls `open`, its supervisor `set_ready` and `close`; any thread calls the others. No
    lock, since a signal handler may interrupt the main thread in any method and close the client: each change is a
    single step.
    """

    def __init__(self) -> None:
        self._link = _Link()  # replaced by the supervisor; emptied by any thread, so that only its own connection goes
        self._running = False
        self._runs_ended = 0
        self._changed = SignalSafeCondition()  # another connection is ready, or the run has ended

    def open(self) -> None:
        """A run begins: commands wait from now on."""
        self._running = True

    def set_ready(self, connection: CommandConnection) -> None:
        """Send over `connection`, on which READY or RESUMED came."""
        self._link = _Link(connection)
        self._changed.notify_all()

    def unset_ready(self, connection: CommandConnection) -> None:
        """Send no more over `connection`; commands wait for the next."""
        link = self._link
        if link.connection is connection:
            link.connection = None

    def close(self) -> None:
        """End every wait, even if another run begins at once."""
        self._running = False
        self._runs_ended += 1
        self._link = _Link()
        self._changed.notify_all()

    @property
    def is_ready(self) -> bool:
        """Whether a command could be sent now, if the rate limit has room."""
        return self._link.connection is not None

    def wait_until_ready(self, timeout: float | None) -> bool:
        """Wait for READY or RESUMED, and before the first run for that run too.

        Args:
            timeout: seconds; None for no limit.

        Returns:
            False if `timeout` passed first, or the run ended.
        """
        ended = self._runs_ended
        if not self._running and ended:
            return False
        return self._wait_for_connection(ended, timeout) is not None

    def wait_to_send(self, name: str, timeout: float | None) -> None:
        """Wait for READY or RESUMED without sending anything.

        Args:
            name: of the command that is to be sent, for messages.
            timeout: seconds; None for no limit.

        Raises:
            NotConnected: the client is not running, or stopped while this waited.
            CommandTimeout: `timeout` passed first.
        """
        self._ready_connection(name, deadline_after(timeout), timeout, self._runs_ended)

    def send(self, name: str, data: bytes, timeout: float | None) -> None:
        """Send an encoded command.

        Args:
            name: of the command, for messages.
            timeout: seconds until it must have been written; None for no limit.

        Raises:
            NotConnected: the client is not running, or stopped while this waited.
            CommandTimeout: `timeout` passed first; nothing was written.
        """
        deadline, ended = deadline_after(timeout), self._runs_ended
        while True:
            connection = self._ready_connection(name, deadline, timeout, ended)
            delay = connection.rate_limiter.take(time.monotonic())
            if not delay:
                try:
                    connection.write(name, data)
                    return
                except ConnectionLost:
                    self.unset_ready(connection)
            else:
                self._wait_for_room(name, connection, delay, deadline, timeout)

    def try_send(self, name: str, data: bytes) -> float | None:
        """Send now or not at all.

        Returns:
            0.0 if it was sent, the seconds until the rate limit has room, or None if no connection is ready.
        """
        connection = self._link.connection
        if connection is None:
            return None
        delay = connection.rate_limiter.take(time.monotonic())
        if not delay:
            try:
                connection.write(name, data)
            except ConnectionLost:
                self.unset_ready(connection)
                return None
        return delay

    def _ready_connection(
        self, name: str, deadline: float | None, timeout: float | None, ended: int
    ) -> CommandConnection:
        connection = self._wait_for_connection(ended, seconds_until(deadline)) if self._running else None
        if not self._running or self._runs_ended != ended:
            raise NotConnected(f"{name} was not sent: the client is not connected; call connect() first")
        if connection is None:
            raise CommandTimeout(f"{name} was not sent: the gateway was not ready within timeout={timeout} seconds")
        return connection

    def _wait_for_connection(self, ended: int, timeout: float | None) -> CommandConnection | None:
        """Return the connection that is ready; None if `timeout` passed first, or more than `ended` runs have ended."""
        found: CommandConnection | None = None

        def is_over() -> bool:
            nonlocal found
            found = self._link.connection
            return found is not None or self._runs_ended != ended

        self._changed.wait_for(is_over, timeout)
        return found if self._runs_ended == ended else None

    def _wait_for_room(
        self, name: str, connection: CommandConnection, delay: float, deadline: float | None, timeout: float | None
    ) -> None:
        left, limiter = seconds_until(deadline), connection.rate_limiter
        if left is not None and left < delay:
            raise CommandTimeout(
                f"{name} was not sent: the send limit of {limiter.limit} events in {limiter.period:g} seconds "
                f"has no room for {delay:.1f} seconds, and timeout={timeout}"
            )
        self._changed.wait_for(lambda: self._link.connection is not connection, delay)
