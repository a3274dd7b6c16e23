"""A TCP proxy whose network can be cut: connections stay open, and nothing passes until it is mended."""

from __future__ import annotations

import contextlib
import socket
import threading

__all__ = ["StallingProxy"]


class StallingProxy:
    """Copies bytes between its clients and a server on loopback, except while it is cut.

    Args:
        port: of the server.

    Attributes:
        port: that it listens on.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut(self) -> None:
        """Let nothing pass."""
        self._flows.clear()

    def mend(self) -> None:
        """Let everything pass, also what came meanwhile."""
        self._flows.set()

    def close(self) -> None:
        """End all connections."""
        self._flows.set()
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(source, sink), name="proxy-copy", daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
