"""One HTTP question over the same kind of connection as the websocket's: same proxy, same TLS, same interrupt.

The standard library parses the answer (`http.client`); what it reads from is ours, and bounded.
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

__all__ = ["Answer", "http_get", "import_http_client", "retry_after_of"]

#: bytes of an answer, head and body, beyond which it is none: those of interest have a few hundred
MAX_ANSWER = 262_144


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with whatever status.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def retry_after_of(headers: Mapping[str, str], most: float) -> float | None:
    """The seconds of ``Retry-After``, or None where it holds none.

    Args:
        headers: names in lower case.
        most: seconds that are believed.
    """
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(seconds, most) if seconds >= 0 else None


def import_http_client() -> None:
    """Import what `http_get` needs, before a thread does: a child that is forked meanwhile could not import it."""
    importlib.import_module("http.client")


def http_get(
    api: APIURL, route: str, headers: Mapping[str, str], network: Network, deadline: Deadline, interrupt: Wakeup
) -> Answer:
    """GET `route` of `api`. Redirects are not followed: a token must go nowhere else.

    Args:
        headers: what the request says beside what every one does.
        deadline: of the whole.
        interrupt: ends every wait.

    Raises:
        ConnectFailed: there was no answer, or none that is HTTP.
        Interrupted: `interrupt` was set.
    """
    from http.client import HTTPException  # here and below: 2 MB that only those who ask need

    with contextlib.closing(network.connect(api.host, api.port, api.secure, deadline, interrupt)) as transport:
        try:
            transport.send(_request(api, route, headers))
            return _read(transport)
        except DeadlinePassed:
            raise network.too_slow(f"the answer of {api.host} to GET {route}") from None
        except ConnectionLost as error:
            raise ConnectFailed(f"{api.host} did not answer GET {route}: {error}") from error
        except (HTTPException, ValueError, OSError) as error:
            words = str(error) or type(error).__name__
            # `from None`: the cause holds unsanitised text from the server, which a traceback would print.
            raise ConnectFailed(f"{api.host} did not answer GET {route} as an HTTP server does: {words}") from None


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


def _read(transport: Transport) -> Answer:
    from http.client import HTTPResponse

    stream = _Stream(transport)
    with contextlib.closing(HTTPResponse(cast(socket.socket, stream), method="GET")) as response:
        response.begin()
        body = response.read()
        if response.length:
            raise ValueError(f"the answer ended {response.length} bytes before its end")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


class _Stream(io.RawIOBase):
    """The transport, to `http.client`: a file to read from, and no answer may go on for ever."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._left = MAX_ANSWER

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._transport.time_left()  # a server that never pauses must not keep us here
        data = self._transport.recv(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"an answer of more than {MAX_ANSWER} bytes")
        buffer[: len(data)] = data
        return len(data)
