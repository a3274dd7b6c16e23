"""Embeds of messages.

See: https://docs.discord.com/developers/resources/message#embed-object
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Timestamp

__all__ = ["Embed", "EmbedAuthor", "EmbedField", "EmbedFooter", "EmbedImage", "EmbedProvider", "EmbedVideo"]


class EmbedFooter(TypedDict):
    """The footer of an embed."""

    text: str
    icon_url: NotRequired[str]
    proxy_icon_url: NotRequired[str]


class _EmbedMedia(TypedDict):
    proxy_url: NotRequired[str]
    height: NotRequired[int]
    width: NotRequired[int]
    content_type: NotRequired[str]
    placeholder: NotRequired[str]
    placeholder_version: NotRequired[int]
    description: NotRequired[str]
    flags: NotRequired[int]


class EmbedImage(_EmbedMedia):
    """The image or thumbnail of an embed."""

    url: str


class EmbedVideo(_EmbedMedia):
    """The video of an embed."""

    url: NotRequired[str]


class EmbedProvider(TypedDict):
    """The site that an embed shows."""

    name: NotRequired[str]
    url: NotRequired[str]


class EmbedAuthor(TypedDict):
    """The author of an embed."""

    name: str
    url: NotRequired[str]
    icon_url: NotRequired[str]
    proxy_icon_url: NotRequired[str]


class EmbedField(TypedDict):
    """A field of an embed."""

    name: str
    value: str
    inline: NotRequired[bool]


class Embed(TypedDict):
    """An embed.

    See: https://docs.discord.com/developers/resources/message#embed-object
    """

    title: NotRequired[str]
    type: NotRequired[str]
    description: NotRequired[str]
    url: NotRequired[str]
    timestamp: NotRequired[Timestamp]
    color: NotRequired[int]
    footer: NotRequired[EmbedFooter]
    image: NotRequired[EmbedImage]
    thumbnail: NotRequired[EmbedImage]
    video: NotRequired[EmbedVideo]
    provider: NotRequired[EmbedProvider]
    author: NotRequired[EmbedAuthor]
    fields: NotRequired[list[EmbedField]]
    flags: NotRequired[int]
