"""Requests for guild details: soundboard sounds, and channels' status and voice start time. Pure.

See: https://docs.discord.com/developers/events/gateway-events
"""

from __future__ import annotations

from typing import Any

from ..encoding.fields import id_of, objects_of
from ..opcodes import Opcode
from ..protocol.payloads import CHANNEL_FIELDS
from .base import CommandData, Request

__all__ = ["ChannelInfo", "SoundboardSounds"]

#: guilds in a command, which keeps it below the gateway's limit of 4096 bytes
BATCH = 100


class SoundboardSounds(Request):
    """The sounds of guilds; each guild is answered by an event of its own.

    Args:
        command: the command's data, with any number of guilds.
    """

    op = Opcode.REQUEST_SOUNDBOARD_SOUNDS
    events: tuple[str, ...] = ("SOUNDBOARD_SOUNDS",)

    def __init__(self, command: CommandData) -> None:
        self._sounds: dict[str, list[dict[str, Any]] | None] = dict.fromkeys(command["guild_ids"])
        self.description: str = f"the soundboard sounds of {len(self._sounds)} guild{'s' * (len(self._sounds) != 1)}"

    @property
    def _unanswered(self) -> list[str]:
        return [guild_id for guild_id, sounds in self._sounds.items() if sounds is None]

    def start(self) -> list[CommandData]:
        """See `Request`."""
        guild_ids = self._unanswered
        return [{"guild_ids": guild_ids[first : first + BATCH]} for first in range(0, len(guild_ids), BATCH)]

    resume = start

    def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        guild_id, sounds = id_of(data.get("guild_id")), data.get("soundboard_sounds")
        if guild_id is None or guild_id not in self._sounds or not isinstance(sounds, list):
            return False
        self._sounds[guild_id] = objects_of(sounds)
        return True

    @property
    def is_answered(self) -> bool:
        """See `Request`."""
        return None not in self._sounds.values()

    def answer(self) -> dict[str, list[dict[str, Any]]]:
        """See `Request`."""
        return {guild_id: list(sounds) for guild_id, sounds in self._sounds.items() if sounds is not None}

    def progress(self) -> str:
        """See `Request`."""
        missing = self._unanswered
        named = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
        return f"{len(self._sounds) - len(missing)} of {len(self._sounds)} guilds answered; is the bot in {named}?"


class ChannelInfo(Request):
    """Details of a guild's channels.

    Args:
        command: the command's data.
    """

    op = Opcode.REQUEST_CHANNEL_INFO
    events: tuple[str, ...] = ("CHANNEL_INFO",)

    def __init__(self, command: CommandData) -> None:
        self._command = command
        self._channels: list[dict[str, Any]] | None = None
        self.description: str = f"the channel info of guild {command['guild_id']}"

    def start(self) -> list[CommandData]:
        """See `Request`."""
        return [self._command]

    resume = start

    def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        if id_of(data.get("guild_id")) != self._command["guild_id"] or not isinstance(data.get("channels"), list):
            return False
        channels = objects_of(data["channels"])
        asked = set(self._command["fields"])
        fields = {field for field in (*CHANNEL_FIELDS, *asked) if any(field in channel for channel in channels)}
        if fields and not fields & asked:  # the answer to a command for other fields
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

    def progress(self) -> str:
        """See `Request`."""
        return f"no CHANNEL_INFO had come; is the bot in guild {self._command['guild_id']}?"
