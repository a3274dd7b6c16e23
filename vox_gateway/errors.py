"""Everything that can go wrong, as one tree.

::

    GatewayError
    ├── AlreadyConnected          connect() while the client runs           (RuntimeError)
    ├── NotConnected              a command, and no connection to wait for
    ├── CommandTimeout            a command waited longer than its timeout  (TimeoutError)
    ├── StreamEnded               a stream from which nothing comes any more
    ├── RateLimited               a question asked too often to be answered in time   (TimeoutError)
    ├── PayloadTooLarge           a command over 4096 encoded bytes         (ValueError)
    ├── MissingExtra              an optional package is not installed      (ImportError)
    ├── ThreadFailed              a thread of the client ended unexpectedly; the client was closed
    ├── ConnectFailed             no websocket could be opened; retried unless it cannot help
    │   ├── UpgradeRefused        the server answered the upgrade with an HTTP status
    │   ├── DiscoveryFailed       the API did not tell where the bot's gateway is
    │   └── CertificateInvalid    the server's certificate does not verify
    ├── ConnectionLost            the connection ended without a close frame; resumed
    ├── ProtocolViolation         the server broke a rule of the websocket or the gateway; resumed
    │   ├── DecodeError           a payload that is not what its encoding says
    │   └── InflateError          a compressed stream that does not inflate
    └── ConnectionClosed          a close frame with a code that no reconnect can mend
        ├── AuthenticationFailed  4004
        │   └── TokenRefused      HTTP 401, when the API was asked where the gateway is
        ├── InvalidShard          4010
        ├── ShardingRequired      4011
        ├── InvalidVersion        4012
        ├── InvalidIntents        4013
        └── DisallowedIntents     4014

Data is on attributes, as it came; ``str()`` is one printable line, made from it for people. ``args`` holds the
arguments that the error was made with, so that it survives `copy` and `pickle`. No message ever holds the token.
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
    "ShardingRequired",
    "StreamEnded",
    "ThreadFailed",
    "TokenRefused",
    "UpgradeRefused",
]


#: characters of an error's words; a server or a proxy may have a part in them
MAX_WORDS = 1000


class GatewayError(Exception):
    """The root of every error that this library raises on its own account."""

    def __init__(self, *args: object) -> None:
        super().__init__()  # OSError and ImportError would give their own meaning to arguments
        self.args = args

    def __str__(self) -> str:
        return sanitize_line(self._words(), MAX_WORDS)

    def _words(self) -> str:
        """What `str` shows; by default the first argument. Text from others may be in it as it came."""
        return str(self.args[0]) if self.args else ""


class AlreadyConnected(GatewayError, RuntimeError):
    """`Client.connect` was called while the client already runs, or while another client uses its session file."""


class NotConnected(GatewayError):
    """A command was given while no connection exists or is on its way."""


class CommandTimeout(GatewayError, TimeoutError):
    """A command was not sent within the caller's timeout; nothing of it reached the wire."""


class StreamEnded(GatewayError):
    """An event was asked of a stream that was closed, or whose client was."""


class RateLimited(GatewayError, TimeoutError):
    """The gateway refused to answer, since it was asked the same too often; asking again later helps.

    Attributes:
        what: what was asked for, in words.
        retry_after: seconds before which it will not answer.
    """

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(what, retry_after)
        self.what = what
        self.retry_after = retry_after

    def _words(self) -> str:
        return f"the gateway will not tell {self.what} for {self.retry_after:.1f} seconds: it was asked too often"


class PayloadTooLarge(GatewayError, ValueError):
    """A command is larger than the gateway takes; it was refused before the wire.

    Attributes:
        command: the command's name.
        size: the command's encoded size, in bytes.
        limit: the largest size the gateway takes, in bytes.
    """

    def __init__(self, command: str, size: int, limit: int) -> None:
        super().__init__(command, size, limit)
        self.command = command
        self.size = size
        self.limit = limit

    def _words(self) -> str:
        return (
            f"{self.command} is {self.size} bytes when encoded and the gateway takes at most {self.limit}: "
            "send less in one command"
        )


class MissingExtra(GatewayError, ImportError):
    """Something was asked for that needs an optional package.

    Attributes:
        what: what was asked for, in words.
        extra: the extra of this package that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)
        self.what = what
        self.extra = extra
        self.msg = str(self)  # as every ImportError has it

    def _words(self) -> str:
        return f'{self.what} needs an optional package: pip install "vox-gateway[{self.extra}]"'


class ThreadFailed(GatewayError):
    """A thread of the client ended unexpectedly, and the client was closed. The session is kept: `connect` resumes it.

    Attributes:
        thread: the thread's name.
        error: the exception that ended it.
    """

    def __init__(self, thread: str, error: BaseException) -> None:
        super().__init__(thread, error)
        self.thread = thread
        self.error = error

    def _words(self) -> str:
        return f"the thread {self.thread} failed with {self.error!r}: see the log for where; connect() resumes"


class ConnectFailed(GatewayError):
    """No websocket could be opened: DNS, TCP, proxy, TLS or the upgrade failed.

    Attributes:
        permanent: trying the same again cannot help (on a first connection).
        retry_after: seconds before which trying again cannot help, or None where nobody has said.
    """

    permanent = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after


class UpgradeRefused(ConnectFailed):
    """The server answered the websocket upgrade with an HTTP status other than 101.

    Attributes:
        status: the HTTP status, or None where the answer held none.
    """

    def __init__(self, message: str, status: int | None, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.args = message, status, retry_after
        self.status = status

    @property
    def permanent(self) -> bool:  # type: ignore[override]
        """Whether the status is one that asking again does not change."""
        return self.status in (401, 403)


class DiscoveryFailed(ConnectFailed):
    """GET /gateway/bot was answered, and not with where the bot's gateway is.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.args = message, status, retry_after
        self.status = status

    @property
    def permanent(self) -> bool:  # type: ignore[override]
        """Whether the status is one that asking again does not change."""
        return 300 <= self.status < 500 and self.status not in (408, 425, 429)


class CertificateInvalid(ConnectFailed):
    """The server's TLS certificate, or the host name in it, does not verify."""

    permanent = True


class ConnectionLost(GatewayError):
    """The connection ended without a close frame: EOF, a reset, a TLS failure, or silence past a bound."""


class ProtocolViolation(GatewayError):
    """The server broke a rule; the connection is closed with `close_code` and resumed.

    Attributes:
        close_code: the code our close frame carries (RFC 6455 section 7.4.1, or a gateway code).
    """

    def __init__(self, message: str, close_code: int = 1002) -> None:
        super().__init__(message, close_code)
        self.close_code = close_code


class DecodeError(ProtocolViolation):
    """A payload is not what its encoding says, or has not the shape of a gateway payload."""

    def __init__(self, message: str, close_code: int = 4000) -> None:
        super().__init__(message, close_code)


class InflateError(ProtocolViolation):
    """A compressed stream does not inflate, or inflates beyond the largest message allowed."""

    def __init__(self, message: str, close_code: int = 4000) -> None:
        super().__init__(message, close_code)


class ConnectionClosed(GatewayError):
    """The gateway closed the connection with a code after which reconnecting cannot help.

    Attributes:
        code: the close code (Gateway Close Event Codes, "Opcodes and Status Codes").
        reason: the server's own words, as they came; may be empty.
    """

    #: what the user can do about it
    advice = "read the reason, mend it, and call connect() again"

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def _words(self) -> str:
        said = f" ({sanitize_line(self.reason)})" if self.reason else ""
        return f"the gateway closed the connection with {self.code}{said}: {self.advice}"


class AuthenticationFailed(ConnectionClosed):
    """4004: the token is wrong."""

    advice = "the token is not valid; copy the bot's token again from the developer portal"


class TokenRefused(AuthenticationFailed):
    """HTTP 401: the API refused the token, as the gateway would have with 4004.

    Attributes:
        host: the host that refused it.
        status: 401.
    """

    def __init__(self, host: str) -> None:
        super().__init__(4004, "401: Unauthorized")
        self.args = (host,)
        self.host = host
        self.status = 401

    def _words(self) -> str:
        return f"{self.host} refused the token with HTTP 401: {self.advice}"


class InvalidShard(ConnectionClosed):
    """4010: the shard was refused."""

    advice = "the shard is not valid; shard=(id, count) needs 0 <= id < count, and one count for all shards"


class ShardingRequired(ConnectionClosed):
    """4011: the bot is in too many guilds for one connection."""

    advice = "the bot is in too many guilds for so few shards; raise the count in shard=(id, count)"


class InvalidVersion(ConnectionClosed):
    """4012: the gateway version was refused."""

    advice = "the gateway does not speak this API version; upgrade vox-gateway, and drop any v= from url"


class InvalidIntents(ConnectionClosed):
    """4013: the intents were refused."""

    advice = "intents holds a bit that the gateway does not know; build it from vox_gateway.Intents"


class DisallowedIntents(ConnectionClosed):
    """4014: a privileged intent is not enabled for this bot."""

    advice = (
        "intents holds a privileged intent that is not enabled for this bot; enable it on the Bot page of the "
        "developer portal, or leave it out (Intents.privileged() lists them)"
    )
