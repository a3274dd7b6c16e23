"""Spaces the IDENTIFYs of all shards of a process. Time is an argument.

The reconnect loop of each shard asks before it connects; readers report the IDENTIFYs they send. Shards with the same
``shard_id % max_concurrency`` may IDENTIFY once every 5 seconds, and 1000 IDENTIFYs in 24 hours reset the bot's token.
A RESUME is not counted. The server measures the 5 seconds where IDENTIFYs arrive, so a random part is added: op 9, the
answer to an early IDENTIFY, costs a session start.

See: https://docs.discord.com/developers/events/gateway#sharding-max-concurrency
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..arguments.validation import check_count
from ..concurrency.fork import in_child
from .session_start_limit import SessionStartLimit

__all__ = ["IdentifyGate", "gate_for"]

DAY = 86_400.0
#: the largest part of the interval that is added to it at random: 1.5 seconds of 5
JITTER = 0.3


class IdentifyGate:
    """Decides when a shard may IDENTIFY. One gate serves all shards of a bot, on any thread.

    It uses its own count until `learn` gives it Discord's, which then applies.

    A child made by `os.fork` has a copy that knows the IDENTIFYs before the fork. Later IDENTIFYs of either process
    are unknown to the other.

    Args:
        max_concurrency: from Get Gateway Bot.
        interval: seconds between two IDENTIFYs with the same rate limit key; up to 30 % are added at random.
        daily_limit: IDENTIFYs in any 24 hours, slightly under the 1000 that reset the token.
    """

    def __init__(self, max_concurrency: int = 1, interval: float = 5.0, daily_limit: int = 990) -> None:
        self.max_concurrency: int = check_count("max_concurrency", max_concurrency, 1)
        self.interval = interval
        self._daily_limit = daily_limit
        self._sent: deque[float] = deque()  # the IDENTIFYs of the last day
        self._server: _ServerCount | None = None
        self._next_at: dict[int, float] = {}  # by the id of the shard that sent an IDENTIFY
        self._holders: dict[object, int] = {}  # with their shard ids, in order of entry
        self._waiters: dict[object, _Waiter] = {}
        self._last_turn: dict[int, float] = {}  # when, by shard id, for a day
        self._lock = threading.Lock()  # guards all fields above; taken by reconnect loops and readers
        in_child(self, IdentifyGate._after_fork)

    def enter(self, shard_id: int, holder: object, wake: Callable[[], None], now: float) -> float | None:
        """Ask to IDENTIFY. Of those that wait with the same rate limit key, the lowest shard id comes first.

        A shard that has had a turn comes behind those that have had none, or whose last turn was before its own. A
        turn counts as a session start while it lasts: no more are given than remain.

        Args:
            wake: called when it is worth asking again, after None.
            now: monotonic time, in seconds.

        Returns:
            0.0 if `holder` may IDENTIFY, until it calls `sent` or `leave`; otherwise the seconds after which to ask
            again, or None to wait for `wake`.
        """
        with self._lock:
            if self._holders.get(holder) == shard_id:
                return 0.0
            self._expire(now)
            self._waiters[holder] = _Waiter(shard_id, wake)
            starts_in = self._starts_in(now)
            waiting, rank = (waiter.shard_id for waiter in self._waiters.values()), self._rank(shard_id)
            ahead = (shard for shard in waiting if self._rank(shard) < rank)
            if any(self._same_key(shard, shard_id) for shard in (*self._holders.values(), *ahead)):
                return starts_in or None
            next_at = max((at for shard, at in self._next_at.items() if self._same_key(shard, shard_id)), default=now)
            delay = max(next_at - now, starts_in, 0.0)
            if not delay:
                del self._waiters[holder]
                self._holders[holder] = shard_id
                self._last_turn[shard_id] = now
            return delay

    def learn(self, holder: object, limit: SessionStartLimit, asked_at: float, now: float) -> float:
        """Replace the count with Discord's, which `holder` received after it entered.

        Args:
            asked_at: when Get Gateway Bot was asked; later IDENTIFYs are not in `limit`.

        Returns:
            Seconds until there is a session start for `holder`; 0.0 if it is available now.
        """
        with self._lock:
            self.max_concurrency = limit.max_concurrency
            remaining = limit.remaining - sum(at >= asked_at for at in self._sent)
            self._server = _ServerCount(limit.total, remaining, now + limit.reset_after)
            ahead = list(self._holders).index(holder) if holder in self._holders else 0
            delay = limit.reset_after if remaining <= ahead else 0.0
            waiters = self._next()  # max_concurrency may have grown
        for waiter in waiters:
            waiter.wake()
        return delay

    def remaining(self, now: float) -> int:
        """Return how many session starts remain, without those of the shards that may IDENTIFY now."""
        with self._lock:
            self._expire(now)
            return self._left()

    def starts_in(self, now: float) -> float:
        """Return the seconds until session starts are available; 0.0 if some remain."""
        with self._lock:
            self._expire(now)
            return self._starts_in(now)

    def _expire(self, now: float) -> None:
        """Forget what is over. The lock is held here and in the private methods below."""
        while self._sent and self._sent[0] <= now - DAY:
            self._sent.popleft()
        self._last_turn = {shard: at for shard, at in self._last_turn.items() if at > now - DAY}
        if self._server is not None and now >= self._server.resets_at:
            self._server = _ServerCount(self._server.total, self._server.total, now + DAY)

    def _left(self) -> int:
        count = self._daily_limit - len(self._sent) if self._server is None else self._server.remaining
        return max(count - len(self._holders), 0)

    def _starts_in(self, now: float) -> float:
        if self._left() > 0:
            return 0.0
        if self._server is not None:
            return self._server.resets_at - now
        # The next that returns may be due to a turn that is held, and so on.
        returning = len(self._sent) + len(self._holders) - self._daily_limit
        return (self._sent[returning] if returning < len(self._sent) else now) + DAY - now

    def _next(self) -> list[_Waiter]:
        """Return the first waiter with each rate limit key."""
        first: dict[int, _Waiter] = {}
        for waiter in sorted(self._waiters.values(), key=lambda waiter: self._rank(waiter.shard_id)):
            first.setdefault(waiter.shard_id % self.max_concurrency, waiter)
        return [*first.values()]

    def _rank(self, shard: int) -> tuple[float, int]:
        return self._last_turn.get(shard, -math.inf), shard

    def _same_key(self, shard: int, other: int) -> bool:
        return shard % self.max_concurrency == other % self.max_concurrency

    def sent(self, shard_id: int, holder: object, now: float, jitter: float) -> None:
        """Record that `holder` wrote its IDENTIFY, and release its turn.

        Args:
            now: monotonic time, in seconds.
            jitter: random, in [0, 1).
        """
        with self._lock:
            self._expire(now)
            self._sent.append(now)
            self._next_at[shard_id] = now + self.interval * (1.0 + JITTER * jitter)
            if self._server is not None:
                self._server.remaining -= 1
            self._holders.pop(holder, None)
            # All learn for how long they wait once no session start remains; each asks again after that.
            waiters = list(self._waiters.values()) if self._starts_in(now) else self._next()
        for waiter in waiters:
            waiter.wake()

    def leave(self, shard_id: int, holder: object) -> None:
        """Release the turn of `holder`, or its place in the queue. Idempotent."""
        with self._lock:
            if self._waiters.pop(holder, None) is None and self._holders.get(holder) != shard_id:
                return
            self._holders.pop(holder, None)
            waiters = self._next()
        for waiter in waiters:
            waiter.wake()

    def _after_fork(self) -> None:
        # The holders are threads of the parent.
        self._lock = threading.Lock()
        self._holders, self._waiters = {}, {}


@dataclass(frozen=True)
class _Waiter:
    """A shard that waits for its turn; `wake` makes it ask again."""

    shard_id: int
    wake: Callable[[], None]


@dataclass
class _ServerCount:
    """The session starts as Discord counts them; `resets_at` is monotonic time."""

    total: int
    remaining: int
    resets_at: float


_gates: dict[bytes, IdentifyGate] = {}


def gate_for(token: str, url: str) -> IdentifyGate:
    """Return the gate shared by all clients of this process with this token and gateway URL."""
    key = hashlib.sha256(f"{url}\0{token}".encode()).digest()
    return _gates.setdefault(key, IdentifyGate())  # atomic: a lock could be left locked by a fork
