"""Which shard the event is of whose handler runs on the calling thread.

Set where a handler is about to run: per batch on the dispatcher, per event on the other threads.
"""

from __future__ import annotations

import threading

__all__ = ["CurrentShard"]


class CurrentShard(threading.local):
    """A value for each thread.

    Attributes:
        id: the shard id; None on a thread that runs no handlers.
    """

    id: int | None = None
