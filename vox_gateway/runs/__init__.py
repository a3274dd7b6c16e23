"""The runs of a client: how they start and end, and how callers get their events.

In: calls of a `Client` or a `ShardManager`, on its callers' threads. Out: a `Shard` for each run, and its events.
"""

from __future__ import annotations

__all__: list[str] = []
