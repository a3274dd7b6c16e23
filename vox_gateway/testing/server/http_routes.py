"""The HTTP routes that clients call before they connect.

See: https://docs.discord.com/developers/events/gateway#get-gateway-bot,
    https://docs.discord.com/developers/resources/application
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..protocol import intents as intent_bits
from ..protocol.limits import SessionStarts
from ..settings import Settings
from ..world import World
from .http_messages import HttpResponse, error_response, json_response, route_of

#: privileged intent → the application flag of bots in many guilds, and the flag of other bots
_INTENT_FLAGS = {
    intent_bits.GUILD_PRESENCES: (1 << 12, 1 << 13),
    intent_bits.GUILD_MEMBERS: (1 << 14, 1 << 15),
    intent_bits.MESSAGE_CONTENT: (1 << 18, 1 << 19),
}
#: "Intent required for bots in 100 or more servers"
_MANY_GUILDS = 100


def respond(
    path: str,
    authorization: str | None,
    *,
    url: str,
    settings: Settings,
    world: World,
    starts: SessionStarts,
    now: float,
) -> HttpResponse | None:
    """Return the response to ``GET path``; `None` for an unknown route.

    Args:
        path: the path without its query, with or without ``/api`` and a version.
        authorization: the ``Authorization`` header, ``Bot <token>``.
        url: the gateway's own websocket URL.
        settings: the gateway's settings.
        world: the bot and its guilds.
        starts: the session start limit.
        now: monotonic time, in seconds.
    """
    route = route_of(path)
    if route == "/gateway":
        return json_response(200, {"url": url})
    if route not in ("/gateway/bot", "/users/@me", "/oauth2/applications/@me", "/applications/@me"):
        return None
    if not _is_authorized(authorization, settings.token):
        return error_response(401)
    if route == "/gateway/bot":
        return json_response(
            200,
            {
                "url": url,
                "shards": settings.shards,
                "session_start_limit": {
                    "total": starts.total,
                    "remaining": starts.remaining(now),
                    "reset_after": math.ceil(starts.reset_after(now) * 1000),
                    "max_concurrency": settings.max_concurrency,
                },
            },
        )
    if route == "/users/@me":
        return json_response(200, world.bot)
    return json_response(200, _application(settings, world))


def _is_authorized(authorization: str | None, token: str | None) -> bool:
    if authorization is None or not authorization.startswith("Bot "):
        return False
    return token is None or authorization == f"Bot {token}"


def application_flags(settings: Settings, world: World) -> int:
    """The application flags for the privileged intents in ``allowed_intents``.

    See: https://docs.discord.com/developers/resources/application#application-object-application-flags
    """
    allowed = intent_bits.PRIVILEGED if settings.allowed_intents is None else settings.allowed_intents
    is_large = len(world.guilds) >= _MANY_GUILDS
    return sum(
        in_many if is_large else otherwise for intent, (in_many, otherwise) in _INTENT_FLAGS.items() if intent & allowed
    )


def _application(settings: Settings, world: World) -> Mapping[str, Any]:
    """See: https://docs.discord.com/developers/resources/application"""
    return {
        "id": world.bot_id,
        "name": world.bot["username"],
        "icon": None,
        "description": "",
        "summary": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": world.bot,
        "team": None,
        "flags": application_flags(settings, world),
        "tags": [],
        "approximate_guild_count": len(world.guilds),
    }
