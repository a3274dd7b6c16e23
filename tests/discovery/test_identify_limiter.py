"""Turns to IDENTIFY, on a clock that stands still."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from vox_gateway import SessionStartLimit
from vox_gateway.discovery.identify_limiter import DAY, IdentifyGate, gate_for


def test_one_shard_at_a_time_and_five_seconds_between() -> None:
    gate, woken = IdentifyGate(), []
    assert gate.enter(0, "first", lambda: woken.append("first"), 100.0) == 0
    assert gate.enter(0, "first", lambda: woken.append("first"), 101.0) == 0  # it may ask again
    assert gate.enter(1, "second", lambda: woken.append("second"), 101.0) is None
    gate.sent(0, "first", 102.0, 0.0)
    assert woken == ["second"]
    assert gate.enter(1, "second", lambda: None, 102.0) == 5
    assert gate.enter(1, "second", lambda: None, 107.0) == 0


@pytest.mark.parametrize(("jitter", "delay"), [(0.0, 5.0), (0.5, 5.75), (1.0, 6.5)])
def test_a_random_part_is_added_for_the_network(jitter: float, delay: float) -> None:
    gate = IdentifyGate()
    enter(gate, 0, 0.0)
    gate.sent(0, 0, 0.0, jitter)
    assert enter(gate, 1, 0.0) == delay
    assert enter(gate, 1, delay) == 0


def test_a_holder_that_leaves_frees_the_turn_at_once() -> None:
    gate, woken = IdentifyGate(), []
    gate.enter(0, "first", lambda: None, 0.0)
    gate.enter(1, "second", lambda: woken.append("second"), 0.0)
    gate.leave(0, "first")
    assert woken == ["second"]
    assert gate.enter(1, "second", lambda: None, 0.0) == 0


def test_a_shard_that_leaves_the_queue_is_not_woken() -> None:
    gate, woken = IdentifyGate(), []
    gate.enter(0, "first", lambda: None, 0.0)
    gate.enter(1, "second", lambda: woken.append("second"), 0.0)
    gate.leave(1, "second")
    gate.leave(1, "stranger")
    gate.leave(0, "first")
    assert woken == []


def test_shards_with_other_keys_do_not_wait() -> None:
    gate = IdentifyGate(max_concurrency=16)
    assert all(gate.enter(shard, shard, lambda: None, 0.0) == 0 for shard in range(16))
    assert gate.enter(16, 16, lambda: None, 0.0) is None


def test_the_daily_limit_protects_the_token() -> None:
    gate = IdentifyGate(interval=0, daily_limit=3)
    for now in (0.0, 10.0, 20.0):
        assert gate.enter(0, "shard", lambda: None, now) == 0
        gate.sent(0, "shard", now, 0.0)
    assert gate.enter(0, "shard", lambda: None, 100.0) == DAY - 100
    assert gate.enter(0, "shard", lambda: None, DAY) == 0


@pytest.mark.parametrize("max_concurrency", [0, -1])
def test_an_invalid_concurrency_is_refused(max_concurrency: int) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        IdentifyGate(max_concurrency)


def test_clients_of_one_bot_at_one_gateway_share_a_gate() -> None:
    assert gate_for("token", "wss://a") is gate_for("token", "wss://a")
    assert gate_for("token", "wss://a") is not gate_for("token", "wss://b")
    assert gate_for("token", "wss://a") is not gate_for("other", "wss://a")


def limit(remaining: int, max_concurrency: int = 1, reset_after: float = 600.0) -> SessionStartLimit:
    return SessionStartLimit(1000, remaining, reset_after, datetime.now(timezone.utc), max_concurrency)


def enter(gate: IdentifyGate, shard: int, now: float) -> float | None:
    return gate.enter(shard, shard, lambda: None, now)


def test_the_count_of_the_server_applies() -> None:
    gate = IdentifyGate(interval=0, daily_limit=1)
    assert enter(gate, 0, 0.0) == 0
    assert gate.learn(0, limit(2), asked_at=0.0, now=0.0) == 0
    gate.sent(0, 0, 0.0, 0.0)
    assert enter(gate, 0, 1.0) == 0
    gate.sent(0, 0, 1.0, 0.0)
    assert gate.starts_in(1.0) == 599
    assert enter(gate, 0, 1.0) == 599
    assert enter(gate, 0, 600.0) == 0  # all are there again
    assert gate.starts_in(600.0) == 0


def test_without_session_starts_all_wait_for_the_reset() -> None:
    gate = IdentifyGate(interval=0)
    assert gate.starts_in(0.0) == 0
    enter(gate, 0, 0.0)
    assert gate.learn(0, limit(0), asked_at=0.0, now=5.0) == 600
    gate.leave(0, 0)
    assert enter(gate, 1, 5.0) == 600
    assert enter(gate, 1, 605.0) == 0


def test_the_last_session_start_is_for_one_shard_only() -> None:
    gate = IdentifyGate(max_concurrency=2, interval=0)
    enter(gate, 0, 0.0)
    enter(gate, 1, 0.0)
    assert gate.learn(1, limit(1, 2), asked_at=0.0, now=0.0) == 600
    assert gate.learn(0, limit(1, 2), asked_at=0.0, now=0.0) == 0
    gate.sent(0, 0, 1.0, 0.0)
    assert gate.learn(1, limit(1, 2), asked_at=0.5, now=2.0) == 600  # the answer is older than that IDENTIFY


@pytest.mark.parametrize("is_known", [False, True])
def test_no_more_turns_than_session_starts_remain(is_known: bool) -> None:
    gate, woken = IdentifyGate(max_concurrency=16, daily_limit=2), []
    if is_known:
        gate.learn("any", limit(2, 16, reset_after=DAY), asked_at=0.0, now=0.0)
    assert [gate.enter(shard, shard, lambda shard=shard: woken.append(shard), 0.0) for shard in range(4)] == [  # type: ignore[misc]
        0,
        0,
        DAY,
        DAY,
    ]
    assert (gate.remaining(0.0), enter(gate, 0, 0.0)) == (0, 0), "it may ask again"
    gate.leave(1, 1)
    assert gate.remaining(0.0) == 1
    assert woken == [2, 3]
    assert (enter(gate, 2, 1.0), enter(gate, 3, 1.0)) == (0, DAY - 1 if is_known else DAY)
    gate.sent(0, 0, 1.0, 0.0)
    gate.sent(2, 2, 2.0, 0.0)
    assert gate.remaining(2.0) == 0
    assert enter(gate, 3, 2.0) == DAY - (2 if is_known else 1)


def test_a_turn_is_not_counted_twice_when_the_count_of_the_server_comes() -> None:
    gate = IdentifyGate(max_concurrency=4)
    for shard in range(3):
        assert enter(gate, shard, 0.0) == 0
    gate.sent(0, 0, 1.0, 0.0)
    gate.learn(1, limit(10, 4), asked_at=0.5, now=2.0)
    assert gate.remaining(2.0) == 7
    gate.sent(1, 1, 2.0, 0.0)
    assert gate.remaining(2.0) == 7
    gate.leave(2, 2)
    assert gate.remaining(2.0) == 8


def test_a_higher_concurrency_wakes_the_waiters() -> None:
    gate, woken = IdentifyGate(), []
    assert enter(gate, 0, 0.0) == 0
    assert gate.enter(1, 1, lambda: woken.append(1), 0.0) is None
    assert gate.learn(0, limit(9, max_concurrency=16), asked_at=0.0, now=0.0) == 0
    assert woken == [1]
    assert enter(gate, 1, 0.0) == 0
    gate.sent(0, 0, 0.0, 0.0)
    assert enter(gate, 16, 1.0) == 4  # the same key as shard 0


def test_learn_answers_a_holder_that_did_not_enter() -> None:
    gate = IdentifyGate()
    assert gate.learn("stranger", limit(1), asked_at=0.0, now=0.0) == 0
    gate.leave(3, "stranger")


def test_of_those_that_wait_the_lowest_shard_comes_first() -> None:
    gate, woken = IdentifyGate(max_concurrency=2, interval=5.0), []
    assert gate.enter(0, "0", lambda: None, 0.0) == 0.0
    for shard in (6, 4, 2, 3):
        gate.enter(shard, str(shard), lambda shard=shard: woken.append(shard), 0.0)  # type: ignore[misc]
    gate.sent(0, "0", 0.0, 0.0)
    assert woken == [2], "3 has its turn already"
    assert gate.enter(4, "4", lambda: None, 5.0) is None
    assert gate.enter(2, "2", lambda: None, 5.0) == 0.0


def test_a_shard_whose_turn_came_to_nothing_comes_behind_the_others() -> None:
    gate = IdentifyGate(interval=0.0)
    assert gate.enter(0, "0", lambda: None, 0.0) == 0.0
    assert gate.enter(1, "1", lambda: None, 0.0) is None
    gate.leave(0, "0")
    assert gate.enter(0, "0", lambda: None, 0.0) is None
    assert gate.enter(1, "1", lambda: None, 0.0) == 0.0
    gate.sent(1, "1", 0.0, 0.0)
    assert gate.enter(0, "0", lambda: None, 0.0) == 0.0


def test_shards_that_identify_again_and_again_hold_up_nobody() -> None:
    gate, order, now = IdentifyGate(), [], 0.0
    waiting = {0, 1, 2, 3}
    while len(order) < 8:
        for shard in waiting:
            enter(gate, shard, now)
        (shard,) = (shard for shard in sorted(waiting) if enter(gate, shard, now) == 0)
        order.append(shard)
        gate.sent(shard, shard, now, 0.0)
        if shard > 1:  # the session of the others is over at once
            waiting.remove(shard)
        now += 5.0
    assert order == [0, 1, 2, 3, 0, 1, 0, 1]


def test_a_shard_that_leaves_the_queue_lets_the_next_one_in() -> None:
    gate, woken = IdentifyGate(interval=5.0), []
    gate.sent(7, "7", 0.0, 0.0)
    assert gate.enter(0, "0", lambda: None, 0.0) == 5.0
    assert gate.enter(1, "1", lambda: woken.append(1), 0.0) is None
    gate.leave(0, "0")
    assert woken == [1]


def test_the_last_session_start_wakes_all_who_wait() -> None:
    gate, woken = IdentifyGate(interval=0), []
    enter(gate, 0, 0.0)
    assert gate.enter(1, 1, lambda: woken.append(1), 0.0) is None
    assert gate.enter(2, 2, lambda: woken.append(2), 0.0) is None
    gate.learn(0, limit(1), asked_at=0.0, now=0.0)
    woken.clear()
    gate.sent(0, 0, 1.0, 0.0)
    assert sorted(woken) == [1, 2]
    assert [gate.enter(shard, shard, lambda: None, 1.0) for shard in (1, 2)] == [599, 599]
    assert gate.enter(2, 2, lambda: None, 600.0) is None
    assert gate.enter(1, 1, lambda: None, 600.0) == 0
