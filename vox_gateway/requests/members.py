"""The request for members of a guild, whose answer arrives in chunks. Pure.

See: https://docs.discord.com/developers/events/gateway-events
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..encoding.fields import id_of, ids_of, objects_of, seconds_of
from ..errors import GatewayError, RateLimited
from ..opcodes import Opcode
from .base import CommandData, Request

__all__ = ["Chunks", "GuildMembers", "Members"]

_T = TypeVar("_T")


class Members(list[dict[str, Any]]):
    """Members of a guild: a list of member objects.

    Attributes:
        not_found: the requested ids that are not members, as text.
        presences: the members' presences, if they were requested.
    """

    not_found: list[str]
    presences: list[dict[str, Any]]

    def __init__(
        self,
        members: Iterable[dict[str, Any]] = (),
        not_found: Iterable[str] = (),
        presences: Iterable[dict[str, Any]] = (),
    ) -> None:
        super().__init__(members)
        self.not_found: list[str] = list(not_found)
        self.presences: list[dict[str, Any]] = list(presences)


class Chunks:
    """The chunks with the same nonce, which may arrive in any order and more than once.

    Attributes:
        count: how many there will be; None before the first.
    """

    def __init__(self) -> None:
        self._chunks: dict[int, dict[str, Any]] = {}
        self.count: int | None = None

    def add(self, chunk: dict[str, Any]) -> bool:
        """Keep a chunk; return False if it is malformed."""
        index, count = chunk.get("chunk_index"), chunk.get("chunk_count")
        if not isinstance(chunk.get("members"), list):
            return False
        if type(index) is not int or type(count) is not int or not 0 <= index < count:
            return False
        self.count = count
        self._chunks[index] = chunk
        return True

    @property
    def received(self) -> int:
        """How many have arrived."""
        return len(self._chunks)

    @property
    def complete(self) -> bool:
        """Whether all have arrived."""
        return self.received == self.count

    def all(self, key: str, read: Callable[[object], list[_T]]) -> list[_T]:
        """Return the chunks' values of `key` as a single list, in the order of the chunks; `read` converts a value."""
        return [item for index in sorted(self._chunks) for item in read(self._chunks[index].get(key))]


class _Part:
    """One command of the request, and its answers: a new nonce each time it is sent keeps them apart."""

    def __init__(self, command: CommandData, make_nonce: Callable[[], str]) -> None:
        self._command = command
        self._make_nonce = make_nonce
        self._answers: dict[str, Chunks] = {}  # by nonce
        self._was_limited = False
        self.retry_at: float | None = None
        self.refused_until: float | None = None

    def send(self) -> CommandData:
        nonce = self._make_nonce()
        self._answers[nonce] = Chunks()
        self.retry_at = None
        return {**self._command, "nonce": nonce}

    def restart(self) -> CommandData:
        self._answers.clear()
        return self.send()

    def add(self, nonce: object, chunk: dict[str, Any]) -> bool:
        return isinstance(nonce, str) and nonce in self._answers and self._answers[nonce].add(chunk)

    def limit(self, nonce: object, retry_after: float, now: float) -> bool:
        """Note that the command with this nonce will not be answered; False if it is another request's."""
        if not isinstance(nonce, str) or self._answers.pop(nonce, None) is None:
            return False
        if self._answers:
            pass  # the answer to another nonce is on its way
        elif self._was_limited:
            self.refused_until = now + retry_after
        else:
            self._was_limited = True
            self.retry_at = now + retry_after
        return True

    @property
    def best(self) -> Chunks:
        return max(self._answers.values(), key=lambda chunks: (chunks.complete, chunks.received), default=Chunks())

    @property
    def may_be_lost(self) -> bool:
        return self.retry_at is None and not self.best.received


class GuildMembers(Request):
    """All members that match.

    Args:
        commands: the data of the commands, without nonces.
        make_nonce: returns a nonce that no other command has.
    """

    op = Opcode.REQUEST_GUILD_MEMBERS
    events: tuple[str, ...] = ("GUILD_MEMBERS_CHUNK", "RATE_LIMITED")

    def __init__(self, commands: list[CommandData], make_nonce: Callable[[], str]) -> None:
        self._guild_id: str = commands[0]["guild_id"]
        self._parts = [_Part(command, make_nonce) for command in commands]
        self.description: str = f"the members of guild {self._guild_id}"

    def start(self) -> list[CommandData]:
        """See `Request`."""
        return [part.restart() for part in self._parts if not part.best.complete]

    def resume(self) -> list[CommandData]:
        """See `Request`."""
        return [part.send() for part in self._parts if part.may_be_lost]

    def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
        """See `Request`."""
        if name == "GUILD_MEMBERS_CHUNK":
            if id_of(data.get("guild_id")) != self._guild_id:
                return False
            return any(part.add(data.get("nonce"), data) for part in self._parts)
        meta, retry_after = data.get("meta"), seconds_of(data.get("retry_after"))
        if data.get("opcode") != self.op or not isinstance(meta, dict) or retry_after is None:
            return False
        return any(part.limit(meta.get("nonce"), retry_after, now) for part in self._parts)

    @property
    def timer_at(self) -> float | None:  # type: ignore[override]
        """See `Request`."""
        return min((part.retry_at for part in self._parts if part.retry_at is not None), default=None)

    def on_timer(self, now: float) -> list[CommandData]:
        """See `Request`."""
        return [part.send() for part in self._parts if part.retry_at is not None and part.retry_at <= now]

    def failure(self, now: float, deadline: float) -> GatewayError | None:
        """See `Request`."""
        for part in self._parts:
            if part.refused_until is not None:
                return RateLimited(self.description, max(part.refused_until - now, 0.0))
            if part.retry_at is not None and part.retry_at >= deadline:
                return RateLimited(self.description, max(part.retry_at - now, 0.0))
        return None

    @property
    def is_answered(self) -> bool:
        """See `Request`."""
        return all(part.best.complete for part in self._parts)

    def answer(self) -> Members:
        """See `Request`."""
        answers = [part.best for part in self._parts]
        return Members(
            (member for chunks in answers for member in chunks.all("members", objects_of)),
            (user_id for chunks in answers for user_id in chunks.all("not_found", ids_of)),
            (presence for chunks in answers for presence in chunks.all("presences", objects_of)),
        )

    def progress(self) -> str:
        """See `Request`."""
        answers = [part.best for part in self._parts]
        if received := sum(chunks.received for chunks in answers):
            return f"{received} of {sum(chunks.count or 1 for chunks in answers)} chunks had come"
        return f"no chunk had come; is the bot in guild {self._guild_id}?"
