"""The identify gate of a node as a value: what it says to the others, and what it makes of their answers."""

from __future__ import annotations

import pytest

from vox_gateway.coordination.gate import NodeGate
from vox_gateway.coordination.interface import GateSettings, Turns

ALL = range(8)


@pytest.fixture
def gate() -> NodeGate:
    return NodeGate(GateSettings(), lambda: None)


def waiting(gate: NodeGate) -> list[int]:
    """What it says of shards."""
    return sorted(gate.said(ALL.__contains__).waiting)


def answer(gate: NodeGate, *granted: int, max_concurrency: int = 1) -> None:
    said = gate.said(ALL.__contains__)
    gate.apply(said, Turns(frozenset(granted), None, 0.0, 990, max_concurrency), ALL.__contains__)


def enter(gate: NodeGate, *shards: int) -> list[float | None]:
    return [gate.enter(shard, shard, lambda: None, 0.0) for shard in shards]


def test_only_the_first_with_each_key_waits(gate: NodeGate) -> None:
    assert enter(gate, 3, 1, 2, 9) == [None] * 4
    assert waiting(gate) == [1]
    answer(gate, max_concurrency=2)
    assert waiting(gate) == [1, 2]


def test_a_shard_that_identifies_again_and_again_holds_up_nobody(gate: NodeGate) -> None:
    enter(gate, 0, 1, 2)
    answer(gate, 0)
    assert enter(gate, 0) == [0.0]
    gate.sent(0, 0, 1.0)
    enter(gate, 0)
    assert waiting(gate) == [1]
    answer(gate, 1)
    gate.leave(1, 1)
    enter(gate, 1)
    assert waiting(gate) == [2]
    answer(gate, 2)
    gate.sent(2, 2, 2.0)
    assert waiting(gate) == [0]
