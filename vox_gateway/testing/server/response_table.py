"""The responses that a test gives to HTTP requests, and the rate limits on them. Pure.

See: https://docs.discord.com/developers/topics/rate-limits
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .http_messages import HttpResponse, json_response, route_of

_PARAMETER = re.compile(r"\{[^{}/]+\}")

#: "Interaction endpoints are not bound to the bot's Global Rate Limit."
_NOT_GLOBAL = ("/interactions/",)

#: Discord sits behind a proxy; discord.py takes a 429 without this header for a ban by Cloudflare
_VIA = ("Via", "1.1 google")

_LIMITED = "You are being rate limited."
_SHARED_LIMITED = "The resource is being rate limited."


@dataclass(frozen=True)
class Pattern:
    """A method and a path whose ``{parameters}`` stand for a segment each."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def matches(self, method: str, path: str) -> bool:
        """Whether a request has this method and path, with or without ``/api`` and a version."""
        literals = (re.escape(literal) for literal in _PARAMETER.split(route_of(self.path)))
        return method == self.method and re.fullmatch("[^/]+".join(literals), route_of(path)) is not None


@dataclass
class Expected:
    """A request that the test expects; ``times`` is `None` for any number."""

    pattern: Pattern
    response: HttpResponse
    times: int | None


@dataclass
class RateLimit:
    """A rate limit, exceeded by the next request that matches.

    Attributes:
        scope: ``"user"``, ``"shared"`` or ``"global"``.
        until: monotonic time at which it ends, `None` until it is exceeded.
    """

    pattern: Pattern
    retry_after: float
    scope: str
    until: float | None = None

    def applies(self, method: str, path: str) -> bool:
        if self.until is not None and self.scope == "global":
            return not route_of(path).startswith(_NOT_GLOBAL)
        return self.pattern.matches(method, path)


class Lookup(NamedTuple):
    """The response to a request, and why the request is at fault, or `None`."""

    response: HttpResponse
    problem: str | None


class ResponseTable:
    """Finds the response to a request: a rate limit first, then what is expected, in order. Guarded by the lock."""

    def __init__(self) -> None:
        self._expected: list[Expected] = []
        self._limits: list[RateLimit] = []

    def expect(self, expected: Expected) -> None:
        self._expected.append(expected)

    def limit(self, limit: RateLimit) -> None:
        self._limits.append(limit)

    def missing(self) -> list[str]:
        """What has not been requested yet, in words."""
        counts = ((expected, expected.times) for expected in self._expected)
        found = [f"{expected.pattern} ({times} more)" for expected, times in counts if times is not None]
        return found + [f"{limit.pattern} (to be rate limited)" for limit in self._limits if limit.until is None]

    def look_up(self, method: str, path: str, now: float, unix_time: float) -> Lookup | None:
        """Return the response to a request, and count it; `None` if nothing matches.

        Args:
            method, path: of the request.
            now: monotonic time, in seconds.
            unix_time: Unix time, in seconds.
        """
        self._limits = [limit for limit in self._limits if limit.until is None or now < limit.until]
        # A limit that has been exceeded goes first: the next may wait behind it.
        for limit in sorted(self._limits, key=lambda limit: limit.until is None):
            if limit.applies(method, path):
                problem = None
                if limit.until is None:
                    limit.until = now + limit.retry_after
                else:
                    problem = f"{limit.until - now:.3f} s before the end of its rate limit"
                return Lookup(_rate_limited(limit, limit.until - now, unix_time), problem)
        for expected in self._expected:
            if expected.pattern.matches(method, path):
                if expected.times is not None:
                    expected.times -= 1
                    if not expected.times:
                        self._expected.remove(expected)
                return Lookup(expected.response, None)
        return None


def _rate_limited(limit: RateLimit, left: float, unix_time: float) -> HttpResponse:
    """See: https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit"""
    left = math.ceil(left * 1000) / 1000  # rounded up: a client that waits for it must not come too early
    body: dict[str, Any] = {
        "message": _SHARED_LIMITED if limit.scope == "shared" else _LIMITED,
        "retry_after": left,
        "global": limit.scope == "global",
    }
    headers: Iterable[tuple[str, str]]
    if limit.scope == "global":
        headers = (("X-RateLimit-Global", "true"),)
    else:
        headers = (
            ("X-RateLimit-Limit", "1"),
            ("X-RateLimit-Remaining", "0"),
            ("X-RateLimit-Reset", f"{unix_time + left:.3f}"),
            ("X-RateLimit-Reset-After", f"{left:.3f}"),
            ("X-RateLimit-Bucket", "local"),
        )
    retry_after = ("Retry-After", str(math.ceil(left)))
    return json_response(429, body, [_VIA, retry_after, *headers, ("X-RateLimit-Scope", limit.scope)])
