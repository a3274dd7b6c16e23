"""Gateway intents and the events that each of them enables. Pure.

An event that is listed with no intent is always sent.

See: https://docs.discord.com/developers/events/gateway#list-of-intents
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["KNOWN_EVENTS", "Intents", "events_of", "intents_for", "missing_intent_warning"]


class Intents(enum.IntFlag):
    """The bits of IDENTIFY's ``intents``; combine them with ``|``."""

    GUILDS = 1 << 0  # guilds, channels, threads, roles, stages
    GUILD_MEMBERS = 1 << 1  # privileged: members join, leave and change
    GUILD_MODERATION = 1 << 2  # bans and the audit log
    GUILD_EXPRESSIONS = 1 << 3  # emojis, stickers, soundboard sounds
    GUILD_INTEGRATIONS = 1 << 4
    GUILD_WEBHOOKS = 1 << 5
    GUILD_INVITES = 1 << 6
    GUILD_VOICE_STATES = 1 << 7  # who is in which voice channel
    GUILD_PRESENCES = 1 << 8  # privileged: who is online
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15  # privileged: enables no event, but the content of messages
    GUILD_SCHEDULED_EVENTS = 1 << 16
    AUTO_MODERATION_CONFIGURATION = 1 << 20
    AUTO_MODERATION_EXECUTION = 1 << 21
    GUILD_MESSAGE_POLLS = 1 << 24
    DIRECT_MESSAGE_POLLS = 1 << 25

    @classmethod
    def none(cls) -> Intents:
        """Return no intent, for only the events that need none."""
        return cls(0)

    @classmethod
    def all(cls) -> Intents:
        """Return every intent, including the privileged ones."""
        return cls(sum(intent for intent in cls))

    @classmethod
    def privileged(cls) -> Intents:
        """Return the intents that must be enabled on the Bot page of the developer portal.

        See: https://docs.discord.com/developers/events/gateway#privileged-intents
        """
        return cls.GUILD_MEMBERS | cls.GUILD_PRESENCES | cls.MESSAGE_CONTENT

    @classmethod
    def default(cls) -> Intents:
        """Return every intent that needs no privilege."""
        return cls.all() & ~cls.privileged()


_MESSAGES = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE")
_REACTIONS = (
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_REACTION_REMOVE_ALL",
    "MESSAGE_REACTION_REMOVE_EMOJI",
)
_POLLS = ("MESSAGE_POLL_VOTE_ADD", "MESSAGE_POLL_VOTE_REMOVE")

_EVENTS: Mapping[Intents, tuple[str, ...]] = {
    Intents.GUILDS: (
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
    Intents.GUILD_MEMBERS: (
        "GUILD_MEMBER_ADD",
        "GUILD_MEMBER_UPDATE",
        "GUILD_MEMBER_REMOVE",
        "THREAD_MEMBERS_UPDATE",
    ),
    Intents.GUILD_MODERATION: ("GUILD_AUDIT_LOG_ENTRY_CREATE", "GUILD_BAN_ADD", "GUILD_BAN_REMOVE"),
    Intents.GUILD_EXPRESSIONS: (
        "GUILD_EMOJIS_UPDATE",
        "GUILD_STICKERS_UPDATE",
        "GUILD_SOUNDBOARD_SOUND_CREATE",
        "GUILD_SOUNDBOARD_SOUND_UPDATE",
        "GUILD_SOUNDBOARD_SOUND_DELETE",
        "GUILD_SOUNDBOARD_SOUNDS_UPDATE",
    ),
    Intents.GUILD_INTEGRATIONS: (
        "GUILD_INTEGRATIONS_UPDATE",
        "INTEGRATION_CREATE",
        "INTEGRATION_UPDATE",
        "INTEGRATION_DELETE",
    ),
    Intents.GUILD_WEBHOOKS: ("WEBHOOKS_UPDATE",),
    Intents.GUILD_INVITES: ("INVITE_CREATE", "INVITE_DELETE"),
    Intents.GUILD_VOICE_STATES: ("VOICE_CHANNEL_EFFECT_SEND", "VOICE_STATE_UPDATE"),
    Intents.GUILD_PRESENCES: ("PRESENCE_UPDATE",),
    Intents.GUILD_MESSAGES: (*_MESSAGES, "MESSAGE_DELETE_BULK"),
    Intents.GUILD_MESSAGE_REACTIONS: _REACTIONS,
    Intents.GUILD_MESSAGE_TYPING: ("TYPING_START",),
    Intents.DIRECT_MESSAGES: (*_MESSAGES, "CHANNEL_PINS_UPDATE"),
    Intents.DIRECT_MESSAGE_REACTIONS: _REACTIONS,
    Intents.DIRECT_MESSAGE_TYPING: ("TYPING_START",),
    Intents.GUILD_SCHEDULED_EVENTS: (
        "GUILD_SCHEDULED_EVENT_CREATE",
        "GUILD_SCHEDULED_EVENT_UPDATE",
        "GUILD_SCHEDULED_EVENT_DELETE",
        "GUILD_SCHEDULED_EVENT_USER_ADD",
        "GUILD_SCHEDULED_EVENT_USER_REMOVE",
    ),
    Intents.AUTO_MODERATION_CONFIGURATION: (
        "AUTO_MODERATION_RULE_CREATE",
        "AUTO_MODERATION_RULE_UPDATE",
        "AUTO_MODERATION_RULE_DELETE",
    ),
    Intents.AUTO_MODERATION_EXECUTION: ("AUTO_MODERATION_ACTION_EXECUTION",),
    Intents.GUILD_MESSAGE_POLLS: _POLLS,
    Intents.DIRECT_MESSAGE_POLLS: _POLLS,
}

#: events that are sent whatever the intents are
_ALWAYS = frozenset(
    {
        "READY",
        "RESUMED",
        "RATE_LIMITED",
        "APPLICATION_COMMAND_PERMISSIONS_UPDATE",
        "CHANNEL_INFO",
        "ENTITLEMENT_CREATE",
        "ENTITLEMENT_UPDATE",
        "ENTITLEMENT_DELETE",
        "GUILD_MEMBERS_CHUNK",
        "INTERACTION_CREATE",
        "SOUNDBOARD_SOUNDS",
        "SUBSCRIPTION_CREATE",
        "SUBSCRIPTION_UPDATE",
        "SUBSCRIPTION_DELETE",
        "USER_UPDATE",
        "VOICE_SERVER_UPDATE",
    }
)

#: the event that is sent about the bot itself whatever the intents are; its intent enables it for other members.
#: See: https://docs.discord.com/developers/events/gateway#caveats
_ABOUT_ITSELF = "GUILD_MEMBER_UPDATE"

#: events that are about the bot itself only, without this intent.
#: See: https://docs.discord.com/developers/events/gateway#caveats
_FOR_OTHERS: Mapping[str, Intents] = {
    _ABOUT_ITSELF: Intents.GUILD_MEMBERS,
    "THREAD_MEMBERS_UPDATE": Intents.GUILD_MEMBERS,
}

#: what arrives empty without MESSAGE_CONTENT, and the exceptions.
#: See: https://docs.discord.com/developers/events/gateway#message-content-intent
_MESSAGE_FIELDS = (
    "content, embeds, attachments, components and poll arrive empty, except in direct messages, mentions of the bot "
    "and its own messages"
)
_CONTENT: Mapping[str, str] = {
    "MESSAGE_CREATE": _MESSAGE_FIELDS,
    "MESSAGE_UPDATE": _MESSAGE_FIELDS,
    "AUTO_MODERATION_ACTION_EXECUTION": "content and matched_content arrive empty",
}

#: how alike two words of event names are that differ by a typo, 0 to 1
_TYPO = 0.7


def _intents_by_event() -> dict[str, Intents]:
    table = dict.fromkeys(_ALWAYS, Intents.none())
    for intent, events in _EVENTS.items():
        for event in events:
            table[event] = table.get(event, Intents.none()) | intent
    return table


_INTENTS: Mapping[str, Intents] = MappingProxyType(_intents_by_event())

#: Every dispatch event of the official documentation.
KNOWN_EVENTS: frozenset[str] = frozenset(_INTENTS)


def events_of(intents: int) -> frozenset[str]:
    """Return the dispatch events that `intents` enable, including those that need no intent."""
    return frozenset(event for event, needed in _INTENTS.items() if not needed or needed & intents) | {_ABOUT_ITSELF}


def intents_for(event: str) -> Intents:
    """Return the intents of which any enables `event`; none if it is always sent.

    Raises:
        KeyError: the event is not documented.
    """
    return _INTENTS[event]


def missing_intent_warning(event: str, intents: int) -> str | None:
    """Return a warning if `intents` leave a handler of `event` without calls or with empty data; otherwise None."""
    if event == "guilds_ready" and not intents & Intents.GUILDS:
        return f"a handler listens to {event}, which no given intent brings: add {_how_to_add(Intents.GUILDS)}"
    if event not in KNOWN_EVENTS:
        meant = _known_event_like(event)
        return None if meant is None else f"a handler listens to {event}, an unknown event: did you mean {meant}?"
    for_others = _FOR_OTHERS.get(event, Intents.none())
    if event in events_of(intents) and for_others and not for_others & intents:
        return (
            f"a handler listens to {event}, which comes for the bot itself only: for others add "
            f"{_how_to_add(for_others)}"
        )
    needed = _INTENTS[event]
    if needed and not needed & intents:
        return f"a handler listens to {event}, which no given intent brings: add {_how_to_add(needed)}"
    if event in _CONTENT and not intents & Intents.MESSAGE_CONTENT:
        return (
            f"a handler listens to {event} without the MESSAGE_CONTENT intent: {_CONTENT[event]}; add "
            f"{_how_to_add(Intents.MESSAGE_CONTENT)}"
        )
    return None


def _known_event_like(event: str) -> str | None:
    """Return the known event of which `event` is a misspelling, or None.

    A name with other words is not one: Discord sends events that are not documented.
    """
    words = event.upper().split("_")
    similar = [
        known
        for known, others in ((known, known.split("_")) for known in KNOWN_EVENTS)
        if words == ["".join(others)] or (len(words) == len(others) and all(map(_is_alike, words, others)))
    ]
    return next(iter(difflib.get_close_matches(event.upper(), similar, n=1)), None)


def _is_alike(word: str, other: str) -> bool:
    return word == other or difflib.SequenceMatcher(None, word, other).ratio() >= _TYPO


def _how_to_add(needed: Intents) -> str:
    names = " or ".join(f"Intents.{intent.name}" for intent in Intents if intent & needed)
    if needed & Intents.privileged():
        return f"{names} (privileged: enable it on the Bot page of the developer portal)"
    return names
