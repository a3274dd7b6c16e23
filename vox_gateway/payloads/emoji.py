"""Emojis, stickers and soundboard sounds.

See:
    https://docs.discord.com/developers/resources/emoji
    https://docs.discord.com/developers/resources/sticker
    https://docs.discord.com/developers/resources/soundboard
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake
from .user import User

__all__ = [
    "Emoji",
    "GuildEmojisUpdate",
    "GuildSoundboardSoundDelete",
    "GuildSoundboardSoundsUpdate",
    "GuildStickersUpdate",
    "PartialEmoji",
    "SoundboardSound",
    "SoundboardSounds",
    "Sticker",
    "StickerItem",
]


class PartialEmoji(TypedDict):
    """An emoji: of a guild with an `id`, or a standard emoji with the character as its `name`."""

    id: Snowflake | None
    name: str | None
    animated: NotRequired[bool]


class Emoji(PartialEmoji):
    """An emoji with what its guild knows about it.

    See: https://docs.discord.com/developers/resources/emoji#emoji-object
    """

    roles: NotRequired[list[Snowflake]]
    user: NotRequired[User]
    require_colons: NotRequired[bool]
    managed: NotRequired[bool]
    available: NotRequired[bool]


class StickerItem(TypedDict):
    """A sticker in a message.

    See: https://docs.discord.com/developers/resources/sticker#sticker-item-object
    """

    id: Snowflake
    name: str
    format_type: int


class Sticker(StickerItem):
    """A sticker.

    See: https://docs.discord.com/developers/resources/sticker#sticker-object
    """

    description: str | None
    tags: str
    type: int
    pack_id: NotRequired[Snowflake]
    available: NotRequired[bool]
    guild_id: NotRequired[Snowflake]
    user: NotRequired[User]
    sort_value: NotRequired[int]


class SoundboardSound(TypedDict):
    """A soundboard sound; the data of GUILD_SOUNDBOARD_SOUND_CREATE and GUILD_SOUNDBOARD_SOUND_UPDATE.

    See: https://docs.discord.com/developers/resources/soundboard#soundboard-sound-object
    """

    name: str
    sound_id: Snowflake
    volume: float
    emoji_id: Snowflake | None
    emoji_name: str | None
    guild_id: NotRequired[Snowflake]
    available: bool
    user: NotRequired[User]


class GuildEmojisUpdate(TypedDict):
    """The data of GUILD_EMOJIS_UPDATE: all emojis of the guild.

    See: https://docs.discord.com/developers/events/gateway-events#guild-emojis-update
    """

    guild_id: Snowflake
    emojis: list[Emoji]


class GuildStickersUpdate(TypedDict):
    """The data of GUILD_STICKERS_UPDATE: all stickers of the guild.

    See: https://docs.discord.com/developers/events/gateway-events#guild-stickers-update
    """

    guild_id: Snowflake
    stickers: list[Sticker]


class GuildSoundboardSoundDelete(TypedDict):
    """The data of GUILD_SOUNDBOARD_SOUND_DELETE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-soundboard-sound-delete
    """

    sound_id: Snowflake
    guild_id: Snowflake


class GuildSoundboardSoundsUpdate(TypedDict):
    """The data of GUILD_SOUNDBOARD_SOUNDS_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#guild-soundboard-sounds-update
    """

    soundboard_sounds: list[SoundboardSound]
    guild_id: Snowflake


class SoundboardSounds(TypedDict):
    """The data of SOUNDBOARD_SOUNDS, the answer to `Client.request_soundboard_sounds`.

    See: https://docs.discord.com/developers/events/gateway-events#soundboard-sounds
    """

    soundboard_sounds: list[SoundboardSound]
    guild_id: Snowflake
