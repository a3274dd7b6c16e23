"""The requests to join and to leave a voice channel. Pure.

See: https://docs.discord.com/developers/topics/voice-connections
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..encoding.fields import id_of
from ..opcodes import Opcode
from .base import CommandData, Request

__all__ = ["JoinVoice", "KnownVoice", "LeaveVoice", "VoiceConnection", "VoiceMove", "server_of"]

#: seconds after the bot's new voice state within which a VOICE_SERVER_UPDATE follows, if the server changes
GRACE = 2.0

#: a voice server's token and endpoint
Server = tuple[str, str]
#: the bot's user id and voice session id, from its voice state
_State = tuple[str, str]


@dataclass(frozen=True)
class VoiceConnection:
    """The values that a voice connection is opened with.

    Attributes:
        guild_id: the guild, as text; the ``server_id`` of the voice gateway.
        channel_id: the channel, as text.
        user_id: the bot's user id, as text.
        session_id: the voice session.
        token: of the voice server; never in the repr.
        endpoint: the voice server's host and port, without ``wss://``.
    """

    guild_id: str
    channel_id: str
    user_id: str
    session_id: str
    token: str = field(repr=False)
    endpoint: str


@dataclass(frozen=True)
class KnownVoice:
    """The last known state of the bot's voice in a guild.

    Attributes:
        channel_id: the bot's channel; None when it is in no channel.
        server: the voice server; None when it is unknown.
        has_state: whether `channel_id` comes from a voice state; otherwise it is meaningless.
    """

    channel_id: str | None
    server: Server | None
    has_state: bool = True


def server_of(data: dict[str, Any]) -> Server | None:
    """Return the server in a VOICE_SERVER_UPDATE; None while Discord has none for the guild."""
    token, endpoint = data.get("token"), data.get("endpoint")
    return (token, endpoint) if isinstance(token, str) and isinstance(endpoint, str) and endpoint else None


class VoiceMove(Request):
    """The bot's move to a voice channel, or out of voice.

    Args:
        command: the command's data.
        is_own: whether a voice state is the bot's; called under the lock of the `PendingRequest`.
        recall: returns the state of the guild's voice, or None when it is unknown; called under the same lock.
    """

    op = Opcode.VOICE_STATE_UPDATE
    description_format: str

    def __init__(
        self,
        command: CommandData,
        is_own: Callable[[dict[str, Any]], bool],
        recall: Callable[[], KnownVoice | None],
    ) -> None:
        self._command = command
        self._is_own = is_own
        self._recall = recall
        self.description: str = self.description_format.format_map(command)


class JoinVoice(VoiceMove):
    """The move to a voice channel; see `VoiceMove`."""

    events: tuple[str, ...] = ("VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE")
    description_format = "the voice connection of channel {channel_id}"

    _known_channel_id: str | None = None
    _last_server: Server | None = None
    _state: _State | None = None
    _server: Server | None = None
    _has_server_update = False  # it may report that no server is assigned yet
    _was_elsewhere = False

    def start(self) -> list[CommandData]:
        """See `Request`."""
        known = self._recall()
        self._known_channel_id = known.channel_id if known else None
        self._last_server = known.server if known and known.channel_id else None
        self._state = self._server = self.timer_at = None
        self._has_server_update = self._was_elsewhere = False
        return [self._command]

    def resume(self) -> list[CommandData]:
        """See `Request`."""
        return [] if self._state else [self._command]

    def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        if id_of(data.get("guild_id")) != self._command["guild_id"]:
            return False
        if name == "VOICE_SERVER_UPDATE":
            self._last_server = server_of(data)
            # While the bot is in another channel, the server may be that channel's.
            if self._state is None and self._was_elsewhere:
                return False
            self._server, self._has_server_update, self.timer_at = self._last_server, True, None
            return True
        if not self._is_own(data) or "channel_id" not in data:
            return False
        if id_of(data["channel_id"]) != self._command["channel_id"]:
            self._state = self._server = self.timer_at = None
            self._has_server_update, self._was_elsewhere = False, True
            return False
        user_id, session_id = id_of(data.get("user_id")), data.get("session_id")
        if user_id is None or not isinstance(session_id, str):
            return False
        self._state = user_id, session_id
        if not self._has_server_update:
            if self._known_channel_id == self._command["channel_id"]:
                self._server = self._last_server  # a bot that stays in its channel is sent no server
            if self._server is None and self.timer_at is None:
                self.timer_at = now + GRACE
        return True

    def on_timer(self, now: float) -> list[CommandData]:
        """See `Request`."""
        self.timer_at = None
        self._server = self._last_server  # a bot that changes channels may keep its server
        return []

    @property
    def is_answered(self) -> bool:
        """See `Request`."""
        return self._state is not None and self._server is not None

    def answer(self) -> VoiceConnection:
        """See `Request`."""
        assert self._state is not None
        assert self._server is not None
        user_id, session_id = self._state
        token, endpoint = self._server
        return VoiceConnection(
            guild_id=self._command["guild_id"],
            channel_id=self._command["channel_id"],
            user_id=user_id,
            session_id=session_id,
            token=token,
            endpoint=endpoint,
        )

    def progress(self) -> str:
        """See `Request`."""
        if self._state is None:
            return "the bot is not in the channel; check that it may view and connect to it, and that there is room"
        if self._has_server_update:
            return "the bot is in the channel, and Discord has no voice server for it yet"
        return (
            "the bot is in the channel, and Discord sent no voice server; if the bot was there before, call "
            "leave_voice() first"
        )


class LeaveVoice(VoiceMove):
    """The move out of voice; see `VoiceMove`."""

    events: tuple[str, ...] = ("VOICE_STATE_UPDATE",)
    description_format = "the bot's leave from voice in guild {guild_id}"

    _was_started = _is_out = False

    def start(self) -> list[CommandData]:
        """See `Request`."""
        known = self._recall()
        # Discord does not answer when the bot is in no channel; and its voice session ends with the gateway session.
        self._is_out = self._was_started or (known is not None and known.channel_id is None)
        self._was_started = True
        return [self._command]

    def resume(self) -> list[CommandData]:
        """See `Request`."""
        return [self._command]

    def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        if id_of(data.get("guild_id")) != self._command["guild_id"] or not self._is_own(data):
            return False
        if "channel_id" in data:
            self._is_out = data["channel_id"] is None
        return self._is_out

    @property
    def is_answered(self) -> bool:
        """See `Request`."""
        return self._is_out

    def answer(self) -> None:
        """See `Request`."""

    def progress(self) -> str:
        """See `Request`."""
        return "Discord did not confirm that the bot left; it may not have been in a voice channel there"
