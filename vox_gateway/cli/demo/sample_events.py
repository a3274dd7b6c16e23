"""Sample events for the demo. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

__all__ = ["EngineRoom", "NamedEvent"]

Json = dict[str, Any]
NamedEvent = tuple[str, Json]

_TEXT, _VOICE = 0, 2
_AT = "2024-01-01T12:00:00.000000+00:00"


class EngineRoom:
    """Makes events of a guild. See: https://docs.discord.com/developers/events/gateway-events

    Args:
        guild: a guild with members, a text channel and a voice channel.
    """

    def __init__(self, guild: Mapping[str, Any]) -> None:
        self.guild_id: str = guild["id"]
        self.name: str = guild["name"]
        self.voice: Json = _channel(guild, _VOICE)
        self._text_id = _channel(guild, _TEXT)["id"]
        self._members: list[Json] = [member for member in guild["members"] if not member["user"]["bot"]]
        self._ids = itertools.count(1_300_000_000_000_000_001)

    def message(self, author: int, content: str) -> NamedEvent:
        """Return a MESSAGE_CREATE."""
        member = self._members[author]
        return "MESSAGE_CREATE", {
            "id": str(next(self._ids)),
            **self._where(),
            "author": member["user"],
            "member": {key: value for key, value in member.items() if key != "user"},
            "content": content,
            "timestamp": _AT,
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "type": 0,
        }

    def typing(self, author: int) -> NamedEvent:
        """Return a TYPING_START."""
        member = self._members[author]
        return "TYPING_START", {
            **self._where(),
            "user_id": member["user"]["id"],
            "member": member,
            "timestamp": 1_704_110_400,
        }

    def reaction(self, author: int, to: NamedEvent, emoji: str) -> NamedEvent:
        """Return a MESSAGE_REACTION_ADD."""
        member = self._members[author]
        return "MESSAGE_REACTION_ADD", {
            **self._where(),
            "user_id": member["user"]["id"],
            "message_id": to[1]["id"],
            "member": member,
            "emoji": {"id": str(next(self._ids)), "name": emoji},
            "burst": False,
            "type": 0,
        }

    def _where(self) -> Json:
        return {"guild_id": self.guild_id, "channel_id": self._text_id}


def _channel(guild: Mapping[str, Any], kind: int) -> Json:
    channel: Json = next(channel for channel in guild["channels"] if channel["type"] == kind)
    return channel
