"""From the reader to the handlers: the event queue, the dispatcher thread, subscribers, and executors.

In: batches of payloads from the reader. Out: calls of handlers, on the thread that the executor chooses.
"""

from __future__ import annotations

__all__: list[str] = []
