"""How often a bot may IDENTIFY, as Discord counts it. Pure.

`gateway_bot` makes it on the thread that asked; `identify_limiter` and the user read it.

See: https://docs.discord.com/developers/events/gateway#session-start-limit-object
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
        reset_after: seconds from the answer until the limit resets.
        resets_at: when the limit resets, in UTC.
        max_concurrency: shards that may IDENTIFY within the same 5 seconds.
    """

    total: int
    remaining: int
    reset_after: float
    resets_at: datetime
    max_concurrency: int
