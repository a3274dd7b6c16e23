"""Turns to IDENTIFY, on a clock that stands still."""

from __future__ import annotations

import pytest

from vox_gateway.identify_gate import DAY, IdentifyGate, gate_for


def test_one_shard_at_a_time_and_five_seconds_between() -> None:
    gate, woken = IdentifyGate(), []
    assert gate.enter(0, "first", lambda: woken.append("first"), 100.0) == 0
    assert gate.enter(0, "first", lambda: woken.append("first"), 101.0) == 0  # it may ask again
    assert gate.enter(1, "second", lambda: woken.append("second"), 101.0) is None
    gate.sent(0, "first", 102.0)
    assert woken == ["second"]
    assert gate.enter(1, "second", lambda: None, 102.0) == 5
    assert gate.enter(1, "second", lambda: None, 107.0) == 0


def test_a_shard_that_does_not_identify_after_all_makes_room_at_once() -> None:
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


def test_the_token_is_kept_from_being_reset() -> None:
    gate = IdentifyGate(interval=0, daily_limit=3)
    for now in (0.0, 10.0, 20.0):
        assert gate.enter(0, "shard", lambda: None, now) == 0
        gate.sent(0, "shard", now)
    assert gate.enter(0, "shard", lambda: None, 100.0) == DAY - 100
    assert gate.enter(0, "shard", lambda: None, DAY) == 0


@pytest.mark.parametrize("max_concurrency", [0, -1])
def test_a_concurrency_that_is_none_is_refused(max_concurrency: int) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        IdentifyGate(max_concurrency)


def test_clients_of_one_bot_at_one_gateway_share_a_gate() -> None:
    assert gate_for("token", "wss://a") is gate_for("token", "wss://a")
    assert gate_for("token", "wss://a") is not gate_for("token", "wss://b")
    assert gate_for("token", "wss://a") is not gate_for("other", "wss://a")
