"""One run of a client: its threads, and who owns which state.

In: a configuration and commands. Out: payloads to the socket, and batches to the event queue.
"""

from __future__ import annotations

__all__: list[str] = []
