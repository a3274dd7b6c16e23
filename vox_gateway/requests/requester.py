"""The requests of a client: checks the arguments of a call, and chooses the request that answers it.

Called by `Client` on the caller's thread; the request goes to `PendingRequests`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ..config import Options
from ..dispatch.subscriptions import Subscribers
from ..encoding.fields import id_of
from ..errors import GatewayError
from ..intents import Intents
from ..log import ShardLog
from ..opcodes import OPCODES, Opcode
from ..protocol import payloads
from ..session.state import Session
from ..shard.sender import CommandSender
from .base import CommandData, Request
from .guild_details import ChannelInfo, SoundboardSounds
from .members import GuildMembers, Members
from .pending import PendingRequests, RequestContext, Timeout
from .rate_limits import RateLimitWarning
from .voice import JoinVoice, LeaveVoice, VoiceConnection, VoiceMove
from .voice_cache import VoiceCache

__all__ = ["Requester", "Requests"]


class Requests(Protocol):
    """What a client asks of its requester. See the methods of the same names of `Requester`."""

    def expect_refusal(self, op: int) -> None:
        """See `Requester`."""

    def guild_members(
        self,
        guild_id: str | int,
        *,
        query: str | None,
        limit: int,
        user_ids: str | int | Iterable[str | int] | None,
        presences: bool | None,
        timeout: float | None,
    ) -> Members:
        """See `Requester`."""

    def join_voice(
        self, guild_id: str | int, channel_id: str | int, self_mute: bool, self_deaf: bool, timeout: float | None
    ) -> VoiceConnection:
        """See `Requester`."""

    def leave_voice(self, guild_id: str | int, timeout: float | None) -> None:
        """See `Requester`."""

    def soundboard_sounds(
        self, guild_ids: Iterable[str | int], timeout: float | None
    ) -> dict[str | int, list[dict[str, Any]]]:
        """See `Requester`."""

    def channel_info(self, guild_id: str | int, fields: Iterable[str], timeout: float | None) -> list[dict[str, Any]]:
        """See `Requester`."""


class Requester:
    """Makes a client's requests; see the `Client` methods of the same names.

    Args:
        options: of the client.
        subscribers: bring the events.
        sender: sends the commands.
        session: returns the session as last published; takes no lock.
        check_waiting: takes what is waited for; raises if this thread must not wait or the client does not run.
        error: returns the error that ended the client, or None.
        log: of the shard.
    """

    def __init__(
        self,
        *,
        options: Options,
        subscribers: Subscribers,
        sender: CommandSender,
        session: Callable[[], Session],
        check_waiting: Callable[[str], None],
        error: Callable[[], GatewayError | None],
        log: ShardLog,
    ) -> None:
        self._options = options
        self._subscribers = subscribers
        self._sender = sender
        self._session = session
        self._log = log
        self._pending = PendingRequests(
            RequestContext(
                subscribers=subscribers,
                session=session,
                wait_until_ready=sender.wait_to_send,
                try_send=self._try_send,
                check_waiting=check_waiting,
                error=error,
                log=log,
            )
        )
        self._rate_limits = RateLimitWarning(log)
        self._warns_of_rate_limits = False
        self._voice = VoiceCache(self._is_own)
        self._voice_is_cached = False

    def guild_members(
        self,
        guild_id: str | int,
        *,
        query: str | None,
        limit: int,
        user_ids: str | int | Iterable[str | int] | None,
        presences: bool | None,
        timeout: float | None,
    ) -> Members:
        """See `Client.fetch_guild_members`."""
        commands = payloads.guild_member_requests(
            guild_id, query=query, limit=limit, presences=presences, user_ids=user_ids
        )
        self._check_shard("guild_id", commands[0]["guild_id"])
        if problem := payloads.unanswered(commands[0], self._options.intents):
            raise ValueError(f"intents: {problem}")
        if problem := payloads.answered_in_part(commands[0], self._options.intents):
            self._log.warning("%s", problem)
        for command in commands:  # a command that is too large is refused before anything is sent
            self._options.encode(Opcode.REQUEST_GUILD_MEMBERS, {**command, "nonce": _nonce()})
        self.expect_refusal(Opcode.REQUEST_GUILD_MEMBERS)
        answer = self._request(("members", repr(commands)), None, lambda: GuildMembers(commands, _nonce), timeout)
        assert isinstance(answer, Members)
        return answer

    def expect_refusal(self, op: int) -> None:
        """Log a warning from now on if the gateway refuses the command `op`, which is about to be sent. Idempotent."""
        if op == Opcode.REQUEST_GUILD_MEMBERS and not self._warns_of_rate_limits:
            # Not before the first use: a subscriber costs a little with each event. Two threads may both subscribe it,
            # which is harmless: it receives each event once.
            self._subscribers.add(self._rate_limits, RateLimitWarning.EVENTS)
            self._warns_of_rate_limits = True

    def join_voice(
        self, guild_id: str | int, channel_id: str | int, self_mute: bool, self_deaf: bool, timeout: float | None
    ) -> VoiceConnection:
        """See `Client.join_voice`."""
        payloads.snowflake(channel_id, "channel_id")  # refuses None, which would leave
        answer = self._move(JoinVoice, payloads.voice_state_update(guild_id, channel_id, self_mute, self_deaf), timeout)
        assert isinstance(answer, VoiceConnection)
        return answer

    def leave_voice(self, guild_id: str | int, timeout: float | None) -> None:
        """See `Client.leave_voice`."""
        self._move(LeaveVoice, payloads.voice_state_update(guild_id, None), timeout)

    def soundboard_sounds(
        self, guild_ids: Iterable[str | int], timeout: float | None
    ) -> dict[str | int, list[dict[str, Any]]]:
        """See `Client.fetch_soundboard_sounds`."""
        # An iterator can be read once, and the ids are needed twice; a value of another type is refused below.
        given = [*guild_ids] if isinstance(guild_ids, Iterable) and not isinstance(guild_ids, str) else guild_ids
        command = payloads.request_soundboard_sounds(given)
        for guild_id in command["guild_ids"]:
            self._check_shard("guild_ids", guild_id)
        answer = self._request(("sounds", repr(command)), None, lambda: SoundboardSounds(command), timeout)
        return {guild_id: answer[str(guild_id)] for guild_id in given}

    def channel_info(self, guild_id: str | int, fields: Iterable[str], timeout: float | None) -> list[dict[str, Any]]:
        """See `Client.fetch_channel_info`."""
        command = payloads.request_channel_info(guild_id, fields)
        self._check_shard("guild_id", command["guild_id"])
        topic = "channel info", command["guild_id"]
        answer = self._request(topic, frozenset(command["fields"]), lambda: ChannelInfo(command), timeout)
        assert isinstance(answer, list)
        return answer

    def _move(self, kind: type[VoiceMove], command: CommandData, timeout: float | None) -> Any:
        guild_id = command["guild_id"]
        self._check_shard("guild_id", guild_id)
        if not self._options.intents & Intents.GUILD_VOICE_STATES:
            raise ValueError(
                "intents: without Intents.GUILD_VOICE_STATES the gateway does not send the bot's own voice state: add "
                "it, or use voice_state_update(), which waits for no answer"
            )
        if not self._voice_is_cached:
            # Not before the first use: from now on the voice states of all users are decoded. Two threads may both
            # subscribe it, which is harmless: an event that is shown twice changes nothing the second time.
            self._subscribers.add(self._voice, VoiceCache.EVENTS)
            self._voice_is_cached = True
        recall = functools.partial(self._voice.known, guild_id)
        return self._request(("voice", guild_id), command, lambda: kind(command, self._is_own, recall), timeout)

    def _request(self, topic: object, key: object, make_request: Callable[[], Request], timeout: float | None) -> Any:
        return self._pending.request(topic, key, make_request, Timeout(timeout))

    def _try_send(self, op: Opcode, data: CommandData) -> float | None:
        return self._sender.try_send(str(OPCODES[op]), self._options.encode(op, data))

    def _is_own(self, state: dict[str, Any]) -> bool:
        """Return whether a voice state is the bot's."""
        session = self._session()
        if session.user_id is None:  # READY had no user; a voice session has the id of the gateway session
            return session.id is not None and state.get("session_id") == session.id
        return id_of(state.get("user_id")) == session.user_id

    def _check_shard(self, name: str, guild_id: str) -> None:
        """Raise ValueError for a guild of another shard.

        See: https://docs.discord.com/developers/events/gateway
        """
        shard, count = self._options.shard
        owner = (int(guild_id) >> 22) % count
        if owner != shard:
            raise ValueError(
                f"{name} must be of this client's shard, {shard} of {count}, and {guild_id} is of shard {owner}: use "
                "that shard's client"
            )


def _nonce() -> str:
    return os.urandom(12).hex()
