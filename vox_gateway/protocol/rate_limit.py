"""The rate limit of a connection: 120 commands in 60 seconds, beyond which the gateway closes with 4008.

Pure: time is an argument. See: https://docs.discord.com/developers/events/gateway#rate-limiting
"""

from __future__ import annotations

import bisect
import math
import threading

__all__ = ["CommandRateLimiter"]


class CommandRateLimiter:
    """A sliding window of `limit` events per `period` seconds. Any thread may use it.

    Commands leave room for heartbeats, which are never refused: as many places as beats fall in one period, plus
    another, or as many as were really sent when the server asks for more. At most half the window is kept for them, so
    that a gateway which wants a beat every second still takes commands.

    Args:
        limit: events in any `period`.
        period: seconds.
    """

    def __init__(self, limit: int = 120, period: float = 60.0) -> None:
        self.limit = limit
        self.period = period
        self._reserved = 0
        # Times, oldest first. Lists: they are short, and an empty deque weighs as much as a hundred numbers.
        self._commands: list[float] = []
        self._beats: list[float] = []
        # Guards the three fields above. Reentrant, since a signal handler may send in the middle of a method; so each
        # change is a single step.
        self._lock = threading.RLock()

    def reserve_for_heartbeats(self, interval: float) -> None:
        """Keep room for the beats of a period, `interval` seconds apart, and for a beat that the server asks for."""
        with self._lock:
            self._reserved = math.ceil(self.period / interval) + 1

    def delay(self, now: float) -> float:
        """Seconds until a command may be sent, 0.0 when it may now."""
        with self._lock:
            return self._delay(now, len(self._commands))

    def take(self, now: float) -> float:
        """Take a place for a command; 0.0 when it was taken, else the seconds to wait before asking again."""
        with self._lock:
            self._append(self._commands, now)  # first: a command of a signal handler must not take the same place
            delay = self._delay(now, len(self._commands) - 1)
            if delay:
                self._commands.remove(now)
            return delay

    def take_always(self, now: float) -> None:
        """Count an IDENTIFY or a RESUME: they open the connection and are never refused."""
        with self._lock:
            self._append(self._commands, now)

    def take_for_heartbeat(self, now: float) -> None:
        """Count a heartbeat: it is never refused."""
        with self._lock:
            self._append(self._beats, now)

    def _append(self, times: list[float], now: float) -> None:
        times.append(now)
        del times[: -2 * self.limit]  # longer ago than the period: no more than `limit` fit into it

    def _delay(self, now: float, commands: int) -> float:
        """Seconds until a command may follow the first `commands`; 0.0 if it may now."""
        expired = bisect.bisect_right(self._commands, now - self.period)
        beats = len(self._beats) - bisect.bisect_right(self._beats, now - self.period)
        for_beats = min(max(self._reserved, beats), self.limit // 2)
        excess = commands - expired - (self.limit - for_beats)
        # Never so little that a coarse clock would spin.
        return 0.0 if excess < 0 else max(self._commands[expired + excess] + self.period - now, 0.001)
