"""The identify queue and the shared state as values; what all forms have in common is in `test_coordination`."""

from __future__ import annotations

import json
import random
from datetime import datetime, timezone
from typing import Any

import pytest

from vox_gateway.coordination.interface import GateSettings, Learned, NodeInfo, TurnRequest, Turns
from vox_gateway.coordination.leases import LeaseTimes
from vox_gateway.coordination.state import SharedState
from vox_gateway.coordination.turns import DAY, IdentifyQueue
from vox_gateway.discovery.identify_limiter import IdentifyGate
from vox_gateway.discovery.session_start_limit import SessionStartLimit

SETTINGS = GateSettings()
ONE, OTHER = (NodeInfo(name, name, 64, 64) for name in ("one", "other"))


def test_the_times_of_buckets() -> None:
    """Two nodes and sixteen shards: each bucket begins 5 seconds after the one before, whoever has the shards."""
    queue, now, at = IdentifyQueue(4), 0.0, {}
    waiting = {"one": set(range(0, 16, 2)), "other": set(range(1, 16, 2))}
    sent: dict[str, dict[int, float]] = {"one": {}, "other": {}}
    while any(waiting.values()):
        for node in waiting:
            turns, _ = queue.ask(node, TurnRequest(dict.fromkeys(waiting[node], 0), sent[node]), waiting, SETTINGS, now)
            at.update(dict.fromkeys(turns.granted, now))
            sent[node] = dict.fromkeys(turns.granted, 0.1)  # when it asks again
            waiting[node] -= turns.granted
        now = round(now + 0.1, 1)
    assert sorted(at) == list(range(16))
    for shard, when in at.items():
        due = SETTINGS.gather + shard // 4 * SETTINGS.interval
        assert due <= when < due + 0.3, "as often as the nodes ask"


def test_a_turn_lasts_while_its_node_says_so() -> None:
    """As of a shard that connects slowly: if it sent its IDENTIFY late, that was beside another's."""
    queue, nodes = IdentifyQueue(1), {"one", "other"}
    mine, theirs = TurnRequest({0: 0}), TurnRequest({1: 0})
    queue.ask("one", mine, nodes, SETTINGS, 0.0)
    for now in range(1, 60):
        assert queue.ask("one", mine, nodes, SETTINGS, now)[0].granted == {0}
        assert queue.ask("other", theirs, nodes, SETTINGS, now)[0].ask_in == SETTINGS.turn
    assert queue.ask("other", theirs, nodes, SETTINGS, now + SETTINGS.turn)[0].ask_in == SETTINGS.interval


def test_shards_that_identify_again_and_again_hold_up_nobody() -> None:
    queue, order, now = IdentifyQueue(1), [], 0.0
    waiting, sent = {"one": {0, 1}, "other": {2, 3}}, {}
    while len(order) < 8:
        for node in waiting:
            shards = dict.fromkeys(waiting[node], 0)
            turns, _ = queue.ask(node, TurnRequest(shards, sent.pop(node, {})), waiting, SETTINGS, now)
            order.extend(turns.granted)
            sent[node] = dict.fromkeys(turns.granted, 0.0)
            if node == "other":  # the session of the first node's shards is over at once
                waiting[node] -= turns.granted
        now += 0.5
    assert order == [0, 1, 2, 3, 0, 1, 0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_the_gate_of_one_process_gives_the_same_turns(seed: int) -> None:
    """Each shard is a node of the queue, and none dies."""
    chance, now, granted = random.Random(seed), 0.0, 0
    settings = GateSettings(daily_limit=30, turn=1e9, gather=0.0, interval=5.0)
    gate, queue, nodes = IdentifyGate(daily_limit=30), IdentifyQueue(1), {str(shard) for shard in range(8)}
    having: set[int] = set()

    def ask(shard: int, *, waits: bool = False, **more: Any) -> Turns:
        request = TurnRequest({shard: 0} if waits else {}, **more)
        return queue.ask(str(shard), request, nodes, settings, now)[0]

    for _ in range(400):
        shard = chance.randrange(8)
        now += chance.choice((0.0, 0.25, 1.0, 1.0, 5.0)) if chance.random() < 0.99 else DAY
        if chance.random() < 0.03:
            count, key = chance.randint(0, 9), chance.choice((1, 2, 4))
            limit = SessionStartLimit(20, count, 60.0 * chance.randint(1, 9), datetime.now(timezone.utc), key)
            gate.learn("nobody", limit, now, now)
            turns, _ = queue.ask("nobody", TurnRequest(learned=Learned(limit, 0.0)), nodes, settings, now)
        elif shard not in having:
            wait = gate.enter(shard, shard, lambda: None, now)
            turns = ask(shard, waits=True)
            assert (wait == 0.0) == (turns.granted == {shard})
            having |= turns.granted
            granted += len(turns.granted)
        elif chance.random() < 0.7:
            gate.sent(shard, shard, now, 0.0)
            turns = ask(shard, sent={shard: 0.0})
            having.discard(shard)
        else:
            gate.leave(shard, shard)
            turns = ask(shard)
            having.discard(shard)
        assert (gate.remaining(now), gate.starts_in(now) > 0) == (turns.remaining, turns.starts_in > 0)
    assert granted > 10, "the requests are such that there are turns"


def test_a_clock_that_is_set_back_holds_up_nobody() -> None:
    queue, later, earlier = IdentifyQueue(1), 10_000.0, 100.0
    request = TurnRequest({0: 0})
    queue.ask("one", request, {"one"}, SETTINGS, later)
    assert queue.ask("one", request, {"one"}, SETTINGS, later + 1)[0].granted == {0}
    queue.ask("one", TurnRequest({1: 0}, {0: 0.0}), {"one"}, SETTINGS, later + 2)
    turns, _ = queue.ask("one", TurnRequest({1: 0}), {"one"}, SETTINGS, earlier)
    assert turns.ask_in == SETTINGS.interval
    assert queue.ask("one", TurnRequest({1: 0}), {"one"}, SETTINGS, earlier + SETTINGS.interval)[0].granted == {1}
    turns, _ = queue.ask("other", TurnRequest({2: 0}), {"one", "other"}, SETTINGS, 0.0)
    assert turns.ask_in == SETTINGS.turn


def test_session_starts_return_within_a_day_whatever_the_clock() -> None:
    queue, now = IdentifyQueue(1), 100 * DAY
    learned = Learned(SessionStartLimit(1000, 0, 60.0, datetime.now(timezone.utc), 1), 0.0)
    assert queue.ask("one", TurnRequest({0: 0}, learned=learned), {"one"}, SETTINGS, now)[0].starts_in == 60.0
    assert queue.ask("one", TurnRequest({0: 0}), {"one"}, SETTINGS, now - 30 * DAY)[0].starts_in == DAY
    assert queue.ask("one", TurnRequest({0: 0}), {"one"}, SETTINGS, now - 29 * DAY)[0].granted == {0}


def test_a_dead_node_does_not_live_on_by_a_clock_that_is_set_back() -> None:
    state, times = SharedState(1), LeaseTimes()
    state.beat(ONE, {0: 1.0}, times, 10_000.0)
    assert state.beat(OTHER, {}, times, 100.0)[0].expires_in == times.ttl
    assert set(state.beat(OTHER, {}, times, 100.0 + times.ttl)[0].nodes) == {"other"}


def test_the_state_survives_as_json() -> None:
    state, times = SharedState(1), LeaseTimes()
    state.beat(ONE, {0: 1.0, 1: 2.5, 2: 1.0}, times, 0.0, slot=7)
    learned = Learned(SessionStartLimit(1000, 5, 60.0, datetime.now(timezone.utc), 2), 0.0)
    state.turns(ONE, TurnRequest({0: 0, 1: 0, 2: 0}, {3: 0.0}, learned), SETTINGS, times.ttl, 1.0)
    state.turns(ONE, TurnRequest({0: 0, 1: 0, 2: 3}), SETTINGS, times.ttl, 7.0)
    text = json.dumps(state.to_json())
    copy = SharedState.from_json(json.loads(text))
    assert json.dumps(copy.to_json()) == text
    assert copy.slots() == {"one": 7}
    requests = (TurnRequest({0: 0, 2: 3}, {1: 0.5}), TurnRequest({2: 3}))
    for request in requests:
        assert copy.turns(ONE, request, SETTINGS, times.ttl, 8.0) == state.turns(ONE, request, SETTINGS, times.ttl, 8.0)
