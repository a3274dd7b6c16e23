"""Guilds.

See: https://docs.discord.com/developers/resources/guild
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Locale, Permissions, Snowflake, Timestamp
from .channel import GuildCreateChannel, Thread
from .emoji import Emoji, SoundboardSound, Sticker
from .member import Member
from .presence import Presence
from .role import Role
from .scheduled_event import ScheduledEvent
from .stage_instance import StageInstance
from .user import User
from .voice import GuildCreateVoiceState

__all__ = [
    "Guild",
    "GuildBanAdd",
    "GuildBanRemove",
    "GuildCreate",
    "GuildDelete",
    "IncidentsData",
    "PartialGuild",
    "UnavailableGuild",
    "WelcomeScreen",
    "WelcomeScreenChannel",
]


class UnavailableGuild(TypedDict):
    """A guild in READY, which GUILD_CREATE makes available.

    See: https://docs.discord.com/developers/resources/guild#unavailable-guild-object
    """

    id: Snowflake
    unavailable: bool


class WelcomeScreenChannel(TypedDict):
    """A channel of a welcome screen."""

    channel_id: Snowflake
    description: str
    emoji_id: Snowflake | None
    emoji_name: str | None


class WelcomeScreen(TypedDict):
    """What a community shows to new members.

    See: https://docs.discord.com/developers/resources/guild#welcome-screen-object
    """

    description: str | None
    welcome_channels: list[WelcomeScreenChannel]


class IncidentsData(TypedDict):
    """Until when invites and direct messages are disabled, and whether a raid was detected.

    See: https://docs.discord.com/developers/resources/guild#incidents-data-object
    """

    invites_disabled_until: Timestamp | None
    dms_disabled_until: Timestamp | None
    dm_spam_detected_at: NotRequired[Timestamp | None]
    raid_detected_at: NotRequired[Timestamp | None]


class PartialGuild(TypedDict):
    """The guild of an interaction."""

    id: Snowflake
    locale: Locale
    features: list[str]


class Guild(TypedDict):
    """A guild; the data of GUILD_UPDATE.

    See: https://docs.discord.com/developers/resources/guild#guild-object
    """

    id: Snowflake
    name: str
    icon: str | None
    icon_hash: NotRequired[str | None]
    splash: str | None
    discovery_splash: str | None
    owner: NotRequired[bool]
    owner_id: Snowflake
    permissions: NotRequired[Permissions]
    region: NotRequired[str | None]
    afk_channel_id: Snowflake | None
    afk_timeout: int
    widget_enabled: NotRequired[bool]
    widget_channel_id: NotRequired[Snowflake | None]
    verification_level: int
    default_message_notifications: int
    explicit_content_filter: int
    roles: list[Role]
    emojis: list[Emoji]
    features: list[str]
    mfa_level: int
    application_id: Snowflake | None
    system_channel_id: Snowflake | None
    system_channel_flags: int
    rules_channel_id: Snowflake | None
    max_presences: NotRequired[int | None]
    max_members: NotRequired[int]
    vanity_url_code: str | None
    description: str | None
    banner: str | None
    premium_tier: int
    premium_subscription_count: NotRequired[int]
    preferred_locale: Locale
    public_updates_channel_id: Snowflake | None
    max_video_channel_users: NotRequired[int]
    max_stage_video_channel_users: NotRequired[int]
    approximate_member_count: NotRequired[int]
    approximate_presence_count: NotRequired[int]
    welcome_screen: NotRequired[WelcomeScreen]
    nsfw_level: int
    stickers: NotRequired[list[Sticker]]
    premium_progress_bar_enabled: bool
    safety_alerts_channel_id: Snowflake | None
    incidents_data: IncidentsData | None


class GuildCreate(Guild):
    """The data of GUILD_CREATE.

    Of a guild that is not available it has only `id` and `unavailable`: where that matters, ask
    ``guild.get("unavailable")`` first.

    See: https://docs.discord.com/developers/events/gateway-events#guild-create
    """

    joined_at: Timestamp
    large: bool
    unavailable: NotRequired[bool]
    member_count: int
    voice_states: list[GuildCreateVoiceState]
    members: list[Member]
    channels: list[GuildCreateChannel]
    threads: list[Thread]
    presences: list[Presence]
    stage_instances: list[StageInstance]
    guild_scheduled_events: list[ScheduledEvent]
    soundboard_sounds: list[SoundboardSound]


class GuildDelete(TypedDict):
    """The data of GUILD_DELETE. Without `unavailable`, the bot was removed from the guild.

    See: https://docs.discord.com/developers/events/gateway-events#guild-delete
    """

    id: Snowflake
    unavailable: NotRequired[bool]


class GuildBanAdd(TypedDict):
    """The data of GUILD_BAN_ADD.

    See: https://docs.discord.com/developers/events/gateway-events#guild-ban-add
    """

    guild_id: Snowflake
    user: User


class GuildBanRemove(TypedDict):
    """The data of GUILD_BAN_REMOVE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-ban-remove
    """

    guild_id: Snowflake
    user: User
