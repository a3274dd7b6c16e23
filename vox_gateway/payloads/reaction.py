"""Reactions to messages.

See: https://docs.discord.com/developers/resources/message#reaction-object
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake
from .emoji import PartialEmoji
from .member import Member

__all__ = [
    "MessageReactionAdd",
    "MessageReactionRemove",
    "MessageReactionRemoveAll",
    "MessageReactionRemoveEmoji",
]


class MessageReactionAdd(TypedDict):
    """The data of MESSAGE_REACTION_ADD.

    See: https://docs.discord.com/developers/events/gateway-events#message-reaction-add
    """

    user_id: Snowflake
    channel_id: Snowflake
    message_id: Snowflake
    guild_id: NotRequired[Snowflake]
    member: NotRequired[Member]
    emoji: PartialEmoji
    message_author_id: NotRequired[Snowflake]
    burst: bool
    burst_colors: NotRequired[list[str]]
    type: int


class MessageReactionRemove(TypedDict):
    """The data of MESSAGE_REACTION_REMOVE.

    See: https://docs.discord.com/developers/events/gateway-events#message-reaction-remove
    """

    user_id: Snowflake
    channel_id: Snowflake
    message_id: Snowflake
    guild_id: NotRequired[Snowflake]
    emoji: PartialEmoji
    burst: bool
    type: int


class MessageReactionRemoveAll(TypedDict):
    """The data of MESSAGE_REACTION_REMOVE_ALL.

    See: https://docs.discord.com/developers/events/gateway-events#message-reaction-remove-all
    """

    channel_id: Snowflake
    message_id: Snowflake
    guild_id: NotRequired[Snowflake]


class MessageReactionRemoveEmoji(TypedDict):
    """The data of MESSAGE_REACTION_REMOVE_EMOJI.

    See: https://docs.discord.com/developers/events/gateway-events#message-reaction-remove-emoji
    """

    channel_id: Snowflake
    message_id: Snowflake
    guild_id: NotRequired[Snowflake]
    emoji: PartialEmoji
