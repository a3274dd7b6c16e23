"""What a command writes on stdout: sanitised text for people, and a watch for a reader that is gone.

Called on the main thread; `watched` has a thread of its own.
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
    """Stdout cannot be written to, for another reason than that its reader is gone."""


def print_lines(*lines: str) -> None:
    """Print lines on stdout at once, sanitised.

    Raises:
        BrokenPipeError: nobody reads them.
        OutputFailed: they cannot be written.
    """
    write_lines(sys.stdout, tuple(map(sanitize_block, lines)))


def write_lines(stream: TextIO, lines: tuple[str, ...]) -> None:
    """Write lines to a stream at once, as they are.

    Raises:
        BrokenPipeError: nobody reads them.
        OutputFailed: they cannot be written.
    """
    with _failures_in_words():
        stream.write("".join(line + "\n" for line in lines))
        stream.flush()


def flush() -> None:
    """Write what is buffered for stdout.

    Raises:
        BrokenPipeError: nobody reads it.
        OutputFailed: it cannot be written.
    """
    with _failures_in_words():
        sys.stdout.flush()


@contextlib.contextmanager
def _failures_in_words() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(f"stdout cannot be written to: {error.strerror or error}") from None


def abandon(stream: TextIO) -> None:
    """Discard what is buffered for `stream`, which the interpreter would try to write, and complain about, at exit."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


@contextlib.contextmanager
def watched(stream: TextIO, on_gone: Callable[[], None]) -> Iterator[None]:
    """Watch for the reader of `stream` to close its end of a pipe or socket, which a write alone would find out.

    Args:
        on_gone: called once, on a thread of this watch, when nobody reads any more.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a file in memory
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
    # Errors and hang-ups are always reported; macOS wants to be asked for something to report them.
    poll.register(descriptor, select.POLLRDBAND)
    while True:
        events = dict(poll.poll())
        if stop.fileno() in events:
            return
        if events[descriptor] & (select.POLLERR | select.POLLHUP):
            on_gone()
            return
        poll.unregister(descriptor)  # something else to read there would end every wait
