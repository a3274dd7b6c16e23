"""Run the `vox-gateway` commands that serve a gateway, each in its own process."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

PATIENCE = 60.0


class Served:
    """A running command.

    Attributes:
        url: the URL that it listens on.
        head: its first six lines.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self._lines = process.stdout
        self.head = [self._lines.readline() for _ in range(6)]
        found = re.search(r"ws://\S+", self.head[0])
        assert found, self.head
        self.url = found[0]

    def line(self, text: str) -> str:
        """Return the next line that contains `text`."""
        for line in self._lines:
            if text in line:
                return line
        raise AssertionError(f"no line contains {text!r}")

    def type(self, *lines: str) -> None:
        """Type lines on its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def finish(self) -> tuple[int, str, str]:
        """Wait until it exits; return the exit code, the rest of stdout, and stderr."""
        assert self.process.stderr is not None
        # `communicate` would miss what is buffered already.
        output, errors = self._lines.read(), self.process.stderr.read()
        return self.process.wait(PATIENCE), output, errors

    def end(self) -> tuple[int, str, str]:
        """Send SIGINT, then `finish`."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()


@contextlib.contextmanager
def served(*arguments: str, stderr: int = subprocess.PIPE) -> Iterator[Served]:
    """Run the command on a free port; kill it after 2 minutes."""
    environment = {**os.environ, "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vox_gateway", *arguments, "--port", "0"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    # Missing output must fail the test, not block it.
    timer = threading.Timer(2 * PATIENCE, process.kill)
    timer.start()
    try:
        yield Served(process)
    finally:
        timer.cancel()
        timer.join()
        process.kill()
        process.communicate()
