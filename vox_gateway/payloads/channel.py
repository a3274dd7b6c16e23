"""Channels and threads.

See: https://docs.discord.com/developers/resources/channel
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Permissions, Snowflake, Timestamp
from .member import Member
from .presence import Presence
from .user import User

__all__ = [
    "AddedThreadMember",
    "ChannelDetails",
    "ChannelInfo",
    "ChannelPinsUpdate",
    "DefaultReaction",
    "ForumTag",
    "GuildChannel",
    "GuildCreateChannel",
    "Overwrite",
    "PartialChannel",
    "Thread",
    "ThreadCreate",
    "ThreadDelete",
    "ThreadListSync",
    "ThreadMember",
    "ThreadMemberUpdate",
    "ThreadMembersUpdate",
    "ThreadMetadata",
    "TypingStart",
    "WebhooksUpdate",
]


class Overwrite(TypedDict):
    """The permissions of a role (`type` 0) or a member (1) in a channel.

    See: https://docs.discord.com/developers/resources/channel#overwrite-object
    """

    id: Snowflake
    type: int
    allow: Permissions
    deny: Permissions


class ForumTag(TypedDict):
    """A tag for the threads of a forum.

    See: https://docs.discord.com/developers/resources/channel#forum-tag-object
    """

    id: Snowflake
    name: str
    moderated: bool
    emoji_id: Snowflake | None
    emoji_name: str | None


class DefaultReaction(TypedDict):
    """The emoji that a forum offers for its threads.

    See: https://docs.discord.com/developers/resources/channel#default-reaction-object
    """

    emoji_id: Snowflake | None
    emoji_name: str | None


class ThreadMetadata(TypedDict):
    """What only threads have.

    See: https://docs.discord.com/developers/resources/channel#thread-metadata-object
    """

    archived: bool
    auto_archive_duration: int
    archive_timestamp: Timestamp
    locked: bool
    invitable: NotRequired[bool]
    create_timestamp: NotRequired[Timestamp | None]


class ThreadMember(TypedDict):
    """A member of a thread; `id` is the thread's. In GUILD_CREATE it has neither `id` nor `user_id`.

    See: https://docs.discord.com/developers/resources/channel#thread-member-object
    """

    id: NotRequired[Snowflake]
    user_id: NotRequired[Snowflake]
    join_timestamp: Timestamp
    flags: int
    member: NotRequired[Member]


class _Channel(TypedDict):
    id: Snowflake
    type: int
    flags: NotRequired[int]
    permission_overwrites: NotRequired[list[Overwrite]]
    nsfw: NotRequired[bool]
    last_message_id: NotRequired[Snowflake | None]
    last_pin_timestamp: NotRequired[Timestamp | None]
    rate_limit_per_user: NotRequired[int]


class _ThreadDetails(TypedDict):
    owner_id: NotRequired[Snowflake]
    message_count: NotRequired[int]
    member_count: NotRequired[int]
    total_message_sent: NotRequired[int]
    thread_metadata: NotRequired[ThreadMetadata]
    member: NotRequired[ThreadMember]
    applied_tags: NotRequired[list[Snowflake]]


class _GuildChannelDetails(TypedDict):
    parent_id: NotRequired[Snowflake | None]
    topic: NotRequired[str | None]
    bitrate: NotRequired[int]
    user_limit: NotRequired[int]
    rtc_region: NotRequired[str | None]
    video_quality_mode: NotRequired[int]
    default_auto_archive_duration: NotRequired[int]
    default_thread_rate_limit_per_user: NotRequired[int]
    available_tags: NotRequired[list[ForumTag]]
    default_reaction_emoji: NotRequired[DefaultReaction | None]
    default_sort_order: NotRequired[int | None]
    default_forum_layout: NotRequired[int]


class _GuildChannel(_Channel, _GuildChannelDetails):
    name: str
    position: int


class GuildCreateChannel(_GuildChannel):
    """A channel in GUILD_CREATE, where the `guild_id` may be missing."""

    guild_id: NotRequired[Snowflake]


class GuildChannel(_GuildChannel):
    """A channel of a guild; the data of CHANNEL_CREATE, CHANNEL_UPDATE and CHANNEL_DELETE.

    See: https://docs.discord.com/developers/resources/channel#channel-object
    """

    guild_id: Snowflake


class Thread(_Channel, _ThreadDetails):
    """A thread; the data of THREAD_UPDATE.

    See: https://docs.discord.com/developers/resources/channel#channel-object
    """

    name: str
    guild_id: NotRequired[Snowflake]
    parent_id: NotRequired[Snowflake]


class PartialChannel(_Channel, _GuildChannelDetails, _ThreadDetails):
    """A channel of any type in an interaction. Only its id and type are certain.

    See: https://docs.discord.com/developers/resources/channel#channel-object
    """

    name: NotRequired[str | None]
    guild_id: NotRequired[Snowflake]
    position: NotRequired[int]
    recipients: NotRequired[list[User]]
    icon: NotRequired[str | None]
    application_id: NotRequired[Snowflake | None]
    managed: NotRequired[bool]
    permissions: NotRequired[Permissions]
    app_permissions: NotRequired[Permissions]


class ThreadCreate(Thread):
    """The data of THREAD_CREATE.

    See: https://docs.discord.com/developers/events/gateway-events#thread-create
    """

    newly_created: NotRequired[bool]


class ThreadDelete(TypedDict):
    """The data of THREAD_DELETE.

    See: https://docs.discord.com/developers/events/gateway-events#thread-delete
    """

    id: Snowflake
    guild_id: Snowflake
    parent_id: Snowflake
    type: int


class ThreadListSync(TypedDict):
    """The data of THREAD_LIST_SYNC.

    See: https://docs.discord.com/developers/events/gateway-events#thread-list-sync
    """

    guild_id: Snowflake
    channel_ids: NotRequired[list[Snowflake]]
    threads: list[Thread]
    members: list[ThreadMember]


class ThreadMemberUpdate(ThreadMember):
    """The data of THREAD_MEMBER_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#thread-member-update
    """

    guild_id: Snowflake


class AddedThreadMember(ThreadMember):
    """A member in THREAD_MEMBERS_UPDATE."""

    presence: NotRequired[Presence | None]


class ThreadMembersUpdate(TypedDict):
    """The data of THREAD_MEMBERS_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#thread-members-update
    """

    id: Snowflake
    guild_id: Snowflake
    member_count: int
    added_members: NotRequired[list[AddedThreadMember]]
    removed_member_ids: NotRequired[list[Snowflake]]


class ChannelDetails(TypedDict):
    """The details of a channel in CHANNEL_INFO."""

    id: Snowflake
    status: NotRequired[str | None]
    voice_start_time: NotRequired[int | None]


class ChannelInfo(TypedDict):
    """The data of CHANNEL_INFO, the answer to `Client.request_channel_info`.

    See: https://docs.discord.com/developers/events/gateway-events#channel-info
    """

    guild_id: Snowflake
    channels: list[ChannelDetails]


class ChannelPinsUpdate(TypedDict):
    """The data of CHANNEL_PINS_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#channel-pins-update
    """

    guild_id: NotRequired[Snowflake]
    channel_id: Snowflake
    last_pin_timestamp: NotRequired[Timestamp | None]


class TypingStart(TypedDict):
    """The data of TYPING_START; `timestamp` is Unix time in seconds.

    See: https://docs.discord.com/developers/events/gateway-events#typing-start
    """

    channel_id: Snowflake
    guild_id: NotRequired[Snowflake]
    user_id: Snowflake
    timestamp: int
    member: NotRequired[Member]


class WebhooksUpdate(TypedDict):
    """The data of WEBHOOKS_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#webhooks-update
    """

    guild_id: Snowflake
    channel_id: Snowflake
