"""What a test gets to see: frozen records of all that happened on the gateway's side.

No record shows a token in its `repr`, so that a failing assertion does not print one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Received:
    """One payload that a client sent.

    Attributes:
        op: the opcode's number; ``-1`` if the payload had none.
        name: the opcode's name.
        data: the payload's ``d``.
        at: monotonic time of its arrival, in seconds.
        connection: number of the connection it came on; the first is 1.
        shard: shard id of the connection's session, `None` before IDENTIFY or RESUME succeeded.
        size: encoded size in bytes.
    """

    op: int
    name: str
    data: Any = field(repr=False)
    at: float
    connection: int
    shard: int | None
    size: int

    def __str__(self) -> str:
        return f"{self.name} on connection {self.connection}: {_without_token(self.data)!r}"


def _without_token(data: object) -> object:
    if isinstance(data, dict) and "token" in data:
        return {**data, "token": "…"}
    return data


@dataclass(frozen=True)
class Closed:
    """How a connection ended, as the gateway saw it.

    Attributes:
        connection: the connection's number.
        shard: shard id of its session, `None` if it had none.
        code: the client's close code; 1005 for a close frame without code, `None` for no close frame at all.
        reason: the client's close reason.
        clean: both sides have sent a close frame.
        by: who ended it, ``"client"`` or ``"gateway"``.
        sent_code: the close code that the gateway sent, `None` if it sent none.
        at: monotonic time, in seconds.
    """

    connection: int
    shard: int | None
    code: int | None
    reason: str
    clean: bool
    by: str
    sent_code: int | None
    at: float


@dataclass(frozen=True)
class ConnectionRecord:
    """One connection that asked for a websocket, whether or not it got one.

    Attributes:
        number: counts from 1.
        path: the path of the URL.
        query: the parameters of the URL's query.
        headers: the request's headers, names in lower case.
        opened_at: monotonic time of the request, in seconds.
        status: HTTP status of the answer, 101 for an open websocket, `None` for no answer.
        closed: how it ended, `None` while it lives.
    """

    number: int
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    opened_at: float
    status: int | None = None
    closed: Closed | None = None


@dataclass(frozen=True)
class HttpRequest:
    """One plain HTTP request, such as ``GET /gateway/bot``.

    Attributes:
        path: the path of the URL.
        status: HTTP status of the answer, `None` for no answer.
        at: monotonic time of the request, in seconds.
    """

    path: str
    status: int | None
    at: float


@dataclass(frozen=True)
class SessionRefused:
    """Op 9 (INVALID_SESSION) was sent.

    Attributes:
        connection: the connection's number.
        shard: shard id of its session, `None` if it had none.
        resumable: the ``d`` of the payload.
        reason: why, which Discord does not say.
        at: monotonic time, in seconds.
    """

    connection: int
    shard: int | None
    resumable: bool
    reason: str
    at: float


@dataclass(frozen=True)
class SessionView:
    """One session that can be used or resumed.

    Attributes:
        id: the session id.
        shard: shard id and number of shards.
        seq: the last sequence number given out.
        connected: whether a connection holds it now.
        intents: the intents it identified with.
        presence: the last presence the client set, `None` if it set none.
        connection: the number of the connection that holds it now, `None` while there is none.
    """

    id: str
    shard: tuple[int, int]
    seq: int
    connected: bool
    intents: int
    presence: Mapping[str, Any] | None
    connection: int | None = None


#: What `LocalGateway.follow` puts into an inbox.
Record = ConnectionRecord | Received | SessionView | SessionRefused | Closed | HttpRequest


class Inbox(Protocol):
    """What records can be put into: a `queue.SimpleQueue`, say. It must take them at once."""

    def put(self, record: Any, /) -> None:
        """Take one more."""
