"""One IDENTIFY at a time: the concurrency rule, across all shards of a process.

Rests on "Session Start Limit Object" and "Sharding" of the official Gateway documentation: shards with the same
``shard_id % max_concurrency`` may IDENTIFY once every 5 seconds, and 1000 IDENTIFYs in 24 hours reset the bot's token.
A RESUME is not counted. Time is an argument.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..concurrency.fork import in_child
from ..validation import check_count
from .session_start_limit import SessionStartLimit

__all__ = ["IdentifyGate", "gate_for"]

DAY = 86_400.0


class IdentifyGate:
    """Says when a shard may IDENTIFY. Any thread may use it; one gate serves all shards of a bot.

    It counts by itself, until it is told what Discord counts (`learn`): from then on that is what holds.

    A child made by `os.fork` has a copy, which knows the IDENTIFYs before the fork. After it, neither process knows
    those of the other.

    Args:
        max_concurrency: of Get Gateway Bot.
        interval: seconds between two IDENTIFYs of one key.
        daily_limit: IDENTIFYs in any 24 hours, a little under the 1000 that reset the token.
    """

    def __init__(self, max_concurrency: int = 1, interval: float = 5.0, daily_limit: int = 990) -> None:
        self.max_concurrency = check_count("max_concurrency", max_concurrency, 1)
        self.interval = interval
        self._sent: deque[float] = deque(maxlen=daily_limit)
        self._told: _Told | None = None
        self._sent_by: dict[int, float] = {}  # each shard's last
        self._holders: dict[object, int] = {}  # with their shards, in the order in which they entered
        self._waiters: dict[object, Callable[[], None]] = {}
        self._lock = threading.Lock()  # guards all fields above
        in_child(self, IdentifyGate._after_fork)

    def enter(self, shard_id: int, holder: object, wake: Callable[[], None], now: float) -> float | None:
        """Ask to IDENTIFY; 0.0 when `holder` may, until it calls `sent` or `leave`.

        Otherwise the seconds to wait before asking again, or None to wait for `wake` to be called.
        """
        with self._lock:
            if any(self._same_key(shard, shard_id) for other, shard in self._holders.items() if other is not holder):
                self._waiters[holder] = wake
                return None
            last = max((at for shard, at in self._sent_by.items() if self._same_key(shard, shard_id)), default=None)
            delay = 0.0 if last is None else max(last + self.interval - now, 0.0)
            delay = max(delay, self._starts_in(now))
            if not delay:
                self._holders[holder] = shard_id
            return delay

    def learn(self, holder: object, limit: SessionStartLimit, asked_at: float, now: float) -> float:
        """Take over what Get Gateway Bot has told `holder`, which has entered.

        Args:
            asked_at: when it was asked: what was sent since is not in its figures.

        Returns:
            Seconds until there is a session start for `holder`; 0.0 when it may go on now.
        """
        with self._lock:
            self.max_concurrency = limit.max_concurrency
            remaining = limit.remaining - sum(at >= asked_at for at in self._sent)
            self._told = _Told(limit.total, remaining, now + limit.reset_after)
            ahead = list(self._holders).index(holder) if holder in self._holders else 0
            delay = limit.reset_after if remaining <= ahead else 0.0
            waiters, self._waiters = self._waiters, {}  # there may be more keys now
        for wake in waiters.values():
            wake()
        return delay

    def starts_in(self, now: float) -> float:
        """Seconds until there are session starts again; 0.0 when some remain."""
        with self._lock:
            return self._starts_in(now)

    def _starts_in(self, now: float) -> float:
        if self._told is None:
            return max(self._sent[0] + DAY - now, 0.0) if len(self._sent) == self._sent.maxlen else 0.0
        if now >= self._told.resets_at:
            self._told = _Told(self._told.total, self._told.total, now + DAY)
        return 0.0 if self._told.remaining > 0 else self._told.resets_at - now

    def _same_key(self, shard: int, other: int) -> bool:
        return shard % self.max_concurrency == other % self.max_concurrency

    def sent(self, shard_id: int, holder: object, now: float) -> None:
        """`holder` has written its IDENTIFY."""
        with self._lock:
            self._sent.append(now)
            self._sent_by[shard_id] = now
            if self._told is not None:
                self._told.remaining -= 1
        self.leave(shard_id, holder)

    def leave(self, shard_id: int, holder: object) -> None:
        """`holder` does not want to IDENTIFY, or has done so; harmless at any time."""
        with self._lock:
            self._waiters.pop(holder, None)
            if self._holders.get(holder) != shard_id:
                return
            del self._holders[holder]
            waiters, self._waiters = self._waiters, {}
        for wake in waiters.values():
            wake()

    def _after_fork(self) -> None:
        # A child knows what was sent before the fork. Those who were about to send are threads of the parent.
        self._lock = threading.Lock()
        self._holders, self._waiters = {}, {}


@dataclass
class _Told:
    """The server's own count."""

    total: int
    remaining: int
    resets_at: float


_gates: dict[bytes, IdentifyGate] = {}


def gate_for(token: str, url: str) -> IdentifyGate:
    """The gate that all clients of this process with this token at this gateway share."""
    key = hashlib.sha256(f"{url}\0{token}".encode()).digest()
    return _gates.setdefault(key, IdentifyGate())  # one step, so there is no lock that a fork could leave locked
