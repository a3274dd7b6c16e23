"""The bot's presence: sent at most 5 times in 20 seconds, the newest always, and carried by the next IDENTIFY."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..concurrency.scheduler import Scheduler
from ..opcodes import Opcode
from ..protocol.rate_limit import CommandRateLimiter
from .sender import CommandSender

__all__ = ["Presence"]

#: presence updates in any 20 seconds
LIMIT, PERIOD = 5, 20.0


class Presence:
    """Keeps the newest presence and sends it as soon as the gateway takes it; one that was overtaken is not sent.

    Args:
        initial: what the first IDENTIFY carries, or None.
        encode: an opcode and its data to the encoded payload.
    """

    def __init__(
        self,
        initial: dict[str, Any] | None,
        outbox: CommandSender,
        timers: Scheduler,
        encode: Callable[[int, Any], bytes],
    ) -> None:
        self._outbox = outbox
        self._timers = timers
        self._encode = encode
        self._window = CommandRateLimiter(LIMIT, PERIOD)
        self._sent = initial
        self._pending: dict[str, Any] | None = None
        self._lock = threading.Lock()  # guards the two fields above, and keeps the order of what is sent

    def for_identify(self) -> dict[str, Any] | None:
        """The newest presence, for an IDENTIFY that is about to be written."""
        with self._lock:
            if self._pending is not None:
                self._sent, self._pending = self._pending, None
            return self._sent

    def update(self, presence: dict[str, Any]) -> None:
        """Send `presence` now, or as soon as the limits allow if nothing newer comes first. Never waits."""
        with self._lock:
            self._pending = presence
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the limits allow; called again when they will."""
        with self._lock:
            if self._pending is None:
                return
            now = time.monotonic()
            encoded = self._encode(Opcode.PRESENCE_UPDATE, self._pending)
            delay = self._window.delay(now) or self._outbox.try_send("PRESENCE_UPDATE", encoded)
            if delay == 0.0:
                self._window.take(now)
                self._sent, self._pending = self._pending, None
        if delay:  # None: not live; the next READY or RESUMED flushes
            # Without a thread for it, the next update flushes, or the next READY or RESUMED.
            self._timers.call_at(now + delay, self.flush)
