"""Gateway intents and the events that each of them enables. Pure.

An event that is listed under no intent is always sent.

See: https://docs.discord.com/developers/events/gateway#list-of-intents
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Mapping
from types import MappingProxyType

from . import events

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


_MESSAGES = (events.MESSAGE_CREATE, events.MESSAGE_UPDATE, events.MESSAGE_DELETE)
_REACTIONS = (
    events.MESSAGE_REACTION_ADD,
    events.MESSAGE_REACTION_REMOVE,
    events.MESSAGE_REACTION_REMOVE_ALL,
    events.MESSAGE_REACTION_REMOVE_EMOJI,
)
_POLLS = (events.MESSAGE_POLL_VOTE_ADD, events.MESSAGE_POLL_VOTE_REMOVE)

_EVENTS: Mapping[Intents, tuple[str, ...]] = {
    Intents.GUILDS: (
        events.GUILD_CREATE,
        events.GUILD_UPDATE,
        events.GUILD_DELETE,
        events.GUILD_ROLE_CREATE,
        events.GUILD_ROLE_UPDATE,
        events.GUILD_ROLE_DELETE,
        events.CHANNEL_CREATE,
        events.CHANNEL_UPDATE,
        events.CHANNEL_DELETE,
        events.CHANNEL_PINS_UPDATE,
        events.THREAD_CREATE,
        events.THREAD_UPDATE,
        events.THREAD_DELETE,
        events.THREAD_LIST_SYNC,
        events.THREAD_MEMBER_UPDATE,
        events.THREAD_MEMBERS_UPDATE,
        events.STAGE_INSTANCE_CREATE,
        events.STAGE_INSTANCE_UPDATE,
        events.STAGE_INSTANCE_DELETE,
        events.VOICE_CHANNEL_STATUS_UPDATE,
        events.VOICE_CHANNEL_START_TIME_UPDATE,
    ),
    Intents.GUILD_MEMBERS: (
        events.GUILD_MEMBER_ADD,
        events.GUILD_MEMBER_UPDATE,
        events.GUILD_MEMBER_REMOVE,
        events.THREAD_MEMBERS_UPDATE,
    ),
    Intents.GUILD_MODERATION: (events.GUILD_AUDIT_LOG_ENTRY_CREATE, events.GUILD_BAN_ADD, events.GUILD_BAN_REMOVE),
    Intents.GUILD_EXPRESSIONS: (
        events.GUILD_EMOJIS_UPDATE,
        events.GUILD_STICKERS_UPDATE,
        events.GUILD_SOUNDBOARD_SOUND_CREATE,
        events.GUILD_SOUNDBOARD_SOUND_UPDATE,
        events.GUILD_SOUNDBOARD_SOUND_DELETE,
        events.GUILD_SOUNDBOARD_SOUNDS_UPDATE,
    ),
    Intents.GUILD_INTEGRATIONS: (
        events.GUILD_INTEGRATIONS_UPDATE,
        events.INTEGRATION_CREATE,
        events.INTEGRATION_UPDATE,
        events.INTEGRATION_DELETE,
    ),
    Intents.GUILD_WEBHOOKS: (events.WEBHOOKS_UPDATE,),
    Intents.GUILD_INVITES: (events.INVITE_CREATE, events.INVITE_DELETE),
    Intents.GUILD_VOICE_STATES: (events.VOICE_CHANNEL_EFFECT_SEND, events.VOICE_STATE_UPDATE),
    Intents.GUILD_PRESENCES: (events.PRESENCE_UPDATE,),
    Intents.GUILD_MESSAGES: (*_MESSAGES, events.MESSAGE_DELETE_BULK),
    Intents.GUILD_MESSAGE_REACTIONS: _REACTIONS,
    Intents.GUILD_MESSAGE_TYPING: (events.TYPING_START,),
    Intents.DIRECT_MESSAGES: (*_MESSAGES, events.CHANNEL_PINS_UPDATE),
    Intents.DIRECT_MESSAGE_REACTIONS: _REACTIONS,
    Intents.DIRECT_MESSAGE_TYPING: (events.TYPING_START,),
    Intents.GUILD_SCHEDULED_EVENTS: (
        events.GUILD_SCHEDULED_EVENT_CREATE,
        events.GUILD_SCHEDULED_EVENT_UPDATE,
        events.GUILD_SCHEDULED_EVENT_DELETE,
        events.GUILD_SCHEDULED_EVENT_USER_ADD,
        events.GUILD_SCHEDULED_EVENT_USER_REMOVE,
    ),
    Intents.AUTO_MODERATION_CONFIGURATION: (
        events.AUTO_MODERATION_RULE_CREATE,
        events.AUTO_MODERATION_RULE_UPDATE,
        events.AUTO_MODERATION_RULE_DELETE,
    ),
    Intents.AUTO_MODERATION_EXECUTION: (events.AUTO_MODERATION_ACTION_EXECUTION,),
    Intents.GUILD_MESSAGE_POLLS: _POLLS,
    Intents.DIRECT_MESSAGE_POLLS: _POLLS,
}

#: the event that is sent about the bot itself whatever the intents are; its intent enables it for other members.
#: See: https://docs.discord.com/developers/events/gateway#caveats
_ABOUT_ITSELF = events.GUILD_MEMBER_UPDATE

#: events that are about the bot itself only, without this intent.
#: See: https://docs.discord.com/developers/events/gateway#caveats
_FOR_OTHERS: Mapping[str, Intents] = {
    _ABOUT_ITSELF: Intents.GUILD_MEMBERS,
    events.THREAD_MEMBERS_UPDATE: Intents.GUILD_MEMBERS,
}

#: what arrives empty without MESSAGE_CONTENT, and the exceptions.
#: See: https://docs.discord.com/developers/events/gateway#message-content-intent
_MESSAGE_FIELDS = (
    "content, embeds, attachments, components and poll arrive empty, except in direct messages, mentions of the bot "
    "and its own messages"
)
_CONTENT: Mapping[str, str] = {
    events.MESSAGE_CREATE: _MESSAGE_FIELDS,
    events.MESSAGE_UPDATE: _MESSAGE_FIELDS,
    events.AUTO_MODERATION_ACTION_EXECUTION: "content and matched_content arrive empty",
}

#: how alike two words of event names are that differ by a typo, 0 to 1
_TYPO = 0.7


def _intents_by_event() -> dict[str, Intents]:
    table = dict.fromkeys(events.DISPATCHES, Intents.none())
    for intent, names in _EVENTS.items():
        for event in names:
            table[event] |= intent
    return table


_INTENTS: Mapping[str, Intents] = MappingProxyType(_intents_by_event())

#: Every dispatch event of the official documentation.
KNOWN_EVENTS = events.DISPATCHES
#: the names of opcodes and of the client's own events, by what they are in capitals
_OTHER_NAMES: Mapping[str, str] = {
    name.upper(): name
    for name in (
        events.DISPATCH,
        events.HEARTBEAT,
        events.RECONNECT,
        events.INVALID_SESSION,
        events.HELLO,
        events.HEARTBEAT_ACK,
        events.OPEN,
        events.CLOSE,
        events.ERROR,
        events.GUILDS_READY,
    )
}


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
    if event == events.GUILDS_READY and not intents & Intents.GUILDS:
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

    A name with other words is not a misspelling: Discord sends events that are not documented.
    """
    if (name := _OTHER_NAMES.get(event.upper())) is not None:
        return None if name == event else name
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
