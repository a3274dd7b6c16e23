"""The session: READY and RATE_LIMITED, the payloads of the other opcodes, and the end of a connection.

See: https://docs.discord.com/developers/events/gateway-events#payload-structure
"""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict

from .basics import Snowflake
from .guild import UnavailableGuild
from .user import User

__all__ = [
    "Close",
    "Dispatch",
    "Heartbeat",
    "HeartbeatAck",
    "Hello",
    "HelloData",
    "InvalidSession",
    "RateLimitMeta",
    "RateLimitedEvent",
    "Ready",
    "ReadyApplication",
    "Reconnect",
]


class ReadyApplication(TypedDict):
    """The application of the bot, in READY."""

    id: Snowflake
    flags: int
    flags_new: NotRequired[str]


class Ready(TypedDict):
    """The data of READY.

    See: https://docs.discord.com/developers/events/gateway-events#ready
    """

    v: int
    user: User
    guilds: list[UnavailableGuild]
    session_id: str
    resume_gateway_url: str
    shard: NotRequired[list[int]]
    application: ReadyApplication


class RateLimitMeta(TypedDict):
    """The request that was refused: of members of a guild."""

    guild_id: Snowflake
    nonce: NotRequired[str]


class RateLimitedEvent(TypedDict):
    """The data of RATE_LIMITED; `retry_after` is in seconds.

    See: https://docs.discord.com/developers/events/gateway-events#rate-limited
    """

    opcode: int
    retry_after: float
    meta: RateLimitMeta


class _Payload(TypedDict):
    op: int
    s: NotRequired[int | None]
    t: NotRequired[str | None]


class Dispatch(_Payload):
    """A dispatch as a whole: any event, with its name as `t` and its sequence number as `s`.

    See: https://docs.discord.com/developers/events/gateway-events#payload-structure
    """

    d: Any


class HelloData(TypedDict):
    """The data of HELLO; the interval is in milliseconds."""

    heartbeat_interval: int


class Hello(_Payload):
    """The payload of HELLO.

    See: https://docs.discord.com/developers/events/gateway-events#hello
    """

    d: HelloData


class Heartbeat(_Payload):
    """A heartbeat that the gateway requests.

    See: https://docs.discord.com/developers/events/gateway#heartbeat-requests
    """

    d: NotRequired[int | None]


class HeartbeatAck(_Payload):
    """The payload of HEARTBEAT_ACK.

    See: https://docs.discord.com/developers/events/gateway#heartbeat-interval
    """

    d: NotRequired[None]


class Reconnect(_Payload):
    """The payload of RECONNECT.

    See: https://docs.discord.com/developers/events/gateway-events#reconnect
    """

    d: NotRequired[None]


class InvalidSession(_Payload):
    """The payload of INVALID_SESSION; `d` is whether the session can be resumed.

    See: https://docs.discord.com/developers/events/gateway-events#invalid-session
    """

    d: bool


class Close(TypedDict):
    """The end of a connection; the reason is as the server wrote it."""

    code: int | None
    reason: str
