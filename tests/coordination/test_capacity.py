"""How many shards a node offers to run."""

from __future__ import annotations

import pytest

from vox_gateway.coordination.capacity import FAILURES_WITHIN, FIRST_REST, MAX_REST, Capacity


def test_a_failure_takes_no_more_shards_for_some_time() -> None:
    capacity = Capacity(8)
    assert (capacity.number, capacity.rests_until) == (8, None)
    capacity.fail(3, 1000.0)
    assert (capacity.number, capacity.rests_until) == (3, 1000.0 + FIRST_REST)
    assert not capacity.recover(1000.0 + FIRST_REST - 0.1)
    assert capacity.recover(1000.0 + FIRST_REST)
    assert (capacity.number, capacity.rests_until) == (8, None)
    assert not capacity.recover(2000.0)


def test_failures_in_a_row_take_longer_each() -> None:
    capacity = Capacity(8)
    rests, now = [], 1000.0
    for _ in range(6):
        capacity.fail(3, now)
        assert capacity.rests_until is not None
        rests.append(capacity.rests_until - now)
        now += FAILURES_WITHIN - 1
    assert rests == pytest.approx([FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST, 8 * FIRST_REST, MAX_REST, MAX_REST])
    capacity.fail(3, now + 1)
    assert capacity.rests_until == now + 1 + FIRST_REST


def test_a_node_that_drains_stays_without_shards() -> None:
    capacity = Capacity(8)
    capacity.fail(3, 1000.0)
    capacity.drain()
    assert (capacity.number, capacity.is_draining) == (0, True)
    assert capacity.recover(2000.0)
    assert capacity.number == 0
