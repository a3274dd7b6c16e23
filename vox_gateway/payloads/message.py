"""Messages.

See: https://docs.discord.com/developers/resources/message
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from typing_extensions import NotRequired, TypedDict

from .application import PartialApplication
from .attachment import Attachment
from .basics import Snowflake, Timestamp
from .channel import Thread
from .component import MessageComponent
from .embed import Embed
from .emoji import PartialEmoji, Sticker, StickerItem
from .member import PartialMember
from .poll import Poll
from .resolved import ResolvedData
from .user import User

__all__ = [
    "ChannelMention",
    "CommandMetadata",
    "ComponentMetadata",
    "InteractionMetadata",
    "MentionedUser",
    "Message",
    "MessageActivity",
    "MessageCall",
    "MessageCreate",
    "MessageDelete",
    "MessageDeleteBulk",
    "MessageInteraction",
    "MessageReference",
    "MessageSnapshot",
    "MessageUpdate",
    "ModalMetadata",
    "Reaction",
    "ReactionCountDetails",
    "RoleSubscriptionData",
    "SharedClientTheme",
    "SnapshotMessage",
]


class ChannelMention(TypedDict):
    """A channel that a crossposted message mentions."""

    id: Snowflake
    guild_id: Snowflake
    type: int
    name: str


class ReactionCountDetails(TypedDict):
    """The number of super reactions and of the others."""

    burst: int
    normal: int


class Reaction(TypedDict):
    """How often an emoji was used as a reaction.

    See: https://docs.discord.com/developers/resources/message#reaction-object
    """

    count: int
    count_details: ReactionCountDetails
    me: bool
    me_burst: bool
    emoji: PartialEmoji
    burst_colors: list[str]


class MessageActivity(TypedDict):
    """The activity that a message invites to."""

    type: int
    party_id: NotRequired[str]


class MessageReference(TypedDict):
    """The message that a reply answers, or that was forwarded or crossposted.

    See: https://docs.discord.com/developers/resources/message#message-reference-structure
    """

    type: NotRequired[int]
    message_id: NotRequired[Snowflake]
    channel_id: NotRequired[Snowflake]
    guild_id: NotRequired[Snowflake]


class MessageCall(TypedDict):
    """The call that a message is about."""

    participants: list[Snowflake]
    ended_timestamp: NotRequired[Timestamp | None]


class RoleSubscriptionData(TypedDict):
    """The role subscription that a message is about."""

    role_subscription_listing_id: Snowflake
    tier_name: str
    total_months_subscribed: int
    is_renewal: bool


class SharedClientTheme(TypedDict):
    """The theme that a message shares."""

    colors: list[str]
    gradient_angle: int
    base_mix: int
    base_theme: NotRequired[int | None]


class _InteractionMetadata(TypedDict):
    id: Snowflake
    user: User
    authorizing_integration_owners: dict[str, Snowflake]
    original_response_message_id: NotRequired[Snowflake]


class CommandMetadata(_InteractionMetadata):
    """The command that a message answers.

    See: https://docs.discord.com/developers/resources/message#message-interaction-metadata-object
    """

    type: Literal[2]
    target_user: NotRequired[User]
    target_message_id: NotRequired[Snowflake]


class ComponentMetadata(_InteractionMetadata):
    """The use of a component that a message answers."""

    type: Literal[3]
    interacted_message_id: Snowflake


class ModalMetadata(_InteractionMetadata):
    """The form that a message answers."""

    type: Literal[5]
    triggering_interaction_metadata: CommandMetadata | ComponentMetadata


#: The interaction that a message answers, told apart by its `type`.
InteractionMetadata: TypeAlias = CommandMetadata | ComponentMetadata | ModalMetadata


class _InteractionAuthor(TypedDict):
    nick: NotRequired[str | None]
    avatar: NotRequired[str | None]
    roles: list[Snowflake]
    joined_at: Timestamp | None
    premium_since: NotRequired[Timestamp | None]
    pending: NotRequired[bool]
    communication_disabled_until: NotRequired[Timestamp | None]
    deaf: bool
    mute: bool


class MessageInteraction(TypedDict):
    """The interaction that a message answers; deprecated: see `InteractionMetadata`."""

    id: Snowflake
    type: int
    name: str
    user: User
    member: NotRequired[_InteractionAuthor]


class SnapshotMessage(TypedDict):
    """What a forwarded message said."""

    type: int
    content: str
    embeds: list[Embed]
    attachments: list[Attachment]
    timestamp: Timestamp
    edited_timestamp: Timestamp | None
    flags: NotRequired[int]
    mentions: list[User]
    mention_roles: list[Snowflake]
    sticker_items: NotRequired[list[StickerItem]]
    stickers: NotRequired[list[Sticker]]
    components: NotRequired[list[MessageComponent]]


class MessageSnapshot(TypedDict):
    """A forwarded message.

    See: https://docs.discord.com/developers/resources/message#message-snapshot-object
    """

    message: SnapshotMessage


class _Message(TypedDict):
    id: Snowflake
    channel_id: Snowflake
    author: User
    content: str
    timestamp: Timestamp
    edited_timestamp: Timestamp | None
    tts: bool
    mention_everyone: bool
    mention_roles: list[Snowflake]
    mention_channels: NotRequired[list[ChannelMention]]
    attachments: list[Attachment]
    embeds: list[Embed]
    reactions: NotRequired[list[Reaction]]
    nonce: NotRequired[int | str]
    pinned: bool
    webhook_id: NotRequired[Snowflake]
    type: int
    activity: NotRequired[MessageActivity]
    application: NotRequired[PartialApplication]
    application_id: NotRequired[Snowflake]
    flags: NotRequired[int]
    message_reference: NotRequired[MessageReference]
    message_snapshots: NotRequired[list[MessageSnapshot]]
    referenced_message: NotRequired[Message | None]
    interaction_metadata: NotRequired[InteractionMetadata]
    interaction: NotRequired[MessageInteraction]
    thread: NotRequired[Thread]
    components: NotRequired[list[MessageComponent]]
    sticker_items: NotRequired[list[StickerItem]]
    stickers: NotRequired[list[Sticker]]
    position: NotRequired[int]
    role_subscription_data: NotRequired[RoleSubscriptionData]
    resolved: NotRequired[ResolvedData]
    poll: NotRequired[Poll]
    call: NotRequired[MessageCall]
    shared_client_theme: NotRequired[SharedClientTheme]


class Message(_Message):
    """A message.

    See: https://docs.discord.com/developers/resources/message#message-object
    """

    mentions: list[User]


class MentionedUser(User):
    """A user that a message in a guild mentions, with the member."""

    member: NotRequired[PartialMember]


class _MessageEvent(_Message):
    guild_id: NotRequired[Snowflake]
    member: NotRequired[PartialMember]
    mentions: list[MentionedUser]
    channel_type: NotRequired[int]


class MessageCreate(_MessageEvent):
    """The data of MESSAGE_CREATE. Without the intent MESSAGE_CONTENT, the content is mostly empty.

    See: https://docs.discord.com/developers/events/gateway-events#message-create
    """


class MessageUpdate(_MessageEvent):
    """The data of MESSAGE_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#message-update
    """


class MessageDelete(TypedDict):
    """The data of MESSAGE_DELETE.

    See: https://docs.discord.com/developers/events/gateway-events#message-delete
    """

    id: Snowflake
    channel_id: Snowflake
    guild_id: NotRequired[Snowflake]


class MessageDeleteBulk(TypedDict):
    """The data of MESSAGE_DELETE_BULK.

    See: https://docs.discord.com/developers/events/gateway-events#message-delete-bulk
    """

    ids: list[Snowflake]
    channel_id: Snowflake
    guild_id: NotRequired[Snowflake]
