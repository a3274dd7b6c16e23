"""The identify gate of a node, for its shards: answers at once, from what the node's thread has learnt.

Reconnect loops and readers call it, and never wait for a network. What they say goes to the node with the next request;
its answer wakes the reconnect loops through their mailboxes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..concurrency.fork import in_child
from ..discovery.identify_limiter import IdentifyGate
from ..discovery.session_start_limit import SessionStartLimit
from .interface import GateSettings, Learned, TurnRequest, Turns

__all__ = ["NodeGate", "Said"]


@dataclass(frozen=True, slots=True)
class _Waiter:
    shard: int
    wake: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Said:
    """What the shards of a node have said to the gate. Times are monotonic, in seconds.

    Attributes:
        waiting: shards that wait or have a turn, and their failures.
        sent: when shards sent an IDENTIFY.
        learned: Discord's answer, and when it was asked for.
    """

    waiting: dict[int, int]
    sent: dict[int, float]
    learned: tuple[SessionStartLimit, float] | None

    def request(self, now: float) -> TurnRequest:
        """Return it as a request that is made now."""
        return TurnRequest(
            self.waiting,
            {shard: now - at for shard, at in self.sent.items()},
            None if self.learned is None else Learned(self.learned[0], now - self.learned[1]),
        )


class NodeGate(IdentifyGate):
    """Decides when the shards of a node may IDENTIFY, as all nodes of the bot have agreed.

    Args:
        settings: how often the bot may IDENTIFY.
        ask: posts to the node that there is something to say.
    """

    max_concurrency: int

    def __init__(self, settings: GateSettings, ask: Callable[[], None]) -> None:
        super().__init__(settings.max_concurrency, settings.interval, settings.daily_limit)
        self._ask = ask
        self._remaining = settings.daily_limit
        self._reset()
        in_child(self, NodeGate._reset)

    def _reset(self) -> None:
        self._queue: dict[object, _Waiter] = {}  # by holder, like the next
        self._turns: dict[object, int] = {}
        self._failures: dict[int, int] = {}  # by shard: turns given back without an IDENTIFY since its last
        self._last_turn: dict[int, float] = {}  # by shard, monotonic
        self._unsaid: dict[int, float] = {}  # when shards sent an IDENTIFY that the node has not passed on yet
        self._learned: tuple[SessionStartLimit, float] | None = None
        self._returns_at = 0.0
        self._guard = threading.Lock()  # guards the fields above; taken by reconnect loops, readers and the node

    # -- for shards --------------------------------------------------------------------------------------------------

    def enter(self, shard_id: int, holder: object, wake: Callable[[], None], now: float) -> float | None:
        """Ask to IDENTIFY; see `IdentifyGate.enter`."""
        with self._guard:
            if self._turns.get(holder) == shard_id:
                return 0.0
            is_new = holder not in self._queue
            self._queue[holder] = _Waiter(shard_id, wake)
            wait = max(self._returns_at - now, 0.0)
        if is_new:
            self._ask()
        return wait or None

    def sent(self, shard_id: int, holder: object, now: float, jitter: float = 0.0) -> None:
        """Record that `holder` wrote its IDENTIFY, and release its turn."""
        with self._guard:
            self._unsaid[shard_id] = now
            self._failures.pop(shard_id, None)
            self._queue.pop(holder, None)
            self._turns.pop(holder, None)
        self._ask()

    def leave(self, shard_id: int, holder: object) -> None:
        """Release the turn of `holder`, or its place in the queue. Idempotent."""
        with self._guard:
            had_turn = self._turns.pop(holder, None) is not None
            if had_turn:
                self._failures[shard_id] = self._failures.get(shard_id, 0) + 1
            was_waiting = self._queue.pop(holder, None) is not None
        if had_turn or was_waiting:
            self._ask()

    def learn(self, holder: object, limit: SessionStartLimit, asked_at: float, now: float) -> float:
        """Pass on what Discord said; return the seconds until there is a session start for `holder`."""
        with self._guard:
            self._learned = limit, asked_at
            ahead = list(self._turns).index(holder) if holder in self._turns else 0
        self._ask()
        return limit.reset_after if limit.remaining <= ahead else 0.0

    def starts_in(self, now: float) -> float:
        """Return the seconds until session starts are available; 0.0 if some remain, as far as this node knows."""
        return max(self._returns_at - now, 0.0)

    def remaining(self, now: float) -> int:
        """Return how many session starts remained when the node last asked."""
        return self._remaining

    # -- for the node --------------------------------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """Whether a shard waits for its turn or has it, or an IDENTIFY was not passed on yet."""
        return bool(self._queue or self._turns or self._unsaid)

    def said(self, holds: Callable[[int], bool]) -> Said:
        """Return what is to be said. Of those that wait with the same rate limit key, only the first waits there.

        Args:
            holds: whether the node may connect a shard.
        """
        with self._guard:
            turns = set(self._turns.values())
            waiters = {waiter.shard for waiter in self._queue.values()} - turns
            first: dict[int, int] = {}
            for shard in sorted(filter(holds, waiters), key=self._rank):
                first.setdefault(shard % self.max_concurrency, shard)
            waiting = {shard: self._failures.get(shard, 0) for shard in sorted(turns | set(first.values()))}
            return Said(waiting, dict(self._unsaid), self._learned)

    def apply(self, said: Said, turns: Turns, holds: Callable[[int], bool]) -> bool:
        """Take in the answer to what was said, and wake the shards that may IDENTIFY.

        Args:
            holds: whether the node may connect a shard.

        Returns:
            Whether there is something new to say.
        """
        now = time.monotonic()
        with self._guard:
            for shard, at in said.sent.items():
                if self._unsaid.get(shard) == at:
                    del self._unsaid[shard]
            if self._learned is said.learned:
                self._learned = None
            grew = turns.max_concurrency > self.max_concurrency
            self.max_concurrency = turns.max_concurrency
            self._remaining = turns.remaining
            before, self._returns_at = self._returns_at, now + turns.starts_in if turns.starts_in else 0.0
            woken = [*self._queue.values()] if before and not self._returns_at else []
            for holder, waiter in list(self._queue.items()):
                if waiter.shard in turns.granted - set(self._turns.values()) and holds(waiter.shard):
                    self._turns[holder] = self._queue.pop(holder).shard
                    self._last_turn[waiter.shard] = now
                    woken.append(waiter)
            more = grew and bool(self._queue)
        for waiter in woken:
            waiter.wake()
        return more
