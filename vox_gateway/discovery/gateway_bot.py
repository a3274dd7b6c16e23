"""Get Gateway Bot: where a bot's gateway is, how many shards it should have, and how often it may still IDENTIFY.

Rests on "Get Gateway Bot" and "Session Start Limit Object" of the official Gateway documentation.
"""

from __future__ import annotations

import math
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

import simplejson

from ..concurrency.bounded_call import call_with_deadline
from ..concurrency.wakeup import Deadline, Wakeup
from ..errors import DiscoveryFailed, TokenRefused
from ..network.connector import Network, default_ssl_context
from ..network.http import Answer, http_get, retry_after_of
from ..network.proxy import check_proxy
from ..network.urls import APIURL, DEFAULT_API, gateway_url
from ..network.urls import api_url as check_api_url
from ..validation import check_seconds, check_ssl_context, check_token
from .session_start_limit import SessionStartLimit

__all__ = ["GatewayBot", "ask_gateway_bot", "get_gateway_bot"]

ROUTE = "/gateway/bot"
#: seconds that a server may ask to be left alone, at the most
MAX_RETRY_AFTER = 86_400.0
#: the limit resets every 24 hours; a figure beyond this many seconds is none
MAX_RESET_AFTER = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class GatewayBot:
    """What Discord answers to ``GET /gateway/bot``.

    Attributes:
        url: the gateway's URL, for `Client(url=...)`.
        shards: the recommended number of shards.
        session_start_limit: how often the bot may IDENTIFY.
    """

    url: str
    shards: int
    session_start_limit: SessionStartLimit


def get_gateway_bot(
    token: str,
    *,
    proxy: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float = 10.0,
    api_url: str = DEFAULT_API,
) -> GatewayBot:
    """Ask Discord where the bot's gateway is, how many shards it should have, and how often it may still IDENTIFY.

    Args:
        token: the bot's token. It appears in no error.
        proxy: as for `Client`; None looks at the environment.
        ssl_context: as for `Client`; certificates and host names are always checked.
        timeout: seconds for all of it.
        api_url: the base of the HTTP API, ``https://`` or ``http://``.

    Raises:
        TypeError, ValueError, MissingExtra: an argument is not usable; the message names it.
        TokenRefused: the token is not valid; an `AuthenticationFailed`.
        DiscoveryFailed: Discord answered otherwise; with ``status``, and ``retry_after`` where it said when to ask
            again.
        CertificateInvalid: the server's certificate does not verify.
        ConnectFailed: it could not be reached, or did not answer in time.
    """
    token = check_token(token)
    api = check_api_url(api_url)
    network = Network(
        proxy=check_proxy(proxy),
        ssl_context=check_ssl_context(ssl_context) or default_ssl_context(),
        connect_timeout=check_seconds("timeout", timeout),
        max_message_size=0,
        timeout_name="timeout",
    )
    return call_with_deadline(
        lambda deadline, interrupt: ask_gateway_bot(api, token, network, deadline, interrupt), timeout, "timeout"
    )


def ask_gateway_bot(api: APIURL, token: str, network: Network, deadline: Deadline, interrupt: Wakeup) -> GatewayBot:
    """`get_gateway_bot` for a thread that may wait.

    Raises:
        TokenRefused, ConnectFailed: see `get_gateway_bot`.
        Interrupted: `interrupt` was set.
    """
    answer = http_get(api, ROUTE, {"Authorization": f"Bot {token}"}, network, deadline, interrupt)
    if answer.status == 401:
        raise TokenRefused(api.host)
    if answer.status != 200:
        raise _refusal(api, answer)
    bot = _parse(api, answer, datetime.now(timezone.utc))
    if api.secure and not bot.url.lower().startswith("wss:"):
        raise DiscoveryFailed(f"{api.host} told a gateway that would get the token without TLS: {bot.url}", 200)
    return bot


def _refusal(api: APIURL, answer: Answer) -> DiscoveryFailed:
    """The error for an answer with another status. The body is not shown: who knows what it repeats."""
    status = answer.status
    retry_after = retry_after_of(answer.headers, MAX_RETRY_AFTER)
    try:
        said = f"HTTP {status} ({HTTPStatus(status).phrase})"
    except ValueError:
        said = f"HTTP {status}"
    if retry_after is not None:
        advice = f"ask again in {retry_after:g} seconds"
    elif status == 429 or status >= 500:
        advice = "that passes; ask again later"
    elif 300 <= status < 400:
        advice = "redirects are not followed, since the token would go along; set api_url to where the API is"
    elif status == 403:
        advice = "something on the way, or Discord's own protection, blocks this machine; try another network"
    else:
        advice = f"is api_url right? It is {api}"
    return DiscoveryFailed(f"{api.host} answered GET {ROUTE} with {said}: {advice}", status, retry_after)


def _parse(api: APIURL, answer: Answer, now: datetime) -> GatewayBot:
    """What the body says.

    Raises:
        DiscoveryFailed: not what is documented.
    """
    try:
        value = simplejson.loads(answer.body)
        limit = value["session_start_limit"]
        reset_after = _figure(limit, "reset_after", 0, MAX_RESET_AFTER * 1000) / 1000
        gateway_url(value["url"], encoding="json", compress=None)
        return GatewayBot(
            url=value["url"],
            shards=_figure(value, "shards", 1),
            session_start_limit=SessionStartLimit(
                total=_figure(limit, "total", 0),
                remaining=_figure(limit, "remaining", 0),
                reset_after=reset_after,
                resets_at=now + timedelta(seconds=reset_after),
                max_concurrency=_figure(limit, "max_concurrency", 1),
            ),
        )
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        words = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise DiscoveryFailed(
            f"{api.host} answered GET {ROUTE} with something else than where the gateway is ({words}): is there a "
            f"login page on the way, or is api_url not right? It is {api}",
            answer.status,
        ) from error


def _figure(value: Any, name: str, least: int, most: float = math.inf) -> int:
    figure = value[name]
    if isinstance(figure, bool) or not isinstance(figure, int) or not least <= figure <= most:
        raise ValueError(f"its {name} is no number of {least} or more")
    return figure
