"""One HTTP GET over the same kind of connection as the WebSocket's: same proxy, TLS, deadline and wakeup.

Called on the reader thread before it connects, or on the thread of a bounded call; `gateway_bot` reads the response.
`http.client` parses it, from a bounded stream.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from ..concurrency.wakeup import Deadline, DeadlinePassed, Wakeup
from ..errors import ConnectFailed, ConnectionLost
from .connector import USER_AGENT, Network
from .transport import Transport
from .urls import APIURL

__all__ = ["Response", "http_get", "import_http_client", "retry_after_of"]

#: bytes of the largest response accepted, head and body together; those expected have a few hundred
MAX_RESPONSE = 262_144


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response of any status.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def retry_after_of(headers: Mapping[str, str], limit: float) -> float | None:
    """Return the seconds of ``Retry-After``, or None if it holds no valid number.

    Args:
        headers: names in lower case.
        limit: the largest result, in seconds.
    """
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(seconds, limit) if seconds >= 0 else None


def import_http_client() -> None:
    """Import what `http_get` needs before a thread does: a child forked during that import could never import it."""
    importlib.import_module("http.client")


def http_get(
    api: APIURL, route: str, headers: Mapping[str, str], network: Network, *, deadline: Deadline, wakeup: Wakeup
) -> Response:
    """GET `route` of `api`. Redirects are not followed, since the token must go nowhere else.

    Args:
        headers: added to those of every request.
        deadline: of the whole exchange.
        wakeup: ends every wait.

    Raises:
        ConnectFailed: there was no response, or it was not valid HTTP.
        Interrupted: `wakeup` was set.
    """
    from http.client import HTTPException  # here and below: 2 MB that most clients do not need

    with contextlib.closing(network.connect(api.host, api.port, api.secure, deadline, wakeup)) as transport:
        try:
            transport.send(_request(api, route, headers))
            return _read(transport)
        except DeadlinePassed:
            raise network.too_slow(f"the answer of {api.host} to GET {route}") from None
        except ConnectionLost as error:
            raise ConnectFailed(f"{api.host} did not answer GET {route}: {error}") from error
        except (HTTPException, ValueError, OSError) as error:
            message = str(error) or type(error).__name__
            # `from None`, since a traceback would print the server's text as it came.
            raise ConnectFailed(f"{api.host} did not answer GET {route} as an HTTP server does: {message}") from None


def _request(api: APIURL, route: str, headers: Mapping[str, str]) -> bytes:
    lines = {
        "Host": api.authority,
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    head = [f"GET {api.path}{route} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
    return "\r\n".join([*head, "", ""]).encode("ascii")


def _read(transport: Transport) -> Response:
    from http.client import HTTPResponse

    stream = _Stream(transport)
    with contextlib.closing(HTTPResponse(cast(socket.socket, stream), method="GET")) as response:
        response.begin()
        body = response.read()
        if response.length:
            raise ValueError(f"the answer ended {response.length} bytes before its end")
        return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


class _Stream(io.RawIOBase):
    """The transport as the bounded file that `http.client` reads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._left = MAX_RESPONSE

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._transport.time_left()  # a server that sends without pause must not outlast the deadline
        data = self._transport.recv(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"an answer of more than {MAX_RESPONSE} bytes")
        buffer[: len(data)] = data
        return len(data)
