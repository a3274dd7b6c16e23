"""How a gateway is set up, checked once."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What `LocalGateway` was given; its docstring explains each. Times are in seconds."""

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
        for name in ("heartbeat_interval", "heartbeat_timeout", "rate_limit_period", "session_start_period"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: {getattr(self, name)} is not a number of seconds above 0")
        for name in ("identify_interval", "session_timeout", "member_request_interval"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: {getattr(self, name)} is not a number of seconds of at least 0")
        counts = ("shards", "max_concurrency", "rate_limit", "max_payload", "max_guilds_per_shard", "shard_multiple")
        for name in (*counts, "replay_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not a count of at least 1")
        for name in ("session_starts", "session_starts_remaining"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: {getattr(self, name)} is not a count of at least 0")
        if self.token == "":
            raise ValueError("token: '' lets nobody in; None lets every token in")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port: {self.port} is not a port number from 0 to 65535")

    @property
    def counts_heartbeats(self) -> bool:
        """Whether beats count in the rate limit.

        At Discord's interval they do. At a test's interval of 50 ms beats alone would break the limit,
        so there they do not.
        """
        return self.rate_limit_period / self.heartbeat_interval <= self.rate_limit / 2
