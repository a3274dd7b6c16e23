"""Get Gateway Bot: a bot's gateway URL, its recommended shards, and its remaining session starts.

`resolver` asks on the reader thread; `get_gateway_bot` asks for the user, on the thread of a bounded call.

See: https://docs.discord.com/developers/events/gateway#get-gateway-bot
"""

from __future__ import annotations

import math
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

import simplejson

from ..arguments.validation import check_seconds, check_ssl_context, check_token
from ..concurrency.bounded_call import call_with_deadline
from ..concurrency.wakeup import Deadline, Wakeup
from ..errors import DiscoveryFailed, TokenRefused
from ..network.connector import Network, default_ssl_context
from ..network.http import Response, http_get, retry_after_of
from ..network.proxy import check_proxy
from ..network.urls import APIURL, DEFAULT_API, gateway_url
from ..network.urls import api_url as check_api_url
from .session_start_limit import SessionStartLimit

__all__ = ["GatewayBot", "ask_gateway_bot", "get_gateway_bot"]

ROUTE = "/gateway/bot"
#: seconds of the longest ``Retry-After`` that is honoured
MAX_RETRY_AFTER = 86_400.0
#: seconds of the longest ``reset_after`` that is accepted; the limit resets every 24 hours
MAX_RESET_AFTER = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class GatewayBot:
    """Discord's answer to ``GET /gateway/bot``.

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
    """Ask Discord for the bot's gateway URL, its recommended shards, and its remaining session starts.

    Args:
        token: the bot's token. It appears in no error.
        proxy: as for `Client`; None reads the environment.
        ssl_context: as for `Client`; certificates and host names are always checked.
        timeout: seconds for the whole call.
        api_url: the base of the HTTP API, ``https://`` or ``http://``.

    Raises:
        TypeError, ValueError: an argument is not valid; the message names it.
        MissingExtra: `proxy` needs an optional package.
        TokenRefused: the token is not valid; an `AuthenticationFailed`.
        DiscoveryFailed: any other answer; with ``status``, and with ``retry_after`` if the server sent it.
        CertificateInvalid: the server's certificate does not verify.
        ConnectFailed: the API could not be reached, or did not answer in time.

    See: https://docs.discord.com/developers/events/gateway#get-gateway-bot
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
        lambda deadline, wakeup: ask_gateway_bot(api, token, network, deadline, wakeup),
        network.connect_timeout,
        "timeout",
    )


def ask_gateway_bot(api: APIURL, token: str, network: Network, deadline: Deadline, wakeup: Wakeup) -> GatewayBot:
    """Ask as `get_gateway_bot` does, on the calling thread.

    Raises:
        TokenRefused: the token is not valid.
        DiscoveryFailed: any other answer.
        ConnectFailed: the API could not be reached, or did not answer in time.
        Interrupted: `wakeup` was set.
    """
    response = http_get(api, ROUTE, {"Authorization": f"Bot {token}"}, network, deadline=deadline, wakeup=wakeup)
    if response.status == 401:
        raise TokenRefused(api.host)
    if response.status != 200:
        raise _refusal(api, response)
    bot = _parse(api, response, datetime.now(timezone.utc))
    if api.secure and not bot.url.lower().startswith("wss:"):
        raise DiscoveryFailed(f"{api.host} answered with a gateway without TLS: {bot.url}", 200)
    return bot


def _refusal(api: APIURL, response: Response) -> DiscoveryFailed:
    """Return the error for an unexpected status. The body is not shown, since it may repeat anything."""
    status = response.status
    retry_after = retry_after_of(response.headers, MAX_RETRY_AFTER)
    try:
        said = f"HTTP {status} ({HTTPStatus(status).phrase})"
    except ValueError:
        said = f"HTTP {status}"
    if retry_after is not None:
        advice = f"ask again in {retry_after:g} seconds"
    elif status == 429 or status >= 500:
        advice = "ask again later"
    elif 300 <= status < 400:
        advice = "redirects are not followed, since they would get the token; set api_url to the API itself"
    elif status == 403:
        advice = "a firewall, or Discord's own protection, blocks this machine; try another network"
    else:
        advice = f"check api_url={str(api)!r}"
    return DiscoveryFailed(f"{api.host} answered GET {ROUTE} with {said}: {advice}", status, retry_after)


def _parse(api: APIURL, response: Response, now: datetime) -> GatewayBot:
    """Parse the body; raise DiscoveryFailed if it is not what is documented."""
    try:
        value = simplejson.loads(response.body)
        limit = value["session_start_limit"]
        reset_after = _integer(limit, "reset_after", 0, MAX_RESET_AFTER * 1000) / 1000
        gateway_url(value["url"], encoding="json", compress=None)
        return GatewayBot(
            url=value["url"],
            shards=_integer(value, "shards", 1),
            session_start_limit=SessionStartLimit(
                total=_integer(limit, "total", 0),
                remaining=_integer(limit, "remaining", 0),
                reset_after=reset_after,
                resets_at=now + timedelta(seconds=reset_after),
                max_concurrency=_integer(limit, "max_concurrency", 1),
            ),
        )
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        problem = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise DiscoveryFailed(
            f"{api.host} answered GET {ROUTE} with an unexpected body ({problem}): check "
            f"api_url={str(api)!r}, and whether the network has a login page",
            response.status,
        ) from error


def _integer(value: Any, name: str, minimum: int, maximum: float = math.inf) -> int:
    number = value[name]
    if isinstance(number, bool) or not isinstance(number, int) or not minimum <= number <= maximum:
        raise ValueError(f"{name} is not a whole number of {minimum} or more")
    return number
