"""A bot's day: the events that a server sends, the same for every run.

Half of them are presences, a fifth messages, then typing, reactions, voice states and member updates; the twenty guilds
of about 150 KB that they are about come first. The shapes are Discord's, whole enough for libraries that parse all.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["EVENT_COUNT", "GUILDS", "THE_END", "count_of", "events", "messages", "ready"]

EVENT_COUNT = 100_000
SEED = 20261123
GUILDS = 20
THE_END = "that was all"
MEMBERS, CHANNELS, ROLES = 230, 40, 25
#: names with their shares, in percent
MIX = {
    "PRESENCE_UPDATE": 50,
    "MESSAGE_CREATE": 20,
    "TYPING_START": 15,
    "MESSAGE_REACTION_ADD": 6,
    "VOICE_STATE_UPDATE": 5,
    "GUILD_MEMBER_UPDATE": 4,
}
TEXT = (
    "so the build is green again and nobody knows why, which is fine; let us not touch it before lunch. "
    "Ada says: schön! 🎉 did you see the game last night? <@1100000000000000002> look at #general "
    "https://example.org/a/rather/long/link?with=parameters and some `code` too"
)
WORDS = TEXT.split()

Event = tuple[str, dict[str, Any]]


class World:
    """Guilds with their members, channels and roles, drawn once."""

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.users = [self.user() for _ in range(MEMBERS * 4)]
        self.guilds = [self.guild() for _ in range(GUILDS)]

    def id(self) -> str:
        """A snowflake."""
        return str(self.random.randrange(10**18, 13 * 10**17))

    def hash(self) -> str:
        """An image's name."""
        return f"{self.random.getrandbits(128):032x}"

    def time(self) -> str:
        """A timestamp."""
        return f"2026-{self.random.randint(1, 12):02}-{self.random.randint(1, 28):02}T12:34:56.789000+00:00"

    def text(self, least: int, most: int) -> str:
        """Some words."""
        return " ".join(self.random.choices(WORDS, k=self.random.randint(least, most)))

    def user(self) -> dict[str, Any]:
        """A person."""
        return {
            "username": f"user{self.random.randrange(10**6)}",
            "public_flags": 0,
            "primary_guild": None,
            "id": self.id(),
            "global_name": self.text(1, 2),
            "display_name_styles": None,
            "discriminator": "0",
            "collectibles": None,
            "bot": False,
            "avatar_decoration_data": None,
            "avatar": self.hash(),
        }

    def member(self, guild: dict[str, Any] | None, user: dict[str, Any] | None) -> dict[str, Any]:
        """A person in a guild; without `user`, as in a message."""
        roles = [role["id"] for role in self.random.sample(guild["roles"], 4)] if guild else []
        member = {
            "roles": roles,
            "premium_since": None,
            "pending": False,
            "nick": self.random.choice([None, "nick"]),
            "mute": False,
            "joined_at": self.time(),
            "flags": 0,
            "deaf": False,
            "communication_disabled_until": None,
            "banner": None,
            "avatar": None,
        }
        return {**member, "user": user} if user else member

    def guild(self) -> dict[str, Any]:
        """A guild as GUILD_CREATE brings it."""
        roles = [self.role(position) for position in range(ROLES)]
        guild = {"id": self.id(), "roles": roles}
        roles[0]["id"] = guild["id"]
        channels = [self.channel(position) for position in range(CHANNELS)]
        users = self.random.sample(self.users, MEMBERS)
        return {
            **guild,
            "name": self.text(2, 4), "icon": self.hash(), "splash": None, "discovery_splash": None, "banner": None,
            "owner_id": users[0]["id"], "afk_channel_id": None, "afk_timeout": 300, "verification_level": 1,
            "default_message_notifications": 1, "explicit_content_filter": 2, "mfa_level": 0, "nsfw_level": 0,
            "nsfw": False, "features": ["COMMUNITY", "NEWS"], "application_id": None, "system_channel_id": None,
            "system_channel_flags": 0, "rules_channel_id": None, "public_updates_channel_id": None,
            "safety_alerts_channel_id": None, "max_members": 500000, "max_video_channel_users": 25,
            "max_stage_video_channel_users": 50, "max_presences": None, "vanity_url_code": None, "description": None,
            "premium_tier": 0, "premium_subscription_count": 0, "premium_progress_bar_enabled": False,
            "preferred_locale": "en-US", "joined_at": self.time(), "large": True, "unavailable": False, "lazy": True,
            "member_count": MEMBERS, "emojis": [], "stickers": [], "threads": [], "stage_instances": [],
            "guild_scheduled_events": [], "soundboard_sounds": [], "voice_states": [], "presences": [],
            "channels": channels,
            "members": [self.member(guild, user) for user in users],
        }  # fmt: skip

    def role(self, position: int) -> dict[str, Any]:
        """A role."""
        return {
            "id": self.id(), "name": self.text(1, 2), "color": 0, "hoist": False, "icon": None, "unicode_emoji": None,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "position": position, "permissions": "2248473465835073", "managed": False, "mentionable": False,
            "flags": 0, "tags": {}, "version": 0,
        }  # fmt: skip

    def channel(self, position: int) -> dict[str, Any]:
        """A text or a voice channel."""
        common = {
            "id": self.id(), "name": f"channel-{position}", "position": position, "permission_overwrites": [],
            "parent_id": None, "flags": 0, "rate_limit_per_user": 0, "last_message_id": self.id(), "nsfw": False,
        }  # fmt: skip
        if position % 4:
            return {**common, "type": 0, "topic": self.text(3, 9), "default_auto_archive_duration": 4320}
        return {**common, "type": 2, "bitrate": 64000, "user_limit": 0, "rtc_region": None}

    def event(self, name: str) -> dict[str, Any]:
        """The data of an event of this name."""
        guild = self.random.choice(self.guilds)
        user = self.random.choice(guild["members"])["user"]
        channel = self.random.choice(guild["channels"][1:4])
        match name:
            case "PRESENCE_UPDATE":
                return self.presence(guild, user)
            case "MESSAGE_CREATE":
                return self.message(guild, channel, user)
            case "TYPING_START":
                where = {"channel_id": channel["id"], "guild_id": guild["id"]}
                return {
                    "user_id": user["id"], "timestamp": 1795400000, "member": self.member(guild, user), **where
                }  # fmt: skip
            case "MESSAGE_REACTION_ADD":
                return {
                    "user_id": user["id"], "type": 0, "message_id": self.id(), "message_author_id": self.id(),
                    "member": self.member(guild, user), "emoji": {"name": "👍", "id": None}, "burst": False,
                    "channel_id": channel["id"], "guild_id": guild["id"],
                }  # fmt: skip
            case "VOICE_STATE_UPDATE":
                return {
                    "member": self.member(guild, user), "user_id": user["id"], "suppress": False,
                    "session_id": self.hash(), "self_video": False, "self_mute": False, "self_deaf": True,
                    "request_to_speak_timestamp": None,
                    "mute": False, "deaf": False, "guild_id": guild["id"], "channel_id": guild["channels"][0]["id"],
                }  # fmt: skip
            case _:
                return {**self.member(guild, user), "guild_id": guild["id"]}

    def presence(self, guild: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
        """What somebody is doing."""
        start = 1795400000000 + self.random.randrange(10**8)
        activities: list[dict[str, Any]] = [
            {
                "type": 0, "timestamps": {"start": start}, "state": self.text(2, 6), "session_id": self.hash(),
                "name": self.random.choice(["Visual Studio Code", "Minecraft", "League of Legends"]),
                "id": f"{self.random.getrandbits(60):x}", "details": self.text(2, 6), "created_at": start + 1234,
                "assets": {
                    "small_text": self.text(1, 2), "small_image": self.id(), "large_text": self.text(2, 4),
                    "large_image": self.id(),
                },
                "party": {"size": [self.random.randint(1, 4), 5], "id": self.hash()},
                "platform": "desktop", "flags": 1, "buttons": ["Ask to join", "Watch the stream"],
                "application_id": self.id(),
            }
        ]  # fmt: skip
        if self.random.random() < 0.5:
            status = {"type": 4, "state": self.text(3, 8), "name": "Custom Status", "id": "custom", "created_at": start}
            activities.append(status)
        return {
            "user": {"id": user["id"]}, "status": self.random.choice(["online", "idle", "dnd"]),
            "processed_at_timestamp": start + 2345, "guild_id": guild["id"], "client_status": {"desktop": "online"},
            "broadcast": None, "activities": activities,
        }  # fmt: skip

    def message(self, guild: dict[str, Any], channel: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
        """What somebody says."""
        return {
            "type": 0, "tts": False, "timestamp": self.time(), "pinned": False, "nonce": self.id(), "mentions": [],
            "mention_roles": [], "mention_everyone": False, "member": self.member(guild, None), "id": self.id(),
            "flags": 0, "embeds": [], "edited_timestamp": None, "content": self.text(3, 40), "components": [],
            "channel_type": 0, "channel_id": channel["id"], "author": user, "attachments": [], "guild_id": guild["id"],
        }  # fmt: skip


def events(count: int = EVENT_COUNT) -> Iterator[Event]:
    """`count` events: first the guilds, and last a message that says `THE_END`."""
    world = World(random.Random(SEED))
    for guild in world.guilds[:count]:
        yield "GUILD_CREATE", guild
    for name in mixed(world, count):
        yield name, world.event(name)
    if count > GUILDS:
        yield "MESSAGE_CREATE", {**world.event("MESSAGE_CREATE"), "content": THE_END}


def mixed(world: World, count: int) -> list[str]:
    """The names of the events between the guilds and the last."""
    return world.random.choices(list(MIX), list(MIX.values()), k=max(count - GUILDS - 1, 0))


def count_of(name: str, count: int) -> int:
    """How many of `count` events have this name, one of `MIX`; the events themselves are not made."""
    between = mixed(World(random.Random(SEED)), count).count(name)
    return between + (name == "MESSAGE_CREATE" and count > GUILDS)


def ready(url: str) -> dict[str, Any]:
    """The data of READY."""
    user = {
        "id": "1000000000000000001", "username": "bench", "discriminator": "0", "avatar": None, "bot": True,
        "global_name": None, "flags": 0, "mfa_enabled": True, "verified": True, "email": None,
    }  # fmt: skip
    return {
        "v": 10, "user": user, "user_settings": {}, "session_type": "normal", "session_id": "0" * 32,
        "resume_gateway_url": url,
        "relationships": [], "private_channels": [], "presences": [], "guild_join_requests": [], "guilds": [],
        "geo_ordered_rtc_regions": [], "auth": {}, "application": {"id": "1000000000000000001", "flags": 0},
        "shard": [0, 1],
    }  # fmt: skip


def messages(count: int = EVENT_COUNT, first: int = 2) -> Iterator[bytes]:
    """The JSON of `count` dispatches, as Discord writes them; READY has number 1."""
    for number, (name, data) in enumerate(events(count), first):
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        yield f'{{"t":"{name}","s":{number},"op":0,"d":{text}}}'.encode()
