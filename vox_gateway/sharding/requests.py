"""The requests of a manager: each goes to the requester of its guild's shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..protocol import payloads
from ..requests import Members, Requester, Requests, VoiceConnection
from ..requests.pending import Timeout

__all__ = ["ShardRequests"]


class ShardRequests(Requests):
    """Makes a manager's requests; see the `Client` methods of the same names.

    Args:
        requester_of: returns the requester of the shard of a guild. Takes the guild's id, the argument's name, and the
            seconds for which it may wait until the shards are started.
    """

    def __init__(self, requester_of: Callable[[str | int, str, float | None], Requester]) -> None:
        self._of = requester_of

    def expect_refusal(self, op: int) -> None:
        """See `Requester`. `ShardGroup.send` calls that of the shard that sends the command."""

    def guild_members(
        self,
        guild_id: str | int,
        *,
        query: str | None,
        limit: int,
        user_ids: str | int | Iterable[str | int] | None,
        presences: bool | None,
        timeout: float | None,
    ) -> Members:
        """See `Client.fetch_guild_members`."""
        left = Timeout(timeout)
        requester = self._of(guild_id, "guild_id", timeout)
        return requester.guild_members(
            guild_id, query=query, limit=limit, user_ids=user_ids, presences=presences, timeout=left.left
        )

    def join_voice(
        self, guild_id: str | int, channel_id: str | int, self_mute: bool, self_deaf: bool, timeout: float | None
    ) -> VoiceConnection:
        """See `Client.join_voice`."""
        left = Timeout(timeout)
        requester = self._of(guild_id, "guild_id", timeout)
        return requester.join_voice(guild_id, channel_id, self_mute, self_deaf, left.left)

    def leave_voice(self, guild_id: str | int, timeout: float | None) -> None:
        """See `Client.leave_voice`."""
        left = Timeout(timeout)
        self._of(guild_id, "guild_id", timeout).leave_voice(guild_id, left.left)

    def soundboard_sounds(
        self, guild_ids: Iterable[str | int], timeout: float | None
    ) -> dict[str | int, list[dict[str, Any]]]:
        """See `Client.fetch_soundboard_sounds`. The shards are asked in turn."""
        left = Timeout(timeout)
        of_requester: dict[Requester, list[str | int]] = {}
        given = [*payloads.check_list(guild_ids, "guild_ids")]
        payloads.request_soundboard_sounds(given)  # before any shard is asked
        for guild_id in given:
            of_requester.setdefault(self._of(guild_id, "guild_ids", left.left), []).append(guild_id)
        answers = {}
        for requester, guilds in of_requester.items():
            answers.update(requester.soundboard_sounds(guilds, left.left))
        return {guild_id: answers[guild_id] for guild_id in given}

    def channel_info(self, guild_id: str | int, fields: Iterable[str], timeout: float | None) -> list[dict[str, Any]]:
        """See `Client.fetch_channel_info`."""
        left = Timeout(timeout)
        return self._of(guild_id, "guild_id", timeout).channel_info(guild_id, fields, left.left)
