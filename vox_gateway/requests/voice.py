"""Joining and leaving voice channels, up to where a voice connection can be opened. Pure.

Rests on "Retrieving Voice Server Information" of the official Voice documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..opcodes import Opcode
from .base import CommandData, Request
from .fields import id_of

__all__ = ["JoinVoice", "Known", "LeaveVoice", "VoiceConnection", "VoiceMove", "server_of"]

#: seconds after the bot's new voice state within which a new voice server is told, if there is one
GRACE = 2.0

#: a voice server's token and endpoint
Server = tuple[str, str]
#: the bot's user id and voice session, from its voice state
_State = tuple[str, str]


@dataclass(frozen=True)
class VoiceConnection:
    """What a voice connection is opened with.

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
class Known:
    """What had come of a guild's voice before.

    Attributes:
        channel_id: where the bot is; None when it is in no channel.
        server: the voice server, if it is known.
    """

    channel_id: str | None
    server: Server | None


def server_of(data: dict[str, Any]) -> Server | None:
    """The server that a VOICE_SERVER_UPDATE tells; None while there is none."""
    token, endpoint = data.get("token"), data.get("endpoint")
    return (token, endpoint) if isinstance(token, str) and isinstance(endpoint, str) and endpoint else None


class VoiceMove(Request):
    """The bot where it was sent.

    Args:
        request: the data of the command.
        is_own: whether a voice state is the bot's.
        recall: tells what is known of the guild's voice, or None.
    """

    op = Opcode.VOICE_STATE_UPDATE

    def __init__(
        self, request: CommandData, is_own: Callable[[dict[str, Any]], bool], recall: Callable[[], Known | None]
    ) -> None:
        self._request = request
        self._is_own = is_own
        self._recall = recall


class JoinVoice(VoiceMove):
    """The bot in a voice channel; see `VoiceMove`."""

    events = ("VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE")

    def __init__(
        self, request: CommandData, is_own: Callable[[dict[str, Any]], bool], recall: Callable[[], Known | None]
    ) -> None:
        super().__init__(request, is_own, recall)
        self._forget(None)
        self.what = f"the voice connection of channel {request['channel_id']}"

    def _forget(self, known: Known | None) -> None:
        self._known_channel_id = known and known.channel_id
        self._last_server = known.server if known and known.channel_id else None
        self._state: _State | None = None
        self._server: Server | None = None
        self._was_told = False  # of a server, which may be none as yet
        self._was_elsewhere = False
        self.wake_at = None

    def begin(self) -> list[CommandData]:
        """See `Request`."""
        self._forget(self._recall())
        return [self._request]

    def resume(self) -> list[CommandData]:
        """See `Request`."""
        return [] if self._state else [self._request]

    def take(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        if id_of(data.get("guild_id")) != self._request["guild_id"]:
            return False
        if name == "VOICE_SERVER_UPDATE":
            self._last_server = server_of(data)
            # One that comes while the bot is elsewhere may be that channel's.
            if self._state is None and self._was_elsewhere:
                return False
            self._server, self._was_told, self.wake_at = self._last_server, True, None
            return True
        if not self._is_own(data) or "channel_id" not in data:
            return False
        if id_of(data["channel_id"]) != self._request["channel_id"]:
            self._state = self._server = self.wake_at = None
            self._was_told, self._was_elsewhere = False, True
            return False
        user_id, session_id = id_of(data.get("user_id")), data.get("session_id")
        if user_id is None or not isinstance(session_id, str):
            return False
        self._arrive((user_id, session_id), now)
        return True

    def _arrive(self, state: _State, now: float) -> None:
        self._state = state
        if self._was_told:
            return
        if self._known_channel_id == self._request["channel_id"]:
            self._server = self._last_server  # to a bot that stays where it is, no server is told
        if self._server is None and self.wake_at is None:
            self.wake_at = now + GRACE

    def wake(self, now: float) -> list[CommandData]:
        """See `Request`."""
        self.wake_at = None
        self._server = self._last_server  # if the bot was in voice in this guild, it goes on as it was
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
            guild_id=self._request["guild_id"],
            channel_id=self._request["channel_id"],
            user_id=user_id,
            session_id=session_id,
            token=token,
            endpoint=endpoint,
        )

    def missing(self) -> str:
        """See `Request`."""
        if self._state is None:
            return "the bot is not in the channel; may it view it and connect to it, and is there room?"
        if self._was_told:
            return "the bot is in the channel, and Discord has no voice server for it yet"
        return (
            "the bot is in the channel, and no voice server was told; if it was there before, call leave_voice() first"
        )


class LeaveVoice(VoiceMove):
    """The bot in no voice channel; see `VoiceMove`."""

    events = ("VOICE_STATE_UPDATE",)

    def __init__(
        self, request: CommandData, is_own: Callable[[dict[str, Any]], bool], recall: Callable[[], Known | None]
    ) -> None:
        super().__init__(request, is_own, recall)
        self._was_begun = self._is_out = False
        self.what = f"the bot's leave from voice in guild {request['guild_id']}"

    def begin(self) -> list[CommandData]:
        """See `Request`."""
        known = self._recall()
        # Of a bot that is in no channel nothing is told; and a voice session ends with the gateway's.
        self._is_out = self._was_begun or (known is not None and known.channel_id is None)
        self._was_begun = True
        return [self._request]

    def resume(self) -> list[CommandData]:
        """See `Request`."""
        return [self._request]

    def take(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        if id_of(data.get("guild_id")) != self._request["guild_id"] or not self._is_own(data):
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

    def missing(self) -> str:
        """See `Request`."""
        return "Discord did not say that the bot left; perhaps it was in no voice channel there"
