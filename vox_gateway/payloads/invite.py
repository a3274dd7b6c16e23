"""Invites.

See: https://docs.discord.com/developers/resources/invite
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .application import PartialApplication
from .basics import Snowflake, Timestamp
from .user import User

__all__ = ["InviteCreate", "InviteDelete"]


class InviteCreate(TypedDict):
    """The data of INVITE_CREATE; `max_age` is in seconds.

    See: https://docs.discord.com/developers/events/gateway-events#invite-create
    """

    channel_id: Snowflake
    code: str
    created_at: Timestamp
    guild_id: NotRequired[Snowflake]
    inviter: NotRequired[User]
    max_age: int
    max_uses: int
    target_type: NotRequired[int]
    target_user: NotRequired[User]
    target_application: NotRequired[PartialApplication]
    temporary: bool
    uses: int
    expires_at: Timestamp | None
    role_ids: NotRequired[list[Snowflake]]


class InviteDelete(TypedDict):
    """The data of INVITE_DELETE.

    See: https://docs.discord.com/developers/events/gateway-events#invite-delete
    """

    channel_id: Snowflake
    guild_id: NotRequired[Snowflake]
    code: str
