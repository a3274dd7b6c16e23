"""URLs of the gateway and of the API: what the user or the server gives in, what is connected to out. Pure.

Rests on "Connecting", Gateway URL Query String Params, of the official Gateway documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

__all__ = ["APIURL", "DEFAULT_API", "DEFAULT_GATEWAY", "GATEWAY_VERSION", "GatewayURL", "api_url", "gateway_url"]

#: Where Discord's gateway is, for a bot that did not ask Get Gateway Bot.
DEFAULT_GATEWAY = "wss://gateway.discord.gg"
#: Where Discord's HTTP API is, which knows where a bot's gateway is.
DEFAULT_API = "https://discord.com/api/v10"
#: The version of the gateway that this library speaks.
GATEWAY_VERSION = 10

_GATEWAY_PORTS = {"wss": 443, "ws": 80}
_API_PORTS = {"https": 443, "http": 80}


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


@dataclass(frozen=True, slots=True)
class APIURL:
    """The base of an HTTP API, taken apart for connecting.

    Attributes:
        host: name or address, without brackets.
        port: TCP port.
        secure: whether TLS is spoken.
        path: what stands before a route, without a slash at its end.
    """

    host: str
    port: int
    secure: bool
    path: str

    @property
    def authority(self) -> str:
        """What a request's ``Host`` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _API_PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"


def gateway_url(
    url: str, *, encoding: str, compress: str | None, port: int | None = None, default_port: int | None = None
) -> GatewayURL:
    """The URL to connect to: `url` with the query that the gateway wants.

    The URL's own port, path and other query parameters stay.

    Args:
        url: ``ws://`` or ``wss://``.
        encoding: ``"json"`` or ``"etf"``.
        compress: the transport compression, or None; ``compress=`` is never sent without a value.
        port: used instead of the URL's own port; checked already.
        default_port: used where the URL names no port, instead of the scheme's.

    Raises:
        TypeError, ValueError: `url` is not usable; the message names it.
    """
    parts, host, url_port = _split("url", url, _GATEWAY_PORTS, DEFAULT_GATEWAY)
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in ("v", "encoding", "compress")
    ]
    query += [("v", str(GATEWAY_VERSION)), ("encoding", encoding)]
    if compress is not None:
        query.append(("compress", compress))
    return GatewayURL(
        host=host,
        port=port or url_port or default_port or _GATEWAY_PORTS[parts.scheme],
        secure=parts.scheme == "wss",
        resource=f"{parts.path or '/'}?{urlencode(query)}",
    )


def api_url(url: object) -> APIURL:
    """The `api_url` argument, taken apart.

    Raises:
        TypeError, ValueError: it is not the base of an HTTP API; the message names it.
    """
    parts, host, port = _split("api_url", url, _API_PORTS, DEFAULT_API)
    if parts.query or parts.fragment:
        raise ValueError(f"api_url must end with a path, as in {DEFAULT_API!r}, not {url!r}")
    return APIURL(host, port or _API_PORTS[parts.scheme], parts.scheme == "https", parts.path.rstrip("/"))


def _split(name: str, url: object, ports: Mapping[str, int], example: str) -> tuple[SplitResult, str, int | None]:
    """The parts of the URL that the argument `name` is, with its host and its own port."""
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a string such as {example!r}, not {url!r}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{name} {url!r} is not a URL: {error}") from error
    if parts.scheme not in ports:
        raise ValueError(f"{name} must begin with {' or '.join(f'{scheme}://' for scheme in ports)}, not {url!r}")
    if not parts.hostname:
        raise ValueError(f"{name} needs a host name, as in {example!r}: {url!r} has none")
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise ValueError(f"{name} must hold no spaces or control characters: {url!r}")
    if parts.username is not None:
        raise ValueError(f"{name} must hold no user name or password: the bot's token is all that is asked for")
    return parts, parts.hostname, port
