"""Discord's rate limits; pure, with the time as an argument.

See: https://docs.discord.com/developers/events/gateway#sending-events,
    https://docs.discord.com/developers/events/gateway#sharding-max-concurrency
"""

from __future__ import annotations

from collections import deque


class RateLimit:
    """Allows at most `limit` payloads in any `period` seconds on a connection."""

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._period = period
        self._sent: deque[float] = deque()

    def admit(self, now: float) -> bool:
        """Count a payload; return whether it is within the limit."""
        while self._sent and self._sent[0] <= now - self._period:
            self._sent.popleft()
        self._sent.append(now)
        return len(self._sent) <= self._limit


class MinimumInterval:
    """Enforces a minimum interval in seconds for each key: an IDENTIFY's concurrency key, or a guild."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last: dict[object, float] = {}

    def wait(self, key: object, now: float) -> float:
        """Return the seconds until this key is allowed again; 0.0 allows it now and counts it."""
        last = self._last.get(key)
        if last is not None and now - last < self._interval:
            return self._interval - (now - last)
        self._last[key] = now
        return 0.0


class SessionStarts:
    """Counts the IDENTIFYs that are left before the limit resets.

    Args:
        total: the number allowed in each period.
        remaining: the number left in the first period.
        period: length in seconds.
        now: monotonic time at which the first period begins, in seconds.

    See: https://docs.discord.com/developers/events/gateway#session-start-limit-object
    """

    def __init__(self, total: int, remaining: int, period: float, now: float) -> None:
        self.total = total
        self._remaining = remaining
        self._period = period
        self._resets_at = now + period

    def remaining(self, now: float) -> int:
        """Return the number of session starts left."""
        self._begin_period(now)
        return self._remaining

    def reset_after(self, now: float) -> float:
        """Return the seconds until the limit resets."""
        self._begin_period(now)
        return self._resets_at - now

    def spend(self, now: float) -> bool:
        """Use up a session start; return false if none is left."""
        if self.remaining(now) <= 0:
            return False
        self._remaining -= 1
        return True

    def _begin_period(self, now: float) -> None:
        if now >= self._resets_at:
            self._remaining = self.total
            self._resets_at = now + self._period
