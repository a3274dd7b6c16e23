"""The HTTP API that the local gateway stands in for: what a test expects of it, and what was requested.

Tests call it from any thread. Responses are in a `ResponseTable`, requests in the gateway's log.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, get_args

from .records import HttpRequest
from .server.http_messages import BODILESS, bare_response, check_status, json_response
from .server.recorder import Log
from .server.response_table import Expected, Lookup, Pattern, RateLimit, ResponseTable

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Scope = Literal["user", "shared", "global"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: headers that follow from the body and the connection
_OWN_HEADERS = ("content-length", "transfer-encoding", "connection")


class HttpApi:
    """The part of Discord's HTTP API that a test needs; `LocalGateway.http`. ::

        gateway.http.expect("POST", "/interactions/{id}/{token}/callback", status=204)
        ...  # the bot answers a command
        request = gateway.http.wait_for_request("POST", "/interactions/{id}/{token}/callback")
        assert request.json["data"]["content"] == "pong"

    Paths are written as in Discord's documentation: without ``/api/v10``, and each ``{parameter}`` stands for one
    segment. What is expected takes precedence over the routes that the gateway has itself, such as
    ``GET /gateway/bot``. Any other request is answered with 404, and is in `unexpected`. Every method may be called
    from any thread.
    """

    def __init__(self, lock: AbstractContextManager[bool], log: Log) -> None:
        self._lock, self._log = lock, log
        self._table = ResponseTable()

    def __repr__(self) -> str:
        return f"<HttpApi, {len(self.requests)} requests, {len(self.unexpected)} unexpected>"

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """Every HTTP request but websocket handshakes, in order."""
        return self._log.requests

    @property
    def unexpected(self) -> tuple[HttpRequest, ...]:
        """The requests that nothing matched, that came before the end of a rate limit, or that were malformed.

        `HttpRequest.problem` says which.
        """
        return tuple(request for request in self._log.requests if request.problem is not None)

    def expect(
        self,
        method: Method,
        path: str,
        *,
        status: int = 200,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
    ) -> None:
        """Expect a request, and give the response to it. Several that match are used up in order.

        Args:
            method: ``"GET"``, ``"POST"``, ``"PUT"``, ``"PATCH"`` or ``"DELETE"``.
            path: such as ``"/channels/{channel.id}/messages"``.
            status: the HTTP status of the response.
            json: its body; without it a status of 400 or more has an error like Discord's, any other has no body.
            headers: additional headers of the response, or others than its own.
            times: how many requests; `None` for any number, including none.

        Raises:
            TypeError: ``json`` cannot be represented in JSON.
            ValueError: an argument is out of range; the message names it.

        See: https://docs.discord.com/developers/reference
        """
        pattern = _pattern(method, path)
        check_status(status)
        if json is not None and status in BODILESS:
            raise ValueError(f"invalid json={json!r}: a response with status {status} has no body")
        if times is not None and times < 1:
            raise ValueError(f"invalid times={times}: expected an integer of at least 1, or None for any number")
        extra = tuple((headers or {}).items())
        for name, value in extra:
            _check_header(name, value)
        response = bare_response(status) if json is None else json_response(status, json)
        with self._lock:
            self._table.expect(Expected(pattern, response.with_headers(extra), times))

    def limit_rate(self, method: Method, path: str, retry_after: float, *, scope: Scope = "user") -> None:
        """Answer the next such request with 429, and all others until `retry_after` has passed.

        Each request that comes too early is in `unexpected`. A later request needs an `expect` of its own. Calls add
        up: the second limit begins with the first request after the end of the first.

        Args:
            method: see `expect`.
            path: see `expect`.
            retry_after: seconds, in the response's body; rounded up in its ``Retry-After``.
            scope: ``"user"``, ``"shared"``, or ``"global"``, which limits every route but those of interactions.

        Raises:
            ValueError: an argument is out of range; the message names it.

        See: https://docs.discord.com/developers/topics/rate-limits#exceeding-a-rate-limit
        """
        pattern = _pattern(method, path)
        if not 0 < retry_after < float("inf"):
            raise ValueError(f"invalid retry_after={retry_after!r}: expected a positive number of seconds")
        if scope not in get_args(Scope):
            raise ValueError(f"invalid scope={scope!r}: expected {', '.join(get_args(Scope))}")
        with self._lock:
            self._table.limit(RateLimit(pattern, retry_after, scope))

    def wait_for_request(
        self,
        method: Method,
        path: str,
        timeout: float = 5.0,
        *,
        where: Callable[[HttpRequest], bool] | None = None,
    ) -> HttpRequest:
        """Wait for the next such request and take it: no later call returns it again.

        Args:
            method: see `expect`.
            path: see `expect`.
            timeout: seconds to wait.
            where: only a request for which this returns true.

        Raises:
            AssertionError: it did not arrive in time; the message lists those that did.
            ValueError: ``method`` or ``path`` is invalid.
        """
        pattern = _pattern(method, path)

        def matches(request: HttpRequest) -> bool:
            return pattern.matches(request.method, request.path) and (where is None or where(request))

        return self._log.expect_request(str(pattern), matches, timeout)

    def check(self) -> None:
        """Check that what was expected has been requested, and nothing else. The pytest plugin does this.

        Raises:
            AssertionError: something is in `unexpected`, or something expected was not requested.
        """
        __tracebackhide__ = True
        with self._lock:
            missing = self._table.missing()
            problems = [f"{request!r}: {request.problem}" for request in self.unexpected]
        if missing:
            problems.append(f"expected, but not requested: {', '.join(missing)}")
        if problems:
            raise AssertionError("; ".join(problems))

    # For the gateway, which holds the lock.

    def look_up(self, request: HttpRequest) -> Lookup | None:
        """Return what the test gave for a request."""
        return self._table.look_up(request.method, request.path, request.at, time.time())


def _check_header(name: str, value: str) -> None:
    if not (_HEADER_NAME.fullmatch(name) and isinstance(value, str) and value.isascii() and value.isprintable()):
        raise ValueError(f"invalid headers: {name!r}: {value!r}; expected strings of printable ASCII characters")
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"invalid headers: the gateway sets {name}")


def _pattern(method: str, path: str) -> Pattern:
    if method not in get_args(Method):
        raise ValueError(f"invalid method={method!r}: expected {', '.join(get_args(Method))}")
    if not path.startswith("/") or any(mark in path for mark in "?# "):
        raise ValueError(f"invalid path={path!r}: expected a path such as '/channels/{{channel.id}}/messages'")
    return Pattern(method, path)
