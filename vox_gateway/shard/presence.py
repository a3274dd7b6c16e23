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
        # All are replaced whole, so no thread needs a lock: a signal handler may update the presence at any moment.
        self._newest = PresenceUpdate(initial, b"")
        self._sent = self._newest
        self._received = self._newest  # the last that the server is known to have
        self._sent_at = 0.0  # in monotonic time; used by the supervisor only, as is the next
        self._is_due = False  # `PresenceDue` will be posted

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
        self._sent = self._received = self._newest
        return self._sent.presence

    # -- for the supervisor ----------------------------------------------------------------------------------------

    def on_ready(self, resumed: bool) -> None:
        """READY or RESUMED came: send the newest presence, unless the server has it.

        What was sent before a RESUMED may have been lost with its connection.
        """
        if resumed:
            self._sent = self._received
        self.flush()

    def acknowledged(self, sent_at: float) -> None:
        """A heartbeat that was sent at `sent_at` was acknowledged: the server has read what was sent before it."""
        # Heartbeats are acknowledged before RESUMED too, which say nothing about what an earlier connection sent.
        if self._sender.is_ready and self._sent_at < sent_at:
            self._received = self._sent

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
            self._sent, self._sent_at = update, time.monotonic()
        elif not self._is_due:
            # Without a thread for it, the next update tries again, or the next READY or RESUMED.
            self._is_due = self._scheduler.call_at(now + delay, lambda: self._mailbox.put(PresenceDue()))
