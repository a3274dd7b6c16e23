"""Starts, controls and ends the gateway process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..shared.exits import CommandError
from .gateway_process import main
from .messages import ProcessExited, Reply

__all__ = ["GatewayProcess"]

#: seconds until the process is killed; it exits at once unless it is still starting
END_WITHIN = 1.0
# The module search path of this process, without the working directory.
_BOOT = f"import sys; sys.path[:] = sys.argv[1:]; from {main.__module__} import main; main()"


class GatewayProcess:
    """A gateway in a child process; a context manager.

    Commands are lines on its stdin, replies are lines on its stdout. It exits at the end of stdin, so it never outlives
    the demo.

    Args:
        on_message: called on the reader thread with each `Reply`, and with `ProcessExited` at the end.
        command: the command to run instead, for tests.
    """

    #: number of the implicit first command; its reply describes the gateway
    START = 0

    def __init__(self, on_message: Callable[[Reply | ProcessExited], None], command: list[str] | None = None) -> None:
        self._on_message = on_message
        self._command = command or [sys.executable, "-c", _BOOT, *sys.path]
        self._last_number = self.START

    def __enter__(self) -> GatewayProcess:
        """Start the process.

        Raises:
            CommandError: it cannot be started.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and our own module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="ascii",
                # Ctrl-C reaches the demo only, which then ends this process.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # on Windows
            )
        except OSError as error:
            raise CommandError(f"the gateway's process cannot be started: {error}") from error
        self._reader = threading.Thread(target=self._read, name="vox_gateway-demo-replies")
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close stdin, and kill the process after `END_WITHIN` seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the process has died
            self._process.stdin.close()
        try:
            self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()  # no effect if it has exited
            self._reader.join()
            self._process.stdout.close()

    def send_command(self, name: str, **arguments: Any) -> int:
        """Send a command without waiting; return its number, which its `Reply` has."""
        assert self._process.stdin is not None
        self._last_number += 1
        with contextlib.suppress(BrokenPipeError):  # `ProcessExited` follows
            self._process.stdin.write(json.dumps({"number": self._last_number, "command": name, **arguments}) + "\n")
            self._process.stdin.flush()
        return self._last_number

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._on_message(Reply(**json.loads(line)))
        self._on_message(ProcessExited(self._process.wait()))
