"""Describes the records of a local gateway in lines for a `Screen`. Pure; shows no token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import simplejson

from ...opcodes import CloseCode
from ...sanitize import sanitize_line
from .arguments import intent_names
from .screen import Mark

if TYPE_CHECKING:
    from ...testing import Closed, ConnectionRecord, HttpRequest, Received, SessionRefused, SessionView

__all__ = ["ActivityLog", "Line"]

#: maximum number of characters shown of a command's data
_MOST_DATA = 200


class Line(NamedTuple):
    """The arguments of `Screen.line`.

    Attributes:
        at: monotonic time; None if the record has no time.
    """

    at: float | None
    mark: Mark
    name: str
    text: str


class ActivityLog:
    """Describes records; remembers sessions to distinguish READY from RESUMED.

    Args:
        beats: whether to include heartbeats.
    """

    def __init__(self, beats: bool = False) -> None:
        self._beats = beats
        self._sessions: set[str] = set()
        # By name, as the classes need an extra.
        self._describers: Mapping[str, Callable[[Any], Iterator[Line]]] = {
            "ConnectionRecord": self._connection,
            "Received": self._received,
            "SessionView": self._session,
            "SessionRefused": self._refused,
            "Closed": self._closed,
            "HttpRequest": self._request,
        }

    def lines(
        self, record: ConnectionRecord | Received | SessionView | SessionRefused | Closed | HttpRequest
    ) -> Iterator[Line]:
        """Return the line for a record, if any."""
        return self._describers[type(record).__name__](record)

    def _connection(self, record: ConnectionRecord) -> Iterator[Line]:
        if record.status == 101:
            query = record.query
            text = ", ".join(sanitize_line(query.get(name, none)) for name, none in _FORMATS.items())
            yield Line(record.opened_at, Mark.IN, "connect", f"{_connection_name(record.number)}: {text}")
        else:
            text = f"{_connection_name(record.number)}: refused with HTTP {record.status}"
            yield Line(record.opened_at, Mark.BAD, "connect", text)

    def _received(self, record: Received) -> Iterator[Line]:
        if record.name != "HEARTBEAT" or self._beats:
            describe = _COMMANDS.get(record.name, lambda _data: f"{record.size} bytes")
            data = record.data if isinstance(record.data, dict) or record.name == "HEARTBEAT" else {}
            yield Line(record.at, Mark.IN, record.name, f"{_connection_name(record.connection)}: {describe(data)}")

    def _session(self, session: SessionView) -> Iterator[Line]:
        shard = f"shard {session.shard[0]}/{session.shard[1]}"
        if session.id in self._sessions:
            yield Line(None, Mark.GOOD, "RESUMED", f"{shard}: resumed after event {session.seq}")
        else:
            self._sessions.add(session.id)
            yield Line(None, Mark.GOOD, "READY", f"{shard}: a new session")

    def _refused(self, refused: SessionRefused) -> Iterator[Line]:
        resumable = "; it may be resumed" if refused.resumable else ""
        text = f"{_connection_name(refused.connection)}: {sanitize_line(refused.reason)}{resumable}"
        yield Line(refused.at, Mark.BAD, "INVALID_SESSION", text)

    def _closed(self, closed: Closed) -> Iterator[Line]:
        who = _connection_name(closed.connection)
        if closed.by == "gateway":
            code = "" if closed.sent_code is None else f", {_code(closed.sent_code)}"
            yield Line(closed.at, Mark.BAD, "close", f"{who}: closed by the gateway{code}")
        elif closed.code is None:
            yield Line(closed.at, Mark.BAD, "close", f"{who}: gone without a close frame")
        else:
            code = "without a code" if closed.code == 1005 else str(closed.code)
            reason = f" ({sanitize_line(closed.reason)})" if closed.reason else ""
            yield Line(closed.at, Mark.NOTE, "close", f"{who}: closed by the client, {code}{reason}")

    def _request(self, request: HttpRequest) -> Iterator[Line]:
        text = f"{request.method} {sanitize_line(request.redacted_path)}: {request.status or 'no response'}"
        if request.problem is not None:
            text += f", {request.problem}"
        if request.body:
            text += f"; {_body(request)}"
        yield Line(request.at, Mark.IN if request.problem is None else Mark.BAD, "HTTP", text)


#: parameters of the URL, and the text shown if absent
_FORMATS = {"encoding": "json", "compress": "no transport compression"}


def _connection_name(connection: int) -> str:
    return f"connection {connection}"


def _code(code: int) -> str:
    return f"{code} {CloseCode(code).name}" if code in {known.value for known in CloseCode} else str(code)


def _shown(data: Any) -> str:
    text = simplejson.dumps(data, default=str)  # escapes non-ASCII characters
    return text if len(text) <= _MOST_DATA else text[:_MOST_DATA] + "..."


def _body(request: HttpRequest) -> str:
    try:
        value = request.json
    except ValueError:
        value = None
    if value is not None:
        return _shown(value)
    kind = request.headers.get("content-type", "unknown type")
    return f"{len(request.body)} bytes of {sanitize_line(kind.partition(';')[0])}"


def _identify(data: Mapping[str, Any]) -> str:
    shard, intents = data.get("shard"), data.get("intents")
    text = f"shard {'/'.join(map(str, shard))}" if isinstance(shard, list) else "no shard"
    return f"{text}, intents: {intent_names(intents)}" if isinstance(intents, int) and intents >= 0 else text


# Data of any other opcode is not shown, as it may contain a token.
_COMMANDS: Mapping[str, Callable[[Any], str]] = {
    "IDENTIFY": _identify,
    "RESUME": lambda data: f"after event {_shown(data.get('seq'))}",
    "HEARTBEAT": lambda seq: f"after event {_shown(seq)}",
    "PRESENCE_UPDATE": _shown,
    "VOICE_STATE_UPDATE": _shown,
    "REQUEST_GUILD_MEMBERS": _shown,
    "REQUEST_SOUNDBOARD_SOUNDS": _shown,
    "REQUEST_CHANNEL_INFO": _shown,
}
