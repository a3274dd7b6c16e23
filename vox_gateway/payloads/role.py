"""Roles.

See: https://docs.discord.com/developers/topics/permissions#role-object
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Permissions, Snowflake

__all__ = ["GuildRoleCreate", "GuildRoleDelete", "GuildRoleUpdate", "Role", "RoleColors", "RoleTags"]


class RoleColors(TypedDict):
    """The colours of a role.

    See: https://docs.discord.com/developers/topics/permissions#role-object-role-colors-object
    """

    primary_color: int
    secondary_color: int | None
    tertiary_color: int | None


class RoleTags(TypedDict):
    """What a role belongs to. A tag whose value is None is true if it is there.

    See: https://docs.discord.com/developers/topics/permissions#role-object-role-tags-structure
    """

    bot_id: NotRequired[Snowflake]
    integration_id: NotRequired[Snowflake]
    premium_subscriber: NotRequired[None]
    subscription_listing_id: NotRequired[Snowflake]
    available_for_purchase: NotRequired[None]
    guild_connections: NotRequired[None]


class Role(TypedDict):
    """A role.

    See: https://docs.discord.com/developers/topics/permissions#role-object
    """

    id: Snowflake
    name: str
    color: int
    colors: RoleColors
    hoist: bool
    icon: NotRequired[str | None]
    unicode_emoji: NotRequired[str | None]
    position: int
    permissions: Permissions
    managed: bool
    mentionable: bool
    tags: NotRequired[RoleTags]
    flags: int


class GuildRoleCreate(TypedDict):
    """The data of GUILD_ROLE_CREATE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-role-create
    """

    guild_id: Snowflake
    role: Role


class GuildRoleUpdate(TypedDict):
    """The data of GUILD_ROLE_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-role-update
    """

    guild_id: Snowflake
    role: Role


class GuildRoleDelete(TypedDict):
    """The data of GUILD_ROLE_DELETE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-role-delete
    """

    guild_id: Snowflake
    role_id: Snowflake
