"""The guilds, channels and users that the gateway serves.

Every object is a plain `dict` in the shape of Discord's documentation. The functions fill in defaults; tests
override fields by keyword, or with a partial `dict`.
"""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from .protocol import intents as intent_bits
from .protocol.obfuscation import CHANNEL_OBFUSCATION, obfuscated

Json = dict[str, Any]

EPOCH = "2024-01-01T00:00:00.000000+00:00"
BOT_ID = "1100000000000000001"
FIRST_GUILD_ID = "1200000000004194304"
SECOND_GUILD_ID = "1200000000008388608"
TEXT_CHANNEL, VOICE_CHANNEL, STAGE_CHANNEL = 0, 2, 13


def user(user_id: int | str, username: str, **fields: Any) -> Json:
    """Make a user.

    See: https://docs.discord.com/developers/resources/user
    """
    return {
        "id": str(user_id),
        "username": username,
        "discriminator": "0",
        "global_name": None,
        "avatar": None,
        "bot": False,
        "public_flags": 0,
        **fields,
    }


def member(user: Mapping[str, Any], *, status: str = "online", **fields: Any) -> Json:
    """Make a guild member. ``status`` is the member's presence: online, idle, dnd or offline.

    See: https://docs.discord.com/developers/resources/guild
    """
    return {
        "user": dict(user),
        "nick": None,
        "avatar": None,
        "banner": None,
        "roles": [],
        "joined_at": EPOCH,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
        "status": status,
        **fields,
    }


def channel(channel_id: int | str, name: str, channel_type: int = TEXT_CHANNEL, **fields: Any) -> Json:
    """Make a channel; its type is 0 for text, 2 for voice, 4 for a category, 13 for a stage.

    REQUEST_CHANNEL_INFO returns a voice channel's ``status`` and ``voice_start_time``. The bot cannot view a channel
    with ``hidden=True``: see `LocalGateway.hide_channel`.

    See: https://docs.discord.com/developers/resources/channel
    """
    made: Json = {
        "id": str(channel_id),
        "name": name,
        "type": channel_type,
        "position": 0,
        "parent_id": None,
        "permission_overwrites": [],
        "nsfw": False,
        "flags": 0,
    }
    if channel_type in (VOICE_CHANNEL, STAGE_CHANNEL):
        made |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None}
    else:
        made |= {"topic": None, "last_message_id": None, "rate_limit_per_user": 0}
    return made | fields


def soundboard_sound(sound_id: int | str, name: str, **fields: Any) -> Json:
    """Make a soundboard sound.

    See: https://docs.discord.com/developers/resources/soundboard
    """
    return {
        "sound_id": str(sound_id),
        "name": name,
        "volume": 1.0,
        "emoji_id": None,
        "emoji_name": None,
        "available": True,
        **fields,
    }


def guild(
    guild_id: int | str,
    name: str = "A guild",
    *,
    members: Iterable[Mapping[str, Any]] = (),
    channels: Iterable[Mapping[str, Any]] = (),
    soundboard_sounds: Iterable[Mapping[str, Any]] = (),
    **fields: Any,
) -> Json:
    """Make a guild, in the shape of GUILD_CREATE.

    Args:
        guild_id: the guild's id, which decides its shard.
        name: the guild's name.
        members: from `member`. The bot itself is added if it is missing.
        channels: from `channel`.
        soundboard_sounds: from `soundboard_sound`.
        fields: any other field of a guild.

    See: https://docs.discord.com/developers/resources/guild
    """
    everyone = {
        "id": str(guild_id),
        "name": "@everyone",
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": 0,
        "permissions": "2222085186637376",
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    return {
        "id": str(guild_id),
        "name": name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "owner_id": BOT_ID,
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "roles": [everyone],
        "emojis": [],
        "stickers": [],
        "features": [],
        "mfa_level": 0,
        "application_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "max_members": 500000,
        "max_video_channel_users": 25,
        "vanity_url_code": None,
        "description": None,
        "banner": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-US",
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "nsfw_level": 0,
        "joined_at": EPOCH,
        "unavailable": False,
        "threads": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "members": [dict(each) for each in members],
        "channels": [dict(each) for each in channels],
        "soundboard_sounds": [{**sound, "guild_id": str(guild_id)} for sound in soundboard_sounds],
        **fields,
    }


def default_bot() -> Json:
    """The bot user, unless the test supplies another."""
    return user(BOT_ID, "vox", bot=True, verified=True, mfa_enabled=False, email=None, flags=0)


def default_guilds() -> list[Json]:
    """Two guilds that fall on different shards of two, with a few members, channels and sounds."""
    ada = user("1100000000000000002", "ada", global_name="Ada")
    brian = user("1100000000000000003", "brian", global_name="Brian")
    chloe = user("1100000000000000004", "chloe", global_name="Chloe")
    return [
        guild(
            FIRST_GUILD_ID,
            "Engine room",
            members=[member(ada), member(brian, status="idle"), member(chloe, status="offline")],
            channels=[
                channel("1200000000000000011", "general"),
                channel("1200000000000000012", "Lounge", VOICE_CHANNEL, status="Listening to rain"),
            ],
            soundboard_sounds=[soundboard_sound("1200000000000000021", "quack", emoji_name="🦆")],
        ),
        guild(
            SECOND_GUILD_ID,
            "Library",
            members=[member(ada, nick="Countess")],
            channels=[
                channel("1200000000000000031", "reading"),
                channel("1200000000000000032", "Voices", VOICE_CHANNEL),
            ],
        ),
    ]


def shard_of(guild_id: int | str, shard_count: int) -> int:
    """The shard that gets a guild's events.

    See: https://docs.discord.com/developers/events/gateway#sharding
    """
    return (int(guild_id) >> 22) % shard_count


def _complete_guild(given: Mapping[str, Any]) -> Json:
    """Fill in what a guild, its members and its channels leave out; events such as GUILD_CREATE leave out much."""
    guild_id = _id_of(given, "guilds")
    if not guild_id.isdecimal():
        raise ValueError(f"invalid guilds: the id of a guild is {guild_id!r}, expected a snowflake")
    made = guild(guild_id, **_without("id", given))
    made["members"] = [
        member(_complete_user(each.get("user", {}), "guilds")) | _without("user", each) for each in made["members"]
    ]
    made["channels"] = [
        channel(_id_of(each, "guilds"), each.get("name", ""), each.get("type", TEXT_CHANNEL)) | _without("id", each)
        for each in made["channels"]
    ]
    return made


def _complete_user(given: Mapping[str, Any], argument: str) -> Json:
    user_id = _id_of(given, argument)
    return user(user_id, f"user-{user_id}") | _without("id", given)


def _id_of(given: Mapping[str, Any], argument: str) -> str:
    if given.get("id") is None:
        raise ValueError(f"invalid {argument}: no id in {reprlib.repr(dict(given))}")
    return str(given["id"])


def _without(key: str, given: Mapping[str, Any]) -> Json:
    return {name: value for name, value in given.items() if name != key}


class World:
    """The bot and its guilds. Guarded by the gateway's lock."""

    def __init__(self, bot: Mapping[str, Any], guilds: Iterable[Mapping[str, Any]]) -> None:
        self.bot: Json = _complete_user(bot, "bot")
        self.guilds: dict[str, Json] = {}
        for given in guilds:
            made = _complete_guild(copy.deepcopy(dict(given)))
            self.guilds[made["id"]] = made
            if self.member(made["id"], self.bot_id) is None:
                made["members"].append(member(self.bot))

    @property
    def bot_id(self) -> str:
        return str(self.bot["id"])

    def guilds_of(self, shard: tuple[int, int]) -> list[Json]:
        """The guilds whose events a shard gets."""
        shard_id, count = shard
        return [guild for guild_id, guild in self.guilds.items() if shard_of(guild_id, count) == shard_id]

    def member(self, guild_id: str, user_id: str) -> Json | None:
        return next((each for each in self.guilds[guild_id]["members"] if each["user"]["id"] == user_id), None)

    def channel(self, guild_id: str, channel_id: str | None) -> Json | None:
        return next((each for each in self.guilds[guild_id]["channels"] if each["id"] == channel_id), None)

    def is_hidden(self, guild_id: str, channel: Mapping[str, Any]) -> bool:
        """Whether the bot cannot view a channel; it can view a category if it can view any channel of it."""
        known: list[Json] = self.guilds[guild_id]["channels"] if guild_id in self.guilds else []
        marked = any(each.get("hidden") for each in known if each["id"] == channel.get("id"))
        if not channel.get("hidden", marked):
            return False
        return all(each.get("hidden") for each in known if each.get("parent_id") == channel.get("id"))

    def channel_views(self, guild_id: str, channel: Mapping[str, Any]) -> tuple[Json, Json | None]:
        """A channel in full, and as a client with CHANNEL_OBFUSCATION gets it if the bot cannot view it."""
        whole = {key: value for key, value in channel.items() if key != "hidden"}
        return whole, obfuscated(channel, guild_id) if self.is_hidden(guild_id, channel) else None

    def set_hidden(self, channel_id: str, hidden: bool) -> tuple[str, list[Json]]:
        """Hide or show a channel; return its guild's id and the changed channels: itself, and perhaps its category.

        Raises:
            ValueError: there is no such channel.
        """
        for guild_id in self.guilds:
            channel = self.channel(guild_id, channel_id)
            if channel is not None:
                category = self.channel(guild_id, channel.get("parent_id"))
                was_hidden = category is not None and self.is_hidden(guild_id, category)
                channel["hidden"] = hidden
                if category is not None and self.is_hidden(guild_id, category) != was_hidden:
                    return guild_id, [channel, category]
                return guild_id, [channel]
        raise ValueError(f"invalid channel_id={channel_id!r}: no guild has such a channel")

    def guild_create(self, guild_id: str, intents: int, large_threshold: int, capabilities: int) -> Json:
        """The data of GUILD_CREATE for a session with these intents.

        Without GUILD_PRESENCES it contains only the bot and the members in voice. With it, and more members than
        ``large_threshold``, offline members are left out unless they have a role or a nickname, or are in voice.

        See: https://docs.discord.com/developers/events/gateway-events#guild-create,
            https://docs.discord.com/developers/events/gateway-events#request-guild-members
        """
        made = dict(self.guilds[guild_id])
        everyone = made["members"]
        in_voice = {state["user_id"] for state in made["voice_states"]}
        large = len(everyone) > large_threshold
        if not intents & intent_bits.GUILD_PRESENCES:
            visible = [each for each in everyone if each["user"]["id"] in in_voice | {self.bot_id}]
        elif large:
            visible = [
                each
                for each in everyone
                if each["status"] != "offline" or each["roles"] or each["nick"] or each["user"]["id"] in in_voice
            ]
        else:
            visible = everyone
        made |= {"large": large, "member_count": len(everyone), "members": [public_member(each) for each in visible]}
        made["presences"] = []
        if intents & intent_bits.GUILD_PRESENCES:
            made["presences"] = [presence(each) for each in visible if each["status"] != "offline"]
        views = [self.channel_views(guild_id, public_channel(each)) for each in made["channels"]]
        opted_in = bool(capabilities & CHANNEL_OBFUSCATION)
        made["channels"] = [hidden if opted_in and hidden is not None else whole for whole, hidden in views]
        return made


def public_member(member: Mapping[str, Any]) -> Json:
    """A member as Discord sends it, without the presence."""
    return {key: value for key, value in member.items() if key not in ("status", "activities")}


def public_channel(channel: Mapping[str, Any]) -> Json:
    """A channel as Discord sends it, without the fields of CHANNEL_INFO."""
    return {key: value for key, value in channel.items() if key not in CHANNEL_INFO_KEYS}


def presence(member: Mapping[str, Any], **fields: Any) -> Json:
    """A member's presence.

    See: https://docs.discord.com/developers/events/gateway-events
    """
    status = member["status"]
    return {
        "user": {"id": member["user"]["id"]},
        "status": status,
        "activities": member.get("activities", []),
        "client_status": {} if status == "offline" else {"desktop": status},
        **fields,
    }


CHANNEL_INFO_KEYS = ("status", "voice_start_time")
