"""Which shards a process runs, and which of them a guild belongs to. Pure.

See: https://docs.discord.com/developers/events/gateway#sharding
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..protocol.payloads import snowflake

__all__ = ["AUTO", "ShardPlan", "check_shards", "check_total", "session_path"]

#: as many shards as Discord recommends
AUTO = "auto"
#: shards of a bot, more than any has; an id that is passed by mistake is far larger
MAX_SHARDS = 100_000
_WANTED = 'a number of shards, "auto", or (shard ids, number of shards)'


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """The shards of a process.

    Attributes:
        ids: of the shards that run here, in ascending order.
        total: the number of shards of the bot.
    """

    ids: tuple[int, ...]
    total: int

    @classmethod
    def all_of(cls, total: int) -> ShardPlan:
        """Return the plan for all of `total` shards."""
        return cls(tuple(range(total)), total)

    @property
    def is_whole(self) -> bool:
        """Whether all shards run here."""
        return len(self.ids) == self.total

    def shard_of(self, guild_id: str | int, name: str = "guild_id") -> int:
        """Return the id of the shard that a guild belongs to.

        Raises:
            TypeError, ValueError: `guild_id` is not an id, or its shard does not run here; the message has `name`.
        """
        shard = (int(snowflake(guild_id, name)) >> 22) % self.total
        if not self.is_whole and shard not in self.ids:
            raise ValueError(f"{name}={guild_id} is of shard {shard} of {self.total}, which this process does not run")
        return shard


def check_shards(shards: object) -> ShardPlan | None:
    """Check the argument `shards` of `ShardManager`; return None for ``"auto"``.

    Raises:
        TypeError, ValueError: it cannot be used.
    """
    if shards == AUTO:
        return None
    if type(shards) is int:
        return ShardPlan.all_of(check_total(shards))
    if not (isinstance(shards, tuple) and len(shards) == 2 and isinstance(shards[0], Iterable)):
        raise TypeError(f"shards must be {_WANTED}, not {shards!r}")
    total = check_total(shards[1])  # first: a range of ids may be as large
    given = list(shards[0])
    if not all(type(value) is int for value in given):
        raise TypeError(f"shards must be {_WANTED}, not {shards!r}")
    ids = sorted(set(given))
    if len(ids) != len(given):
        raise ValueError(f"shards must hold each id once, not {given!r}")
    if not ids or not 0 <= ids[0] <= ids[-1] < total:
        raise ValueError(f"shards must hold ids from 0 to {total - 1}, at least one, not {shards!r}")
    return ShardPlan(tuple(ids), total)


def check_total(shards: object) -> int:
    """Return `shards`, the number of all shards of a bot.

    Raises:
        TypeError, ValueError: it is not a whole number, or out of range.
    """
    if type(shards) is not int:
        raise TypeError(f"shards must be a number of shards, not {shards!r}")
    if not 1 <= shards <= MAX_SHARDS:
        raise ValueError(f"shards must be from 1 to {MAX_SHARDS}, not {shards}")
    return shards


def session_path(pattern: str, shard: int, total: int) -> str:
    """Return the path of a shard's session file.

    Args:
        pattern: a path with ``{shard}``, and perhaps ``{total}``; or that of a folder.
    """
    if "{shard}" not in pattern:
        return f"{pattern.rstrip('/')}/shard-{shard}-of-{total}.json"
    return pattern.replace("{shard}", str(shard)).replace("{total}", str(total))
