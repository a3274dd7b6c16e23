"""Which shards run here, and where a guild belongs. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from vox_gateway.sharding.plan import ShardPlan, check_shards, session_path


def test_a_number_is_all_shards() -> None:
    assert check_shards(3) == ShardPlan((0, 1, 2), 3)
    assert check_shards("auto") is None


def test_a_part_is_sorted_and_has_each_id_once() -> None:
    assert check_shards((range(4, 2, -1), 16)) == ShardPlan((3, 4), 16)
    with pytest.raises(ValueError, match=r"shards must hold each id once, not \[5, 5\]"):
        check_shards(([5, 5], 16))


@pytest.mark.parametrize("shards", [None, "all", 1.0, True, (1, 2), ([1],), (["1"], 2), ([True], 2), ([1], 2.0)])
def test_what_says_no_number_is_refused(shards: Any) -> None:
    with pytest.raises(TypeError, match="shards must be a number of shards"):
        check_shards(shards)


@pytest.mark.parametrize("shards", [0, -1, 10**9, ([], 4), ([4], 4), ([-1], 4), ([0], 0), ([0], 10**9)])
def test_a_number_out_of_range_is_refused(shards: Any) -> None:
    with pytest.raises(ValueError, match="shards must"):
        check_shards(shards)


def test_a_guild_belongs_to_the_shard_that_the_formula_says() -> None:
    plan = ShardPlan.all_of(4)
    assert [plan.shard_of(number << 22) for number in range(6)] == [0, 1, 2, 3, 0, 1]
    assert plan.shard_of(str((5 << 22) + 7)) == 1
    with pytest.raises(TypeError, match="guild_id must be an id"):
        plan.shard_of(None)  # type: ignore[arg-type]


def test_a_guild_of_a_shard_elsewhere_is_refused() -> None:
    plan = ShardPlan((0, 1), 4)
    assert plan.shard_of(1 << 22) == 1
    with pytest.raises(ValueError, match=r"guild_id=8388608 is of shard 2 of 4, which this process does not run"):
        plan.shard_of(2 << 22)


def test_a_session_file_is_in_the_folder_or_after_the_pattern() -> None:
    assert session_path("/run/bot", 3, 16) == "/run/bot/shard-3-of-16.json"
    assert session_path("/run/bot-{shard}.json", 3, 16) == "/run/bot-3.json"
    assert session_path("/run/{total}-{shard}", 3, 16) == "/run/16-3"
