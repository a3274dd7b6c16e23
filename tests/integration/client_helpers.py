"""Types of the fixtures that make and observe clients, and helpers for both."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from scripted_server import Peer, ScriptedServer

from vox_gateway import Client, Status
from vox_gateway.testing import LocalGateway

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
TIMEOUT = 10.0
#: seconds within which close() returns: 2, and a margin for a loaded machine
CLOSE_TIMEOUT = 3.5


class HasURL(Protocol):
    """A `LocalGateway` or a `ScriptedServer`."""

    @property
    def url(self) -> str: ...


class MakeClient(Protocol):
    """Makes a client of a server; `options` override the defaults of the fixture."""

    def __call__(self, server: HasURL, **options: Any) -> Client: ...


class EventRecorder:
    """Records the named events of a client, in order."""

    def __init__(self, client: Client, *names: str) -> None:
        self._queue: queue.SimpleQueue[tuple[str, tuple[Any, ...]]] = queue.SimpleQueue()
        for name in names:
            client.on(name, self._listener(name))

    def _listener(self, name: str) -> Callable[..., None]:
        return lambda *args: self._queue.put((name, args))

    def next(self, timeout: float = 5.0) -> tuple[str, tuple[Any, ...]]:
        """Return the next event's name and arguments.

        Raises:
            queue.Empty: no event arrived within `timeout` seconds.
        """
        return self._queue.get(timeout=timeout)

    def data(self, timeout: float = 5.0) -> Any:
        """Return the next event's only argument; as `next` otherwise."""
        _, (data,) = self.next(timeout)
        return data

    @property
    def empty(self) -> bool:
        """Whether every event was taken."""
        return self._queue.empty()


RecordEvents = type[EventRecorder]
SendMessages = Callable[[LocalGateway, range], None]
#: makes the sockets of clients of a class; returns the list of those that were made
SocketsOf = Callable[[type[socket.socket]], list[Any]]
#: calls a function each time that a line with the given text is logged
OnLogLine = Callable[[str, Callable[[], None]], None]


def start(client: Client) -> Client:
    """Connect in the background."""
    client.connect(async_=True)
    return client


def start_until_ready(client: Client) -> Client:
    """Connect in the background, and wait until the client is ready."""
    client.connect(async_=True)
    assert client.wait_until_ready(TIMEOUT)
    return client


def open_connection(make_client: MakeClient, server: ScriptedServer, **options: Any) -> tuple[Client, Peer]:
    """Return a connecting client and the server's end of its first websocket."""
    client = start(make_client(server, **options))
    return client, server.open()


def close_promptly(client: Client, timeout: float = CLOSE_TIMEOUT, **options: Any) -> None:
    """Close, which must take less than `timeout` seconds, and so must the end of what it no longer waits for."""
    began = time.monotonic()
    client.close(**options)
    left = timeout - (time.monotonic() - began)
    assert left > 0
    assert client.wait_closed(left)
    assert client.status is Status.CLOSED


class Cases:
    """One client and one scripted server for each test case, so that the reconnect delays of all cases overlap.

    Attributes:
        clients: the clients, by the case as text.
        servers: their servers, by the same keys.
    """

    def __init__(self, make_client: MakeClient, stack: contextlib.ExitStack) -> None:
        self.clients: dict[str, Client] = {}
        self.servers: dict[str, ScriptedServer] = {}
        self._make_client = make_client
        self._stack = stack

    def start(self, case: object) -> Client:
        """Start a client that connects to a server of its own."""
        server = self.servers[str(case)] = self._stack.enter_context(ScriptedServer())
        client = self.clients[str(case)] = start(self._make_client(server))
        return client
