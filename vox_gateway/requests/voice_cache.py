"""What is known of the bot's voice: Discord tells a voice server when it changes, and not whenever it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..dispatch.subscriptions import Subscriber
from ..errors import GatewayError
from ..event import Event
from .fields import id_of
from .voice import Known, Server, server_of

__all__ = ["VoiceMemory"]


@dataclass(frozen=True, slots=True)
class _Guild:
    """What was told of one guild; `channel_id` counts once there was a voice state."""

    state_came: bool = False
    channel_id: str | None = None
    server: Server | None = None


class VoiceMemory(Subscriber):
    """Remembers, for each guild, where the bot is and the voice server.

    It has no lock, since `end` may be called by a signal handler that interrupts any of the other methods: the
    dispatcher alone changes the table, by whole entries, and `end` puts an empty table in its place.

    Args:
        is_own: whether a voice state is the bot's.
    """

    EVENTS = ("VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "READY")

    def __init__(self, is_own: Callable[[dict[str, Any]], bool]) -> None:
        self._is_own = is_own
        self._guilds: dict[str, _Guild] = {}

    def known(self, guild_id: str) -> Known | None:
        """What is known of a guild; None where nothing was told."""
        guild = self._guilds.get(guild_id)
        return Known(guild.channel_id, guild.server) if guild is not None and guild.state_came else None

    def show(self, event: Event) -> None:
        """See `Subscriber`."""
        if event.name == "READY":
            self.end(None)  # a voice session ends with the gateway's
        elif isinstance(event.data, dict) and (guild_id := id_of(event.data.get("guild_id"))) is not None:
            guilds = self._guilds  # once, so that what `end` has put away stays away
            guilds[guild_id] = self._after(guilds.get(guild_id, _Guild()), event.name, event.data)

    def _after(self, guild: _Guild, name: str, data: dict[str, Any]) -> _Guild:
        if name == "VOICE_SERVER_UPDATE":
            return replace(guild, server=server_of(data))
        if not self._is_own(data) or "channel_id" not in data:
            return guild
        channel_id = id_of(data["channel_id"])
        if channel_id is not None:
            return replace(guild, state_came=True, channel_id=channel_id)
        return _Guild(state_came=True) if data["channel_id"] is None else guild

    def end(self, error: GatewayError | None) -> None:
        """See `Subscriber`."""
        self._guilds = {}
