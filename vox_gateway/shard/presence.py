"""The bot's presence: sent at most 5 times in 20 seconds, the newest always, and carried by the next IDENTIFY."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..concurrency.scheduler import Scheduler
from ..protocol.rate_limit import CommandRateLimiter
from .sender import CommandSender

__all__ = ["Presence"]

#: presence updates in any 20 seconds
LIMIT, PERIOD = 5, 20.0


class Presence:
    """Keeps the newest presence and sends it as soon as the gateway takes it; one that was overtaken is not sent.

    Args:
        initial: what the first IDENTIFY carries, or None.
    """

    def __init__(
        self,
        initial: dict[str, Any] | None,
        outbox: CommandSender,
        timers: Scheduler,
    ) -> None:
        self._outbox = outbox
        self._timers = timers
        self._window = CommandRateLimiter(LIMIT, PERIOD)
        self._sent = initial
        self._pending: tuple[dict[str, Any], bytes] | None = None  # with the encoded command
        self._lock = threading.Lock()  # guards the two fields above, and keeps the order of what is sent

    def for_identify(self) -> dict[str, Any] | None:
        """The newest presence, for an IDENTIFY that is about to be written."""
        with self._lock:
            if self._pending is not None:
                self._sent, self._pending = self._pending[0], None
            return self._sent

    def update(self, presence: dict[str, Any], encoded: bytes) -> None:
        """Send `presence` now, or as soon as the limits allow if nothing newer comes first. Never waits.

        Args:
            encoded: the command that carries `presence`, encoded once, by the caller.
        """
        with self._lock:
            self._pending = presence, encoded
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the limits allow; called again when they will."""
        with self._lock:
            if self._pending is None:
                return
            now = time.monotonic()
            presence, encoded = self._pending
            delay = self._window.delay(now) or self._outbox.try_send("PRESENCE_UPDATE", encoded)
            if delay == 0.0:
                self._window.take(now)
                self._sent, self._pending = presence, None
        if delay:  # None: not live; the next READY or RESUMED flushes
            # Without a thread for it, the next update flushes, or the next READY or RESUMED.
            self._timers.call_at(now + delay, self.flush)
