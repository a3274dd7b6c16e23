"""The events that the demo has its gateway dispatch: a quiet day in the engine room. Pure."""

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
    """Makes events of one guild, in the shape of the official documentation (Gateway Events).

    Args:
        guild: the guild, with members, a text channel and a voice channel.
    """

    def __init__(self, guild: Mapping[str, Any]) -> None:
        self.guild_id: str = guild["id"]
        self.name: str = guild["name"]
        self.voice = _channel(guild, _VOICE)
        self._text_id = _channel(guild, _TEXT)["id"]
        self._people: list[Json] = [one for one in guild["members"] if not one["user"]["bot"]]
        self._ids = itertools.count(1_300_000_000_000_000_001)

    def message(self, author: int, content: str) -> NamedEvent:
        """Somebody writes something."""
        member = self._people[author]
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
        """Somebody is about to write something."""
        member = self._people[author]
        return "TYPING_START", {
            **self._where(),
            "user_id": member["user"]["id"],
            "member": member,
            "timestamp": 1_704_110_400,
        }

    def reaction(self, author: int, to: NamedEvent, emoji: str) -> NamedEvent:
        """Somebody reacts to a message."""
        member = self._people[author]
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
    channel: Json = next(one for one in guild["channels"] if one["type"] == kind)
    return channel
