"""What a node takes and hands over, and when."""

from __future__ import annotations

import math
from typing import Any

from vox_gateway.coordination import LeaseTimes, NodeInfo, View
from vox_gateway.coordination.interface import Lease
from vox_gateway.coordination.share import Moves, ShardShare

TIMES = LeaseTimes(ttl=30.0, renew=1.0, give_up=20.0, join=0.5, rebalance=10.0)
NODES = {"me": NodeInfo("me", "mine", 4, 4), "other": NodeInfo("other", "theirs", 4, 4)}
ALL = frozenset(range(4))


def view(owners: dict[int, str], *names: str, **options: Any) -> View:
    return View(
        nodes={name: NODES[name] for name in names},
        leases={shard: Lease(owner, 1.0) for shard, owner in owners.items()},
        expires_in=None,
        **{"is_new": False, **options},
    )


def share(seen: View, now: float = 100.0, *, is_first: bool = False) -> ShardShare:
    """A share that has seen a view."""
    made = ShardShare("me", 4, TIMES)
    made.note(seen, now, is_first=is_first)
    return made


def test_a_node_alone_takes_all_shards_at_once() -> None:
    alone = view({}, "me")
    assert share(alone).plan(alone, frozenset(), frozenset(), 100.0) == Moves(take=ALL, beat_by=100.0)


def test_shards_that_are_still_closing_here_are_not_taken() -> None:
    alone = view({}, "me")
    assert share(alone).plan(alone, frozenset(), {1, 2}, 100.0).take == {0, 3}


def test_a_new_node_waits_for_those_that_start_with_it() -> None:
    alone = view({}, "me", is_new=True)
    mine = share(alone, is_first=True)
    assert mine.plan(alone, frozenset(), frozenset(), 100.4) == Moves(beat_by=100.5)
    assert mine.plan(alone, frozenset(), frozenset(), 100.5).take == ALL


def test_a_node_that_was_forgotten_waits_longer_for_the_others_to_come_back() -> None:
    alone = view({}, "me", is_new=True)
    assert share(alone).plan(alone, frozenset(), frozenset(), 119.9) == Moves(beat_by=120.0)


def test_shards_move_once_nobody_has_come_or_gone_for_a_while() -> None:
    both = view(dict.fromkeys(ALL, "me"), "me", "other")
    mine = share(both)
    assert mine.plan(both, ALL, frozenset(), 109.9) == Moves(beat_by=110.0)
    moves = mine.plan(both, ALL, frozenset(), 110.0)
    assert (moves.take, len(moves.hand_over), moves.beat_by) == (frozenset(), 2, math.inf)
    mine.note(view({}, "me"), 115.0, is_first=False)
    mine.note(both, 116.0, is_first=False)
    assert mine.plan(both, ALL, frozenset(), 120.0) == Moves(beat_by=126.0)


def test_a_pinned_shard_moves_at_any_time() -> None:
    both = view(dict.fromkeys(ALL, "me"), "me", "other", pins={2: "other"})
    assert share(both).plan(both, ALL, frozenset(), 100.0) == Moves(hand_over=frozenset({2}), beat_by=110.0)


def test_a_shard_whose_load_is_unknown_counts_as_the_mean() -> None:
    loads = {0: Lease("me", 30.0), 1: Lease("me", 10.0), 2: Lease("other", 1.0), 3: Lease("other", 1.0)}
    both = View(nodes=NODES, leases=loads, expires_in=None, is_new=False)
    assert share(both).plan(both, {0, 1}, frozenset(), 110.0) == Moves()
