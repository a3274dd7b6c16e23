"""Voice channels.

See: https://docs.discord.com/developers/resources/voice
"""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake, Timestamp
from .emoji import Emoji
from .member import Member

__all__ = [
    "GuildCreateVoiceState",
    "VoiceChannelEffectSend",
    "VoiceChannelStartTimeUpdate",
    "VoiceChannelStatusUpdate",
    "VoiceServerUpdate",
    "VoiceState",
]


class GuildCreateVoiceState(TypedDict):
    """A voice state in GUILD_CREATE, which lacks the `guild_id`."""

    channel_id: Snowflake | None
    user_id: Snowflake
    member: NotRequired[Member]
    session_id: str
    deaf: bool
    mute: bool
    self_deaf: bool
    self_mute: bool
    self_stream: NotRequired[bool]
    self_video: bool
    suppress: bool
    request_to_speak_timestamp: Timestamp | None


class VoiceState(GuildCreateVoiceState):
    """Where a user is in voice; the data of VOICE_STATE_UPDATE. `channel_id` is None after the user has left.

    See: https://docs.discord.com/developers/resources/voice#voice-state-object
    """

    guild_id: NotRequired[Snowflake]


class VoiceServerUpdate(TypedDict):
    """The data of VOICE_SERVER_UPDATE. `endpoint` is None while no voice server is available.

    See: https://docs.discord.com/developers/events/gateway-events#voice-server-update
    """

    token: str
    guild_id: Snowflake
    endpoint: str | None


class VoiceChannelEffectSend(TypedDict):
    """The data of VOICE_CHANNEL_EFFECT_SEND.

    See: https://docs.discord.com/developers/events/gateway-events#voice-channel-effect-send
    """

    channel_id: Snowflake
    guild_id: Snowflake
    user_id: Snowflake
    emoji: NotRequired[Emoji | None]
    animation_type: NotRequired[int | None]
    animation_id: NotRequired[int]
    sound_id: NotRequired[Snowflake | int]
    sound_volume: NotRequired[float]


class VoiceChannelStatusUpdate(TypedDict):
    """The data of VOICE_CHANNEL_STATUS_UPDATE.

    See: https://docs.discord.com/developers/events/gateway-events#voice-channel-status-update
    """

    id: Snowflake
    guild_id: Snowflake
    status: str | None


class VoiceChannelStartTimeUpdate(TypedDict):
    """The data of VOICE_CHANNEL_START_TIME_UPDATE; the time is Unix time in seconds.

    See: https://docs.discord.com/developers/events/gateway-events#voice-channel-start-time-update
    """

    id: Snowflake
    guild_id: Snowflake
    voice_start_time: NotRequired[int | None]
