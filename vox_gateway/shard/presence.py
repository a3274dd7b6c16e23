"""The bot's presence: sent at most 5 times in 20 seconds, the newest last, and part of each IDENTIFY."""

from __future__ import annotations

import time
from typing import Any

from ..concurrency.scheduler import Scheduler
from ..protocol.rate_limit import CommandRateLimiter
from .messages import Mailbox, PresenceDue, PresenceUpdate
from .sender import CommandSender

__all__ = ["Presence"]

#: presence updates in any 20 seconds; not in the official documentation, but what the gateway accepts
LIMIT, PERIOD = 5, 20.0


class Presence:
    """Keeps the newest presence. The supervisor sends it as soon as the limits allow; older ones are discarded.

    Args:
        initial: what the first IDENTIFY carries, or None.
        mailbox: the supervisor's.
    """

    def __init__(
        self, initial: dict[str, Any] | None, sender: CommandSender, scheduler: Scheduler, mailbox: Mailbox
    ) -> None:
        self._sender = sender
        self._scheduler = scheduler
        self._mailbox = mailbox
        self._rate_limiter = CommandRateLimiter(LIMIT, PERIOD)
        # Both are replaced whole, so no thread needs a lock: a signal handler may update the presence at any moment.
        self._newest = PresenceUpdate(initial, b"")
        self._sent = self._newest
        self._is_due = False  # `PresenceDue` will be posted; used by the supervisor only

    @property
    def newest(self) -> dict[str, Any] | None:
        """What the next IDENTIFY carries."""
        return self._newest.presence

    def update(self, presence: dict[str, Any], encoded: bytes) -> None:
        """Have `presence` sent now, or as soon as the limits allow if nothing newer comes first. Never waits.

        Args:
            encoded: the command that carries `presence`, encoded once, by the caller.
        """
        self._newest = update = PresenceUpdate(presence, encoded)
        self._mailbox.put(update)

    def for_identify(self) -> dict[str, Any] | None:
        """The newest presence, for an IDENTIFY that is about to be written. For the reader."""
        self._sent = self._newest
        return self._sent.presence

    # -- for the supervisor ----------------------------------------------------------------------------------------

    def send(self, update: PresenceUpdate) -> None:
        """Send what was posted, unless it or something newer was sent, or the limits forbid it now."""
        if self._sent not in (update, self._newest):
            self._send(update)

    def flush(self) -> None:
        """Send the newest presence if it was not sent and the limits allow it; if not, try again when they do."""
        self._is_due = False
        self.send(self._newest)

    def _send(self, update: PresenceUpdate) -> None:
        now = time.monotonic()
        delay: float | None = self._rate_limiter.delay(now)
        if delay == 0.0:
            delay = self._sender.try_send("PRESENCE_UPDATE", update.encoded)
        if delay is None:
            return  # not ready: the next READY or RESUMED flushes
        if delay == 0.0:
            self._rate_limiter.take(now)
            self._sent = update
        elif not self._is_due:
            # Without a thread for it, the next update tries again, or the next READY or RESUMED.
            self._is_due = self._scheduler.call_at(now + delay, lambda: self._mailbox.put(PresenceDue()))
