"""Paths and responses of Discord's HTTP API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

Headers = Iterable[tuple[str, str]]

_PREFIX = re.compile(r"^/api(/v\d+)?(?=/)")

#: Discord's JSON error codes
REQUEST_TOO_LARGE, INVALID_JSON = 40005, 50109

#: statuses whose responses have no body
BODILESS = (204, 205, 304)


def route_of(path: str) -> str:
    """The path without ``/api`` and a version."""
    return _PREFIX.sub("", path)


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Split the target of a request into its path and the parameters of its query. Accepts any text."""
    path, _, query = target.partition("?")
    return path, dict(parse_qsl(query, keep_blank_values=True))


@dataclass(frozen=True)
class HttpResponse:
    """A response, without the headers that depend on the connection."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def with_headers(self, headers: Headers) -> HttpResponse:
        """Return the response with these headers added, or instead of those with the same names."""
        added = tuple(headers)
        names = {name.lower() for name, _ in added}
        kept = (pair for pair in self.headers if pair[0].lower() not in names)
        return HttpResponse(self.status, self.body, (*kept, *added))


def json_response(status: int, value: Any, headers: Headers = ()) -> HttpResponse:
    """Make a response with a JSON body; raise TypeError or ValueError if JSON cannot represent `value`."""
    body = json.dumps(value, allow_nan=False).encode()
    return HttpResponse(status, body, (("Content-Type", "application/json"), *headers))


def error_response(status: int, message: str | None = None, code: int = 0) -> HttpResponse:
    """Make an error response; its message is the status in words by default.

    See: https://docs.discord.com/developers/reference#error-messages
    """
    return json_response(status, {"message": message or f"{status}: {phrase(status)}", "code": code})


def bare_response(status: int) -> HttpResponse:
    """Make a response of which only the status is given: an error like Discord's from 400 on, otherwise no body."""
    return error_response(status) if status >= 400 else HttpResponse(status)


def check_status(status: int) -> int:
    """Return the status of a response; raise ValueError if it is not that of a final response."""
    if not (isinstance(status, int) and 200 <= status <= 599):
        raise ValueError(f"invalid status={status!r}: expected an HTTP status from 200 to 599")
    return status


def phrase(status: int) -> str:
    """The reason phrase of a status, empty if it has none."""
    return HTTPStatus(status).phrase if status in {known.value for known in HTTPStatus} else ""
