"""The limits that Discord puts on a client; pure, with the time as an argument.

Documentation: Gateway, "Rate Limiting" and "Max Concurrency".
"""

from __future__ import annotations

from collections import deque


class EventWindow:
    """At most so many payloads in any stretch of so many seconds, on one connection."""

    def __init__(self, limit: int, period: float) -> None:
        self._limit = limit
        self._period = period
        self._sent: deque[float] = deque()

    def admit(self, now: float) -> bool:
        """Count a payload; false when it is one too many."""
        while self._sent and self._sent[0] <= now - self._period:
            self._sent.popleft()
        self._sent.append(now)
        return len(self._sent) <= self._limit


class SpacedOut:
    """One in so many seconds for each key: IDENTIFY by concurrency key, all members by guild."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last: dict[object, float] = {}

    def wait(self, key: object, now: float) -> float:
        """Seconds until the next one for this key; 0.0 means now, and counts it."""
        last = self._last.get(key)
        if last is not None and now - last < self._interval:
            return self._interval - (now - last)
        self._last[key] = now
        return 0.0


class SessionStarts:
    """How many IDENTIFYs are left before the limit resets.

    Args:
        total: so many in each period.
        remaining: of the first period.
        period: seconds.
        now: when the first period begins.

    Documentation: Gateway, "Session Start Limit Object".
    """

    def __init__(self, total: int, remaining: int, period: float, now: float) -> None:
        self.total = total
        self._remaining = remaining
        self._period = period
        self._resets_at = now + period

    def remaining(self, now: float) -> int:
        """How many are left."""
        self._begin_period(now)
        return self._remaining

    def reset_after(self, now: float) -> float:
        """Seconds until all are there again."""
        self._begin_period(now)
        return self._resets_at - now

    def spend(self, now: float) -> bool:
        """Use one up; false when none is left."""
        if self.remaining(now) <= 0:
            return False
        self._remaining -= 1
        return True

    def _begin_period(self, now: float) -> None:
        if now >= self._resets_at:
            self._remaining = self.total
            self._resets_at = now + self._period
