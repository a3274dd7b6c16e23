"""The WebSocket's opening handshake: accepted, refused, malformed or late."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from vox_gateway.concurrency.wakeup import Wakeup
from vox_gateway.errors import ConnectFailed, UpgradeRefused
from vox_gateway.network.connector import Network
from vox_gateway.network.urls import GatewayURL
from vox_gateway.network.websocket import WebSocket


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    with contextlib.closing(Wakeup()) as wakeup:
        yield wakeup


@contextlib.contextmanager
def scripted(answer: bytes, stay: bool = False) -> Iterator[int]:
    """A server that reads a request, gives `answer`, and leaves, or stays until the client leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            connection.settimeout(10)
            with connection, contextlib.suppress(OSError):
                while b"\r\n\r\n" not in connection.recv(65536):
                    pass
                connection.sendall(answer)
                while stay and connection.recv(65536):
                    pass

        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1]
        server.join(10)


def open_websocket(port: int, wakeup: Wakeup, timeout: float = 5.0) -> WebSocket:
    network = Network(None, ssl.create_default_context(), timeout, 1 << 20)
    deadline = time.monotonic() + timeout
    return WebSocket.open(GatewayURL("127.0.0.1", port, False, "/"), network, lambda: deadline, wakeup)


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 500, 503])
def test_a_refused_upgrade_carries_its_status(wakeup: Wakeup, status: int) -> None:
    answer = f"HTTP/1.1 {status} No\r\nLocation: http://x\r\nContent-Length: 2\r\n\r\nno".encode()
    with scripted(answer) as port:
        error = ConnectFailed if status == 302 else UpgradeRefused
        with pytest.raises(error) as raised:
            open_websocket(port, wakeup)
        if isinstance(raised.value, UpgradeRefused):
            assert raised.value.status == status
            assert raised.value.permanent is (status in (401, 403))


@pytest.mark.parametrize(
    ("said", "heard"), [("2.5", 2.5), ("0", 0.0), ("86400", 600.0), ("-1", None), ("nan", None), ("tomorrow", None)]
)
def test_a_refused_upgrade_may_carry_retry_after(wakeup: Wakeup, said: str, heard: float | None) -> None:
    with scripted(f"HTTP/1.1 503 No\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        with pytest.raises(UpgradeRefused) as raised:
            open_websocket(port, wakeup)
        assert raised.value.retry_after == heard


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1",
        b"\xff\xfe\r\n\r\n",
        b"HTTP/1.1 101 OK\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_a_malformed_response_is_reported(wakeup: Wakeup, answer: bytes) -> None:
    with scripted(answer) as port, pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
        open_websocket(port, wakeup)


def test_an_upgrade_that_takes_too_long_names_the_option(wakeup: Wakeup) -> None:
    with scripted(b"HTTP/1.1 101", stay=True) as port:
        with pytest.raises(ConnectFailed, match=r"upgrade.*connect_timeout=0\.2 seconds"):
            open_websocket(port, wakeup, 0.2)
