"""The commands that run a gateway, as processes of their own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

PATIENCE = 15.0


class Served:
    """The real command, under way.

    Attributes:
        url: where it listens.
        head: the lines that it begins with.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self._lines = process.stdout
        self.head = [self._lines.readline() for _ in range(6)]
        found = re.search(r"ws://\S+", self.head[0])
        assert found, self.head
        self.url = found[0]

    def line(self, words: str) -> str:
        """The next line that holds `words`."""
        for line in self._lines:
            if words in line:
                return line
        raise AssertionError(f"no line with {words!r}")

    def finish(self) -> tuple[int, str, str]:
        """Wait until it ends by itself; gives the exit code, what is left on stdout, and stderr."""
        assert self.process.stderr is not None
        # Not `communicate`, which knows nothing of what has been read ahead.
        output, said = self._lines.read(), self.process.stderr.read()
        return self.process.wait(PATIENCE), output, said

    def end(self) -> tuple[int, str, str]:
        """Press Ctrl-C, and then as `finish`."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()


@contextlib.contextmanager
def served(*arguments: str, stderr: int = subprocess.PIPE) -> Iterator[Served]:
    """The command of these arguments, on a port of its own; it is killed if it takes too long."""
    environment = {**os.environ, "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vox_gateway", *arguments, "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    # What does not come must fail, and not hang.
    timer = threading.Timer(4 * PATIENCE, process.kill)
    timer.start()
    try:
        yield Served(process)
    finally:
        timer.cancel()
        timer.join()
        process.kill()
        process.communicate()
