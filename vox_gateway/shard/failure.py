"""What becomes of an error that ends one of our threads: a log line, and an error for the user."""

from __future__ import annotations

import contextlib
import threading

from ..errors import ThreadFailed
from ..log import ShardLog

__all__ = ["log_failure"]


def log_failure(log: ShardLog, error: BaseException) -> ThreadFailed:
    """Log that the calling thread failed with `error`; return the error to end the run with. Raises nothing."""
    failure = ThreadFailed(threading.current_thread().name, error)
    with contextlib.suppress(BaseException):  # it may be a log handler that failed
        log.critical("%s", failure, exc_info=error)
    return failure
