"""The cache of the bot's voice channels and servers: Discord sends a voice server only when it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..dispatch.subscriptions import Subscriber
from ..encoding.fields import id_of
from ..errors import GatewayError
from ..event import Event
from .voice import KnownVoice, server_of

__all__ = ["VoiceCache"]


class VoiceCache(Subscriber):
    """Keeps the bot's channel and voice server of each guild.

    It needs no lock: only the dispatcher's thread writes entries, each with a single assignment; `end`, which a signal
    handler may call in the middle of that, replaces the table; and a caller reads a single entry.

    Args:
        is_own: whether a voice state is the bot's.
    """

    EVENTS = ("VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "READY")

    def __init__(self, is_own: Callable[[dict[str, Any]], bool]) -> None:
        self._is_own = is_own
        self._guilds: dict[str, KnownVoice] = {}

    def known(self, guild_id: str) -> KnownVoice | None:
        """Return the state of a guild's voice; None while there was no voice state."""
        known = self._guilds.get(guild_id)
        return known if known is not None and known.has_state else None

    def receive(self, event: Event[Any]) -> None:
        """See `Subscriber`."""
        if event.name == "READY":
            self.end(None)  # a voice session ends with the gateway session
        elif isinstance(event.data, dict) and (guild_id := id_of(event.data.get("guild_id"))) is not None:
            guilds = self._guilds  # read once: an entry must not enter the table that `end` puts in place
            known = guilds.get(guild_id, KnownVoice(None, None, has_state=False))
            guilds[guild_id] = self._after(known, event.name, event.data)

    def _after(self, known: KnownVoice, name: str, data: dict[str, Any]) -> KnownVoice:
        if name == "VOICE_SERVER_UPDATE":
            return replace(known, server=server_of(data))
        if not self._is_own(data) or "channel_id" not in data:
            return known
        channel_id = id_of(data["channel_id"])
        if channel_id is not None:
            return replace(known, channel_id=channel_id, has_state=True)
        return KnownVoice(None, None) if data["channel_id"] is None else known

    def end(self, error: GatewayError | None) -> None:
        """See `Subscriber`."""
        self._guilds = {}
