"""Attachments of messages.

See: https://docs.discord.com/developers/resources/message#attachment-object
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .application import Application
from .basics import Snowflake, Timestamp
from .user import User

__all__ = ["Attachment"]


class Attachment(TypedDict):
    """A file of a message.

    See: https://docs.discord.com/developers/resources/message#attachment-object
    """

    id: Snowflake
    filename: str
    title: NotRequired[str]
    description: NotRequired[str]
    content_type: NotRequired[str]
    size: int
    url: str
    proxy_url: str
    height: NotRequired[int | None]
    width: NotRequired[int | None]
    placeholder: NotRequired[str]
    placeholder_version: NotRequired[int]
    ephemeral: NotRequired[bool]
    duration_secs: NotRequired[float]
    waveform: NotRequired[str]
    flags: NotRequired[int]
    clip_participants: NotRequired[list[User]]
    clip_created_at: NotRequired[Timestamp]
    application: NotRequired[Application | None]
