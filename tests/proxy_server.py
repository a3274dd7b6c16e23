"""Proxies for tests: one answers the client's request for a connection, and copies bytes both ways."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket], "tuple[str, int] | None"]


class ProxyServer:
    """Takes connections one after the other, asks `answer` where each wants to go, and copies bytes both ways."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked: list[tuple[str, int]] = []
        self._threads = [threading.Thread(target=self._serve, name="proxy")]
        self._sockets = [self._listener]
        self._threads[0].start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self._sockets.append(client)
                where = self._answer(client)
                if where is None:
                    client.shutdown(socket.SHUT_WR)
                    continue
                self.asked.append(where)
                server = socket.create_connection(where)
                self._sockets.append(server)
                for source, sink in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=copy, args=(source, sink), name="proxy-copy"))
                    self._threads[-1].start()

    def close(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for one in self._sockets:
            one.close()


def copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy_server(answer: Answer) -> Iterator[ProxyServer]:
    server = ProxyServer(answer)
    try:
        yield server
    finally:
        server.close()


def http_connect(status: str = "200 OK", auth: str | None = None) -> Answer:
    def answer(client: socket.socket) -> tuple[str, int] | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        text = head.decode()
        said = "200 OK" if auth is None or f"Basic {base64.b64encode(auth.encode()).decode()}" in text else "407 Who?"
        client.sendall(f"HTTP/1.1 {status if said == '200 OK' else said}\r\n\r\n".encode())
        if status != "200 OK" or said != "200 OK":
            return None
        host, port = text.split()[1].rsplit(":", 1)
        return host, int(port)

    return answer


def socks5(client: socket.socket) -> tuple[str, int] | None:
    _, count = client.recv(2)
    client.recv(count)
    client.sendall(b"\x05\x00")
    _, _, _, kind = client.recv(4)
    host = socket.inet_ntoa(client.recv(4)) if kind == 1 else client.recv(client.recv(1)[0]).decode()
    (port,) = struct.unpack("!H", client.recv(2))
    client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
    return host, port


def socks5_refusing(client: socket.socket) -> None:
    _, count = client.recv(2)
    client.recv(count)
    client.sendall(b"\x05\x00")
    client.recv(64)
    client.sendall(b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")
