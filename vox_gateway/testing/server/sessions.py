"""Sessions, which outlive a connection, with the events to replay.

See: https://docs.discord.com/developers/events/gateway#resuming
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..protocol.validation import Identify
from ..protocol.wire import Encoding
from ..records import SessionView

if TYPE_CHECKING:
    from .connection import Connection


class Event:
    """An event, encoded at most once for each encoding regardless of the number of sessions."""

    def __init__(self, name: str, data: Any) -> None:
        self.name = name
        self._data = data
        self._bodies: dict[type[Encoding], bytes] = {}

    def body(self, encoding: Encoding) -> bytes:
        """The encoded ``d``; raise TypeError or ValueError if the encoding cannot represent it."""
        kind = type(encoding)
        if kind not in self._bodies:
            self._bodies[kind] = encoding.encode(self._data)
        return self._bodies[kind]

    def payload(self, encoding: Encoding, seq: int) -> bytes:
        """The whole payload, with a session's sequence number."""
        return encoding.payload(0, self.body(encoding), seq, self.name)


class Session:
    """A session. Guarded by the gateway's lock.

    Attributes:
        id: the session id.
        identify: the IDENTIFY that started it.
        seq: the last sequence number assigned.
        connection: the connection that uses it, `None` while disconnected.
        disconnected_at: monotonic time of the last disconnect, in seconds.
        presence: the last presence that the client set.
    """

    def __init__(self, identify: Identify, connection: Connection, replay_limit: int) -> None:
        self.id: str = secrets.token_hex(16)
        self.identify = identify
        self.encoding: Encoding = connection.wire.encoding
        self.seq: int = 0
        self.connection: Connection | None = connection
        self.disconnected_at: float = 0.0
        self.presence: Mapping[str, Any] | None = identify.presence
        self._replay: deque[tuple[int, Event]] = deque(maxlen=replay_limit)
        self._forgotten = 0  # the newest sequence number that can no longer be replayed

    @property
    def shard_id(self) -> int:
        return self.identify.shard[0]

    def stamp(self, event: Event, *, keep: bool = True) -> bytes:
        """Assign the next sequence number, keep the event for a replay, and return its payload."""
        payload = event.payload(self.encoding, self.seq + 1)
        self.seq += 1
        if keep:
            if self._replay.maxlen is not None and len(self._replay) == self._replay.maxlen:
                self._forgotten = self._replay[0][0] if self._replay else self.seq
            self._replay.append((self.seq, event))
        return payload

    def can_replay_after(self, seq: int) -> bool:
        """Whether every event after this sequence number is still kept."""
        return seq >= self._forgotten

    def replay_after(self, seq: int) -> Iterator[bytes]:
        """The payloads of all events after this sequence number, in order."""
        return (event.payload(self.encoding, number) for number, event in self._replay if number > seq)

    def view(self) -> SessionView:
        return SessionView(
            id=self.id,
            shard=self.identify.shard,
            seq=self.seq,
            connected=self.connection is not None,
            intents=self.identify.intents,
            presence=self.presence,
            connection=None if self.connection is None else self.connection.number,
        )
