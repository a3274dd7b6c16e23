"""What is posted into the supervisor's mailbox: frozen messages, from any thread. Only the event in `Ready` changes.

The mailbox is a `queue.SimpleQueue`, since a signal handler that closes the client posts too, and may interrupt a
thread in the middle of a `put`.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import Any

from ..dispatch.event_queue import Full
from ..errors import DecodeError, GatewayError
from ..protocol.reconnect_policy import Disconnect
from ..protocol.state import State
from ..session.state import Session

__all__ = [
    "Acknowledged",
    "Close",
    "Connecting",
    "DecodeFailed",
    "Disconnected",
    "Fail",
    "FromConnection",
    "HandlersDone",
    "HeartbeatSent",
    "IdentifyGateChanged",
    "IdentifySent",
    "Mailbox",
    "Message",
    "Opened",
    "PresenceDue",
    "PresenceUpdate",
    "QueueDrained",
    "ReadingPaused",
    "ReadingResumed",
    "Ready",
    "Reconnect",
    "ResumeSent",
    "StopWaiting",
]


class Message:
    """What is posted into the mailbox."""

    __slots__ = ()


# -- from the client and the threads of the run ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Close(Message):
    """Close with `code`, and make no other connection."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class StopWaiting(Message):
    """`close` has waited long enough for the handler that runs."""


@dataclass(frozen=True, slots=True)
class Reconnect(Message):
    """Close the connection with `code`, and resume on another. Ignored if the connection is closed already."""

    connection_id: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PresenceUpdate(Message):
    """Send `presence`, which `encoded` carries. Two updates with the same presence are two updates."""

    presence: dict[str, Any] | None
    encoded: bytes


@dataclass(frozen=True, slots=True)
class PresenceDue(Message):
    """The limits have room for a presence again."""


@dataclass(frozen=True, slots=True)
class Fail(Message):
    """Close, keep the session, and end with `error`."""

    error: GatewayError


@dataclass(frozen=True, slots=True)
class DecodeFailed(Message):
    """The dispatcher cannot decode an event: close, and resume from before it."""

    error: DecodeError


@dataclass(frozen=True, slots=True)
class QueueDrained(Message):
    """The dispatcher has taken all events of a run that ends; handlers may run on other threads."""


@dataclass(frozen=True, slots=True)
class HandlersDone(Message):
    """The dispatcher has ended. No handler runs, except on the thread that calls `dispatch_pending`."""


@dataclass(frozen=True, slots=True)
class IdentifyGateChanged(Message):
    """The identify gate may let this shard in."""


# -- from connections --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FromConnection(Message):
    """What a connection reports; `connection_id` says which: a connection that was left behind may still report."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class ReadingPaused(FromConnection):
    """The event queue has been full for long, so nothing is read."""

    at: float
    full: Full


@dataclass(frozen=True, slots=True)
class ReadingResumed(FromConnection):
    """There is room in the event queue again."""

    at: float


@dataclass(frozen=True, slots=True)
class Connecting(FromConnection):
    """The URL is known, and a socket is being opened."""

    at: float
    host: str


@dataclass(frozen=True, slots=True)
class Opened(FromConnection):
    """The websocket is open."""

    at: float


@dataclass(frozen=True, slots=True)
class IdentifySent(FromConnection):
    """IDENTIFY was written."""

    at: float


@dataclass(frozen=True, slots=True)
class ResumeSent(FromConnection):
    """RESUME was written, for `session`."""

    at: float
    session: Session


@dataclass(frozen=True, slots=True)
class Ready(FromConnection):
    """READY came, or RESUMED after `replayed` events; `published` is set once the run's state says so."""

    at: float
    session: Session
    replayed: int | None
    published: threading.Event


@dataclass(frozen=True, slots=True)
class HeartbeatSent(FromConnection):
    """A heartbeat of `size` bytes was written."""

    size: int


@dataclass(frozen=True, slots=True)
class Acknowledged(FromConnection):
    """A heartbeat was acknowledged after `latency` seconds."""

    at: float
    latency: float


@dataclass(frozen=True, slots=True)
class Disconnected(FromConnection):
    """The connection is over, and has given back all that it held.

    Attributes:
        reached: how far it had come.
        lived: seconds since READY or RESUMED; 0 before.
    """

    disconnect: Disconnect
    reached: State
    lived: float


Mailbox = queue.SimpleQueue[Message]
