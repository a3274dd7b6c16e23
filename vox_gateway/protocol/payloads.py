"""The payloads of the send events, checked before anything is sent. Pure.

Nulls that the gateway needs are kept. See: https://docs.discord.com/developers/events/gateway-events#send-events
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..intents import Intents

__all__ = [
    "answered_in_part",
    "check_list",
    "check_presence",
    "guild_member_requests",
    "identify",
    "presence_update",
    "request_channel_info",
    "request_guild_members",
    "request_soundboard_sounds",
    "resume",
    "snowflake",
    "unanswered",
    "voice_state_update",
]

STATUSES = ("online", "dnd", "idle", "invisible", "offline")
PRESENCE_KEYS = ("since", "activities", "status", "afk")
#: what the type of an activity stands for
ACTIVITY_TYPES = ("playing", "streaming", "listening", "watching", "custom", "competing")
#: the fields of REQUEST_CHANNEL_INFO that are documented
CHANNEL_FIELDS = ("status", "voice_start_time")
MAX_MEMBERS = 100
MAX_NONCE = 32


def identify(
    *,
    token: str,
    intents: int,
    properties: Mapping[str, str],
    shard: tuple[int, int],
    large_threshold: int | None = None,
    presence: Mapping[str, Any] | None = None,
    compress: bool = False,
    capabilities: int = 0,
) -> dict[str, Any]:
    """The data of IDENTIFY; the arguments are checked already."""
    data: dict[str, Any] = {
        "token": token,
        "intents": int(intents),
        "properties": dict(properties),
        "shard": list(shard),
    }
    if large_threshold is not None:
        data["large_threshold"] = large_threshold
    if presence is not None:
        data["presence"] = dict(presence)
    if compress:
        data["compress"] = True
    if capabilities:
        data["capabilities"] = int(capabilities)
    return data


def resume(*, token: str, session_id: str, seq: int) -> dict[str, Any]:
    """The data of RESUME."""
    return {"token": token, "session_id": session_id, "seq": seq}


def presence_update(
    *,
    status: str,
    afk: bool = False,
    game: Mapping[str, Any] | None = None,
    since: int | None = None,
    activities: Iterable[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The data of PRESENCE_UPDATE, all four keys always present.

    Args:
        status: one of `STATUSES`.
        afk: whether the user is away.
        game: one activity, the original's spelling of ``activities=[game]``.
        since: Unix time in milliseconds, or None.
        activities: activity objects, each with its ``name`` and ``type``.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    if not isinstance(status, str) or status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {status!r}")
    if not isinstance(afk, bool):
        raise TypeError(f"afk must be True or False, not {afk!r}")
    if since is not None and not _is_int(since):
        raise TypeError(f"since must be Unix time in milliseconds, a whole number or None, not {since!r}")
    if since is not None and since < 0:
        raise ValueError(f"since must be 0 or more, not {since}")
    if game is not None and activities is not None:
        raise ValueError("game and activities must not both be given: game=x is activities=[x]")
    if game is not None:
        shown = [_activity(game, "game")]
    else:
        shown = [_activity(item, "activities") for item in check_list(activities or (), "activities")]
    return {"since": since, "activities": shown, "status": status, "afk": afk}


def check_presence(presence: object) -> dict[str, Any]:
    """A presence given as a mapping, complete: what it leaves out is filled in.

    Raises:
        TypeError, ValueError: naming the key.
    """
    if not isinstance(presence, Mapping):
        raise TypeError(f"presence must be a mapping with {', '.join(PRESENCE_KEYS)}, not {presence!r}")
    for key in presence:
        if key not in (*PRESENCE_KEYS, "game"):
            raise ValueError(f"presence must hold only {', '.join(PRESENCE_KEYS)}, not {key!r}")
    try:
        return presence_update(**{"status": "online", **presence})
    except (TypeError, ValueError) as error:
        raise type(error)(f"presence: {error}") from None


def voice_state_update(
    guild_id: str | int, channel_id: str | int | None, self_mute: bool = False, self_deaf: bool = False
) -> dict[str, Any]:
    """The data of VOICE_STATE_UPDATE; a `channel_id` of None leaves the channel, and is sent as null.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    for name, value in (("self_mute", self_mute), ("self_deaf", self_deaf)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {value!r}")
    return {
        "guild_id": snowflake(guild_id, "guild_id"),
        "channel_id": None if channel_id is None else snowflake(channel_id, "channel_id"),
        "self_mute": self_mute,
        "self_deaf": self_deaf,
    }


def request_guild_members(
    guild_id: str | int,
    *,
    query: str | None = None,
    limit: int = 0,
    presences: bool | None = None,
    user_ids: str | int | Iterable[str | int] | None = None,
    nonce: str | int | None = None,
) -> dict[str, Any]:
    """The data of REQUEST_GUILD_MEMBERS. With neither `query` nor `user_ids`, all members are asked for.

    The gateway sends at most 100 members whose names begin with `query`, and more only for an empty `query`.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    data: dict[str, Any] = {"guild_id": snowflake(guild_id, "guild_id")}
    if user_ids is None:
        data["query"] = _query(query)
    elif query is not None:
        raise ValueError("query and user_ids must not both be given: ask for members by name or by id")
    else:
        data["user_ids"] = _user_ids(user_ids)
    data["limit"] = _limit(limit)
    if presences is not None:
        if not isinstance(presences, bool):
            raise TypeError(f"presences must be True, False or None, not {presences!r}")
        data["presences"] = presences
    if nonce is not None:
        data["nonce"] = _nonce(nonce)
    return data


def guild_member_requests(
    guild_id: str | int,
    *,
    query: str | None = None,
    limit: int = 0,
    presences: bool | None = None,
    user_ids: str | int | Iterable[str | int] | None = None,
) -> list[dict[str, Any]]:
    """The data of one REQUEST_GUILD_MEMBERS, or of several if `user_ids` has more ids than one may carry.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    if user_ids is None or isinstance(user_ids, (str, int)):
        return [request_guild_members(guild_id, query=query, limit=limit, presences=presences, user_ids=user_ids)]
    ids = list(dict.fromkeys(snowflake(item, "user_ids") for item in check_list(user_ids, "user_ids")))
    batches = [ids[start : start + MAX_MEMBERS] for start in range(0, len(ids) or 1, MAX_MEMBERS)]
    return [
        request_guild_members(guild_id, query=query, limit=limit, presences=presences, user_ids=batch)
        for batch in batches
    ]


def unanswered(request: Mapping[str, Any], intents: int) -> str | None:
    """Why the gateway will not answer this REQUEST_GUILD_MEMBERS, with these intents; None when it will."""
    if request.get("query") == "" and not intents & Intents.GUILD_MEMBERS:  # whatever the limit is
        return "asking for all members needs the intent Intents.GUILD_MEMBERS: add it, or ask by name or by user_ids"
    return None


def answered_in_part(request: Mapping[str, Any], intents: int) -> str | None:
    """What the gateway will leave out of its answer to this REQUEST_GUILD_MEMBERS, with these intents."""
    if request.get("presences") and not intents & Intents.GUILD_PRESENCES:
        return "asking for presences needs the intent Intents.GUILD_PRESENCES: add it to intents"
    return None


def request_soundboard_sounds(guild_ids: Iterable[str | int]) -> dict[str, Any]:
    """The data of REQUEST_SOUNDBOARD_SOUNDS.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    ids = [snowflake(item, "guild_ids") for item in check_list(guild_ids, "guild_ids")]
    if not ids:
        raise ValueError("guild_ids must hold at least one guild's id")
    return {"guild_ids": ids}


def request_channel_info(guild_id: str | int, fields: Iterable[str]) -> dict[str, Any]:
    """The data of REQUEST_CHANNEL_INFO. Names in `fields` that are not in `CHANNEL_FIELDS` are passed on.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    wanted = [fields] if isinstance(fields, str) else list(check_list(fields, "fields"))
    if not wanted:
        raise ValueError(f"fields must hold at least one of {', '.join(CHANNEL_FIELDS)}")
    for item in wanted:
        if not isinstance(item, str) or not item:
            raise TypeError(f"fields must hold names such as {', '.join(CHANNEL_FIELDS)}, not {item!r}")
    return {"guild_id": snowflake(guild_id, "guild_id"), "fields": list(dict.fromkeys(wanted))}


def snowflake(value: object, name: str) -> str:
    """An id as the gateway wants it: digits in a string.

    Raises:
        TypeError, ValueError: not a valid id; the message names the argument.
    """
    if not isinstance(value, str) and not _is_int(value):
        raise TypeError(f"{name} must be an id, a number or its digits, not {value!r}")
    digits = str(value)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20 or int(digits) >= 1 << 64:
        raise ValueError(f"{name} must be an id, a number from 0 to 2**64 - 1, not {value!r}")
    return digits


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_list(values: object, name: str) -> Iterable[Any]:
    """Return `values`, the argument `name`; raise TypeError unless it can be a list."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list, not {values!r}")
    return values


def _activity(activity: object, name: str) -> dict[str, Any]:
    """Return a checked activity; an invalid activity would be sent again with each later IDENTIFY.

    See: https://docs.discord.com/developers/events/gateway-events#activity-object
    """
    if not isinstance(activity, Mapping) or not isinstance(activity.get("name"), str):
        raise TypeError(f"{name} must hold mappings with a name, not {activity!r}")
    kinds = ", ".join(f"{number} {kind}" for number, kind in enumerate(ACTIVITY_TYPES))
    if "type" not in activity:
        raise TypeError(f"{name} must hold mappings with a type ({kinds}), not {activity!r}")
    kind = activity["type"]
    if not _is_int(kind):
        raise TypeError(f"{name} must have a whole number as type ({kinds}), not {kind!r}")
    if not 0 <= kind < len(ACTIVITY_TYPES):
        raise ValueError(f"{name} must have a type from 0 to {len(ACTIVITY_TYPES) - 1} ({kinds}), not {kind}")
    return dict(activity)


def _query(query: object) -> str:
    if query is None:
        return ""
    if not isinstance(query, str):
        raise TypeError(f"query must be text, not {query!r}")
    return query


def _limit(limit: object) -> int:
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"limit must be a whole number, not {limit!r}")
    if limit < 0:
        raise ValueError(f"limit must be 0 or more, not {limit}")
    return limit


def _user_ids(user_ids: str | int | Iterable[str | int]) -> list[str]:
    given = [user_ids] if isinstance(user_ids, (str, int)) else check_list(user_ids, "user_ids")
    ids = [snowflake(item, "user_ids") for item in given]
    if not ids:
        raise ValueError("user_ids must hold at least one id, and is empty; None asks by name instead, with query")
    if len(ids) > MAX_MEMBERS:
        raise ValueError(f"user_ids must hold at most {MAX_MEMBERS} ids, not {len(ids)}")
    return ids


def _nonce(nonce: object) -> str:
    if not isinstance(nonce, str) and not _is_int(nonce):
        raise TypeError(f"nonce must be text or a number, not {nonce!r}")
    text = str(nonce)
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_NONCE:
        raise ValueError(f"nonce must be {MAX_NONCE} bytes or fewer, not {size}")
    return text
