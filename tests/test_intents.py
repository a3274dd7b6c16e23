"""Intents, the events they bring, and what is said of those they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway import events
from vox_gateway.intents import KNOWN_EVENTS, Intents, events_of, intents_for, missing_intent_warning


def test_the_defaults_are_all_that_need_no_privilege() -> None:
    assert Intents.default() | Intents.privileged() == Intents.all()
    assert not Intents.default() & Intents.privileged()
    assert Intents.privileged() == 1 << 1 | 1 << 8 | 1 << 15
    assert Intents.all() == 0b11_0011_0001_1111_1111_1111_1111
    assert Intents.none() == 0


def test_intents_and_events_agree() -> None:
    assert events_of(Intents.all()) == KNOWN_EVENTS == events.DISPATCHES
    assert {"READY", "RESUMED", "INTERACTION_CREATE", "GUILD_MEMBERS_CHUNK"} <= events_of(0)
    assert "MESSAGE_CREATE" in events_of(Intents.DIRECT_MESSAGES)
    assert events_of(Intents.GUILD_WEBHOOKS) - events_of(0) == {"WEBHOOKS_UPDATE"}
    assert intents_for("TYPING_START") == Intents.GUILD_MESSAGE_TYPING | Intents.DIRECT_MESSAGE_TYPING
    assert intents_for("READY") == 0
    # the bot hears of its own membership whatever the intents are
    assert "GUILD_MEMBER_UPDATE" in events_of(0)
    assert intents_for("GUILD_MEMBER_UPDATE") == Intents.GUILD_MEMBERS
    with pytest.raises(KeyError):
        intents_for("NEVER_HEARD_OF")


@pytest.mark.parametrize(
    ("event", "intents", "words"),
    [
        ("PRESENCE_UPDATE", Intents.default(), "Intents.GUILD_PRESENCES (privileged"),
        ("GUILD_BAN_ADD", Intents.none(), "add Intents.GUILD_MODERATION"),
        ("TYPING_START", Intents.none(), "Intents.GUILD_MESSAGE_TYPING or Intents.DIRECT_MESSAGE_TYPING"),
        ("GUILD_MEMBER_UPDATE", Intents.default(), "for the bot itself only: for others add Intents.GUILD_MEMBERS ("),
        ("GUILD_MEMBER_ADD", Intents.default(), "which no given intent brings: add Intents.GUILD_MEMBERS (privileged"),
        ("MESSAGE_CREATE", Intents.none(), "which no given intent brings"),
        ("MESSAGE_CREATE", Intents.GUILD_MESSAGES, "without the MESSAGE_CONTENT intent"),
        ("MESSAGE_UPDATE", Intents.DIRECT_MESSAGES, "without the MESSAGE_CONTENT intent"),
        ("THREAD_MEMBERS_UPDATE", Intents.default(), "for the bot itself only: for others add Intents.GUILD_MEMBERS ("),
        ("THREAD_MEMBERS_UPDATE", Intents.none(), "which no given intent brings: add Intents.GUILDS or "),
        ("AUTO_MODERATION_ACTION_EXECUTION", Intents.default(), "content and matched_content arrive empty; add"),
        ("MESAGE_CREATE", Intents.all(), "did you mean MESSAGE_CREATE?"),
        ("message_create", Intents.all(), "did you mean MESSAGE_CREATE?"),
        ("MESSAGECREATE", Intents.all(), "did you mean MESSAGE_CREATE?"),
        ("MESSAGE_CREATED", Intents.all(), "did you mean MESSAGE_CREATE?"),
        ("INTERACTION_CREATED", Intents.all(), "did you mean INTERACTION_CREATE?"),
        ("GUILD_MEMBER_CHUNK", Intents.all(), "did you mean GUILD_MEMBERS_CHUNK?"),
        ("OPEN", Intents.all(), "did you mean open?"),
        ("Guilds_Ready", Intents.all(), "did you mean guilds_ready?"),
        ("hello", Intents.all(), "did you mean HELLO?"),
    ],
)
def test_what_a_handler_will_not_hear_is_said(event: str, intents: Intents, words: str) -> None:
    said = missing_intent_warning(event, intents)
    assert said is not None
    assert event in said
    assert words in said


@pytest.mark.parametrize(
    ("event", "intents"),
    [
        ("READY", 0),
        ("MESSAGE_CREATE", Intents.GUILD_MESSAGES | Intents.MESSAGE_CONTENT),
        ("MESSAGE_DELETE", Intents.GUILD_MESSAGES),
        ("GUILD_MEMBER_UPDATE", Intents.GUILD_MEMBERS),
        ("THREAD_MEMBERS_UPDATE", Intents.GUILD_MEMBERS),
        ("AUTO_MODERATION_ACTION_EXECUTION", Intents.AUTO_MODERATION_EXECUTION | Intents.MESSAGE_CONTENT),
        ("open", 0),
        ("error", 0),
        ("HELLO", 0),
        ("DISPATCH", 0),
        ("MY_OWN_EVENT", 0),
        # Discord sends these, undocumented
        ("MESSAGE_REACTION_ADD_MANY", Intents.all()),
        ("CHANNEL_TOPIC_UPDATE", Intents.all()),
        ("CHANNEL_UPDATE_PARTIAL", Intents.all()),
        ("GUILD_JOIN_REQUEST_UPDATE", Intents.all()),
        ("THREAD_MEMBER_LIST_UPDATE", Intents.all()),
    ],
)
def test_all_is_well(event: str, intents: int) -> None:
    assert missing_intent_warning(event, intents) is None


INTENTS = st.integers(0, Intents.all()).map(lambda bits: bits & Intents.all())


@given(st.sampled_from(sorted(KNOWN_EVENTS)), INTENTS)
def test_an_event_comes_when_it_needs_no_intent_or_has_one_of_its_own(event: str, intents: int) -> None:
    said = missing_intent_warning(event, intents)
    if not intents_for(event) or intents_for(event) & intents:
        assert event in events_of(intents)
        assert said is None or "add Intents.MESSAGE_CONTENT" in said or "for the bot itself only" in said
    else:
        assert said is not None
        assert (event in events_of(intents)) == ("for the bot itself only" in said)
        assert all(f"Intents.{one.name}" in said for one in Intents if one & intents_for(event))


@given(INTENTS, INTENTS)
def test_more_intents_never_bring_fewer_events(some: int, more: int) -> None:
    assert events_of(some) | events_of(more) == events_of(some | more)
