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


# -- from the client and the threads of the run ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Close:
    """Close with `code`, and make no other connection."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class StopWaiting:
    """`close` has waited long enough for the handler that runs."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Close the connection with `code`, and resume on another. Ignored if the connection is closed already."""

    connection_id: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PresenceUpdate:
    """Send `presence`, which `encoded` carries. Two updates with the same presence are two updates."""

    presence: dict[str, Any] | None
    encoded: bytes


@dataclass(frozen=True, slots=True)
class PresenceDue:
    """The limits have room for a presence again."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Close, keep the session, and end with `error`."""

    error: GatewayError


@dataclass(frozen=True, slots=True)
class DecodeFailed:
    """The dispatcher cannot decode an event: close, and resume from before it."""

    error: DecodeError


@dataclass(frozen=True, slots=True)
class QueueDrained:
    """The dispatcher has taken all events of a run that ends; handlers may run on other threads."""


@dataclass(frozen=True, slots=True)
class HandlersDone:
    """The dispatcher has ended. No handler runs, except on the thread that calls `dispatch_pending`."""


@dataclass(frozen=True, slots=True)
class IdentifyGateChanged:
    """The identify gate may let this shard in."""


# -- from connections; `connection_id` says from which ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadingPaused:
    """The event queue has been full for long, so nothing is read."""

    connection_id: int
    at: float
    full: Full


@dataclass(frozen=True, slots=True)
class ReadingResumed:
    """There is room in the event queue again."""

    connection_id: int
    at: float


@dataclass(frozen=True, slots=True)
class Connecting:
    """The URL is known, and a socket is being opened."""

    connection_id: int
    at: float
    host: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The websocket is open."""

    connection_id: int
    at: float


@dataclass(frozen=True, slots=True)
class IdentifySent:
    """IDENTIFY was written."""

    connection_id: int
    at: float


@dataclass(frozen=True, slots=True)
class ResumeSent:
    """RESUME was written, for `session`."""

    connection_id: int
    at: float
    session: Session


@dataclass(frozen=True, slots=True)
class Ready:
    """READY came, or RESUMED after `replayed` events; `published` is set once the run's state says so."""

    connection_id: int
    at: float
    session: Session
    replayed: int | None
    published: threading.Event


@dataclass(frozen=True, slots=True)
class HeartbeatSent:
    """A heartbeat was written."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A heartbeat was acknowledged after `latency` seconds."""

    connection_id: int
    at: float
    latency: float


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is over, and has given back all that it held.

    Attributes:
        reached: how far it had come.
        lived: seconds since READY or RESUMED; 0 before.
    """

    connection_id: int
    disconnect: Disconnect
    reached: State
    lived: float


Message = (
    Close
    | StopWaiting
    | Reconnect
    | PresenceUpdate
    | PresenceDue
    | Fail
    | DecodeFailed
    | QueueDrained
    | HandlersDone
    | IdentifyGateChanged
    | ReadingPaused
    | ReadingResumed
    | Connecting
    | Opened
    | IdentifySent
    | ResumeSent
    | Ready
    | HeartbeatSent
    | Acknowledged
    | Disconnected
)
Mailbox = queue.SimpleQueue[Message]
