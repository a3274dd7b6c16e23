"""Validates what a client sends, with the close codes that Discord uses.

See: https://docs.discord.com/developers/events/gateway#sending-events
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from . import intents as intent_bits
from .opcodes import Close

STATUSES = frozenset({"online", "dnd", "idle", "invisible", "offline"})
CHANNEL_INFO_FIELDS = frozenset({"status", "voice_start_time"})
API_VERSIONS = frozenset({"9", "10"})
MAX_USER_IDS = 100
MAX_NONCE_BYTES = 32


class Refused(Exception):
    """A payload is invalid; the connection is closed.

    Attributes:
        code: the close code.
        reason: the reason for the close frame, more detailed than Discord's.
    """

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Identify:
    """A valid IDENTIFY."""

    token: str
    intents: int
    shard: tuple[int, int]
    has_shard: bool
    large_threshold: int
    compress: bool
    presence: Mapping[str, Any] | None
    capabilities: int


@dataclass(frozen=True)
class Resume:
    """A valid RESUME, not yet checked against a session."""

    token: str
    session_id: str
    seq: int


@dataclass(frozen=True, kw_only=True)
class MemberRequest:
    """A valid REQUEST_GUILD_MEMBERS: by ``query`` and ``limit``, or by ``user_ids``."""

    guild_id: str
    query: str | None
    limit: int
    user_ids: tuple[str, ...]
    presences: bool
    nonce: str | None

    @property
    def asks_for_all(self) -> bool:
        return self.query == "" and self.limit == 0


def parse_identify(data: object, allowed_intents: int | None) -> Identify:
    """Validate an IDENTIFY, except for its token.

    Raises:
        Refused: with 4002 for a missing or ill-typed field, 4010 for the shard, 4013 or 4014 for the intents.
    """
    fields = _object(data, "IDENTIFY")
    token = _text(fields, "token")
    _check_properties(fields.get("properties"))
    large_threshold = fields.get("large_threshold", 50)
    if not _is_int(large_threshold) or not 50 <= large_threshold <= 250:
        raise _bad("large_threshold is an integer from 50 to 250")
    compress = fields.get("compress", False)
    if not isinstance(compress, bool):
        raise _bad("compress is a boolean")
    capabilities = fields.get("capabilities", 0)
    if not _is_int(capabilities) or capabilities < 0:
        raise _bad("capabilities is an integer of at least 0")
    presence = fields.get("presence")
    if presence is not None:
        _check_first_presence(presence)
    return Identify(
        token=token,
        intents=_checked_intents(fields, allowed_intents),
        shard=parse_shard(fields.get("shard")),
        has_shard=fields.get("shard") is not None,
        large_threshold=large_threshold,
        compress=compress,
        presence=presence,
        capabilities=capabilities,
    )


def _check_properties(properties: object) -> None:
    if not isinstance(properties, dict):
        raise _bad("properties is an object with os, browser and device")
    for key in ("os", "browser", "device"):
        # The old names with a dollar sign still work, see
        # https://docs.discord.com/developers/events/gateway-events#identify-identify-connection-properties
        if not isinstance(properties.get(key, properties.get(f"${key}")), str):
            raise _bad(f"properties.{key} is a string")


def _check_first_presence(presence: object) -> None:
    """An initial presence may leave fields out: some clients still send ``game`` in place of ``activities``."""
    fields = _object(presence, "presence")
    if fields.get("status") is not None and fields["status"] not in STATUSES:
        raise _bad(f"presence.status is not in {', '.join(sorted(STATUSES))}")
    if "activities" in fields:
        _check_activities(fields["activities"])


def _checked_intents(fields: Mapping[str, Any], allowed: int | None) -> int:
    if "intents" not in fields:
        raise _bad("intents is required")
    intents = fields["intents"]
    if not _is_int(intents) or intents < 0 or intents & ~intent_bits.ALL:
        raise Refused(Close.INVALID_INTENTS, "Invalid intent(s).")
    if allowed is not None and intents & intent_bits.PRIVILEGED & ~allowed:
        raise Refused(Close.DISALLOWED_INTENTS, "Disallowed intent(s).")
    return intents


def parse_shard(shard: object) -> tuple[int, int]:
    """Validate an IDENTIFY's shard, which may be left out; raise `Refused` with 4010."""
    if shard is None:
        return (0, 1)
    if isinstance(shard, list) and len(shard) == 2 and all(_is_int(part) for part in shard):
        shard_id, count = shard
        if 0 <= shard_id < count:
            return (shard_id, count)
    raise Refused(Close.INVALID_SHARD, "Invalid shard.")


def parse_resume(data: object) -> Resume:
    """Validate a RESUME's fields; raise `Refused` with 4002."""
    fields = _object(data, "RESUME")
    seq = fields.get("seq")
    if not _is_int(seq):
        raise _bad("seq is an integer")
    return Resume(_text(fields, "token"), _text(fields, "session_id"), seq)


def check_heartbeat(data: object) -> None:
    """A heartbeat carries the last sequence number or null; raise `Refused` with 4002."""
    if data is not None and not _is_int(data):
        raise _bad("a heartbeat's d is an integer or null")


def parse_presence(data: object) -> Mapping[str, Any]:
    """Validate a presence update, which needs all four fields; raise `Refused` with 4002."""
    fields = _object(data, "PRESENCE_UPDATE")
    for key in ("since", "activities", "status", "afk"):
        if key not in fields:
            raise _bad(f"{key} is required")
    if fields["since"] is not None and not _is_int(fields["since"]):
        raise _bad("since is an integer or null")
    _check_activities(fields["activities"])
    if fields["status"] not in STATUSES:
        raise _bad(f"status is not in {', '.join(sorted(STATUSES))}")
    if not isinstance(fields["afk"], bool):
        raise _bad("afk is a boolean")
    return fields


def _check_activities(activities: object) -> None:
    if not isinstance(activities, list):
        raise _bad("activities is a list")
    for activity in activities:
        if not isinstance(activity, dict) or not isinstance(activity.get("name"), str):
            raise _bad("an activity is an object with a name")
        if not _is_int(activity.get("type")):
            raise _bad("an activity's type is an integer")


@dataclass(frozen=True)
class VoiceRequest:
    """A valid VOICE_STATE_UPDATE; without a channel it leaves."""

    guild_id: str
    channel_id: str | None
    self_mute: bool
    self_deaf: bool


def parse_voice(data: object) -> VoiceRequest:
    """Validate a voice state update; raise `Refused` with 4002."""
    fields = _object(data, "VOICE_STATE_UPDATE")
    if "channel_id" not in fields:
        raise _bad("channel_id is required, null to leave")
    for key in ("self_mute", "self_deaf"):
        if not isinstance(fields.get(key), bool):
            raise _bad(f"{key} is a boolean")
    channel_id = fields["channel_id"]
    return VoiceRequest(
        guild_id=_snowflake(fields.get("guild_id"), "guild_id"),
        channel_id=None if channel_id is None else _snowflake(channel_id, "channel_id"),
        self_mute=fields["self_mute"],
        self_deaf=fields["self_deaf"],
    )


def parse_member_request(data: object) -> MemberRequest:
    """Validate a request for guild members; raise `Refused` with 4002."""
    fields = _object(data, "REQUEST_GUILD_MEMBERS")
    guild_id = _snowflake(fields.get("guild_id"), "guild_id")
    query, user_ids = fields.get("query"), fields.get("user_ids")
    if (query is None) == (user_ids is None):
        raise _bad("either query or user_ids is required")
    limit = fields.get("limit", 0 if query is None else None)
    if not _is_int(limit) or limit < 0:
        raise _bad("limit is an integer of at least 0, required with query")
    if query is not None and not isinstance(query, str):
        raise _bad("query is a string")
    presences = fields.get("presences", False)
    if not isinstance(presences, bool):
        raise _bad("presences is a boolean")
    wanted = user_ids if isinstance(user_ids, list) else [] if user_ids is None else [user_ids]
    return MemberRequest(
        guild_id=guild_id,
        query=query,
        limit=limit,
        # "Requesting user_ids will continue to be limited to returning 100 members"
        user_ids=tuple(_snowflake(user_id, "user_ids") for user_id in wanted)[:MAX_USER_IDS],
        presences=presences,
        nonce=_valid_nonce(fields.get("nonce")),
    )


def _valid_nonce(nonce: object) -> str | None:
    """An invalid nonce is ignored, not refused."""
    if isinstance(nonce, str) and len(nonce.encode("utf-8", "replace")) <= MAX_NONCE_BYTES:
        return nonce
    return None


def parse_soundboard_request(data: object) -> tuple[str, ...]:
    """Validate a request for soundboard sounds, and return the guild ids; raise `Refused` with 4002."""
    guild_ids = _object(data, "REQUEST_SOUNDBOARD_SOUNDS").get("guild_ids")
    if not isinstance(guild_ids, list):
        raise _bad("guild_ids is a list")
    return tuple(_snowflake(guild_id, "guild_ids") for guild_id in guild_ids)


def parse_channel_info_request(data: object) -> tuple[str, frozenset[str]]:
    """Validate a request for channel info, and return guild id and known fields; raise `Refused` with 4002."""
    fields = _object(data, "REQUEST_CHANNEL_INFO")
    wanted = fields.get("fields")
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise _bad("fields is a list of strings")
    return _snowflake(fields.get("guild_id"), "guild_id"), CHANNEL_INFO_FIELDS.intersection(wanted)


def _bad(reason: str) -> Refused:
    return Refused(Close.DECODE_ERROR, f"Error while decoding payload: {reason}.")


def _object(data: object, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise _bad(f"the d of {what} is an object")
    return data


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise _bad(f"{key} is a string")
    return value


def _snowflake(value: object, key: str) -> str:
    if _is_int(value) or (isinstance(value, str) and value.isascii() and value.isdigit()):
        return str(value)
    raise _bad(f"{key} is a snowflake")


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
