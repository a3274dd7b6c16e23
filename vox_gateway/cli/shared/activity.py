"""What clients do at a local gateway, in words. Pure, and no word shows a token."""

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

__all__ = ["Line", "Visitors"]

#: characters of a command's data that a line shows
_MOST_DATA = 200


class Line(NamedTuple):
    """One line of `Screen.line`.

    Attributes:
        at: monotonic time; None where the record has none.
        mark: what it is about.
        name: what it is called.
        words: what it means.
    """

    at: float | None
    mark: Mark
    name: str
    words: str


class Visitors:
    """Puts the gateway's records into words; remembers which sessions it has seen.

    Args:
        beats: whether heartbeats are worth a line.
    """

    def __init__(self, beats: bool = False) -> None:
        self._beats = beats
        self._sessions: set[str] = set()
        # By name, since the classes come with an extra.
        self._tellers: Mapping[str, Callable[[Any], Iterator[Line]]] = {
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
        """The lines that a record is worth: one or none."""
        return self._tellers[type(record).__name__](record)

    def _connection(self, record: ConnectionRecord) -> Iterator[Line]:
        if record.status == 101:
            query = record.query
            words = ", ".join(sanitize_line(query.get(name, none)) for name, none in _FORMATS.items())
            yield Line(record.opened_at, Mark.IN, "connect", f"{_who(record.number)}: {words}")
        else:
            words = f"{_who(record.number)}: refused with HTTP {record.status}"
            yield Line(record.opened_at, Mark.BAD, "connect", words)

    def _received(self, record: Received) -> Iterator[Line]:
        if record.name != "HEARTBEAT" or self._beats:
            describe = _COMMANDS.get(record.name, lambda _data: f"{record.size} bytes")
            data = record.data if isinstance(record.data, dict) or record.name == "HEARTBEAT" else {}
            yield Line(record.at, Mark.IN, record.name, f"{_who(record.connection)}: {describe(data)}")

    def _session(self, session: SessionView) -> Iterator[Line]:
        shard = f"shard {session.shard[0]}/{session.shard[1]}"
        if session.id in self._sessions:
            yield Line(None, Mark.GOOD, "RESUMED", f"{shard}: goes on after event {session.seq}")
        else:
            self._sessions.add(session.id)
            yield Line(None, Mark.GOOD, "READY", f"{shard}: a new session")

    def _refused(self, refused: SessionRefused) -> Iterator[Line]:
        resumable = "; it may be resumed" if refused.resumable else ""
        words = f"{_who(refused.connection)}: {sanitize_line(refused.reason)}{resumable}"
        yield Line(refused.at, Mark.BAD, "INVALID_SESSION", words)

    def _closed(self, closed: Closed) -> Iterator[Line]:
        who = _who(closed.connection)
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
        yield Line(request.at, Mark.IN, "HTTP", f"GET {sanitize_line(request.path)}: {request.status or 'no answer'}")


#: parameters of the URL, and what they are without being there
_FORMATS = {"encoding": "json", "compress": "no transport compression"}


def _who(connection: int) -> str:
    return f"connection {connection}"


def _code(code: int) -> str:
    return f"{code} {CloseCode(code).name}" if code in {one.value for one in CloseCode} else str(code)


def _shown(data: Any) -> str:
    text = simplejson.dumps(data, default=str)  # escapes whatever is not ASCII
    return text if len(text) <= _MOST_DATA else text[:_MOST_DATA] + "..."


def _identify(data: Mapping[str, Any]) -> str:
    shard, intents = data.get("shard"), data.get("intents")
    words = f"shard {'/'.join(map(str, shard))}" if isinstance(shard, list) else "no shard"
    return f"{words}, intents: {intent_names(intents)}" if isinstance(intents, int) and intents >= 0 else words


# What is not here is no command: it may hold anything, a token too.
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
