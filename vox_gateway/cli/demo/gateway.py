"""The demo's side of the gateway's process: starts it, gives it orders, and ends it."""

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
from .messages import Answer, Died

__all__ = ["GatewayProcess"]

#: seconds that the process has to end by itself, which it does at once unless it is still starting
END_WITHIN = 1.0
# Modules are looked for where this process found them, and not in the directory that it happens to run in.
_BOOT = f"import sys; sys.path[:] = sys.argv[1:]; from {main.__module__} import main; main()"


class GatewayProcess:
    """A gateway in a process of its own; a context manager.

    Orders are written to its stdin and answered on its stdout, line by line. It ends when its stdin does, and so never
    outlives the demo, whatever becomes of that.

    Args:
        tell: called with each `Answer`, and with `Died` at the end, on a thread of this object's own.
        command: what to run instead.
    """

    #: the order that every process carries out first: to start; its answer is where the gateway is
    START = 0

    def __init__(self, tell: Callable[[Answer | Died], None], command: list[str] | None = None) -> None:
        self._tell = tell
        self._command = command or [sys.executable, "-c", _BOOT, *sys.path]
        self._orders = self.START

    def __enter__(self) -> GatewayProcess:
        """Start it.

        Raises:
            CommandError: that is not possible.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and our own module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="ascii",
                # Ctrl-C in the terminal is for the demo, which then ends this process in order.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same for Windows
            )
        except OSError as error:
            raise CommandError(f"the gateway's process cannot be started: {error}") from error
        self._reader = threading.Thread(target=self._read, name="vox_gateway-demo-answers")
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it, gently if that is possible in `END_WITHIN` seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it died with an order unread
            self._process.stdin.close()
        try:
            self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()  # harmless when it has ended
            self._reader.join()
            self._process.stdout.close()

    def order(self, do: str, **details: Any) -> int:
        """Give an order; returns its number, which the `Answer` carries. Does not wait."""
        assert self._process.stdin is not None
        self._orders += 1
        with contextlib.suppress(BrokenPipeError):  # then `Died` is on its way
            self._process.stdin.write(json.dumps({"order": self._orders, "do": do, **details}) + "\n")
            self._process.stdin.flush()
        return self._orders

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._tell(Answer(**json.loads(line)))
        self._tell(Died(self._process.wait()))
