"""Sanitised text on stdout, and detection of a closed reader.

Called on the main thread; `watched` starts its own thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

from ...concurrency.signals import defer_sigint
from ...concurrency.wakeup import Wakeup
from ...sanitize import sanitize_block
from .exits import CommandError

__all__ = ["OutputFailed", "abandon", "flush", "print_lines", "watched", "write_lines"]


class OutputFailed(CommandError):
    """Writing to stdout failed, other than with a broken pipe."""


def print_lines(*lines: str) -> None:
    """Print sanitised lines on stdout and flush.

    Raises:
        BrokenPipeError: the reader is gone.
        OutputFailed: writing failed.
    """
    write_lines(sys.stdout, tuple(map(sanitize_block, lines)))


def write_lines(stream: TextIO, lines: tuple[str, ...]) -> None:
    """Write lines to a stream unchanged, and flush.

    Raises:
        BrokenPipeError: the reader is gone.
        OutputFailed: writing failed.
    """
    with _output_failures():
        stream.write("".join(line + "\n" for line in lines))
        stream.flush()


def flush() -> None:
    """Flush stdout.

    Raises:
        BrokenPipeError: the reader is gone.
        OutputFailed: writing failed.
    """
    with _output_failures():
        sys.stdout.flush()


@contextlib.contextmanager
def _output_failures() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(f"stdout cannot be written to: {error.strerror or error}") from None


def abandon(stream: TextIO) -> None:
    """Discard the buffer of `stream`, so that the interpreter does not report a failed flush at exit."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


@contextlib.contextmanager
def watched(stream: TextIO, on_gone: Callable[[], None]) -> Iterator[None]:
    """Detect without writing that the reader of `stream`, a pipe or socket, has closed it.

    Args:
        on_gone: called once, on the watching thread, when the reader is gone.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # an in-memory file
        descriptor = -1
    if descriptor < 0 or not hasattr(select, "poll"):
        yield
        return
    with contextlib.closing(Wakeup()) as stop:
        watch = threading.Thread(
            target=_watch, args=(descriptor, stop, on_gone), name="vox_gateway-stdout", daemon=True
        )
        with defer_sigint():
            watch.start()
        try:
            yield
        finally:
            with defer_sigint():
                stop.cancel()
                watch.join()


def _watch(descriptor: int, stop: Wakeup, on_gone: Callable[[], None]) -> None:
    poll = select.poll()
    poll.register(stop, select.POLLIN)
    # POLLERR and POLLHUP are always reported, but on macOS only if some event is requested.
    poll.register(descriptor, select.POLLRDBAND)
    while True:
        events = dict(poll.poll())
        if stop.fileno() in events:
            return
        if events[descriptor] & (select.POLLERR | select.POLLHUP):
            on_gone()
            return
        poll.unregister(descriptor)  # or its events would end every poll at once
