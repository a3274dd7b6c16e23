"""What guilds tell of their soundboards and channels. Pure.

Rests on "Soundboard Sounds" and "Channel Info" of the official Gateway Events documentation.
"""

from __future__ import annotations

from typing import Any

from ..opcodes import Opcode
from ..protocol.payloads import CHANNEL_FIELDS
from .base import CommandData, Request
from .fields import id_of, objects_of

__all__ = ["ChannelInfo", "SoundboardSounds"]

#: guilds in one command, so that it is not too large
BATCH = 100


class SoundboardSounds(Request):
    """The sounds of guilds; an answer comes for each.

    Args:
        request: the data of the command, with any number of guilds.
    """

    op = Opcode.REQUEST_SOUNDBOARD_SOUNDS
    events = ("SOUNDBOARD_SOUNDS",)

    def __init__(self, request: CommandData) -> None:
        self._sounds: dict[str, list[dict[str, Any]] | None] = dict.fromkeys(request["guild_ids"])
        self.what = f"the soundboard sounds of {len(self._sounds)} guild{'s' * (len(self._sounds) != 1)}"

    @property
    def _open(self) -> list[str]:
        return [guild_id for guild_id, sounds in self._sounds.items() if sounds is None]

    def begin(self) -> list[CommandData]:
        """See `Request`."""
        wanted = self._open
        return [{"guild_ids": wanted[start : start + BATCH]} for start in range(0, len(wanted), BATCH)]

    resume = begin

    def take(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        guild_id, sounds = id_of(data.get("guild_id")), data.get("soundboard_sounds")
        if guild_id is None or guild_id not in self._sounds or not isinstance(sounds, list):
            return False
        self._sounds[guild_id] = objects_of(sounds)
        return True

    @property
    def is_answered(self) -> bool:
        """See `Request`."""
        return not self._open

    def answer(self) -> dict[str, list[dict[str, Any]]]:
        """See `Request`."""
        return {guild_id: list(sounds) for guild_id, sounds in self._sounds.items() if sounds is not None}

    def missing(self) -> str:
        """See `Request`."""
        wanted = self._open
        named = ", ".join(wanted[:3]) + ", ..." * (len(wanted) > 3)
        came = len(self._sounds) - len(wanted)
        return f"those of {came} of {len(self._sounds)} guilds had come; is the bot in {named}?"


class ChannelInfo(Request):
    """What is asked about a guild's channels.

    Args:
        request: the data of the command.
    """

    op = Opcode.REQUEST_CHANNEL_INFO
    events = ("CHANNEL_INFO",)

    def __init__(self, request: CommandData) -> None:
        self._request = request
        self._channels: list[dict[str, Any]] | None = None
        self.what = f"the channel info of guild {request['guild_id']}"

    def begin(self) -> list[CommandData]:
        """See `Request`."""
        return [self._request]

    resume = begin

    def take(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        if id_of(data.get("guild_id")) != self._request["guild_id"] or not isinstance(data.get("channels"), list):
            return False
        channels = objects_of(data["channels"])
        told = {field for field in CHANNEL_FIELDS if any(field in channel for channel in channels)}
        if told and not told & set(self._request["fields"]):  # it was asked by others, for other fields
            return False
        self._channels = channels
        return True

    @property
    def is_answered(self) -> bool:
        """See `Request`."""
        return self._channels is not None

    def answer(self) -> list[dict[str, Any]]:
        """See `Request`."""
        return list(self._channels or ())

    def missing(self) -> str:
        """See `Request`."""
        return f"no CHANNEL_INFO had come; is the bot in guild {self._request['guild_id']}?"
