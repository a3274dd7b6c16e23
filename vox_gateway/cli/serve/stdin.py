"""Reads the lines that are typed on stdin, on a thread of their own."""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable

__all__ = ["read_lines"]

#: bytes read at once
_READ_SIZE = 65_536


def read_lines(on_line: Callable[[str], None]) -> bool:
    """Start to read lines until the end of stdin; return False if there is no stdin.

    The thread waits in the system for input, which cannot be interrupted everywhere. So it is a daemon that is left
    behind when the process ends, and it reads the descriptor: at exit Python would wait for the lock of `sys.stdin`.

    Args:
        on_line: called on that thread with each line that is not empty.
    """
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # closed when the process started, or replaced
        return False
    thread = threading.Thread(target=_read, args=(descriptor, on_line), name="vox_gateway-stdin", daemon=True)
    thread.start()
    return True


def _read(descriptor: int, on_line: Callable[[str], None]) -> None:
    if hasattr(signal, "SIGTTIN"):
        # In the background of a shell, reading then fails instead of stopping the process.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTIN})
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    with contextlib.suppress(OSError):
        while data := os.read(descriptor, _READ_SIZE):
            *lines, rest = (rest + decoder.decode(data)).split("\n")
            for line in filter(None, map(str.strip, lines)):
                on_line(line)
    if rest.strip():
        on_line(rest.strip())
