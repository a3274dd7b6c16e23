"""Filters events by a session's intents, and removes what a session without an intent may not see.

See: https://docs.discord.com/developers/events/gateway#list-of-intents,
    https://docs.discord.com/developers/events/gateway#caveats,
    https://docs.discord.com/developers/events/gateway#privileged-intents
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GUILDS = 1 << 0
GUILD_MEMBERS = 1 << 1
GUILD_MODERATION = 1 << 2
GUILD_EXPRESSIONS = 1 << 3
GUILD_INTEGRATIONS = 1 << 4
GUILD_WEBHOOKS = 1 << 5
GUILD_INVITES = 1 << 6
GUILD_VOICE_STATES = 1 << 7
GUILD_PRESENCES = 1 << 8
GUILD_MESSAGES = 1 << 9
GUILD_MESSAGE_REACTIONS = 1 << 10
GUILD_MESSAGE_TYPING = 1 << 11
DIRECT_MESSAGES = 1 << 12
DIRECT_MESSAGE_REACTIONS = 1 << 13
DIRECT_MESSAGE_TYPING = 1 << 14
MESSAGE_CONTENT = 1 << 15
GUILD_SCHEDULED_EVENTS = 1 << 16
AUTO_MODERATION_CONFIGURATION = 1 << 20
AUTO_MODERATION_EXECUTION = 1 << 21
GUILD_MESSAGE_POLLS = 1 << 24
DIRECT_MESSAGE_POLLS = 1 << 25

PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT

_EVENTS_OF_GUILDS: dict[int, tuple[str, ...]] = {
    GUILDS: (
        "GUILD_CREATE",
        "GUILD_UPDATE",
        "GUILD_DELETE",
        "GUILD_ROLE_CREATE",
        "GUILD_ROLE_UPDATE",
        "GUILD_ROLE_DELETE",
        "CHANNEL_CREATE",
        "CHANNEL_UPDATE",
        "CHANNEL_DELETE",
        "CHANNEL_PINS_UPDATE",
        "THREAD_CREATE",
        "THREAD_UPDATE",
        "THREAD_DELETE",
        "THREAD_LIST_SYNC",
        "THREAD_MEMBER_UPDATE",
        "THREAD_MEMBERS_UPDATE",
        "STAGE_INSTANCE_CREATE",
        "STAGE_INSTANCE_UPDATE",
        "STAGE_INSTANCE_DELETE",
        "VOICE_CHANNEL_STATUS_UPDATE",
        "VOICE_CHANNEL_START_TIME_UPDATE",
    ),
    GUILD_MEMBERS: ("GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE", "THREAD_MEMBERS_UPDATE"),
    GUILD_MODERATION: ("GUILD_AUDIT_LOG_ENTRY_CREATE", "GUILD_BAN_ADD", "GUILD_BAN_REMOVE"),
    GUILD_EXPRESSIONS: (
        "GUILD_EMOJIS_UPDATE",
        "GUILD_STICKERS_UPDATE",
        "GUILD_SOUNDBOARD_SOUND_CREATE",
        "GUILD_SOUNDBOARD_SOUND_UPDATE",
        "GUILD_SOUNDBOARD_SOUND_DELETE",
        "GUILD_SOUNDBOARD_SOUNDS_UPDATE",
    ),
    GUILD_INTEGRATIONS: (
        "GUILD_INTEGRATIONS_UPDATE",
        "INTEGRATION_CREATE",
        "INTEGRATION_UPDATE",
        "INTEGRATION_DELETE",
    ),
    GUILD_WEBHOOKS: ("WEBHOOKS_UPDATE",),
    GUILD_INVITES: ("INVITE_CREATE", "INVITE_DELETE"),
    GUILD_VOICE_STATES: ("VOICE_CHANNEL_EFFECT_SEND", "VOICE_STATE_UPDATE"),
    GUILD_PRESENCES: ("PRESENCE_UPDATE",),
    GUILD_MESSAGES: ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"),
    GUILD_MESSAGE_REACTIONS: (
        "MESSAGE_REACTION_ADD",
        "MESSAGE_REACTION_REMOVE",
        "MESSAGE_REACTION_REMOVE_ALL",
        "MESSAGE_REACTION_REMOVE_EMOJI",
    ),
    GUILD_MESSAGE_TYPING: ("TYPING_START",),
    GUILD_SCHEDULED_EVENTS: (
        "GUILD_SCHEDULED_EVENT_CREATE",
        "GUILD_SCHEDULED_EVENT_UPDATE",
        "GUILD_SCHEDULED_EVENT_DELETE",
        "GUILD_SCHEDULED_EVENT_USER_ADD",
        "GUILD_SCHEDULED_EVENT_USER_REMOVE",
    ),
    AUTO_MODERATION_CONFIGURATION: (
        "AUTO_MODERATION_RULE_CREATE",
        "AUTO_MODERATION_RULE_UPDATE",
        "AUTO_MODERATION_RULE_DELETE",
    ),
    AUTO_MODERATION_EXECUTION: ("AUTO_MODERATION_ACTION_EXECUTION",),
    GUILD_MESSAGE_POLLS: ("MESSAGE_POLL_VOTE_ADD", "MESSAGE_POLL_VOTE_REMOVE"),
}

_EVENTS_OF_DIRECT_MESSAGES: dict[int, tuple[str, ...]] = {
    DIRECT_MESSAGES: ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "CHANNEL_PINS_UPDATE"),
    DIRECT_MESSAGE_REACTIONS: _EVENTS_OF_GUILDS[GUILD_MESSAGE_REACTIONS],
    DIRECT_MESSAGE_TYPING: ("TYPING_START",),
    DIRECT_MESSAGE_POLLS: _EVENTS_OF_GUILDS[GUILD_MESSAGE_POLLS],
}


def _intents_by_event(events_by_intent: Mapping[int, tuple[str, ...]]) -> dict[str, int]:
    by_event: dict[str, int] = {}
    for intent, names in events_by_intent.items():
        for name in names:
            by_event[name] = by_event.get(name, 0) | intent
    return by_event


GUILD_EVENT_INTENTS = _intents_by_event(_EVENTS_OF_GUILDS)
"""Event name → intents, any of which subscribes to it in a guild."""

DIRECT_MESSAGE_EVENT_INTENTS = _intents_by_event(_EVENTS_OF_DIRECT_MESSAGES)
"""Event name → intents, any of which subscribes to it in a direct message."""

ALL = MESSAGE_CONTENT | sum(_EVENTS_OF_GUILDS) | sum(_EVENTS_OF_DIRECT_MESSAGES)
"""Every documented intent. Any other bit is closed with 4013."""

_MESSAGE_CONTENT_FIELDS: dict[str, object] = {"content": "", "embeds": [], "attachments": [], "components": []}


def brings(intents: int, name: str, data: object, own_id: str) -> bool:
    """Whether a session with these intents receives the event.

    Args:
        intents: the session's intents.
        name: the event's name; events that no intent covers are always sent.
        data: the event's ``d``; its ``guild_id`` distinguishes a guild from a direct message.
        own_id: the bot's user id; its own member updates need no intent.
    """
    fields = data if isinstance(data, dict) else {}
    if name in DIRECT_MESSAGE_EVENT_INTENTS and fields.get("guild_id") is None:
        return bool(intents & DIRECT_MESSAGE_EVENT_INTENTS[name])
    if name == "THREAD_MEMBERS_UPDATE" and not intents & GUILD_MEMBERS:
        return bool(intents & GUILDS) and any(_own_thread_members(fields, own_id).values())
    if name not in GUILD_EVENT_INTENTS or intents & GUILD_EVENT_INTENTS[name]:
        return True
    return name == "GUILD_MEMBER_UPDATE" and _user_id(fields.get("user")) == own_id


def redacted(intents: int, name: str, data: Any, own_id: str) -> Any:
    """Return the data that a session with these intents receives: the same object, or a copy with less in it."""
    if not isinstance(data, dict):
        return data
    if name == "THREAD_MEMBERS_UPDATE":
        return data if intents & GUILD_MEMBERS else {**data, **_own_thread_members(data, own_id)}
    if intents & MESSAGE_CONTENT:
        return data
    if name == "AUTO_MODERATION_ACTION_EXECUTION":
        return {**data, **{key: "" for key in ("content", "matched_content") if key in data}}
    if name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or _content_is_for_all(data, own_id):
        return data
    emptied = {**data, **{key: empty for key, empty in _MESSAGE_CONTENT_FIELDS.items() if key in data}}
    emptied.pop("poll", None)
    return emptied


def _own_thread_members(fields: Mapping[str, Any], own_id: str) -> dict[str, list[Any]]:
    """The bot's own entries in each list of a THREAD_MEMBERS_UPDATE."""
    own: dict[str, list[Any]] = {}
    if isinstance(added := fields.get("added_members"), list):
        own["added_members"] = [each for each in added if isinstance(each, dict) and str(each.get("user_id")) == own_id]
    if isinstance(removed := fields.get("removed_member_ids"), list):
        own["removed_member_ids"] = [each for each in removed if str(each) == own_id]
    return own


def _content_is_for_all(message: Mapping[str, Any], own_id: str) -> bool:
    """Direct messages, the bot's own messages and those that mention it need no MESSAGE_CONTENT."""
    if message.get("guild_id") is None or _user_id(message.get("author")) == own_id:
        return True
    mentions = message.get("mentions")
    return isinstance(mentions, list) and any(_user_id(user) == own_id for user in mentions)


def _user_id(user: object) -> str | None:
    return str(user["id"]) if isinstance(user, dict) and "id" in user else None
