"""The queue of shards that want to IDENTIFY, over all nodes of a bot. Pure: the time is an argument.

The memory and SQLite forms use it, under their lock; ``scripts/turns.lua`` is the same for Redis.

See: https://docs.discord.com/developers/events/gateway#sharding-max-concurrency
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import asdict, dataclass, field
from typing import Any

from .interface import GateSettings, Learned, TurnHolder, TurnRequest, Turns, Waiter

__all__ = ["IdentifyQueue"]

DAY = 86_400.0


@dataclass
class _Waiter:
    node: str
    shard: int
    failures: int
    since: float


@dataclass
class _Turn:
    node: str
    shard: int
    until: float


@dataclass
class _Budget:
    """The session starts as Discord counts them."""

    total: int
    remaining: int
    resets_at: float


@dataclass
class IdentifyQueue:
    """Gives turns to IDENTIFY: one a rate limit key and interval, and within the budget.

    Of those that wait, a shard that has had no turn comes first, then that whose last turn is the longest ago: a
    shard that IDENTIFYs again and again holds up nobody. A session start is spent when a turn is given, and
    returned if the node says that the turn came to nothing; if the node dies, the start counts as spent.

    Attributes:
        max_concurrency: the number of rate limit keys.
        sent: the times and shards of the IDENTIFYs of the last 24 hours, in order.
    """

    max_concurrency: int
    sent: list[tuple[float, int]] = field(default_factory=list)
    _waiters: list[_Waiter] = field(default_factory=list)
    _turns: list[_Turn] = field(default_factory=list)
    _last_turn: dict[int, float] = field(default_factory=dict)  # when it was given, by shard, for 24 hours
    _budget: _Budget | None = None

    def ask(
        self, node: str, request: TurnRequest, alive: Container[str], settings: GateSettings, now: float
    ) -> tuple[Turns, bool]:
        """Take in what a node says, and return its turns, and whether others should ask again.

        Args:
            node: its id.
            alive: the ids of all nodes; the others lose their places.
            now: in seconds, of any clock that all nodes share.
        """
        changed = self._expire(alive, settings, now)
        for shard, ago in request.sent.items():
            changed |= self._note_sent(node, shard, now - max(ago, 0.0), settings.interval)
        changed |= self._replace(node, request, now)
        for turn in self._turns:
            if turn.node == node:  # which says so
                turn.until = now + settings.turn
        if request.learned is not None:
            self._learn(request.learned, now)
            changed = True
        ask_in = self._grant(node, settings, now)
        granted = frozenset(turn.shard for turn in self._turns if turn.node == node)
        starts_in, remaining = self._starts_in(settings, now), self._remaining(settings, now)
        return Turns(granted, ask_in, starts_in, remaining, self.max_concurrency), changed

    def forget(self, node: str) -> bool:
        """Remove a node, which is closing; return whether others should ask again."""
        return self._replace(node, TurnRequest(), 0.0)

    def overview(
        self, alive: Container[str], settings: GateSettings, now: float
    ) -> tuple[list[TurnHolder], list[Waiter], float, int]:
        """Return who has a turn, who waits, when session starts are available, and how many remain.

        What is over is removed: call it on a copy.
        """
        self._expire(alive, settings, now)
        starts_in = self._starts_in(settings, now)
        holding = [TurnHolder(turn.node, turn.shard, turn.until - now) for turn in self._turns]
        waiting = []
        turn_in: dict[int, float] = {}
        for waiter in self._in_order():
            key = waiter.shard % self.max_concurrency
            if key in turn_in:
                turn_in[key] += settings.interval
            else:
                turn_in[key] = max(self._free_at(key, settings.interval) - now, starts_in, 0.0)
            since = now - waiter.since
            waiting.append(Waiter(waiter.node, waiter.shard, waiter.failures, since, turn_in[key]))
        waiting.sort(key=lambda waiter: waiter.turn_in)  # stable
        return holding, waiting, starts_in, self._remaining(settings, now)

    # -- what a node says ------------------------------------------------------------------------------------------

    def _expire(self, alive: Container[str], settings: GateSettings, now: float) -> bool:
        # A clock that was set back must not hold up anybody: nothing is later than it can be by the clock of now.
        self.sent = [(min(at, now), shard) for at, shard in self.sent if at > now - DAY]
        self._last_turn = {shard: min(at, now) for shard, at in self._last_turn.items() if at > now - DAY}
        if self._budget is not None:
            self._budget.resets_at = min(self._budget.resets_at, now + DAY)
            if now >= self._budget.resets_at:
                self._budget = _Budget(self._budget.total, self._budget.total - len(self._turns), now + DAY)
        for waiter in self._waiters:
            waiter.since = min(waiter.since, now)
        for turn in self._turns:
            turn.until = min(turn.until, now + settings.turn)
        over = [turn for turn in self._turns if turn.until <= now]
        self._turns = [turn for turn in self._turns if turn.until > now]
        self.sent += [(now, turn.shard) for turn in over]  # perhaps; the node did not say
        left = [waiter for waiter in self._waiters if waiter.node in alive]
        over_any = bool(over) or len(left) < len(self._waiters)
        self._waiters = left
        return over_any

    def _note_sent(self, node: str, shard: int, at: float, interval: float) -> bool:
        held = [turn for turn in self._turns if (turn.node, turn.shard) == (node, shard)]
        if not held and any(shard == other and at - interval < then for then, other in self.sent):
            return False  # said before
        self._turns = [turn for turn in self._turns if turn not in held]
        self.sent.append((at, shard))
        self.sent.sort()
        return True

    def _replace(self, node: str, request: TurnRequest, now: float) -> bool:
        over = [turn for turn in self._turns if turn.node == node and turn.shard not in request.waiting]
        self._turns = [turn for turn in self._turns if turn not in over]
        if self._budget is not None:
            self._budget.remaining += len(over)
        having = {turn.shard for turn in self._turns if turn.node == node}
        before = {waiter.shard: waiter.since for waiter in self._waiters if waiter.node == node}
        waiting = {shard: failures for shard, failures in request.waiting.items() if shard not in having}
        self._waiters = [waiter for waiter in self._waiters if waiter.node != node]
        self._waiters += [_Waiter(node, shard, failures, before.get(shard, now)) for shard, failures in waiting.items()]
        return bool(over) or not before.keys() <= waiting.keys()

    def _learn(self, learned: Learned, now: float) -> None:
        limit, asked_at = learned.limit, now - learned.ago
        self.max_concurrency = limit.max_concurrency
        spent = sum(at >= asked_at for at, _ in self.sent) + len(self._turns)
        self._budget = _Budget(limit.total, limit.remaining - spent, asked_at + limit.reset_after)

    # -- turns -----------------------------------------------------------------------------------------------------

    def _grant(self, node: str, settings: GateSettings, now: float) -> float | None:
        """Give a node the turns that are its own; return the seconds until it should ask again."""
        ask_in: list[float] = []
        first = self._first_waiters()
        since: dict[int, float] = {}
        for waiter in self._waiters:
            key = waiter.shard % self.max_concurrency
            since[key] = min(since.get(key, waiter.since), waiter.since)
        for key, waiter in first.items():
            if waiter.node != node:
                continue
            free_at = self._free_at(key, settings.interval)
            if free_at <= since[key]:  # nobody was before it: others may be about to come
                free_at = since[key] + settings.gather
            wait = max(free_at - now, self._starts_in(settings, now))
            if wait > 0:
                ask_in.append(wait)
                continue
            self._waiters.remove(waiter)
            self._turns.append(_Turn(node, waiter.shard, now + settings.turn))
            self._last_turn[waiter.shard] = now
            if self._budget is not None:
                self._budget.remaining -= 1
        return min(ask_in, default=None)

    def _first_waiters(self) -> dict[int, _Waiter]:
        """Return the first waiter with each rate limit key, in the order in which they get their turns."""
        first: dict[int, _Waiter] = {}
        for waiter in self._in_order():
            first.setdefault(waiter.shard % self.max_concurrency, waiter)
        return first

    def _in_order(self) -> list[_Waiter]:
        return sorted(self._waiters, key=self._rank)

    def _rank(self, waiter: _Waiter) -> tuple[object, ...]:
        last_turn = self._last_turn.get(waiter.shard, -math.inf)
        return last_turn, waiter.failures, waiter.shard, waiter.since, waiter.node

    def _free_at(self, key: int, interval: float) -> float:
        held = [turn.until for turn in self._turns if turn.shard % self.max_concurrency == key]
        used = [at + interval for at, shard in self.sent if shard % self.max_concurrency == key]
        return max(held + used, default=0.0)

    # -- the budget ------------------------------------------------------------------------------------------------

    def _remaining(self, settings: GateSettings, now: float) -> int:
        if self._budget is not None:
            return max(self._budget.remaining, 0)
        return max(settings.daily_limit - len(self.sent) - len(self._turns), 0)

    def _starts_in(self, settings: GateSettings, now: float) -> float:
        if self._remaining(settings, now) > 0:
            return 0.0
        if self._budget is not None:
            return max(self._budget.resets_at - now, 0.0)
        spent = len(self.sent) + len(self._turns) - settings.daily_limit
        returns_at = self.sent[min(spent, len(self.sent) - 1)][0] + DAY if self.sent else now
        return max(returns_at - now, settings.turn if not self.sent else 0.0)

    # -- as JSON ---------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the queue as values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> IdentifyQueue:
        """Return what `to_json` made values of."""
        budget = data["_budget"]
        return cls(
            max_concurrency=data["max_concurrency"],
            sent=[(at, shard) for at, shard in data["sent"]],
            _waiters=[_Waiter(**waiter) for waiter in data["_waiters"]],
            _turns=[_Turn(**turn) for turn in data["_turns"]],
            _last_turn={int(shard): at for shard, at in data["_last_turn"].items()},
            _budget=None if budget is None else _Budget(**budget),
        )
