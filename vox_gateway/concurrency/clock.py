"""Times of the monotonic clock, and how long until them. For any thread that bounds a wait."""

from __future__ import annotations

import time
from typing import overload

__all__ = ["deadline_after", "seconds_until"]


def deadline_after(timeout: float | None) -> float | None:
    """Return the monotonic time in `timeout` seconds; None for None, which is never."""
    return None if timeout is None else time.monotonic() + timeout


@overload
def seconds_until(when: float) -> float: ...


@overload
def seconds_until(when: float | None) -> float | None: ...


def seconds_until(when: float | None) -> float | None:
    """Return the seconds until the monotonic time `when`, at least 0; None for None, which is never."""
    return None if when is None else max(when - time.monotonic(), 0.0)
