"""A Redis server on a unix socket, without persistence."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from support import wait_until

__all__ = ["RedisServer"]


class RedisServer:
    """A `redis-server` of its own.

    Args:
        folder: where its socket is.

    Attributes:
        url: of the server.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("redis-server") is not None

    def start(self) -> None:
        options = {"port": "0", "unixsocket": self._socket, "dir": self._folder, "save": "", "appendonly": "no"}
        command = ["redis-server", *(str(part) for key, value in options.items() for part in (f"--{key}", value))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self._accepts)

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    def demote(self) -> None:
        """Become a replica, which refuses to write, as after a failover."""
        self._command("REPLICAOF 127.0.0.1 1")

    def require(self, password: str) -> None:
        """Refuse connections without a password."""
        self._command(f"CONFIG SET requirepass {password}")

    def _command(self, line: str) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall(f"{line}\r\n".encode())
            assert connection.recv(100) == b"+OK\r\n"

    def pause(self) -> None:
        """Stop answering: to its clients the network is cut."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End, and lose everything."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            with contextlib.suppress(OSError):
                self._socket.unlink()
