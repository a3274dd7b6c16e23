"""Types and helpers of the tests of managers."""

from __future__ import annotations

from collections.abc import Callable

from vox_gateway import ShardManager

MakeManager = Callable[..., ShardManager]


def guild_id(shard: int, number: int = 0, total: int = 4) -> int:
    """Return the id of a guild of a shard of `total`."""
    return (shard + total * number) << 22
