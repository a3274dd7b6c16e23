"""Members of guilds.

See: https://docs.discord.com/developers/resources/guild#guild-member-object
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Permissions, Snowflake, Timestamp
from .presence import Presence
from .user import AvatarDecoration, Collectibles, User

__all__ = [
    "GuildMemberAdd",
    "GuildMemberRemove",
    "GuildMemberUpdate",
    "GuildMembersChunk",
    "InteractionMember",
    "Member",
    "PartialMember",
    "ResolvedMember",
]


class _MemberDetails(TypedDict):
    nick: NotRequired[str | None]
    roles: list[Snowflake]
    joined_at: Timestamp | None
    premium_since: NotRequired[Timestamp | None]
    pending: NotRequired[bool]
    communication_disabled_until: NotRequired[Timestamp | None]
    avatar_decoration_data: NotRequired[AvatarDecoration | None]
    collectibles: NotRequired[Collectibles | None]


class PartialMember(_MemberDetails):
    """A member without the user, which stands beside it: in a message as its author."""

    avatar: NotRequired[str | None]
    banner: NotRequired[str | None]
    deaf: bool
    mute: bool
    flags: int


class Member(PartialMember):
    """A member of a guild.

    See: https://docs.discord.com/developers/resources/guild#guild-member-object
    """

    user: User


class InteractionMember(Member):
    """The member who caused an interaction, with the permissions in its channel."""

    permissions: Permissions


class ResolvedMember(_MemberDetails):
    """A member that an interaction refers to; its user is among the resolved users.

    See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-resolved-data-structure
    """

    avatar: NotRequired[str | None]
    banner: NotRequired[str | None]
    flags: int
    permissions: Permissions


class GuildMemberAdd(Member):
    """The data of GUILD_MEMBER_ADD, which may come for an existing member.

    See: https://docs.discord.com/developers/events/gateway-events#guild-member-add
    """

    guild_id: Snowflake


class GuildMemberRemove(TypedDict):
    """The data of GUILD_MEMBER_REMOVE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-member-remove
    """

    guild_id: Snowflake
    user: User


class GuildMemberUpdate(_MemberDetails):
    """The data of GUILD_MEMBER_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-member-update
    """

    guild_id: Snowflake
    user: User
    avatar: str | None
    banner: str | None
    deaf: NotRequired[bool]
    mute: NotRequired[bool]
    flags: NotRequired[int]


class GuildMembersChunk(TypedDict):
    """The data of GUILD_MEMBERS_CHUNK, the answer to `Client.request_guild_members`.

    See: https://docs.discord.com/developers/events/gateway-events#guild-members-chunk
    """

    guild_id: Snowflake
    members: list[Member]
    chunk_index: int
    chunk_count: int
    not_found: NotRequired[list[Snowflake]]
    presences: NotRequired[list[Presence]]
    nonce: NotRequired[str]
