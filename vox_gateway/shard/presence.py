"""The bot's presence: sent at most 5 times in 20 seconds, the newest last, and part of each IDENTIFY."""

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
    """Keeps the newest presence and sends it as soon as the limits allow; older ones that still wait are discarded.

    Args:
        initial: what the first IDENTIFY carries, or None.
    """

    def __init__(
        self,
        initial: dict[str, Any] | None,
        sender: CommandSender,
        scheduler: Scheduler,
    ) -> None:
        self._sender = sender
        self._scheduler = scheduler
        self._rate_limiter = CommandRateLimiter(LIMIT, PERIOD)
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
        """Send the presence that waits, if the limits allow it; the scheduler calls again when they do."""
        with self._lock:
            if self._pending is None:
                return
            now = time.monotonic()
            presence, encoded = self._pending
            delay = self._rate_limiter.delay(now) or self._sender.try_send("PRESENCE_UPDATE", encoded)
            if delay == 0.0:
                self._rate_limiter.take(now)
                self._sent, self._pending = presence, None
        if delay:  # None: not ready; the next READY or RESUMED flushes
            # Without a thread for it, the next update flushes, or the next READY or RESUMED.
            self._scheduler.call_at(now + delay, self.flush)
