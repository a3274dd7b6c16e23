"""Frozen records of what happened on the gateway's side, for tests to inspect.

The `repr` of a record never shows a token, so that a failing assertion does not print it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

_TOKEN_IN_PATH = re.compile(r"(/(?:interactions|webhooks)/[^/]+/)[^/]+")


@dataclass(frozen=True)
class Received:
    """A payload that a client sent.

    Attributes:
        op: the opcode's number; ``-1`` if the payload has no opcode.
        name: the opcode's name.
        data: the payload's ``d``.
        at: monotonic time of arrival, in seconds.
        connection: number of the connection that it arrived on, counted from 1.
        shard: shard id of the connection's session, or that an IDENTIFY or RESUME asks for; otherwise `None`.
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
        code: the client's close code; 1005 for a close frame without a code, `None` without a close frame.
        reason: the client's close reason.
        clean: whether both sides sent a close frame.
        by: the side that ended it, ``"client"`` or ``"gateway"``.
        sent_code: the close code that the gateway sent, `None` if it sent no close frame.
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
    """A connection that requested a websocket, whether or not the upgrade succeeded.

    Attributes:
        number: the connection's number, counted from 1.
        path: the path of the URL.
        query: the parameters of the URL's query.
        headers: the request's headers, names in lower case.
        opened_at: monotonic time of the request, in seconds.
        status: HTTP status of the response, 101 for an open websocket, `None` without a response.
        closed: how it ended, `None` while it is open.
    """

    number: int
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    opened_at: float
    status: int | None = None
    closed: Closed | None = None


@dataclass(frozen=True, repr=False)
class HttpRequest:
    """A plain HTTP request, such as ``GET /gateway/bot``.

    Attributes:
        method: such as ``"GET"``.
        path: the path of the URL.
        query: the parameters of the URL's query.
        headers: names in lower case.
        body: the body as it was sent, at most 25 MiB; empty if it was larger.
        status: HTTP status of the response, `None` without a response.
        at: monotonic time of the request, in seconds.
        problem: why the request is in `HttpApi.unexpected`, `None` if it is not.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int | None
    at: float
    problem: str | None = None

    @property
    def json(self) -> Any:
        """The decoded body; `None` unless its ``Content-Type`` is ``application/json``.

        Raises:
            ValueError: the body is not valid JSON.
        """
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return json.loads(self.body) if kind == "application/json" and self.body else None

    @property
    def redacted_path(self) -> str:
        """The path without the token of an interaction or webhook."""
        return _TOKEN_IN_PATH.sub(r"\1…", self.path)

    def __repr__(self) -> str:
        return f"<HttpRequest {self.method} {self.redacted_path}: {self.status or 'no response'}>"


@dataclass(frozen=True)
class SessionRefused:
    """Op 9 (INVALID_SESSION) was sent.

    Attributes:
        connection: the connection's number.
        shard: shard id of its session, `None` if it had none.
        resumable: the ``d`` of the payload.
        reason: why; Discord does not send it.
        at: monotonic time, in seconds.
    """

    connection: int
    shard: int | None
    resumable: bool
    reason: str
    at: float


@dataclass(frozen=True)
class SessionView:
    """A session that is connected or can be resumed.

    Attributes:
        id: the session id.
        shard: shard id and number of shards.
        seq: the last sequence number assigned.
        connected: whether a connection uses it now.
        intents: the intents of its IDENTIFY.
        presence: the last presence that the client set, `None` if it never did.
        connection: the number of the connection that uses it now, `None` while disconnected.
    """

    id: str
    shard: tuple[int, int]
    seq: int
    connected: bool
    intents: int
    presence: Mapping[str, Any] | None
    connection: int | None = None


#: The records that `LocalGateway.follow` puts into an inbox.
Record = ConnectionRecord | Received | SessionView | SessionRefused | Closed | HttpRequest


class Inbox(Protocol):
    """Receives records, such as a `queue.SimpleQueue`. `put` must not block."""

    def put(self, record: Any, /) -> None:
        """Append a record without blocking."""
