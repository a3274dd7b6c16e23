"""The client's methods that send a command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .concurrency.fork import ForkCheck
from .config import Options
from .log import ShardLog
from .opcodes import OPCODES, Opcode
from .protocol import payloads
from .shard.sender import CommandSender
from .shard.shard import Shard
from .validation import check_op, check_timeout

__all__ = ["ClientCommands"]


class ClientCommands:
    """A part of `Client`, which has the attributes."""

    _options: Options
    _outbox: CommandSender
    _log: ShardLog
    _engine: Shard | None
    _fork: ForkCheck

    def send_packet(self, op_code: int | str, data: Any, timeout: float | None = None) -> None:
        """Send any command. Waits for READY and for the send window (120 events in 60 seconds, heartbeats included).

        Args:
            op_code: an `Opcode`, its number or its name.
            data: the payload's ``d``.
            timeout: seconds to wait at the most; None for as long as it takes.

        Raises:
            ValueError: the command is over 4096 bytes when encoded, or not one to send.
            TypeError: `data` holds something that the encoding has no form for.
            CommandTimeout: it could not be sent in time; nothing of it was.
            NotConnected: the client does not run, or was closed meanwhile.
        """
        op = check_op(op_code)
        timeout = check_timeout(timeout)
        if op == Opcode.PRESENCE_UPDATE:
            self._update_presence(payloads.check_presence(data), timeout)
        else:
            name, encoded = str(OPCODES.get(op, f"op {op}")), self._options.encode(op, data)
            self._fork.check(f"{name} was not sent")
            self._outbox.send(name, encoded, timeout)

    def presence_update(
        self,
        *,
        status: str,
        afk: bool = False,
        game: Mapping[str, Any] | None = None,
        since: int | None = None,
        activities: Iterable[Mapping[str, Any]] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Change the bot's presence. It is also what the next IDENTIFY carries.

        The gateway takes 5 presences in 20 seconds. Beyond that this returns at once and the newest presence is sent as
        soon as it may be; one that was overtaken is not sent.

        Args:
            status: ``online``, ``dnd``, ``idle``, ``invisible`` or ``offline``.
            afk: whether the user is away.
            game: one activity, as in the original; the same as ``activities=[game]``.
            since: since when idle, Unix time in milliseconds.
            activities: what the bot is doing: mappings with a ``name`` and a ``type`` (0 playing, 1 streaming,
                2 listening, 3 watching, 4 custom, 5 competing), and maybe ``state`` and ``url``.
            timeout: seconds to wait for READY; None for as long as it takes.

        Raises:
            TypeError, ValueError, CommandTimeout, NotConnected: see `send_packet`.

        Rests on "Update Presence" of the official Gateway Events documentation.
        """
        data = payloads.presence_update(status=status, afk=afk, game=game, since=since, activities=activities)
        self._update_presence(data, check_timeout(timeout))

    def voice_state_update(
        self,
        guild_id: str | int,
        channel_id: str | int | None,
        self_mute: bool = False,
        self_deaf: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Join a voice channel, move to it, or leave (`channel_id` None). Answered by VOICE_STATE_UPDATE and
        VOICE_SERVER_UPDATE.

        Args:
            guild_id: the guild.
            channel_id: the channel, or None to leave.
            self_mute, self_deaf: whether the bot is muted or deafened.
            timeout: seconds; see `send_packet`, also for what is raised.

        Rests on "Update Voice State" of the official Gateway Events documentation.
        """
        data = payloads.voice_state_update(guild_id, channel_id, self_mute, self_deaf)
        self.send_packet(Opcode.VOICE_STATE_UPDATE, data, timeout)

    def request_guild_members(
        self,
        guild_id: str | int,
        query: str | None = None,
        limit: int = 0,
        presences: bool | None = None,
        user_ids: str | int | Iterable[str | int] | None = None,
        nonce: str | int | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Ask for members of a guild; they come as GUILD_MEMBERS_CHUNK events.

        Args:
            guild_id: the guild.
            query: the beginning of the names; ``""`` with `limit` 0 for all members, which needs GUILD_MEMBERS.
            limit: members at the most, with `query`.
            presences: whether to send presences too, which needs GUILD_PRESENCES.
            user_ids: the members to send, 100 at the most, instead of `query`.
            nonce: comes back in the chunks, 32 bytes at the most.
            timeout: seconds; see `send_packet`, also for what is raised.

        Rests on "Request Guild Members" of the official Gateway Events documentation.
        """
        data = payloads.request_guild_members(guild_id, query, limit, presences, user_ids, nonce)
        intents = self._options.intents
        for words in (payloads.unanswered(data, intents), payloads.answered_in_part(data, intents)):
            if words:
                self._log.warning("%s", words)
        self.send_packet(Opcode.REQUEST_GUILD_MEMBERS, data, timeout)

    def request_soundboard_sounds(self, guild_ids: Iterable[str | int], *, timeout: float | None = None) -> None:
        """Ask for the soundboard sounds of guilds; they come as SOUNDBOARD_SOUNDS, one for each guild.

        Rests on "Request Soundboard Sounds" of the official Gateway Events documentation; raises as `send_packet`.
        """
        self.send_packet(Opcode.REQUEST_SOUNDBOARD_SOUNDS, payloads.request_soundboard_sounds(guild_ids), timeout)

    def request_channel_info(self, guild_id: str | int, fields: Iterable[str], *, timeout: float | None = None) -> None:
        """Ask for details of a guild's channels, ``status`` and ``voice_start_time``; they come as CHANNEL_INFO.

        Rests on "Request Channel Info" of the official Gateway Events documentation; raises as `send_packet`.
        """
        self.send_packet(Opcode.REQUEST_CHANNEL_INFO, payloads.request_channel_info(guild_id, fields), timeout)

    def _update_presence(self, data: dict[str, Any], timeout: float | None) -> None:
        self._options.encode(Opcode.PRESENCE_UPDATE, data)  # refused here and now, when it is too large
        self._fork.check("PRESENCE_UPDATE was not sent")
        self._outbox.wait_for_line("PRESENCE_UPDATE", timeout)
        if (engine := self._engine) is not None:
            engine.presence.update(data)
