"""Waiting for what another process writes to a file."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

PATIENCE = 15.0


def await_text(file: Path, words: bytes, count: int = 1) -> None:
    """Wait until a file has these bytes so often; between two looks it may be made, or rotated away."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while True:
        with contextlib.suppress(FileNotFoundError):
            if file.read_bytes().count(words) >= count:
                return
        assert time.monotonic() < deadline, f"{words!r} did not come"
        pause.wait(0.01)
