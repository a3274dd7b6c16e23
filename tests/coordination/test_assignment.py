"""Which node runs which shard: even, stable, and with few moves."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vox_gateway.coordination.assignment import assign

SHARDS = st.integers(1, 60)
NODES = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[int, dict[str, int], dict[int, str]]:
    """A number of shards, nodes, and owners, some of which are gone."""
    shards, nodes = draw(SHARDS), draw(NODES)
    owners = draw(st.dictionaries(st.integers(0, shards - 1), st.sampled_from("abcdefgh"), max_size=shards))
    return shards, dict.fromkeys(nodes, shards), owners


def test_free_shards_are_dealt_out_in_turn() -> None:
    assert assign(6, {"a": 6, "b": 6}, {}) == {0: "a", 1: "b", 2: "a", 3: "b", 4: "a", 5: "b"}


def test_the_shards_of_a_node_that_died_are_shared_out_and_no_other_moves() -> None:
    owners = {shard: "abc"[shard % 3] for shard in range(9)}
    after = assign(9, {"a": 9, "b": 9}, owners)
    assert {shard: after[shard] for shard in range(9) if owners[shard] != "c"} == {
        shard: owner for shard, owner in owners.items() if owner != "c"
    }
    assert sorted(Counter(after.values()).values()) == [4, 5]


def test_a_node_that_comes_gets_no_more_than_its_part() -> None:
    owners = {shard: "ab"[shard % 2] for shard in range(9)}
    after = assign(9, {"a": 9, "b": 9, "c": 9}, owners)
    assert Counter(after.values()) == {"a": 3, "b": 3, "c": 3}
    assert sum(after[shard] != owners[shard] for shard in range(9)) == 3
    assert assign(9, {"a": 9, "b": 9, "c": 9}, owners, may_move=False) == owners


def test_capacities_are_kept_and_loads_are_in_proportion_to_them() -> None:
    assert Counter(assign(12, {"a": 8, "b": 4}, {}).values()) == {"a": 8, "b": 4}
    assert Counter(assign(12, {"a": 8, "b": 2}, {}).values()) == {"a": 8, "b": 2}  # and two have no place
    assert assign(2, {"a": 0, "b": 2}, {0: "a", 1: "a"}) == {0: "b", 1: "b"}
    assert assign(2, {}, {0: "a"}) == {}


def test_busy_shards_are_spread() -> None:
    loads = {0: 100.0, 1: 100.0, 2: 1.0, 3: 1.0}
    owners = dict.fromkeys(range(4), "a")
    after = assign(4, {"a": 4, "b": 4}, owners, loads)
    assert after[0] != after[1]
    assert sum(after[shard] != owners[shard] for shard in range(4)) <= 2


def test_a_small_difference_moves_nothing() -> None:
    loads = {0: 10.0, 1: 11.0, 2: 10.0, 3: 10.5}
    owners = {0: "a", 1: "a", 2: "b", 3: "b"}
    assert assign(4, {"a": 4, "b": 4}, owners, loads, slack=0.1) == owners


@settings(max_examples=50)
@given(clusters())
def test_every_shard_runs_once_and_nodes_differ_by_one(cluster: tuple[int, dict[str, int], dict[int, str]]) -> None:
    shards, nodes, owners = cluster
    after = assign(shards, nodes, owners)
    assert sorted(after) == list(range(shards))
    counts = Counter(dict.fromkeys(nodes, 0)) + Counter(after.values())
    per_node = [counts[node] for node in nodes]
    assert max(per_node) - min(per_node) <= 1


@settings(max_examples=50)
@given(clusters())
def test_no_more_moves_than_needed(cluster: tuple[int, dict[str, int], dict[int, str]]) -> None:
    shards, nodes, owners = cluster
    after = assign(shards, nodes, owners)
    moved = sum(after[shard] != owner for shard, owner in owners.items() if owner in nodes)
    held = Counter(owner for owner in owners.values() if owner in nodes)
    least, extra = divmod(shards, len(nodes))
    sizes = sorted((held[node] for node in nodes), reverse=True)
    quotas = [least + (index < extra) for index in range(len(nodes))]
    assert moved == sum(max(size - quota, 0) for size, quota in zip(sizes, quotas, strict=True))


@settings(max_examples=50)
@given(clusters(), st.dictionaries(st.integers(0, 59), st.floats(0.1, 1000.0)))
def test_what_is_assigned_stays(cluster: tuple[int, dict[str, int], dict[int, str]], loads: dict[int, float]) -> None:
    shards, nodes, owners = cluster
    after = assign(shards, nodes, owners, loads, slack=0.1)
    assert assign(shards, nodes, after, loads, slack=0.1) == after


def test_a_pinned_shard_moves_and_another_comes_back() -> None:
    owners = {0: "a", 1: "a", 2: "b", 3: "b"}
    after = assign(4, {"a": 4, "b": 4}, owners, pins={0: "b"})
    assert after[0] == "b"
    assert Counter(after.values()) == {"a": 2, "b": 2}
    assert assign(4, {"a": 4, "b": 4}, owners, pins={0: "b"}, may_move=False) == {**owners, 0: "b"}
    assert assign(4, {"a": 4, "b": 4}, after) == after, "it stays without the pin too"


def test_a_pinned_shard_that_is_free_waits_for_its_node() -> None:
    assert assign(2, {"a": 2, "b": 2}, {0: "a"}, pins={1: "a"}, may_move=False) == {0: "a", 1: "a"}


def test_a_pin_is_void_without_the_node_or_room_on_it() -> None:
    owners = {0: "a", 1: "b"}
    assert assign(2, {"a": 2, "b": 2}, owners, pins={0: "gone"}) == owners
    assert assign(2, {"a": 2, "b": 1}, owners, pins={0: "b"}) == owners
    assert assign(2, {"a": 2, "b": 0}, owners, pins={0: "b"}) == {0: "a", 1: "a"}
    assert assign(2, {"a": 2, "b": 2}, owners, pins={7: "b"}) == owners


def test_pinned_shards_alone_do_not_keep_the_others_uneven() -> None:
    owners = {**dict.fromkeys(range(6), "a"), **dict.fromkeys(range(6, 10), "b")}
    after = assign(10, {"a": 10, "b": 10, "c": 10}, owners, pins=dict.fromkeys(range(6), "a"))
    assert Counter(after.values()) == {"a": 6, "b": 2, "c": 2}


@settings(max_examples=50)
@given(clusters(), st.dictionaries(st.integers(0, 59), st.sampled_from("abcdefgh")))
def test_pins_are_kept_and_everything_stays(cluster: tuple[int, dict[str, int], dict[int, str]], pins: Any) -> None:
    shards, nodes, owners = cluster
    after = assign(shards, nodes, owners, pins=pins)
    assert sorted(after) == list(range(shards))
    assert all(after[shard] == node for shard, node in pins.items() if shard < shards and node in nodes)
    assert assign(shards, nodes, after, pins=pins) == after


def test_many_shards_take_a_moment() -> None:
    nodes = {f"node-{number}": 16_000 for number in range(50)}
    owners = {shard: f"node-{shard % 49}" for shard in range(16_000)}
    assert max(Counter(assign(16_000, nodes, owners).values()).values()) == 320


def test_shards_without_events_are_shared_out_too() -> None:
    nodes = assign(6, {"a": 6, "b": 6, "c": 6}, {}, dict.fromkeys(range(6), 0.0))
    assert Counter(nodes.values()) == {"a": 2, "b": 2, "c": 2}
