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

__all__ = ["IdentifyGate", "gate_for"]

DAY = 86_400.0


class IdentifyGate:
    """Says when a shard may IDENTIFY. Any thread may use it; one gate serves all shards of a bot.

    Args:
        max_concurrency: of Get Gateway Bot.
        interval: seconds between two IDENTIFYs of one key.
        daily_limit: IDENTIFYs in any 24 hours, a little under the 1000 that reset the token.
    """

    def __init__(self, max_concurrency: int = 1, interval: float = 5.0, daily_limit: int = 990) -> None:
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency must be 1 or more, not {max_concurrency!r}")
        self.max_concurrency = max_concurrency
        self.interval = interval
        self._sent: deque[float] = deque(maxlen=daily_limit)
        self._free_at: dict[int, float] = {}
        self._holders: dict[int, object] = {}
        self._waiters: dict[object, Callable[[], None]] = {}
        self._lock = threading.Lock()  # guards the four fields above

    def enter(self, shard_id: int, holder: object, wake: Callable[[], None], now: float) -> float | None:
        """Ask to IDENTIFY; 0.0 when `holder` may, until it calls `sent` or `leave`.

        Otherwise the seconds to wait before asking again, or None to wait for `wake` to be called.
        """
        key = shard_id % self.max_concurrency
        with self._lock:
            if self._holders.get(key, holder) is not holder:
                self._waiters[holder] = wake
                return None
            delay = max(self._free_at.get(key, now) - now, 0.0)
            if len(self._sent) == self._sent.maxlen:
                delay = max(delay, self._sent[0] + DAY - now)
            if not delay:
                self._holders[key] = holder
            return delay

    def sent(self, shard_id: int, holder: object, now: float) -> None:
        """`holder` has written its IDENTIFY."""
        with self._lock:
            self._sent.append(now)
            self._free_at[shard_id % self.max_concurrency] = now + self.interval
        self.leave(shard_id, holder)

    def leave(self, shard_id: int, holder: object) -> None:
        """`holder` does not want to IDENTIFY, or has done so; harmless at any time."""
        key = shard_id % self.max_concurrency
        with self._lock:
            self._waiters.pop(holder, None)
            if self._holders.get(key) is not holder:
                return
            del self._holders[key]
            waiters, self._waiters = self._waiters, {}
        for wake in waiters.values():
            wake()


_gates: dict[bytes, IdentifyGate] = {}
_gates_lock = threading.Lock()  # guards the table above


def gate_for(token: str, url: str) -> IdentifyGate:
    """The gate that all clients of this process with this token at this gateway share."""
    key = hashlib.sha256(f"{url}\0{token}".encode()).digest()
    with _gates_lock:
        return _gates.setdefault(key, IdentifyGate())
