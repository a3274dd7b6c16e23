"""What a node reports of its shards: their loads with each heartbeat, their states once after each report.

The shards' owner notes them on any thread; the node's threads take them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["STATE_LIMIT", "Reports"]

#: characters of a state as JSON
STATE_LIMIT = 4096


class Reports:
    """Loads and states by shard. Thread-safe: each step is one operation of a dict."""

    def __init__(self) -> None:
        self._loads: dict[int, float] = {}
        self._unsent: dict[int, str] = {}

    def note(self, shard: int, load: float, state: Mapping[str, Any] | None) -> None:
        """Note how a shard is; see `Node.report`."""
        if state is not None:
            finite = {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in state.items()
            }
            text = json.dumps(finite, allow_nan=False, separators=(",", ":"))
            if len(text) > STATE_LIMIT:
                raise ValueError(f"state must take at most {STATE_LIMIT:,} characters as JSON, not {len(text):,}")
            self._unsent[shard] = text
        self._loads[shard] = load

    def loads(self, shards: Iterable[int]) -> dict[int, float]:
        """Return the loads of shards; 1.0 for those that were not reported."""
        return {shard: self._loads.get(shard, 1.0) for shard in shards}

    def take_states(self, shards: Iterable[int]) -> dict[int, str]:
        """Return the states of shards that were reported since the last call, as JSON."""
        found = ((shard, self._unsent.pop(shard, None)) for shard in shards)
        return {shard: text for shard, text in found if text is not None}

    def give_back(self, states: Mapping[int, str]) -> None:
        """Put back states that could not be sent, except where a later state was noted."""
        for shard, text in states.items():
            self._unsent.setdefault(shard, text)
