"""Describes events for display. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Narrator"]

Data = Mapping[str, Any]


class Narrator:
    """Describes events, with the names seen in earlier events."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def describe(self, event: str, data: Data) -> str:
        """Return a description of `event`, empty if unknown."""
        self._learn(event, data)
        describe = _DESCRIPTIONS.get(event)
        return "" if describe is None else describe(data, self._name)

    def _name(self, snowflake: str) -> str:
        return self._names.get(snowflake, snowflake)

    def _learn(self, event: str, data: Data) -> None:
        if event == "READY":
            self._names[data["user"]["id"]] = data["user"]["username"]
        elif event == "GUILD_CREATE":
            self._names[data["id"]] = data["name"]
            self._names |= {channel["id"]: channel["name"] for channel in data["channels"]}
            self._names |= {member["user"]["id"]: member["user"]["username"] for member in data["members"]}


Naming = Callable[[str], str]


def _presence(data: Data, name: Naming) -> str:
    doing = ", ".join(activity["name"] for activity in data["activities"])
    status = f"{name(data['user']['id'])} is {data['status']} in {name(data['guild_id'])}"
    return f"{status}: {doing}" if doing else status


def _voice(data: Data, name: Naming) -> str:
    who = name(data["user_id"])
    return f"{who} has left voice" if data["channel_id"] is None else f"{who} is in {name(data['channel_id'])}"


def _channel_info(data: Data, name: Naming) -> str:
    return "; ".join(f"{name(channel['id'])}: {channel['status'] or 'no status'}" for channel in data["channels"])


def _members(data: Data, name: Naming) -> str:
    members = ", ".join(member["user"]["username"] for member in data["members"])
    return f"part {data['chunk_index'] + 1} of {data['chunk_count']}: {members}"


_DESCRIPTIONS: Mapping[str, Callable[[Data, Naming], str]] = {
    "READY": lambda data, name: f"logged in as {data['user']['username']}, in {len(data['guilds'])} guilds",
    "RESUMED": lambda data, name: "all events are here",
    "GUILD_CREATE": lambda data, name: f"{data['name']}: {data['member_count']} members",
    "TYPING_START": lambda data, name: f"{name(data['user_id'])} is typing in #{name(data['channel_id'])}",
    "MESSAGE_CREATE": lambda data, name: f"{data['author']['username']}: {data['content']}",
    "MESSAGE_REACTION_ADD": lambda data, name: f"{name(data['user_id'])} reacts with {data['emoji']['name']}",
    "PRESENCE_UPDATE": _presence,
    "GUILD_MEMBERS_CHUNK": _members,
    "VOICE_STATE_UPDATE": _voice,
    "VOICE_SERVER_UPDATE": lambda data, name: f"voice at {data['endpoint']}",
    "SOUNDBOARD_SOUNDS": lambda data, name: (
        f"{name(data['guild_id'])} has {', '.join(sound['name'] for sound in data['soundboard_sounds']) or 'none'}"
    ),
    "CHANNEL_INFO": _channel_info,
}
