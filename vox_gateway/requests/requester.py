"""What can be asked: checks the arguments, and knows which question answers which call."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..config import Options
from ..dispatch.subscriptions import Subscribers
from ..errors import GatewayError
from ..intents import Intents
from ..log import ShardLog
from ..opcodes import OPCODES, Opcode
from ..protocol import payloads
from ..session.state import Session
from ..shard.sender import CommandSender
from .base import CommandData, Request
from .fields import id_of
from .guild_details import ChannelInfo, SoundboardSounds
from .members import GuildMembers, Members
from .pending import Inquiries
from .voice import JoinVoice, LeaveVoice, VoiceConnection, VoiceMove
from .voice_cache import VoiceMemory

__all__ = ["Requester"]


class Requester:
    """Asks for a client; see its methods of the same names.

    Args:
        session: the client's own.
        check_waiting: raises when the caller must not wait, or the client does not run; it is given what is asked for.
        error: tells what ended the client.
    """

    def __init__(
        self,
        options: Options,
        taps: Subscribers,
        outbox: CommandSender,
        session: Session,
        check_waiting: Callable[[str], None],
        error: Callable[[], GatewayError | None],
        log: ShardLog,
    ) -> None:
        self._options = options
        self._taps = taps
        self._session = session
        self._log = log
        self._inquiries = Inquiries(taps, _Line(options, outbox, session, error), check_waiting, log)
        self._voice = VoiceMemory(self._is_own)
        self._voice_is_watched = False
        self._lock = threading.Lock()  # guards the flag above

    def guild_members(
        self,
        guild_id: str | int,
        query: str | None,
        limit: int,
        user_ids: str | int | Iterable[str | int] | None,
        presences: bool | None,
        timeout: float | None,
    ) -> Members:
        """See `Client.fetch_guild_members`."""
        requests = payloads.guild_member_requests(guild_id, query, limit, presences, user_ids)
        self._check_shard("guild_id", requests[0]["guild_id"])
        if words := payloads.unanswered(requests[0], self._options.intents):
            raise ValueError(f"intents: {words}")
        if words := payloads.answered_in_part(requests[0], self._options.intents):
            self._log.warning("%s", words)
        for request in requests:  # what is too large is refused before anything is sent
            self._options.encode(Opcode.REQUEST_GUILD_MEMBERS, {**request, "nonce": _nonce()})
        answer = self._ask(("members", repr(requests)), None, lambda: GuildMembers(requests, _nonce), timeout)
        assert isinstance(answer, Members)
        return answer

    def join_voice(
        self, guild_id: str | int, channel_id: str | int, self_mute: bool, self_deaf: bool, timeout: float | None
    ) -> VoiceConnection:
        """See `Client.join_voice`."""
        payloads.snowflake(channel_id, "channel_id")  # None is for leaving
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
        # Kept, as they may come only once; what is no list is refused.
        given = [*guild_ids] if isinstance(guild_ids, Iterable) and not isinstance(guild_ids, str) else guild_ids
        request = payloads.request_soundboard_sounds(given)
        for guild_id in request["guild_ids"]:
            self._check_shard("guild_ids", guild_id)
        answer = self._ask(("sounds", repr(request)), None, lambda: SoundboardSounds(request), timeout)
        return {guild_id: answer[str(guild_id)] for guild_id in given}

    def channel_info(self, guild_id: str | int, fields: Iterable[str], timeout: float | None) -> list[dict[str, Any]]:
        """See `Client.fetch_channel_info`."""
        request = payloads.request_channel_info(guild_id, fields)
        self._check_shard("guild_id", request["guild_id"])
        topic = "channel info", request["guild_id"]
        answer = self._ask(topic, frozenset(request["fields"]), lambda: ChannelInfo(request), timeout)
        assert isinstance(answer, list)
        return answer

    def _move(self, kind: type[VoiceMove], request: CommandData, timeout: float | None) -> Any:
        guild_id = request["guild_id"]
        self._check_shard("guild_id", guild_id)
        if not self._options.intents & Intents.GUILD_VOICE_STATES:
            raise ValueError(
                "intents: without Intents.GUILD_VOICE_STATES the gateway does not tell the bot's own voice state: add "
                "it, or use voice_state_update(), which waits for no answer"
            )
        self._watch_voice()
        recall = functools.partial(self._voice.known, guild_id)
        return self._ask(("voice", guild_id), request, lambda: kind(request, self._is_own, recall), timeout)

    def _ask(self, topic: object, request: object, make_question: Callable[[], Request], timeout: float | None) -> Any:
        return self._inquiries.ask(topic, request, make_question, timeout)

    def _watch_voice(self) -> None:
        # From the first use on only: all others' voice states are decoded for it.
        with self._lock:
            if not self._voice_is_watched:
                self._taps.add(self._voice, VoiceMemory.EVENTS)
                self._voice_is_watched = True

    def _is_own(self, state: dict[str, Any]) -> bool:
        """Whether a voice state is the bot's."""
        session = self._session
        if session.user_id is None:  # READY told nothing of it; the voice session is the gateway's, too
            return session.id is not None and state.get("session_id") == session.id
        return id_of(state.get("user_id")) == session.user_id

    def _check_shard(self, name: str, guild_id: str) -> None:
        """Rests on "Sharding Formula" of the official Gateway documentation."""
        shard, count = self._options.shard
        theirs = (int(guild_id) >> 22) % count
        if theirs != shard:
            raise ValueError(
                f"{name} must be of this client's shard, {shard} of {count}, and {guild_id} is of shard {theirs}: ask "
                "that shard's client"
            )


class _Line:
    """The way to the gateway."""

    def __init__(
        self, options: Options, outbox: CommandSender, session: Session, error: Callable[[], GatewayError | None]
    ) -> None:
        self._options = options
        self._outbox = outbox
        self._session = session
        self._error = error

    @property
    def session(self) -> Session:
        return replace(self._session)

    @property
    def error(self) -> GatewayError | None:
        return self._error()

    def wait(self, timeout: float | None) -> None:
        self._outbox.wait_until_live(timeout)

    def send(self, op: Opcode, data: CommandData, timeout: float | None) -> None:
        self._outbox.send(str(OPCODES[op]), self._options.encode(op, data), timeout)


def _nonce() -> str:
    return os.urandom(12).hex()
