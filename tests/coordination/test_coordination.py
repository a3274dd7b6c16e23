"""The contract of the three forms: heartbeats, leases, turns to IDENTIFY, the budget, and sessions."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import threading
from datetime import datetime, timezone
from typing import Any

import pytest
from coordination_support import GATE, TIMES, Open
from support import in_background, wait_until

from vox_gateway.coordination import (
    Change,
    Coordination,
    GateSettings,
    LeaseLost,
    NodeInfo,
    Overview,
)
from vox_gateway.coordination.interface import Learned, TurnRequest, Turns
from vox_gateway.discovery.session_start_limit import SessionStartLimit

NUMBERS = itertools.count()
SHORT = dataclasses.replace(TIMES, renew=0.01, give_up=0.02, ttl=0.05)
SLOW = GateSettings(interval=60.0, gather=0.0)


def node(total: int = 8, capacity: int = 8) -> NodeInfo:
    number = next(NUMBERS)
    return NodeInfo(f"id{number}", f"name {number}", total, capacity)


def hold(*shards: int) -> dict[int, float]:
    return dict.fromkeys(shards, 1.0)


def owners(coordination: Coordination, of: NodeInfo, *shards: int) -> dict[int, str]:
    return {shard: lease.owner for shard, lease in coordination.beat(of, hold(*shards)).leases.items()}


def limit(remaining: int, max_concurrency: int = 1, reset_after: float = 3600.0) -> SessionStartLimit:
    return SessionStartLimit(1000, remaining, reset_after, datetime.now(timezone.utc), max_concurrency)


# -- leases ------------------------------------------------------------------------------------------------------------


def test_a_free_shard_is_taken_and_another_is_not(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    assert owners(mine, one, 0, 1) == {0: one.id, 1: one.id}
    assert owners(theirs, other, 1, 2) == {0: one.id, 1: one.id, 2: other.id}
    assert owners(mine, one, 0, 1) == {0: one.id, 1: one.id, 2: other.id}


def test_a_shard_that_is_not_held_any_more_is_free(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    owners(mine, one, 0, 1)
    assert owners(mine, one, 1) == {1: one.id}
    assert owners(theirs, other, 0) == {0: other.id, 1: one.id}


def test_nodes_see_each_other(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(capacity=3), node()
    mine.beat(one, {0: 2.5})
    view = theirs.beat(other, {})
    assert view.nodes == {one.id: one, other.id: other}
    assert view.leases[0].load == 2.5
    assert view.expires_in is not None
    assert 0 < view.expires_in <= TIMES.ttl
    drained = dataclasses.replace(one, capacity=0)
    mine.beat(drained, {0: 3.0})
    assert theirs.beat(other, {}).nodes[one.id] == drained


def test_a_node_alone_waits_for_nobody(opened: Open) -> None:
    coordination, one = opened(), node()
    view = coordination.beat(one, {})
    assert (view.expires_in, len(view.nodes), view.leases, view.is_new) == (None, 1, {}, True)
    assert not coordination.beat(one, {}).is_new


def test_leases_end_with_the_heartbeats(opened: Open) -> None:
    mine, theirs, one, other = opened(SHORT), opened(SHORT), node(), node()
    owners(mine, one, 0)

    def comes_too_late() -> bool:  # unless the machine is so busy that the other's lease ends before
        return owners(theirs, other, 0) == {0: other.id} and owners(mine, one, 0) == {0: other.id}

    wait_until(comes_too_late)


def test_generations_share_nothing_but_the_gate(opened: Open) -> None:
    coordination, small, large = opened(), node(total=4), node(total=8)
    owners(coordination, small, 0)
    view = coordination.beat(large, hold(0))
    assert (view.leases[0].owner, set(view.nodes)) == (large.id, {large.id})
    coordination.save(small, 0, "small")
    assert (coordination.load(8, [0]), coordination.load(4, [0, 1])) == ({}, {0: "small"})
    assert ask(coordination, small, 0).granted == {0}
    assert ask(coordination, large, 0).granted == frozenset()


def test_a_node_that_leaves_leaves_nothing(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    owners(mine, one, 0)
    ask(mine, one, 0)
    mine.leave(one)
    view = theirs.beat(other, hold(0))
    assert (view.leases[0].owner, set(view.nodes)) == (other.id, {other.id})
    assert ask(theirs, other, 0).granted == {0}
    mine.leave(one)  # harmless


def test_two_nodes_never_hold_a_shard_together(opened: Open) -> None:
    """Each of four asks for all, at once, many times."""
    forms, nodes = [opened() for _ in range(4)], [node(total=32) for _ in range(4)]
    start = threading.Barrier(4)

    def grab(coordination: Coordination, one: NodeInfo) -> set[int]:
        start.wait()
        for _ in range(10):
            found = owners(coordination, one, *range(32))
        return {shard for shard, owner in found.items() if owner == one.id}

    futures = [in_background(lambda pair=pair: grab(*pair)) for pair in zip(forms, nodes, strict=True)]  # type: ignore[misc]
    held: list[set[int]] = [future.result(20) for future in futures]
    assert sorted(itertools.chain(*held)) == list(range(32))


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_the_next_owner_finds_the_session(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    owners(mine, one, 0)
    assert mine.load(8, [0]) == {}
    mine.save(one, 0, "first")
    mine.save(one, 0, "né")
    owners(mine, one)
    owners(theirs, other, 0)
    assert theirs.load(8, [0]) == {0: "né"}
    theirs.clear(other, 0)
    theirs.clear(other, 0)
    assert mine.load(8, [0]) == {}


def test_only_the_owner_changes_a_session(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    owners(mine, one, 0)
    mine.save(one, 0, "mine")
    owners(theirs, other)
    with pytest.raises(LeaseLost, match="shard 0 of 8 belongs to another process"):
        theirs.save(other, 0, "theirs")
    with pytest.raises(LeaseLost):
        theirs.clear(other, 0)
    with pytest.raises(LeaseLost):
        mine.save(one, 1, "not held")
    assert mine.load(8, [0, 1]) == {0: "mine"}


def test_an_owner_that_was_away_for_too_long_changes_no_session(opened: Open) -> None:
    coordination, one = opened(SHORT), node()
    owners(coordination, one, 0)

    def is_refused() -> bool:
        try:
            coordination.save(one, 0, "text")
        except LeaseLost:
            return True
        return False

    wait_until(is_refused)


# -- turns -------------------------------------------------------------------------------------------------------------


def ask(coordination: Coordination, of: NodeInfo, *shards: int, **more: Any) -> Turns:
    return coordination.turns(of, TurnRequest(dict.fromkeys(shards, 0), **more))


def test_one_turn_a_rate_limit_key(opened: Open) -> None:
    mine, theirs, one, other = opened(gate=SLOW), opened(gate=SLOW), node(), node()
    owners(mine, one, 0)
    owners(theirs, other, 1)
    assert ask(mine, one, 0).granted == {0}
    assert ask(mine, one, 0).granted == {0}, "it is still its turn"
    answer = ask(theirs, other, 1)
    assert answer.granted == frozenset()
    assert answer.ask_in is not None
    mine.turns(one, TurnRequest(sent={0: 0.0}))
    answer = ask(theirs, other, 1)
    assert answer.granted == frozenset()
    assert answer.ask_in is not None
    assert 50 < answer.ask_in <= 60, "the interval"


def test_the_interval_counts_from_the_identify_not_from_the_report(opened: Open) -> None:
    coordination, one = opened(gate=SLOW), node()
    owners(coordination, one, 0, 1)
    ask(coordination, one, 0)
    coordination.turns(one, TurnRequest(sent={0: 30.0}))
    ask_in = ask(coordination, one, 1).ask_in
    assert ask_in is not None
    assert 20 < ask_in <= 30
    coordination.turns(one, TurnRequest(sent={0: 30.0}))
    assert ask(coordination, one, 1).remaining == GATE.daily_limit - 1, "said twice, counted once"


def test_the_next_turn_comes_after_the_interval(opened: Open) -> None:
    coordination, one = opened(), node()
    owners(coordination, one, 0, 1)
    ask(coordination, one, 0)
    assert ask(coordination, one, 1, sent={0: 0.0}).granted == frozenset()
    wait_until(lambda: ask(coordination, one, 1).granted == {1})


def test_buckets_come_in_order_over_all_nodes(opened: Open) -> None:
    gate = GateSettings(interval=0.001, max_concurrency=2, gather=0.0)
    mine, theirs, one, other = opened(gate=gate), opened(gate=gate), node(), node()
    owners(mine, one, 3, 2, 5)
    owners(theirs, other, 0, 1, 4, 7)
    waiting = {one: {2, 3, 5}, other: {0, 1, 4, 7}}
    ask(mine, one, 7)  # not its own
    for form, of in ((mine, one), (theirs, other)):  # all are there before the first is over
        form.turns(of, TurnRequest(dict.fromkeys(waiting[of], 0)))
    order: list[int] = []
    sent: dict[NodeInfo, dict[int, float]] = {one: {}, other: {}}

    def step() -> bool:
        for form, of in ((mine, one), (theirs, other)):
            turns = form.turns(of, TurnRequest(dict.fromkeys(waiting[of], 0), sent[of]))
            waiting[of] -= turns.granted
            sent[of] = dict.fromkeys(turns.granted, 0.0)
            order.extend(turns.granted)
        return not any(waiting.values())

    wait_until(step)
    evens, odds = ([shard for shard in order if shard % 2 == key] for key in (0, 1))
    assert sorted(order) == [0, 1, 2, 3, 4, 5, 7]
    assert odds in ([1, 3, 5, 7], [3, 1, 5, 7]), "the first to ask may be early"
    assert evens in ([0, 2, 4], [2, 0, 4])


def test_the_first_waits_for_those_that_may_come_before_it(opened: Open) -> None:
    gate = GateSettings(interval=0.001, gather=60.0)
    coordination, one = opened(gate=gate), node()
    owners(coordination, one, 0)
    answer = ask(coordination, one, 0)
    assert answer.granted == frozenset()
    assert answer.ask_in is not None
    assert 50 < answer.ask_in <= 60


def test_it_waits_for_nobody_if_others_were_before_it(opened: Open) -> None:
    coordination, one = opened(gate=GateSettings(interval=0.05, gather=0.0)), node()
    owners(coordination, one, 0, 1)
    ask(coordination, one, 0)
    ask(coordination, one, 1, sent={0: 0.0})
    patient = opened(gate=GateSettings(interval=0.05, gather=60.0))
    wait_until(lambda: ask(patient, one, 1).granted == {1})


def test_a_shard_whose_turn_came_to_nothing_comes_behind_the_others(opened: Open) -> None:
    coordination, one = opened(gate=GateSettings(interval=0.0, gather=0.0)), node()
    owners(coordination, one, 0, 1)
    assert ask(coordination, one, 0).granted == {0}
    assert coordination.turns(one, TurnRequest({0: 1, 1: 0})).granted == {0}, "its turn is not over"
    assert coordination.turns(one, TurnRequest({1: 0})).granted == {1}
    assert coordination.turns(one, TurnRequest({0: 1})).granted == {0}
    assert coordination.turns(one, TurnRequest({})).granted == frozenset()
    assert coordination.turns(one, TurnRequest({0: 1, 1: 0})).granted == {1}


def test_no_turn_without_the_lease(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    owners(mine, one, 0)
    owners(theirs, other)
    assert ask(theirs, other, 0, 1).granted == frozenset()
    assert ask(mine, one, 0).granted == {0}
    owners(mine, one)
    owners(theirs, other, 0)
    assert ask(mine, one, 0).granted == frozenset(), "and it ends with it"
    assert ask(theirs, other, 0).granted == {0}


def test_a_dead_node_does_not_hold_up_the_others(opened: Open) -> None:
    gate = GateSettings(interval=0.001, turn=0.05, gather=0.0)
    mine, theirs, one, other = opened(SHORT, gate), opened(SHORT, gate), node(), node()

    def dies_with_a_turn() -> bool:  # unless the machine is so busy that the leases end before
        owners(mine, one, 0, 1)
        return ask(mine, one, 0).granted == ask(mine, one, 0, 1).granted == {0}

    wait_until(dies_with_a_turn)

    def has_turn() -> bool:
        owners(theirs, other, 2)
        return ask(theirs, other, 2).granted == {2}

    wait_until(has_turn)


# -- the budget --------------------------------------------------------------------------------------------------------


def test_no_more_turns_than_session_starts_remain(opened: Open) -> None:
    gate = GateSettings(interval=0.0, max_concurrency=8, gather=0.0)
    mine, theirs, one, other = opened(gate=gate), opened(gate=gate), node(), node()
    owners(mine, one, 0, 1, 2, 3)
    owners(theirs, other, 4, 5, 6, 7)
    mine.turns(one, TurnRequest(learned=Learned(limit(5, 8), 0.0)))
    assert len(ask(mine, one, 0, 1, 2, 3).granted) == 4
    answer = ask(theirs, other, 4, 5, 6, 7)
    assert len(answer.granted) == 1
    assert answer.remaining == 0
    assert 3500 < answer.starts_in <= 3600
    assert answer.ask_in is not None
    assert 3500 < answer.ask_in <= 3600
    mine.turns(one, TurnRequest(dict.fromkeys((1, 2, 3), 0)))  # the turn of 0 came to nothing
    assert len(ask(theirs, other, 4, 5, 6, 7).granted) == 2


def test_discords_count_does_not_hold_what_came_after_it(opened: Open) -> None:
    coordination, one = opened(gate=GateSettings(interval=0.0, max_concurrency=8, gather=0.0)), node()
    owners(coordination, one, 0, 1, 2)
    ask(coordination, one, 0, 1)
    answer = coordination.turns(one, TurnRequest({1: 0}, {0: 1.0}, Learned(limit(10, 4), 2.0)))
    assert (answer.remaining, answer.max_concurrency) == (8, 4)
    answer = coordination.turns(one, TurnRequest({1: 0}, {}, Learned(limit(9, 4), 0.5)))
    assert answer.remaining == 8, "the turn of 1"


def test_session_starts_return(opened: Open) -> None:
    coordination, one = opened(), node()
    owners(coordination, one, 0)
    assert ask(coordination, one, 0, learned=Learned(limit(0, reset_after=0.1), 0.0)).granted == frozenset()
    wait_until(lambda: ask(coordination, one, 0).granted == {0})
    assert ask(coordination, one, 0).remaining == 999


def test_it_counts_by_itself_until_discord_was_asked(opened: Open) -> None:
    gate = GateSettings(interval=0.0, max_concurrency=8, daily_limit=2, gather=0.0)
    coordination, one = opened(gate=gate), node()
    owners(coordination, one, 0, 1, 2)
    coordination.turns(one, TurnRequest(dict.fromkeys((0, 1), 0)))
    answer = coordination.turns(one, TurnRequest({2: 0}, {0: 0.0, 1: 0.0}))
    assert (answer.granted, answer.remaining) == (frozenset(), 0)
    assert 86_000 < answer.starts_in < 86_401, "but for rounding"


def test_a_turn_that_nobody_ended_counts_as_spent(opened: Open) -> None:
    gate = GateSettings(interval=60.0, daily_limit=1, turn=0.05, gather=0.0)
    coordination, one, other = opened(gate=gate), node(), node()
    owners(coordination, one, 0)
    assert ask(coordination, one, 0).granted == {0}
    wait_until(lambda: ask(coordination, other).starts_in > 80_000)


# -- for operators -----------------------------------------------------------------------------------------------------


def test_the_overview_has_nodes_shards_and_states(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node(total=4)
    assert opened().overview() == Overview(
        nodes=[], shards=[], pins={}, holding=[], waiting=[], remaining=990, starts_in=0.0, max_concurrency=1
    )
    mine.beat(one, {0: 2.5, 1: 1.0}, {0: '{"status": "ready", "reason": "a \\u00e9 b"}', 5: "{}"})
    theirs.beat(other, hold(0), {0: '{"status": "other"}'})
    mine.beat(one, {0: 3.5, 1: 1.0})
    seen = opened().overview()
    assert [status.info for status in seen.nodes] == sorted([one, other], key=lambda info: info.name)
    assert all(0 < status.expires_in <= TIMES.ttl and not status.is_to_drain for status in seen.nodes)
    shards = [(shard.total, shard.shard, shard.owner, shard.load, shard.state) for shard in seen.shards]
    assert shards == [
        (4, 0, other.id, 1.0, {"status": "other"}),
        (8, 0, one.id, 3.5, {"status": "ready", "reason": "a é b"}),
        (8, 1, one.id, 1.0, {}),
    ]
    assert [shard.reported_ago is None for shard in seen.shards] == [False, False, True]
    assert set(theirs.beat(other, hold(0)).nodes) == {other.id}, "whoever looks is no node"


def test_the_state_of_a_shard_ends_with_its_lease(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    mine.beat(one, hold(0), {0: '{"status": "ready"}'})
    owners(mine, one)
    assert theirs.overview().shards == []
    owners(theirs, other, 0)
    mine.beat(one, {}, {0: '{"status": "late"}'})
    (shard,) = mine.overview().shards
    assert (shard.owner, shard.state) == (other.id, {})
    theirs.leave(other)
    assert (len(mine.overview().nodes), mine.overview().shards) == (1, [])


def test_the_overview_drops_dead_nodes_and_changes_nothing(opened: Open) -> None:
    mine, theirs, one, other = opened(SHORT), opened(SHORT), node(), node()
    owners(mine, one, 0)
    wait_until(lambda: mine.overview().nodes == [])
    assert mine.overview().shards == []
    wait_until(lambda: owners(theirs, other, 0) == {0: other.id})


def test_the_overview_has_the_identify_gate(opened: Open) -> None:
    gate = GateSettings(interval=60.0, gather=0.0)
    mine, theirs, one, other = opened(gate=gate), opened(gate=gate), node(), node()
    owners(mine, one, 0, 2, 3)
    owners(theirs, other, 1, 4)
    mine.turns(one, TurnRequest(learned=Learned(limit(5, 2), 0.0)))
    ask(mine, one, 0, 2, 3)
    theirs.turns(other, TurnRequest({1: 0, 4: 2}))
    seen = opened(gate=gate).overview()
    assert (seen.remaining, seen.starts_in, seen.max_concurrency) == (3, 0.0, 2)
    assert [(holder.node, holder.shard) for holder in seen.holding] == [(one.id, 0), (one.id, 3)]
    assert all(0 < holder.ends_in <= gate.turn for holder in seen.holding)
    waiting = [(waiter.node, waiter.shard, waiter.failures) for waiter in seen.waiting]
    assert sorted(waiting) == sorted([(other.id, 1, 0), (one.id, 2, 0), (other.id, 4, 2)])
    turn_in = {waiter.shard: waiter.turn_in for waiter in seen.waiting}
    assert 0 < turn_in[1] <= gate.turn
    assert turn_in[4] == pytest.approx(turn_in[2] + gate.interval)
    assert opened(gate=gate).overview().waiting[0].waiting_for >= 0
    mine.turns(one, TurnRequest({2: 0}, {0: 0.0, 3: 0.0}, Learned(limit(0, 2), 0.0)))
    seen = theirs.overview()
    assert seen.remaining == 0
    assert all(waiter.turn_in >= seen.starts_in > 3500 for waiter in seen.waiting)


def test_an_ordered_drain_is_told_until_the_node_is_gone(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    owners(mine, one, 0)
    owners(theirs, other)
    operator = opened()
    assert operator.order_drain(one.id)
    assert operator.order_drain(one.id), "idempotent"
    assert [mine.beat(one, hold(0)).is_to_drain for _ in range(2)] == [True, True]
    assert not theirs.beat(other, {}).is_to_drain
    assert {status.info.id: status.is_to_drain for status in operator.overview().nodes} == {
        one.id: True,
        other.id: False,
    }
    mine.leave(one)
    assert not mine.beat(one, {}).is_to_drain, "a node that starts anew"
    assert not operator.order_drain("nobody")


def test_a_pin_is_told_to_all_until_the_node_is_gone(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    owners(mine, one, 0)
    owners(theirs, other)
    operator = opened()
    assert operator.order_move(other.id, 0)
    assert operator.order_move(other.id, 0), "idempotent"
    assert mine.beat(one, hold(0)).pins == theirs.beat(other, {}).pins == {0: other.id}
    assert operator.overview().pins == {(8, 0): other.id}
    assert mine.beat(node(total=4), {}).pins == {}, "another generation"
    assert operator.order_move(one.id, 0)
    assert mine.beat(one, hold(0)).pins == {0: one.id}
    mine.leave(one)
    assert not theirs.beat(other, {}).pins
    assert not operator.overview().pins
    assert not operator.order_move(one.id, 0)


def test_a_pin_ends_by_itself(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    coordination, one = opened(), node()  # first: it imports the module that is changed
    for form in ("state", "redis"):
        if (module := sys.modules.get(f"vox_gateway.coordination.{form}")) is not None:
            monkeypatch.setattr(module, "PIN_TIME", 0.05)
    coordination.beat(one, {})
    assert coordination.order_move(one.id, 3)
    wait_until(lambda: coordination.overview().pins == {})
    wait_until(lambda: coordination.beat(one, {}).pins == {})


def test_others_hear_of_orders_at_once(opened: Open) -> None:
    coordination, operator, one = opened(), opened(), node()
    coordination.beat(one, {})
    watch = coordination.watch()
    try:
        for order in (lambda: operator.order_drain(one.id), lambda: operator.order_move(one.id, 0)):
            while watch.wait(0.2):
                pass
            assert order()
            assert watch.wait(5) is Change.LEASES
    finally:
        watch.close()


def test_the_bots_that_are_there(opened: Open, bot: str, form: str) -> None:
    coordination = opened()
    coordination.beat(node(), {})
    assert form == "memory" or bot in coordination.bots()


# -- changes -----------------------------------------------------------------------------------------------------------


def test_others_hear_of_changes(opened: Open) -> None:
    mine, theirs, one, other = opened(), opened(), node(), node()
    mine.beat(one, hold(0))
    watch = theirs.watch()
    try:
        heard = [Change.NONE]

        def hears(change: Change) -> bool:
            heard[0] |= watch.wait(0.2)
            return change in heard[0]

        while watch.wait(0.2):
            pass
        mine.beat(one, hold(0))
        assert watch.wait(0.1) is Change.NONE, "a renewal is no news"
        mine.beat(one, hold())
        wait_until(lambda: hears(Change.LEASES))
        mine.beat(one, hold(0))
        ask(mine, one, 0)
        heard[0] = Change.NONE
        mine.turns(one, TurnRequest(sent={0: 0.0}))
        wait_until(lambda: hears(Change.GATE))
        heard[0] = Change.NONE
        theirs.beat(other, {})
        wait_until(lambda: hears(Change.LEASES))
    finally:
        watch.close()
