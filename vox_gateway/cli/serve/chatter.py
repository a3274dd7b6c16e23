"""Makes up what goes on in guilds, without end. Needs the extra ``testing``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...testing import message

__all__ = ["NamedEvent", "chatter"]

Json = dict[str, Any]
NamedEvent = tuple[str, Json]

_TEXT, _VOICE = 0, 2
_SENTENCES = (
    "steam is up, all gauges are green",
    "has anyone seen the manual?",
    "it is on the second shelf, behind the valves",
    "the pressure is a little high",
    "thank you, I have opened the bypass",
    "lunch?",
    "in ten minutes, I must finish this table first",
    "the table is wrong on page 12, see Bernoulli numbers",
)
_EMOJI = ("👍", "🎉", "🦆")
_STATUSES = ("online", "idle", "dnd")


def chatter(guilds: Sequence[Mapping[str, Any]]) -> Iterator[NamedEvent]:
    """Yield events of the guilds in turn, the same in every run.

    Args:
        guilds: guilds with a member that is not a bot, a text channel and a voice channel.
    """
    scenes = [_scenes(guild, offset) for offset, guild in enumerate(guilds)]
    return (next(scene) for scene in itertools.cycle(scenes))


def _scenes(guild: Mapping[str, Any], offset: int) -> Iterator[NamedEvent]:
    members = [member for member in guild["members"] if not member["user"]["bot"]]
    voice = next(channel for channel in guild["channels"] if channel["type"] == _VOICE)
    text = next(channel for channel in guild["channels"] if channel["type"] == _TEXT)
    in_text = {"guild_id": guild["id"], "channel_id": text["id"]}
    for turn in itertools.count(offset):
        user = members[turn % len(members)]["user"]
        other = members[(turn + 1) % len(members)]["user"]
        said = message(guild, _SENTENCES[turn % len(_SENTENCES)], author=user, channel=text)
        to_it = {**in_text, "message_id": said["id"]}
        yield "TYPING_START", {**in_text, "user_id": user["id"], "timestamp": 1_704_110_400}
        yield "MESSAGE_CREATE", said
        emoji = {"id": None, "name": _EMOJI[turn % len(_EMOJI)]}
        yield "MESSAGE_REACTION_ADD", {**to_it, "user_id": other["id"], "emoji": emoji, "burst": False, "type": 0}
        status = _STATUSES[turn % len(_STATUSES)]
        yield (
            "PRESENCE_UPDATE",
            {
                "guild_id": guild["id"],
                "user": {"id": other["id"]},
                "status": status,
                "activities": [],
                "client_status": {"desktop": status},
            },
        )
        edited = {**said, "content": f"{said['content']} (edited)", "edited_timestamp": said["timestamp"]}
        yield "MESSAGE_UPDATE", edited
        yield "VOICE_STATE_UPDATE", _voice_state(guild, other, voice["id"])
        yield "VOICE_STATE_UPDATE", _voice_state(guild, other, None)
        yield "MESSAGE_DELETE", {**in_text, "id": said["id"]}


def _voice_state(guild: Mapping[str, Any], user: Mapping[str, Any], channel_id: str | None) -> Json:
    return {
        "guild_id": guild["id"],
        "channel_id": channel_id,
        "user_id": user["id"],
        "session_id": f"voice-{user['id']}",
        **dict.fromkeys(("deaf", "mute", "self_deaf", "self_mute", "self_video", "suppress"), False),
        "request_to_speak_timestamp": None,
    }
