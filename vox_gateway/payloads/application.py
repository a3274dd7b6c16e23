"""Applications.

See: https://docs.discord.com/developers/resources/application
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Permissions, Snowflake
from .guild import WelcomeScreen
from .user import User

__all__ = [
    "Application",
    "ApplicationCommandPermission",
    "ApplicationCommandPermissionsUpdate",
    "ApplicationGuild",
    "InstallParams",
    "IntegrationTypeConfig",
    "PartialApplication",
    "Team",
    "TeamMember",
]


class TeamMember(TypedDict):
    """A member of a team."""

    membership_state: int
    team_id: Snowflake
    user: User
    role: str


class Team(TypedDict):
    """The team that owns an application.

    See: https://docs.discord.com/developers/topics/teams#team-object
    """

    icon: str | None
    id: Snowflake
    members: list[TeamMember]
    name: str
    owner_user_id: Snowflake


class InstallParams(TypedDict):
    """The scopes and permissions that an application asks for."""

    scopes: list[str]
    permissions: Permissions


class IntegrationTypeConfig(TypedDict):
    """The settings for a way to install an application."""

    oauth2_install_params: NotRequired[InstallParams]


class ApplicationGuild(TypedDict):
    """The guild of an application."""

    id: Snowflake
    name: str
    icon: str | None
    splash: str | None
    banner: NotRequired[str | None]
    description: NotRequired[str | None]
    features: NotRequired[list[str]]
    verification_level: NotRequired[int]
    vanity_url_code: NotRequired[str | None]
    welcome_screen: NotRequired[WelcomeScreen]


class _ApplicationDetails(TypedDict):
    rpc_origins: NotRequired[list[str]]
    bot: NotRequired[User]
    terms_of_service_url: NotRequired[str]
    privacy_policy_url: NotRequired[str]
    owner: NotRequired[User]
    guild_id: NotRequired[Snowflake]
    guild: NotRequired[ApplicationGuild]
    primary_sku_id: NotRequired[Snowflake]
    slug: NotRequired[str]
    cover_image: NotRequired[str]
    flags: NotRequired[int]
    flags_new: NotRequired[str]
    approximate_guild_count: NotRequired[int]
    approximate_user_install_count: NotRequired[int]
    approximate_user_authorization_count: NotRequired[int]
    redirect_uris: NotRequired[list[str]]
    interactions_endpoint_url: NotRequired[str | None]
    role_connections_verification_url: NotRequired[str | None]
    event_webhooks_url: NotRequired[str | None]
    event_webhooks_status: NotRequired[int]
    event_webhooks_types: NotRequired[list[str]]
    tags: NotRequired[list[str]]
    install_params: NotRequired[InstallParams]
    integration_types_config: NotRequired[dict[str, IntegrationTypeConfig]]
    custom_install_url: NotRequired[str]


class Application(_ApplicationDetails):
    """An application.

    See: https://docs.discord.com/developers/resources/application#application-object
    """

    id: Snowflake
    name: str
    icon: str | None
    description: str
    bot_public: bool
    bot_require_code_grant: bool
    verify_key: str
    team: Team | None


class PartialApplication(_ApplicationDetails):
    """An application in a message or an invite. No field is certain."""

    id: NotRequired[Snowflake]
    name: NotRequired[str]
    icon: NotRequired[str | None]
    description: NotRequired[str]
    bot_public: NotRequired[bool]
    bot_require_code_grant: NotRequired[bool]
    verify_key: NotRequired[str]
    team: NotRequired[Team | None]


class ApplicationCommandPermission(TypedDict):
    """Who may use a command: a role (`type` 1), a user (2) or a channel (3).

    See: https://docs.discord.com/developers/interactions/application-commands#application-command-permissions-object
    """

    id: Snowflake
    type: int
    permission: bool


class ApplicationCommandPermissionsUpdate(TypedDict):
    """The data of APPLICATION_COMMAND_PERMISSIONS_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#application-command-permissions-update
    """

    id: Snowflake
    application_id: Snowflake
    guild_id: Snowflake
    permissions: list[ApplicationCommandPermission]
