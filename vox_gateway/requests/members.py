"""The members of a guild, put together from their chunks. Pure.

Rests on "Request Guild Members", "Guild Members Chunk" and "Rate Limited" of the official Gateway Events documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..errors import GatewayError, RateLimited
from ..opcodes import Opcode
from .base import CommandData, Request
from .fields import id_of, ids_of, objects_of, seconds_of

__all__ = ["Chunks", "GuildMembers", "Members"]

_T = TypeVar("_T")


class Members(list[dict[str, Any]]):
    """Members of a guild; a list of member objects, with what came beside them.

    Attributes:
        not_found: the ids that were asked for and are no member's, as text.
        presences: the members' presences, if they were asked for.
    """

    def __init__(
        self,
        members: Iterable[dict[str, Any]] = (),
        not_found: Iterable[str] = (),
        presences: Iterable[dict[str, Any]] = (),
    ) -> None:
        super().__init__(members)
        self.not_found = list(not_found)
        self.presences = list(presences)


class Chunks:
    """The chunks with one nonce, which may come in any order, and more than once."""

    def __init__(self) -> None:
        self._chunks: dict[int, dict[str, Any]] = {}
        #: how many there will be; None before the first
        self.count: int | None = None

    def add(self, chunk: dict[str, Any]) -> bool:
        """Keep a chunk; False for one that cannot be."""
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
        """How many have come."""
        return len(self._chunks)

    @property
    def complete(self) -> bool:
        """Whether all have come."""
        return self.received == self.count

    def all(self, key: str, read: Callable[[object], list[_T]]) -> list[_T]:
        """What the chunks hold under `key`, in their order; `read` takes each chunk's apart."""
        return [one for index in sorted(self._chunks) for one in read(self._chunks[index].get(key))]


class _Part:
    """One request, and what has come of it.

    It has another nonce each time it is sent, so that the answers to two of them are never mixed.
    """

    def __init__(self, request: CommandData, make_nonce: Callable[[], str]) -> None:
        self._request = request
        self._make_nonce = make_nonce
        self._sent: dict[str, Chunks] = {}
        self._was_limited = False
        self.retry_at: float | None = None
        self.refused_until: float | None = None

    def ask(self) -> CommandData:
        nonce = self._make_nonce()
        self._sent[nonce] = Chunks()
        self.retry_at = None
        return {**self._request, "nonce": nonce}

    def ask_anew(self) -> CommandData:
        self._sent.clear()
        return self.ask()

    def add(self, nonce: object, chunk: dict[str, Any]) -> bool:
        return isinstance(nonce, str) and nonce in self._sent and self._sent[nonce].add(chunk)

    def limit(self, nonce: object, retry_after: float, now: float) -> bool:
        """A request of this nonce will not be answered; False for one of others."""
        if not isinstance(nonce, str) or self._sent.pop(nonce, None) is None:
            return False
        if self._sent:
            pass  # the answer to another one is on its way
        elif self._was_limited:
            self.refused_until = now + retry_after
        else:
            self._was_limited = True
            self.retry_at = now + retry_after
        return True

    @property
    def best(self) -> Chunks:
        return max(self._sent.values(), key=lambda chunks: (chunks.complete, chunks.received), default=Chunks())

    @property
    def has_no_sign(self) -> bool:
        return self.retry_at is None and not self.best.received


class GuildMembers(Request):
    """All members that match.

    Args:
        requests: the data of the commands, without nonces.
        make_nonce: makes a nonce that nobody else has.
    """

    op = Opcode.REQUEST_GUILD_MEMBERS
    events = ("GUILD_MEMBERS_CHUNK", "RATE_LIMITED")

    def __init__(self, requests: list[CommandData], make_nonce: Callable[[], str]) -> None:
        self._guild_id: str = requests[0]["guild_id"]
        self._parts = [_Part(request, make_nonce) for request in requests]
        self.what = f"the members of guild {self._guild_id}"

    def begin(self) -> list[CommandData]:
        """See `Request`."""
        return [part.ask_anew() for part in self._parts if not part.best.complete]

    def resume(self) -> list[CommandData]:
        """See `Request`."""
        return [part.ask() for part in self._parts if part.has_no_sign]

    def take(self, name: str, data: dict[str, Any], now: float) -> bool:
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
    def wake_at(self) -> float | None:  # type: ignore[override]
        """See `Request`."""
        return min((part.retry_at for part in self._parts if part.retry_at is not None), default=None)

    def wake(self, now: float) -> list[CommandData]:
        """See `Request`."""
        return [part.ask() for part in self._parts if part.retry_at is not None and part.retry_at <= now]

    def in_vain(self, now: float, deadline: float) -> GatewayError | None:
        """See `Request`."""
        for part in self._parts:
            if part.refused_until is not None:
                return RateLimited(self.what, max(part.refused_until - now, 0.0))
            if part.retry_at is not None and part.retry_at >= deadline:
                return RateLimited(self.what, max(part.retry_at - now, 0.0))
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

    def missing(self) -> str:
        """See `Request`."""
        answers = [part.best for part in self._parts]
        received, count = sum(one.received for one in answers), sum(one.count or 1 for one in answers)
        if received:
            return f"{received} of {count} chunks had come"
        return f"no chunk had come; is the bot in guild {self._guild_id}?"
