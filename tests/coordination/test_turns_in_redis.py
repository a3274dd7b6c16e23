"""The script for Redis gives the same turns as the queue in Python, on random requests and a clock that is set back."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from vox_gateway.coordination.interface import GateSettings, Learned, NodeInfo, Overview, TurnRequest, Turns
from vox_gateway.coordination.leases import LeaseTimes
from vox_gateway.coordination.state import SharedState
from vox_gateway.coordination.turns import DAY
from vox_gateway.discovery.session_start_limit import SessionStartLimit

TOTAL = 12
#: all times are multiples of this: floats and milliseconds hold them exactly
TICK = 0.125
TIMES = LeaseTimes(ttl=60.0)
SETTINGS = GateSettings(interval=5.5, daily_limit=12, turn=15.0, gather=0.25)
NODES = [NodeInfo(f"id{number}", f"name {number}", TOTAL, TOTAL) for number in range(3)]
CLOCK = "the test's clock"


class Both:
    """One bot in Redis and in Python, by a clock that stands still."""

    def __init__(self, url: str, bot: str, monkeypatch: pytest.MonkeyPatch) -> None:
        redis = pytest.importorskip("vox_gateway.coordination.redis")
        script = redis._script

        def with_clock(name: str) -> str:
            text = str(script(name))
            assert (name == "common") == ("redis.call('TIME')" in text)
            return text.replace("redis.call('TIME')", f'redis.call("HMGET", "{CLOCK}", "seconds", "microseconds")')

        monkeypatch.setattr(redis, "_script", with_clock)
        self.redis = redis.RedisCoordination(url, bot, TIMES, SETTINGS)
        self.python = SharedState(SETTINGS.max_concurrency)
        self.now = 0.0
        self.move_clock(10_000_000.0)

    def move_clock(self, by: float) -> None:
        self.now += by
        seconds, rest = divmod(self.now, 1.0)
        self.redis._client.hset(CLOCK, mapping={"seconds": int(seconds), "microseconds": int(rest * 1e6)})

    def beat(self, node: NodeInfo, *shards: int) -> None:
        hold = dict.fromkeys(shards, 1.0)
        view, _ = self.python.beat(node, hold, TIMES, self.now)
        assert dataclasses.replace(self.redis.beat(node, hold), is_new=view.is_new) == view, "but for Redis's own clock"

    def leave(self, node: NodeInfo) -> None:
        self.redis.leave(node)
        self.python.leave(node.id)

    def turns(self, node: NodeInfo, request: TurnRequest) -> Turns:
        """Ask both, and compare their answers and what is left."""
        turns, _ = self.python.turns(node, request, SETTINGS, TIMES.ttl, self.now)
        assert self.redis.turns(node, request) == turns
        copy = SharedState.from_json(self.python.to_json())
        assert gate(self.redis.overview()) == gate(copy.overview({}, SETTINGS, self.now))
        return turns


def gate(overview: Overview) -> tuple[object, ...]:
    """What an overview has of the gate."""
    holding = sorted(overview.holding, key=lambda holder: (holder.node, holder.shard))
    return holding, overview.waiting, overview.remaining, overview.starts_in, overview.max_concurrency


@pytest.fixture
def both(redis_url: str, bot: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    made = Both(redis_url, bot, monkeypatch)
    yield made
    made.redis._client.delete(CLOCK)
    made.redis.close()


def ticks(chance: random.Random, seconds: float) -> float:
    return chance.randint(0, int(seconds / TICK)) * TICK


def test_a_clock_that_is_set_back_holds_up_nobody(both: Both) -> None:
    """As of a server that others fail over to, behind the first."""
    one, other = NODES[:2]
    both.beat(one, 0, 1)
    both.beat(other, 2)
    both.turns(one, TurnRequest({0: 0, 1: 0}))
    both.move_clock(SETTINGS.gather)
    assert both.turns(one, TurnRequest({0: 0, 1: 0})).granted == {0}
    both.turns(one, TurnRequest({1: 0}, {0: 0.0}))
    both.move_clock(-3600.0)
    both.beat(other, 2)
    assert both.turns(one, TurnRequest({1: 0})).ask_in == SETTINGS.interval
    both.move_clock(SETTINGS.interval)
    assert both.turns(one, TurnRequest({1: 0})).granted == {1}
    both.move_clock(-3600.0)
    both.beat(other, 2)
    assert both.turns(other, TurnRequest({2: 0})).ask_in == SETTINGS.turn, "the other may have died"
    both.move_clock(SETTINGS.turn)
    assert both.turns(other, TurnRequest({2: 0})).ask_in == SETTINGS.interval
    both.move_clock(SETTINGS.interval)
    both.beat(other, 2)
    assert both.turns(other, TurnRequest({2: 0})).granted == {2}


def test_session_starts_return_within_a_day_whatever_the_clock(both: Both) -> None:
    limit = SessionStartLimit(1000, 0, 3600.0, datetime.now(timezone.utc), 1)
    both.beat(NODES[0], 0)
    assert both.turns(NODES[0], TurnRequest({0: 0}, learned=Learned(limit, 0.0))).starts_in == 3600.0
    for back in (30.0, 1.0):
        both.move_clock(-back * DAY)
        both.beat(NODES[0], 0)
        assert both.turns(NODES[0], TurnRequest({0: 0})).starts_in == DAY
    both.move_clock(DAY)
    both.beat(NODES[0], 0)
    assert both.turns(NODES[0], TurnRequest({0: 0})).granted == {0}


@pytest.mark.parametrize("seed", range(6))
def test_random_requests(both: Both, seed: int) -> None:
    chance, granted = random.Random(seed), 0
    own = {node: set(range(number, TOTAL, len(NODES))) for number, node in enumerate(NODES)}
    having: dict[NodeInfo, frozenset[int]] = dict.fromkeys(NODES, frozenset())
    for node in NODES:
        both.beat(node, *own[node])
    for _ in range(300):
        node = chance.choice(NODES)
        match chance.choices(("ask", "wait", "back", "beat", "leave", "day"), (80, 35, 3, 10, 1, 4))[0]:
            case "ask":
                waiting = {shard: chance.randint(0, 2) for shard in range(TOTAL) if chance.random() < 0.7}
                sent = {shard: ticks(chance, 2.0) for shard in having[node] if chance.random() < 0.5}
                if chance.random() < 0.05:
                    sent[chance.choice(sorted(own[node]))] = ticks(chance, 9.0)  # perhaps said before
                learned = None
                if chance.random() < 0.05:
                    count, key = chance.randint(0, 20), chance.choice((1, 2, 4))
                    limit = SessionStartLimit(20, count, ticks(chance, 9000.0), datetime.now(timezone.utc), key)
                    learned = Learned(limit, ticks(chance, 9.0))
                turns = both.turns(node, TurnRequest(waiting, sent, learned))
                granted += len(turns.granted - having[node])
                having[node] = turns.granted
            case "wait":
                both.move_clock(ticks(chance, 6.0))
            case "back":
                both.move_clock(-chance.choice((1.0, 3600.0, 90_000.0)))
                both.beat(node, *own[node])
            case "beat":
                both.beat(node, *(shard for shard in own[node] if chance.random() < 0.9))
            case "leave":
                both.leave(node)
            case "day":
                both.move_clock(DAY)
                for one in NODES:
                    both.beat(one, *own[one])
    assert granted > 10, "the requests are such that there are turns"
