"""Chooses the proxy, and opens a tunnel through it.

`config` parses the argument on the caller's thread. `connector` reads the environment and opens the tunnel on the
reader thread, over the transport that then carries TLS. websocket-client implements HTTP proxies. python-socks, the
optional extra ``socks``, implements SOCKS.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from websocket import WebSocketException
from websocket._http import _tunnel
from websocket._url import _is_no_proxy_host

from ..errors import ConnectFailed, MissingExtra
from .transport import Transport
from .urls import bracketed

__all__ = ["Proxy", "check_proxy", "proxy_from_environment", "tunnel"]

_DEFAULT_PORTS = {"http": 80, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A parsed proxy URL.

    Attributes:
        kind: ``http``, ``socks4``, ``socks4a``, ``socks5`` or ``socks5h``; with the a and h the proxy looks up names.
    """

    kind: str
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def check_proxy(proxy: object) -> Proxy | None:
    """Parse the client's `proxy` argument; None stays None.

    Raises:
        TypeError, ValueError: not a proxy's URL. The message does not hold its password.
        MissingExtra: a SOCKS proxy needs python-socks.
    """
    if proxy is None:
        return None
    if not isinstance(proxy, str):
        raise TypeError(f"proxy must be a URL such as 'http://localhost:8080', or None, not {type(proxy).__name__}")
    try:
        parts = urlsplit(proxy)
        port = parts.port
    except ValueError:  # its text is dropped, since it may quote a password
        raise ValueError(
            "proxy is not a valid URL: expected e.g. 'http://localhost:8080'; in a user name or password write / ? # @ "
            "as %2F %3F %23 %40"
        ) from None
    known = ", ".join(f"{kind}://" for kind in _DEFAULT_PORTS)
    if "://" not in proxy:  # the text is not shown, since it may hold a password
        raise ValueError(f"proxy has no scheme: it must begin with one of {known}, as in 'http://localhost:8080'")
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"proxy must begin with one of {known}, not '{parts.scheme}://'")
    if not parts.hostname:
        raise ValueError("proxy needs a host name, as in 'http://localhost:8080'")
    if parts.scheme != "http":
        _python_socks()
    return Proxy(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], *_credentials(parts))


def proxy_from_environment(host: str, secure: bool) -> Proxy | None:
    """Return the proxy in ``HTTPS_PROXY`` (``HTTP_PROXY`` without TLS), unless ``NO_PROXY`` names `host`.

    Raises:
        ConnectFailed: the variable is not a valid URL.
    """
    if _is_no_proxy_host(host, None):
        return None
    variable = "https_proxy" if secure else "http_proxy"
    try:
        parts = urlsplit(os.environ.get(variable, os.environ.get(variable.upper(), "")).replace(" ", ""))
        port = parts.port
    except ValueError:  # its text is dropped, since it may quote a password
        raise ConnectFailed(
            f"the environment variable {variable.upper()} is not a valid URL: expected e.g. http://localhost:8080"
        ) from None
    if not parts.hostname:
        return None
    return Proxy("http", parts.hostname, port or _DEFAULT_PORTS["http"], *_credentials(parts))


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    """Return the user name and password of a URL, decoded; None for each that is missing."""
    username, password = parts.username, parts.password
    return None if username is None else unquote(username), None if password is None else unquote(password)


def tunnel(proxy: Proxy, transport: Transport, host: str, port: int) -> None:
    """Open a tunnel to `host` over `transport`, which is connected to `proxy`.

    Raises:
        ConnectFailed: the proxy refused, or did not answer as a proxy.
    """
    try:
        if proxy.kind == "http":
            # As a single string, since websocket-client omits the colon of an empty password, which is required:
            # https://www.rfc-editor.org/rfc/rfc7617#section-2
            credentials = None if proxy.username is None else f"{proxy.username}:{proxy.password or ''}"
            _tunnel(transport, bracketed(host), port, (credentials, None))
        else:
            _open_socks_tunnel(proxy, transport, host, port)
    except (OSError, WebSocketException, ValueError, IndexError) as error:
        # websocket-client 1.9.0 raises the last two for a status line without a status.
        raise ConnectFailed(f"the proxy {proxy.host}:{proxy.port} gave no tunnel to {host}:{port}: {error}") from error


def _open_socks_tunnel(proxy: Proxy, transport: Transport, host: str, port: int) -> None:
    python_socks = _python_socks()
    kind = python_socks.ProxyType.SOCKS4 if proxy.kind.startswith("socks4") else python_socks.ProxyType.SOCKS5
    try:
        python_socks.sync.Proxy(
            proxy_type=kind,
            host=proxy.host,
            port=proxy.port,
            username=proxy.username,
            password=proxy.password,
            rdns=proxy.kind in ("socks4a", "socks5h"),
            forward=_Connected(transport),
        ).connect(host, port)
    except python_socks.ProxyError as error:
        raise ConnectFailed(f"the proxy {proxy.host}:{proxy.port} gave no tunnel to {host}:{port}: {error}") from error


class _Connected:
    """The ``forward`` proxy of python-socks: it returns the existing, interruptible connection."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def connect(self, **address: object) -> Transport:
        return self._transport


def _python_socks() -> Any:
    try:
        import python_socks.sync
    except ImportError as error:
        raise MissingExtra("a SOCKS proxy", "socks") from error
    return python_socks
