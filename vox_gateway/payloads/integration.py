"""Integrations of guilds.

See: https://docs.discord.com/developers/resources/guild#integration-object
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake, Timestamp
from .user import User

__all__ = [
    "GuildIntegrationsUpdate",
    "Integration",
    "IntegrationAccount",
    "IntegrationApplication",
    "IntegrationDelete",
]


class IntegrationAccount(TypedDict):
    """The account of an integration."""

    id: str
    name: str


class IntegrationApplication(TypedDict):
    """The application of an integration."""

    id: Snowflake
    name: str
    icon: str | None
    description: str
    bot: NotRequired[User]


class Integration(TypedDict):
    """An integration; the data of INTEGRATION_CREATE and INTEGRATION_UPDATE.

    See: https://docs.discord.com/developers/resources/guild#integration-object
    """

    guild_id: Snowflake
    id: Snowflake
    name: str
    type: str
    enabled: bool
    syncing: NotRequired[bool]
    role_id: NotRequired[Snowflake]
    enable_emoticons: NotRequired[bool]
    expire_behavior: NotRequired[int]
    expire_grace_period: NotRequired[int]
    user: NotRequired[User]
    account: IntegrationAccount
    synced_at: NotRequired[Timestamp]
    subscriber_count: NotRequired[int]
    revoked: NotRequired[bool]
    application: NotRequired[IntegrationApplication]
    scopes: NotRequired[list[str]]


class IntegrationDelete(TypedDict):
    """The data of INTEGRATION_DELETE.

    See: https://docs.discord.com/developers/events/gateway-events#integration-delete
    """

    id: Snowflake
    guild_id: Snowflake
    application_id: NotRequired[Snowflake]


class GuildIntegrationsUpdate(TypedDict):
    """The data of GUILD_INTEGRATIONS_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-integrations-update
    """

    guild_id: Snowflake
