"""Components of messages.

A component is told from the others by its `type`: after ``if component["type"] == 2`` it is a `Button` to a type
checker.

See: https://docs.discord.com/developers/components/reference
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake

__all__ = [
    "ActionRow",
    "Button",
    "ChannelSelect",
    "ComponentEmoji",
    "Container",
    "DefaultValue",
    "File",
    "MediaGallery",
    "MediaGalleryItem",
    "MediaItem",
    "MentionableSelect",
    "MessageComponent",
    "RoleSelect",
    "Section",
    "SelectOption",
    "Separator",
    "StringSelect",
    "TextDisplay",
    "Thumbnail",
    "UserSelect",
]


class ComponentEmoji(TypedDict):
    """The emoji of a button or an option."""

    id: NotRequired[Snowflake]
    name: NotRequired[str]
    animated: NotRequired[bool]


class MediaItem(TypedDict):
    """A picture, a video or a file.

    See: https://docs.discord.com/developers/components/reference#unfurled-media-item
    """

    url: str
    proxy_url: NotRequired[str]
    height: NotRequired[int | None]
    width: NotRequired[int | None]
    placeholder: NotRequired[str | None]
    placeholder_version: NotRequired[int | None]
    content_type: NotRequired[str | None]
    loading_state: NotRequired[int]
    flags: NotRequired[int]
    attachment_id: NotRequired[Snowflake]


class _Component(TypedDict):
    id: NotRequired[int]


class Button(_Component):
    """A button. By its `style` it has a `custom_id`, a `url` or a `sku_id`.

    See: https://docs.discord.com/developers/components/reference#button
    """

    type: Literal[2]
    style: int
    label: NotRequired[str]
    emoji: NotRequired[ComponentEmoji]
    custom_id: NotRequired[str]
    sku_id: NotRequired[Snowflake]
    url: NotRequired[str]
    disabled: NotRequired[bool]


class SelectOption(TypedDict):
    """An option of a `StringSelect`."""

    label: str
    value: str
    description: NotRequired[str]
    emoji: NotRequired[ComponentEmoji]
    default: NotRequired[bool]


class DefaultValue(TypedDict):
    """A value that is selected at first: ``"user"``, ``"role"`` or ``"channel"``."""

    id: Snowflake
    type: Literal["user", "role", "channel"]


class _Select(_Component):
    custom_id: str
    placeholder: NotRequired[str]
    min_values: NotRequired[int]
    max_values: NotRequired[int]
    required: NotRequired[bool]
    disabled: NotRequired[bool]


class StringSelect(_Select):
    """A menu of texts.

    See: https://docs.discord.com/developers/components/reference#string-select
    """

    type: Literal[3]
    options: list[SelectOption]


class UserSelect(_Select):
    """A menu of users.

    See: https://docs.discord.com/developers/components/reference#user-select
    """

    type: Literal[5]
    default_values: NotRequired[list[DefaultValue]]


class RoleSelect(_Select):
    """A menu of roles.

    See: https://docs.discord.com/developers/components/reference#role-select
    """

    type: Literal[6]
    default_values: NotRequired[list[DefaultValue]]


class MentionableSelect(_Select):
    """A menu of users and roles.

    See: https://docs.discord.com/developers/components/reference#mentionable-select
    """

    type: Literal[7]
    default_values: NotRequired[list[DefaultValue]]


class ChannelSelect(_Select):
    """A menu of channels.

    See: https://docs.discord.com/developers/components/reference#channel-select
    """

    type: Literal[8]
    channel_types: NotRequired[list[int]]
    default_values: NotRequired[list[DefaultValue]]


class ActionRow(_Component):
    """A row of buttons, or a menu.

    See: https://docs.discord.com/developers/components/reference#action-row
    """

    type: Literal[1]
    components: list[Button | StringSelect | UserSelect | RoleSelect | MentionableSelect | ChannelSelect]


class TextDisplay(_Component):
    """A text.

    See: https://docs.discord.com/developers/components/reference#text-display
    """

    type: Literal[10]
    content: str


class Thumbnail(_Component):
    """A small picture beside a `Section`.

    See: https://docs.discord.com/developers/components/reference#thumbnail
    """

    type: Literal[11]
    media: MediaItem
    description: NotRequired[str | None]
    spoiler: NotRequired[bool]


class Section(_Component):
    """Texts with something beside them.

    See: https://docs.discord.com/developers/components/reference#section
    """

    type: Literal[9]
    components: list[TextDisplay]
    accessory: Button | Thumbnail


class MediaGalleryItem(TypedDict):
    """A picture or a video of a gallery."""

    media: MediaItem
    description: NotRequired[str | None]
    spoiler: NotRequired[bool]


class MediaGallery(_Component):
    """Pictures and videos.

    See: https://docs.discord.com/developers/components/reference#media-gallery
    """

    type: Literal[12]
    items: list[MediaGalleryItem]


class File(_Component):
    """A file.

    See: https://docs.discord.com/developers/components/reference#file
    """

    type: Literal[13]
    file: MediaItem
    spoiler: NotRequired[bool]
    name: NotRequired[str]
    size: NotRequired[int]


class Separator(_Component):
    """A space, with or without a line.

    See: https://docs.discord.com/developers/components/reference#separator
    """

    type: Literal[14]
    divider: NotRequired[bool]
    spacing: NotRequired[int]


class Container(_Component):
    """A box around other components.

    See: https://docs.discord.com/developers/components/reference#container
    """

    type: Literal[17]
    components: list[ActionRow | TextDisplay | Section | MediaGallery | Separator | File]
    accent_color: NotRequired[int | None]
    spoiler: NotRequired[bool]


#: A component at the top level of a message.
MessageComponent: TypeAlias = ActionRow | TextDisplay | Section | MediaGallery | Separator | File | Container
