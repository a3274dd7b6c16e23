"""Presences: who is online, and what they are doing.

See: https://docs.discord.com/developers/events/gateway-events#presence
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import PresenceStatus, Snowflake
from .user import PartialUser

__all__ = [
    "Activity",
    "ActivityAssets",
    "ActivityButton",
    "ActivityEmoji",
    "ActivityParty",
    "ActivitySecrets",
    "ActivityTimestamps",
    "ClientStatus",
    "Presence",
    "PresenceUpdate",
]


class ActivityTimestamps(TypedDict):
    """When an activity began and will end, Unix time in milliseconds."""

    start: NotRequired[int]
    end: NotRequired[int]


class ActivityEmoji(TypedDict):
    """The emoji of a custom status."""

    name: str
    id: NotRequired[Snowflake]
    animated: NotRequired[bool]


class ActivityParty(TypedDict):
    """The party of a player; `size` is the current and the largest size."""

    id: NotRequired[str]
    size: NotRequired[list[int]]


class ActivityAssets(TypedDict):
    """The images of an activity, and their texts."""

    large_image: NotRequired[str]
    large_text: NotRequired[str]
    large_url: NotRequired[str]
    small_image: NotRequired[str]
    small_text: NotRequired[str]
    small_url: NotRequired[str]
    invite_cover_image: NotRequired[str]


class ActivitySecrets(TypedDict):
    """The secrets for joining and watching a game."""

    join: NotRequired[str]
    spectate: NotRequired[str]
    match: NotRequired[str]


class ActivityButton(TypedDict):
    """A button of an activity."""

    label: str
    url: str


class Activity(TypedDict):
    """What a user is doing.

    See: https://docs.discord.com/developers/events/gateway-events#activity-object
    """

    name: str
    type: int
    created_at: int
    url: NotRequired[str | None]
    timestamps: NotRequired[ActivityTimestamps]
    application_id: NotRequired[Snowflake]
    status_display_type: NotRequired[int | None]
    details: NotRequired[str | None]
    details_url: NotRequired[str | None]
    state: NotRequired[str | None]
    state_url: NotRequired[str | None]
    emoji: NotRequired[ActivityEmoji | None]
    party: NotRequired[ActivityParty]
    assets: NotRequired[ActivityAssets]
    secrets: NotRequired[ActivitySecrets]
    instance: NotRequired[bool]
    flags: NotRequired[int]
    buttons: NotRequired[list[str] | list[ActivityButton]]


class ClientStatus(TypedDict):
    """The status on each platform where the user is online.

    See: https://docs.discord.com/developers/events/gateway-events#client-status-object
    """

    desktop: NotRequired[PresenceStatus]
    mobile: NotRequired[PresenceStatus]
    web: NotRequired[PresenceStatus]
    vr: NotRequired[PresenceStatus]


class Presence(TypedDict):
    """A presence in GUILD_CREATE and GUILD_MEMBERS_CHUNK. Only the user's id is certain."""

    user: PartialUser
    status: NotRequired[PresenceStatus]
    activities: NotRequired[list[Activity]]
    client_status: NotRequired[ClientStatus]


class PresenceUpdate(Presence):
    """The data of PRESENCE_UPDATE. Only the user's id and the guild's are certain.

    See: https://docs.discord.com/developers/events/gateway-events#presence-update
    """

    guild_id: Snowflake
