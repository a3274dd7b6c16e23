"""A blocking network call with a time limit, for callers outside the client's threads.

`get_gateway_bot` and the command's ``doctor`` call it on the caller's thread. The work runs on a thread of its own, so
that a hanging name lookup does not hold the caller and Ctrl-C ends the wait. The result or error returns to the caller.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import ConnectFailed
from .signals import SignalSafeEvent, defer_sigint
from .wakeup import Deadline, Wakeup

__all__ = ["call_with_deadline"]

Result = TypeVar("Result")

#: seconds past the deadline after which the work must be stuck in a name lookup
LOOKUP_GRACE = 0.5
#: seconds that interrupted work has to end before its thread is abandoned
ABANDON_AFTER = 0.3


def call_with_deadline(work: Callable[[Deadline, Wakeup], Result], seconds: float, timeout_name: str) -> Result:
    """Run `work` on a new thread and wait for its result.

    The thread is abandoned only while it is in a name lookup, which cannot be interrupted. It ends with
    the lookup and opens nothing afterwards.

    Args:
        work: honours the deadline, and ends when the wakeup is set.
        seconds: until the deadline.
        timeout_name: the caller's name for `seconds`, for the error.

    Raises:
        ConnectFailed: the name lookup took too long.
        Exception: any exception that `work` raised.
    """
    ends_at = time.monotonic() + seconds
    done, wakeup = SignalSafeEvent(), Wakeup()
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with contextlib.closing(wakeup):
                results.append(work(lambda: ends_at, wakeup))
        except BaseException as error:  # raised on the caller's thread
            errors.append(error)
        done.set()

    thread = threading.Thread(target=run, name="vox_gateway-call", daemon=True)
    with defer_sigint():
        thread.start()
    try:
        if not done.wait(seconds + LOOKUP_GRACE):
            raise ConnectFailed(f"the name lookup took longer than {timeout_name}={seconds:g} seconds")
    finally:  # Ctrl-C may end the wait
        wakeup.cancel()
        thread.join(ABANDON_AFTER)
    if errors:
        raise errors[0]
    return results[0]
