"""Users.

See: https://docs.discord.com/developers/resources/user
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Locale, Snowflake

__all__ = ["AvatarDecoration", "Collectibles", "Nameplate", "PartialUser", "PrimaryGuild", "User"]


class AvatarDecoration(TypedDict):
    """The decoration of an avatar.

    See: https://docs.discord.com/developers/resources/user#avatar-decoration-data-object
    """

    asset: str
    sku_id: Snowflake


class Nameplate(TypedDict):
    """The background of a name in the list of members.

    See: https://docs.discord.com/developers/resources/user#nameplate
    """

    sku_id: Snowflake
    asset: str
    label: str
    palette: str


class Collectibles(TypedDict):
    """The collectibles that a user shows.

    See: https://docs.discord.com/developers/resources/user#collectibles
    """

    nameplate: NotRequired[Nameplate]


class PrimaryGuild(TypedDict):
    """The guild whose tag a user shows.

    See: https://docs.discord.com/developers/resources/user#user-object-user-primary-guild
    """

    identity_guild_id: Snowflake | None
    identity_enabled: bool | None
    tag: str | None
    badge: str | None


class _UserDetails(TypedDict):
    bot: NotRequired[bool]
    system: NotRequired[bool]
    mfa_enabled: NotRequired[bool]
    banner: NotRequired[str | None]
    accent_color: NotRequired[int | None]
    locale: NotRequired[Locale]
    verified: NotRequired[bool]
    email: NotRequired[str | None]
    flags: NotRequired[int]
    premium_type: NotRequired[int]
    public_flags: NotRequired[int]
    avatar_decoration_data: NotRequired[AvatarDecoration | None]
    collectibles: NotRequired[Collectibles | None]
    primary_guild: NotRequired[PrimaryGuild | None]


class User(_UserDetails):
    """A user; the data of USER_UPDATE.

    See: https://docs.discord.com/developers/resources/user#user-object
    """

    id: Snowflake
    username: str
    discriminator: str
    global_name: str | None
    avatar: str | None


class PartialUser(_UserDetails):
    """A user; only the id is certain.

    See: https://docs.discord.com/developers/events/gateway-events#presence-update
    """

    id: Snowflake
    username: NotRequired[str]
    discriminator: NotRequired[str]
    global_name: NotRequired[str | None]
    avatar: NotRequired[str | None]
