"""HTTP and SOCKS5 proxies on loopback."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from support import read_exactly, read_head

#: performs the handshake; returns the requested host and port, or None if the connection is refused; raises OSError if
#: the client is gone
Answer = Callable[[socket.socket], "tuple[str, int] | None"]


class ProxyServer:
    """Accept connections, call `handshake` for each, and copy bytes both ways.

    Attributes:
        port: the port that it listens on.
        asked: the hosts and ports that clients asked for.
    """

    def __init__(self, handshake: Answer) -> None:
        self._handshake = handshake
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[tuple[str, int]] = []
        self._threads = [threading.Thread(target=self._serve, name="proxy")]
        self._sockets = [self._listener]
        self._threads[0].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                client = self._listener.accept()[0]
                self._sockets.append(client)
                with contextlib.suppress(OSError):  # the client is gone
                    self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        destination = self._handshake(client)
        if destination is None:
            client.shutdown(socket.SHUT_WR)
            return
        self.asked.append(destination)
        server = socket.create_connection(destination)
        self._sockets.append(server)
        for source, sink in ((client, server), (server, client)):
            self._threads.append(threading.Thread(target=copy, args=(source, sink), name="proxy-copy"))
            self._threads[-1].start()

    def close(self) -> None:
        """Close the listener and all connections."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for sock in self._sockets:
            sock.close()


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until either end closes."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy_server(handshake: Answer) -> Iterator[ProxyServer]:
    """Run a proxy."""
    server = ProxyServer(handshake)
    try:
        yield server
    finally:
        server.close()


def http_connect(status: str = "200 OK", auth: str | None = None) -> Answer:
    """Answer CONNECT with `status`, or with 407 unless the client sends `auth` ("user:password")."""

    def handshake(client: socket.socket) -> tuple[str, int] | None:
        text = read_head(client)
        authorized = auth is None or f"Basic {base64.b64encode(auth.encode()).decode()}" in text
        response = status if authorized else "407 Proxy Authentication Required"
        client.sendall(f"HTTP/1.1 {response}\r\n\r\n".encode())
        if response != "200 OK":
            return None
        host, port = text.split()[1].rsplit(":", 1)
        return host, int(port)

    return handshake


def socks5(client: socket.socket) -> tuple[str, int] | None:
    """Accept a SOCKS5 connection without authentication."""
    _, count = read_exactly(client, 2)
    read_exactly(client, count)
    client.sendall(b"\x05\x00")
    _, _, _, kind = read_exactly(client, 4)
    if kind == 1:
        host = socket.inet_ntoa(read_exactly(client, 4))
    else:
        host = read_exactly(client, read_exactly(client, 1)[0]).decode()
    (port,) = struct.unpack("!H", read_exactly(client, 2))
    client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
    return host, port


def socks5_refusing(client: socket.socket) -> None:
    """Refuse a SOCKS5 connection: not allowed by the ruleset."""
    _, count = read_exactly(client, 2)
    read_exactly(client, count)
    client.sendall(b"\x05\x00")
    client.recv(64)
    client.sendall(b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")
