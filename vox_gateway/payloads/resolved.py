"""What an interaction refers to, by ids.

See: https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-resolved-data-structure
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .attachment import Attachment
from .basics import Permissions, Snowflake
from .channel import ThreadMetadata
from .member import ResolvedMember
from .role import Role
from .user import User

__all__ = [
    "ResolvedChannel",
    "ResolvedChannels",
    "ResolvedData",
    "ResolvedMentionables",
    "ResolvedRoles",
    "ResolvedUsers",
]


class ResolvedChannel(TypedDict):
    """A channel that an interaction refers to; a thread has `parent_id` and `thread_metadata` too."""

    id: Snowflake
    name: str | None
    type: int
    permissions: Permissions
    app_permissions: NotRequired[Permissions]
    parent_id: NotRequired[Snowflake]
    thread_metadata: NotRequired[ThreadMetadata]


class ResolvedData(TypedDict):
    """The objects that an interaction refers to, each by its id."""

    users: NotRequired[dict[Snowflake, User]]
    members: NotRequired[dict[Snowflake, ResolvedMember]]
    roles: NotRequired[dict[Snowflake, Role]]
    channels: NotRequired[dict[Snowflake, ResolvedChannel]]
    attachments: NotRequired[dict[Snowflake, Attachment]]


class ResolvedUsers(TypedDict):
    """Users, each by the id; with the members in a guild."""

    users: dict[Snowflake, User]
    members: NotRequired[dict[Snowflake, ResolvedMember]]


class ResolvedRoles(TypedDict):
    """Roles, each by the id."""

    roles: dict[Snowflake, Role]


class ResolvedMentionables(TypedDict):
    """Users and roles, each by the id; with the members in a guild."""

    users: NotRequired[dict[Snowflake, User]]
    members: NotRequired[dict[Snowflake, ResolvedMember]]
    roles: NotRequired[dict[Snowflake, Role]]


class ResolvedChannels(TypedDict):
    """Channels, each by the id."""

    channels: dict[Snowflake, ResolvedChannel]
