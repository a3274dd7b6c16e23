"""How often a bot may IDENTIFY, as Discord counts it. Pure.

Rests on "Session Start Limit Object" of the official Gateway documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["SessionStartLimit"]


@dataclass(frozen=True, slots=True)
class SessionStartLimit:
    """How often the bot may IDENTIFY.

    Attributes:
        total: IDENTIFYs in each period of 24 hours, over all shards.
        remaining: how many of them are left.
        reset_after: seconds from the answer until all are there again.
        resets_at: the same as a time, in UTC.
        max_concurrency: shards that may IDENTIFY within the same 5 seconds.
    """

    total: int
    remaining: int
    reset_after: float
    resets_at: datetime
    max_concurrency: int
