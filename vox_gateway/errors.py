"""The exceptions that this package raises.

::

    GatewayError
    ├── AlreadyConnected          connect() while the client runs                   (RuntimeError)
    ├── NotConnected              a command while the client is not running
    ├── CommandTimeout            a command was not sent within its timeout         (TimeoutError)
    ├── StreamEnded               a stream with no more events
    ├── RateLimited               a request that was sent too often to be answered  (TimeoutError)
    ├── PayloadTooLarge           a command over 4096 encoded bytes                 (ValueError)
    ├── MissingExtra              an optional package is not installed              (ImportError)
    ├── ThreadFailed              a thread of the client failed; the client was closed
    ├── ConnectFailed             no websocket could be opened; retried unless permanent
    │   ├── UpgradeRefused        the server answered the upgrade with an HTTP status
    │   ├── DiscoveryFailed       the API did not return the gateway's URL
    │   └── CertificateInvalid    the server's certificate does not verify
    ├── ConnectionLost            the connection ended without a close frame; resumed
    ├── ProtocolViolation         the server broke a rule of the websocket or the gateway; resumed
    │   ├── DecodeError           a payload that its encoding does not allow
    │   └── InflateError          a compressed stream that does not inflate
    └── ConnectionClosed          a close frame with a code that reconnecting cannot fix
        ├── AuthenticationFailed  4004
        │   └── TokenRefused      HTTP 401 from the API
        ├── InvalidShard          4010
        ├── ShardingRequired      4011
        ├── InvalidVersion        4012
        ├── InvalidIntents        4013
        └── DisallowedIntents     4014

Attributes hold the data as it arrived; `str` returns a printable line. ``args`` holds the arguments of the
constructor, so that every error survives `copy` and `pickle`. No message holds the token.
"""

from __future__ import annotations

from .sanitize import sanitize_line

__all__ = [
    "AlreadyConnected",
    "AuthenticationFailed",
    "CertificateInvalid",
    "CommandTimeout",
    "ConnectFailed",
    "ConnectionClosed",
    "ConnectionLost",
    "CoordinationFailed",
    "DecodeError",
    "DisallowedIntents",
    "DiscoveryFailed",
    "GatewayError",
    "InflateError",
    "InvalidIntents",
    "InvalidShard",
    "InvalidVersion",
    "MissingExtra",
    "NotConnected",
    "PayloadTooLarge",
    "ProtocolViolation",
    "RateLimited",
    "ReshardFailed",
    "ShardingRequired",
    "StreamEnded",
    "ThreadFailed",
    "TokenRefused",
    "UpgradeRefused",
]

#: characters of `str(error)`; a server or a proxy may have written part of it
MAX_MESSAGE = 1000


class GatewayError(Exception):
    """Base class of every exception that is specific to this package."""

    def __init__(self, *args: object) -> None:
        super().__init__()  # OSError and ImportError interpret arguments themselves
        self.args = args

    def __str__(self) -> str:
        return sanitize_line(self._message(), MAX_MESSAGE)

    def _message(self) -> str:
        """Return the message, not yet sanitized; by default the first argument."""
        return str(self.args[0]) if self.args else ""


class AlreadyConnected(GatewayError, RuntimeError):
    """`Client.connect` was called while the client runs, or while another client uses its session file."""


class NotConnected(GatewayError):
    """A command was given while the client is not running, so that no connection can be expected."""


class ReshardFailed(GatewayError):
    """`ShardManager.reshard` was refused or given up; the shards are as they were before."""


class CoordinationFailed(GatewayError):
    """The server or the file that coordinates the processes of a bot cannot be used.

    `ShardManager` and its `connect` raise it. Once the shards run it is logged instead, and tried again.
    """


class CommandTimeout(GatewayError, TimeoutError):
    """A command was not sent within the caller's timeout. Nothing of it was written."""


class StreamEnded(GatewayError):
    """The stream has no more events: it was closed, or its client was."""


class RateLimited(GatewayError, TimeoutError):
    """The gateway refused to answer a request that was sent too often. Retrying later helps.

    Attributes:
        what: a description of what was requested.
        retry_after: seconds until the gateway answers again.

    See: https://docs.discord.com/developers/events/gateway-events#rate-limited
    """

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(what, retry_after)
        self.what = what
        self.retry_after = retry_after

    def _message(self) -> str:
        return f"the gateway will not send {self.what} for {self.retry_after:.1f} seconds: requested too often"


class PayloadTooLarge(GatewayError, ValueError):
    """A command is larger than the gateway accepts. It was not sent.

    Attributes:
        command: the command's name.
        size: bytes of the encoded command.
        limit: bytes that the gateway accepts.

    See: https://docs.discord.com/developers/events/gateway#sending-events
    """

    def __init__(self, command: str, size: int, limit: int) -> None:
        super().__init__(command, size, limit)
        self.command = command
        self.size = size
        self.limit = limit

    def _message(self) -> str:
        return (
            f"{self.command} is {self.size} bytes when encoded and the gateway takes at most {self.limit}: "
            "send less in one command"
        )


class MissingExtra(GatewayError, ImportError):
    """A feature needs an optional package that is not installed.

    Attributes:
        what: a description of the feature.
        extra: the extra of this package that installs it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)
        self.what = what
        self.extra = extra
        self.msg: str = str(self)  # an attribute of every ImportError

    def _message(self) -> str:
        return f'{self.what} needs an optional package: pip install "vox-gateway[{self.extra}]"'


class ThreadFailed(GatewayError):
    """A thread of the client failed, and the client was closed. The session is kept: `connect` resumes it.

    Attributes:
        thread: the thread's name.
        error: the exception that ended it.
    """

    def __init__(self, thread: str, error: BaseException) -> None:
        super().__init__(thread, error)
        self.thread = thread
        self.error = error

    def _message(self) -> str:
        return f"the thread {self.thread} failed with {self.error!r}: see the log for where; connect() resumes"


class ConnectFailed(GatewayError):
    """No websocket could be opened: DNS, TCP, proxy, TLS or the upgrade failed.

    Attributes:
        permanent: whether retrying cannot help; it ends a client that was never connected.
        retry_after: seconds until retrying can help, or None if unknown.
    """

    permanent = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after


class UpgradeRefused(ConnectFailed):
    """The server answered the websocket upgrade with an HTTP status other than 101.

    Attributes:
        status: the HTTP status, or None if the answer held none.

    See: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    """

    def __init__(self, message: str, status: int | None, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.args: tuple[object, ...] = message, status, retry_after
        self.status = status

    @property
    def permanent(self) -> bool:  # type: ignore[override]
        """Whether retrying does not change the status."""
        return self.status in (401, 403)


class DiscoveryFailed(ConnectFailed):
    """The answer to GET /gateway/bot does not hold the gateway's URL.

    Attributes:
        status: the HTTP status.

    See: https://docs.discord.com/developers/events/gateway#get-gateway-bot
    """

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.args: tuple[object, ...] = message, status, retry_after
        self.status = status

    @property
    def permanent(self) -> bool:  # type: ignore[override]
        """Whether retrying does not change the status."""
        return 300 <= self.status < 500 and self.status not in (408, 425, 429)


class CertificateInvalid(ConnectFailed):
    """The server's TLS certificate, or the host name in it, does not verify."""

    permanent = True


class ConnectionLost(GatewayError):
    """The connection ended without a close frame: EOF, a reset, a TLS failure, or no data for too long."""


class ProtocolViolation(GatewayError):
    """The server broke a rule of the protocol. The connection is closed with `close_code` and resumed.

    Attributes:
        close_code: the code of our close frame, from RFC 6455 or the gateway's codes.
        default_close_code: the code that an error of this class has unless another is given.

    See: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
    """

    default_close_code = 1002

    def __init__(self, message: str, close_code: int | None = None) -> None:
        self.close_code: int = self.default_close_code if close_code is None else close_code
        super().__init__(message, self.close_code)


class DecodeError(ProtocolViolation):
    """A payload is not valid in its encoding, or does not have the form of a gateway payload."""

    default_close_code = 4000


class InflateError(ProtocolViolation):
    """A compressed stream does not inflate, or inflates to more than the largest message allowed."""

    default_close_code = 4000


class ConnectionClosed(GatewayError):
    """The gateway closed the connection with a code that reconnecting cannot fix.

    Attributes:
        code: the close code.
        reason: the reason in the close frame, as it arrived; may be empty.
        advice: how to fix the cause.

    See: https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
    """

    advice = "fix what the reason names, then call connect() again"

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def _message(self) -> str:
        reason = f" ({sanitize_line(self.reason)})" if self.reason else ""
        return f"the gateway closed the connection with {self.code}{reason}: {self.advice}"


class AuthenticationFailed(ConnectionClosed):
    """4004: the token is wrong."""

    advice = "the token is not valid; copy the bot's token again from the developer portal"


class TokenRefused(AuthenticationFailed):
    """HTTP 401: the API refused the token, as the gateway does with 4004.

    Attributes:
        host: the host that refused it.
        status: the HTTP status, which is 401.
    """

    def __init__(self, host: str) -> None:
        super().__init__(4004, "401: Unauthorized")
        self.args: tuple[object, ...] = (host,)
        self.host = host
        self.status = 401

    def _message(self) -> str:
        return f"{self.host} refused the token with HTTP 401: {self.advice}"


class InvalidShard(ConnectionClosed):
    """4010: the shard was refused.

    See: https://docs.discord.com/developers/events/gateway#sharding-for-large-bots
    """

    advice = (
        "the shard is not valid; shard=(id, count) needs 0 <= id < count, one count for all shards, and for a bot in "
        "more than 150,000 guilds a multiple of the count that Discord assigned (get_gateway_bot returns a valid count)"
    )


class ShardingRequired(ConnectionClosed):
    """4011: the bot is in too many guilds for a single connection."""

    advice = "the bot is in too many guilds for its number of shards; raise the count in shard=(id, count)"


class InvalidVersion(ConnectionClosed):
    """4012: the gateway version was refused."""

    advice = "the gateway does not support this API version; upgrade vox-gateway, and drop any v= from url"


class InvalidIntents(ConnectionClosed):
    """4013: the intents were refused."""

    advice = "intents holds a bit that the gateway does not know; make it from vox_gateway.Intents"


class DisallowedIntents(ConnectionClosed):
    """4014: a privileged intent is not enabled for this bot, or not approved.

    See: https://docs.discord.com/developers/events/gateway#privileged-intent-access-review
    """

    advice = (
        "intents holds a privileged intent that is not enabled for this bot; enable it on the Bot page of the "
        "developer portal, or leave it out (Intents.privileged() lists them); from 10,000 users on, Discord has to "
        "approve it, and to be asked again each year"
    )
