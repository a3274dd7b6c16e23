"""What is known of the bot's voice: Discord tells a voice server when it changes, and not whenever it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..errors import GatewayError
from ..event import Event
from ..taps import Tap
from .voice import Known, Server, server_of

__all__ = ["VoiceMemory"]


class VoiceMemory(Tap):
    """Remembers, for each guild, where the bot is and the voice server.

    Args:
        is_own: whether a voice state is the bot's.
    """

    EVENTS = ("VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "READY")

    def __init__(self, is_own: Callable[[dict[str, Any]], bool]) -> None:
        self._is_own = is_own
        self._channels: dict[str, str | None] = {}
        self._servers: dict[str, Server | None] = {}
        self._lock = threading.Lock()  # guards the two tables above

    def known(self, guild_id: str) -> Known | None:
        """What is known of a guild; None where nothing was told."""
        with self._lock:
            if guild_id not in self._channels:
                return None
            return Known(self._channels[guild_id], self._servers.get(guild_id))

    def show(self, event: Event) -> None:
        """See `Tap`."""
        data = event.data
        if event.name == "READY":
            self.end(None)  # a voice session ends with the gateway's
        elif isinstance(data, dict):
            guild_id = str(data.get("guild_id"))
            if event.name == "VOICE_SERVER_UPDATE":
                with self._lock:
                    self._servers[guild_id] = server_of(data)
            elif self._is_own(data):
                channel_id = data.get("channel_id")
                with self._lock:
                    self._channels[guild_id] = None if channel_id is None else str(channel_id)
                    if channel_id is None:
                        self._servers.pop(guild_id, None)

    def end(self, error: GatewayError | None) -> None:
        """See `Tap`."""
        with self._lock:
            self._channels.clear()
            self._servers.clear()
