"""Gives memory that a burst of events has left unused back to the system.

glibc keeps what is freed below a block that is still in use, for as long as that block lives: after a burst, most of
what waited. `malloc_trim` gives such pages back. A later read has each page mapped again, so this is called rarely: by
the dispatcher, after much has waited and nothing waits any more. Other C libraries give memory back by themselves.

See: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["find_trim", "give_back"]

#: seconds between two calls, at least
INTERVAL: Final = 5.0


_malloc_trim: Callable[[int], Any] | None = None
_next_at = 0.0  # monotonic; two threads that both find that the time has come do no harm


def find_trim() -> None:
    """Find the function of the C library, before a thread needs it: a child forked during an import could never import.

    A client calls this when it is made. Where it is not called, `give_back` does nothing.
    """
    global _malloc_trim  # noqa: PLW0603  # the heap is the process's
    if sys.platform == "linux" and _malloc_trim is None:
        import ctypes  # takes milliseconds, and programs that make no client do not need it

        with contextlib.suppress(OSError, AttributeError):  # musl does not have it
            _malloc_trim = ctypes.CDLL(None).malloc_trim


def give_back(clock: Callable[[], float] = time.monotonic) -> bool:
    """Give unused memory back. Takes some milliseconds; the interpreter lock is released meanwhile.

    Returns:
        False if the last call is too recent; another should follow.
    """
    global _next_at  # noqa: PLW0603  # as above
    if _malloc_trim is None:
        return True
    if (now := clock()) < _next_at:
        return False
    _malloc_trim(0)
    _next_at = now + INTERVAL
    return True
