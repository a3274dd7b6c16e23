"""Parses URLs of the gateway and of the API into connection targets. Pure.

Called for arguments on the caller's thread, and for URLs from the server on the reader thread, which then connects.

See: https://docs.discord.com/developers/events/gateway#connecting-gateway-url-query-string-params
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

__all__ = [
    "APIURL",
    "DEFAULT_API",
    "DEFAULT_GATEWAY",
    "GATEWAY_VERSION",
    "GatewayURL",
    "api_url",
    "bracketed",
    "gateway_url",
    "version_of",
]

#: Discord's gateway, for bots that do not ask Get Gateway Bot for its URL.
DEFAULT_GATEWAY = "wss://gateway.discord.gg"
#: Discord's HTTP API, which serves Get Gateway Bot.
DEFAULT_API = "https://discord.com/api/v10"
#: The version of the gateway that this library speaks, unless the URL names another.
GATEWAY_VERSION = 10

_GATEWAY_PORTS = {"wss": 443, "ws": 80}
_API_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class GatewayURL:
    """A parsed gateway URL.

    Attributes:
        host: name or address, without brackets.
        port: TCP port.
        secure: whether to use TLS.
        resource: path and query of the upgrade request.
    """

    host: str
    port: int
    secure: bool
    resource: str

    def __str__(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{bracketed(self.host)}:{self.port}{self.resource}"


@dataclass(frozen=True, slots=True)
class APIURL:
    """The parsed base URL of an HTTP API.

    Attributes:
        host: name or address, without brackets.
        port: TCP port.
        secure: whether to use TLS.
        path: prefix of every route, without a slash at its end.
    """

    host: str
    port: int
    secure: bool
    path: str

    @property
    def authority(self) -> str:
        """The value of the ``Host`` header."""
        host = bracketed(self.host)
        return host if self.port == _API_PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"


def gateway_url(
    url: str,
    *,
    encoding: str,
    compress: str | None,
    version: int = GATEWAY_VERSION,
    port: int | None = None,
    default_port: int | None = None,
) -> GatewayURL:
    """Parse `url` and set the query parameters of the gateway. Port, path and other parameters are kept.

    Args:
        url: ``ws://`` or ``wss://``.
        encoding: ``"json"`` or ``"etf"``.
        compress: the transport compression; None omits the parameter.
        version: of the gateway; replaces the URL's.
        port: replaces the URL's port.
        default_port: for a URL without a port, instead of the scheme's.

    Raises:
        TypeError, ValueError: `url` is not valid; the message names it.
    """
    parts, host, url_port = _split("url", url, _GATEWAY_PORTS, DEFAULT_GATEWAY)
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in ("v", "encoding", "compress")
    ]
    query += [("v", str(version)), ("encoding", encoding)]
    if compress is not None:
        query.append(("compress", compress))
    return GatewayURL(
        host=host,
        port=port or url_port or default_port or _GATEWAY_PORTS[parts.scheme],
        secure=parts.scheme == "wss",
        resource=f"{parts.path or '/'}?{urlencode(query)}",
    )


def version_of(url: str | None) -> int:
    """Return the gateway version that `url` asks for with ``v=``, or `GATEWAY_VERSION`.

    Raises:
        TypeError, ValueError: `url` or its version is not valid; the message names it.
    """
    if url is None:
        return GATEWAY_VERSION
    parts, _, _ = _split("url", url, _GATEWAY_PORTS, DEFAULT_GATEWAY)
    versions = [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == "v"]
    if not versions:
        return GATEWAY_VERSION
    if len(versions) > 1 or not re.fullmatch(r"[0-9]{1,4}", versions[0]):
        raise ValueError(f"url must hold a whole number as v, once, as in v={GATEWAY_VERSION}, not {url!r}")
    return int(versions[0])


def api_url(url: object) -> APIURL:
    """Parse the `api_url` argument.

    Raises:
        TypeError, ValueError: not the base URL of an HTTP API.
    """
    parts, host, port = _split("api_url", url, _API_PORTS, DEFAULT_API)
    if parts.query or parts.fragment:
        raise ValueError(f"api_url must end with a path, as in {DEFAULT_API!r}, not {url!r}")
    return APIURL(host, port or _API_PORTS[parts.scheme], parts.scheme == "https", parts.path.rstrip("/"))


def _split(name: str, url: object, ports: Mapping[str, int], example: str) -> tuple[SplitResult, str, int | None]:
    """Parse the URL in the argument `name`; return its parts, its host and its explicit port."""
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


def bracketed(host: str) -> str:
    """Return `host` as URLs write it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
