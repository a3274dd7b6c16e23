"""The validated settings of a gateway."""

from __future__ import annotations

import math
import ssl
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The arguments of `LocalGateway`, where each is explained. Times are in seconds."""

    host: str
    port: int
    token: str | None
    heartbeat_interval: float
    heartbeat_timeout: float
    allowed_intents: int | None
    shards: int
    max_concurrency: int
    identify_interval: float
    session_starts: int
    session_starts_remaining: int
    session_start_period: float
    session_timeout: float
    rate_limit: int
    rate_limit_period: float
    max_payload: int
    max_guilds_per_shard: int
    shard_multiple: int
    member_request_interval: float
    replay_limit: int
    resume_url: str | None
    ssl_context: ssl.SSLContext | None

    def __post_init__(self) -> None:
        self._check_times()
        counts = ("shards", "max_concurrency", "rate_limit", "max_payload", "max_guilds_per_shard", "shard_multiple")
        for name in (*counts, "replay_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"invalid {name}={getattr(self, name)}: expected an integer of at least 1")
        for name in ("session_starts", "session_starts_remaining"):
            if getattr(self, name) < 0:
                raise ValueError(f"invalid {name}={getattr(self, name)}: expected an integer of at least 0")
        if self.token == "":
            raise ValueError("invalid token='': expected a token, or None to accept any")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"invalid port={self.port}: expected a port number from 0 to 65535")

    def _check_times(self) -> None:
        for name in ("heartbeat_interval", "heartbeat_timeout", "rate_limit_period", "session_start_period"):
            if not getattr(self, name) > 0:
                raise ValueError(f"invalid {name}={getattr(self, name)}: expected a positive number of seconds")
        for name in ("identify_interval", "session_timeout", "member_request_interval"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"invalid {name}={getattr(self, name)}: expected a number of seconds of at least 0")
        for name in ("heartbeat_interval", "session_start_period", "member_request_interval"):  # clients are sent these
            if math.isinf(getattr(self, name)):
                raise ValueError(f"invalid {name}={getattr(self, name)}: expected a finite number of seconds")

    @property
    def counts_heartbeats(self) -> bool:
        """Whether heartbeats count towards the rate limit.

        They do at Discord's interval. At a test's interval of 50 ms heartbeats alone would exceed the limit.
        """
        return self.rate_limit_period / self.heartbeat_interval <= self.rate_limit / 2
