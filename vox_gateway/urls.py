"""Gateway URLs: what the user or READY gives in, what is connected to out. Pure.

Rests on "Connecting", Gateway URL Query String Params, of the official Gateway documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["DEFAULT_GATEWAY", "GATEWAY_VERSION", "GatewayURL", "gateway_url"]

#: Where Discord's gateway is, for a bot that did not ask Get Gateway Bot.
DEFAULT_GATEWAY = "wss://gateway.discord.gg"
#: The version of the gateway that this library speaks.
GATEWAY_VERSION = 10

_SCHEME_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class GatewayURL:
    """A URL taken apart for connecting.

    Attributes:
        host: name or address, without brackets.
        port: TCP port.
        secure: whether TLS is spoken.
        resource: path and query, as the upgrade request names them.
    """

    host: str
    port: int
    secure: bool
    resource: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.secure else 'ws'}://{host}:{self.port}{self.resource}"


def gateway_url(
    url: str, *, encoding: str, compress: str | None, port: int | None = None, default_port: int | None = None
) -> GatewayURL:
    """The URL to connect to: `url` with the query that the gateway wants.

    The URL's own port, path and other query parameters stay.

    Args:
        url: ``ws://`` or ``wss://``.
        encoding: ``"json"`` or ``"etf"``.
        compress: the transport compression, or None; ``compress=`` is never sent without a value.
        port: used instead of the URL's own port.
        default_port: used where the URL names no port, instead of the scheme's.

    Raises:
        TypeError, ValueError: `url` or `port` is not usable; the message names it.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be a string such as {DEFAULT_GATEWAY!r}, not {url!r}")
    try:
        parts = urlsplit(url)
        url_port = parts.port
    except ValueError as error:
        raise ValueError(f"url {url!r} is not a URL: {error}") from error
    if parts.scheme not in _SCHEME_PORTS:
        raise ValueError(f"url must begin with wss:// or ws://, not {url!r}")
    if not parts.hostname:
        raise ValueError(f"url needs a host name, as in {DEFAULT_GATEWAY!r}: {url!r} has none")
    if any(ord(character) <= 32 for character in url):
        raise ValueError(f"url must hold no spaces or control characters: {url!r}")
    if parts.username is not None:
        raise ValueError("url must hold no user name or password: the gateway takes the token in IDENTIFY")
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in ("v", "encoding", "compress")
    ]
    query += [("v", str(GATEWAY_VERSION)), ("encoding", encoding)]
    if compress is not None:
        query.append(("compress", compress))
    return GatewayURL(
        host=parts.hostname,
        port=check_port(port) or url_port or default_port or _SCHEME_PORTS[parts.scheme],
        secure=parts.scheme == "wss",
        resource=f"{parts.path or '/'}?{urlencode(query)}",
    )


def check_port(port: object) -> int | None:
    """`port` itself, or None for the URL's own.

    Raises:
        TypeError, ValueError: it is no TCP port.
    """
    if port is None:
        return None
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"port must be a number from 1 to 65535, or None for the URL's own, not {port!r}")
    if not 1 <= port <= 65535:
        raise ValueError(f"port must be from 1 to 65535, not {port}")
    return port
