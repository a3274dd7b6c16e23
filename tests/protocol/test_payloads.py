"""The payloads of the send events, and what is refused before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway import Capabilities, Intents
from vox_gateway.protocol import payloads

BIG = 2**63 + 1


def test_a_presence_has_all_four_keys() -> None:
    assert payloads.presence_update(status="online") == {
        "since": None,
        "activities": [],
        "status": "online",
        "afk": False,
    }


def test_a_game_is_an_activity() -> None:
    game = {"name": "chess", "type": 3}
    assert payloads.presence_update(status="dnd", game=game)["activities"] == [game]
    assert payloads.presence_update(status="dnd", activities=({"name": "x", "type": 0},))["activities"] == [
        {"name": "x", "type": 0}
    ]


def test_a_presence_that_is_given_as_a_mapping_is_completed() -> None:
    assert payloads.check_presence({"status": "idle"}) == payloads.presence_update(status="idle")
    assert payloads.check_presence({}) == payloads.presence_update(status="online")
    assert payloads.check_presence({"game": {"name": "x", "type": 0}})["activities"] == [{"name": "x", "type": 0}]


def test_leaving_a_voice_channel_is_sent_as_null() -> None:
    assert payloads.voice_state_update(1, None) == {
        "guild_id": "1",
        "channel_id": None,
        "self_mute": False,
        "self_deaf": False,
    }


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({}, {"query": "", "limit": 0}),
        ({"query": "a"}, {"query": "a", "limit": 0}),
        ({"query": "a", "limit": 7}, {"query": "a", "limit": 7}),
        ({"query": "a", "limit": 100}, {"query": "a", "limit": 100}),
        ({"query": "", "limit": 1000}, {"query": "", "limit": 1000}),
        ({"user_ids": 5, "limit": 101}, {"user_ids": ["5"], "limit": 101}),
        ({"user_ids": 5}, {"user_ids": ["5"], "limit": 0}),
        ({"user_ids": "5"}, {"user_ids": ["5"], "limit": 0}),
        ({"user_ids": [BIG, "6"]}, {"user_ids": [str(BIG), "6"], "limit": 0}),
        ({"user_ids": iter(range(100))}, {"user_ids": [str(number) for number in range(100)], "limit": 0}),
        ({"presences": False}, {"query": "", "limit": 0, "presences": False}),
        ({"nonce": "x" * 32}, {"query": "", "limit": 0, "nonce": "x" * 32}),
        ({"nonce": 12}, {"query": "", "limit": 0, "nonce": "12"}),
    ],
)
def test_members_are_asked_for(options: dict[str, Any], data: dict[str, Any]) -> None:
    assert payloads.request_guild_members(9, **options) == {"guild_id": "9", **data}


@pytest.mark.parametrize(
    ("data", "intents", "words"),
    [
        ({"query": "", "limit": 0}, Intents.default(), "GUILD_MEMBERS"),
        ({"query": "", "limit": 5}, Intents.default(), "GUILD_MEMBERS"),
        ({"query": "", "limit": 0}, Intents.GUILD_MEMBERS, None),
        ({"query": "a", "limit": 0}, Intents.none(), None),
        ({"user_ids": ["1"], "limit": 0}, Intents.none(), None),
        ({"query": "a", "limit": 1, "presences": True}, Intents.none(), None),
    ],
)
def test_a_request_that_will_not_be_answered_is_told(data: Any, intents: Intents, words: str | None) -> None:
    said = payloads.unanswered(data, intents)
    assert said is None if words is None else words in str(said)


def test_a_request_that_will_be_answered_in_part_is_told() -> None:
    data = {"query": "a", "limit": 1, "presences": True}
    assert "GUILD_PRESENCES" in str(payloads.answered_in_part(data, Intents.none()))
    assert payloads.answered_in_part(data, Intents.GUILD_PRESENCES) is None
    assert payloads.answered_in_part({**data, "presences": False}, Intents.none()) is None


def test_any_number_of_members_is_asked_for_in_as_many_requests_as_it_takes() -> None:
    batches = payloads.guild_member_requests(9, user_ids=[*range(250), "7"], presences=True)
    assert [len(one["user_ids"]) for one in batches] == [100, 100, 50]
    assert batches[2]["user_ids"][-1] == "249"
    assert all(one["guild_id"] == "9" and one["presences"] for one in batches)
    for options in ({}, {"query": "a", "limit": 3}, {"user_ids": 5}, {"user_ids": [5]}, {"user_ids": "5"}):
        assert payloads.guild_member_requests(9, **options) == [payloads.request_guild_members(9, **options)]


def test_other_requests() -> None:
    assert payloads.request_soundboard_sounds([1, "2"]) == {"guild_ids": ["1", "2"]}
    assert payloads.request_channel_info("1", "status") == {"guild_id": "1", "fields": ["status"]}
    assert payloads.request_channel_info(1, ["voice_start_time", "status", "status"])["fields"] == [
        "voice_start_time",
        "status",
    ]
    assert payloads.request_channel_info(1, ["of_tomorrow"])["fields"] == ["of_tomorrow"]


def test_identify_carries_capabilities() -> None:
    given = payloads.identify(
        token="t", intents=0, properties={}, shard=(0, 1), capabilities=Capabilities.CHANNEL_OBFUSCATION
    )
    assert given["capabilities"] == 1 << 15
    assert type(given["capabilities"]) is int


def test_identify_leaves_out_what_was_not_given() -> None:
    bare = payloads.identify(token="t", intents=Intents.GUILDS, properties={"os": "x"}, shard=(0, 1))
    assert bare == {"token": "t", "intents": 1, "properties": {"os": "x"}, "shard": [0, 1]}
    full = payloads.identify(
        token="t", intents=0, properties={}, shard=(0, 1), large_threshold=50, presence={"a": 1}, compress=True
    )
    assert (full["large_threshold"], full["presence"], full["compress"]) == (50, {"a": 1}, True)


def test_resume_carries_the_session() -> None:
    assert payloads.resume(token="t", session_id="s", seq=0) == {"token": "t", "session_id": "s", "seq": 0}


@given(st.text(max_size=40))
def test_a_nonce_is_taken_up_to_its_bytes(nonce: str) -> None:
    if len(nonce.encode(errors="surrogatepass")) <= 32:
        assert payloads.request_guild_members(1, nonce=nonce)["nonce"] == nonce
    else:
        with pytest.raises(ValueError, match="nonce must be 32 bytes"):
            payloads.request_guild_members(1, nonce=nonce)


@given(st.one_of(st.integers(max_value=-1), st.integers(min_value=2**64, max_value=10**30)))
def test_a_number_that_is_no_snowflake_is_refused_with_its_value(value: int) -> None:
    for wrong in (value, str(value)):
        with pytest.raises(ValueError, match=f"channel_id .*{value}"):
            payloads.snowflake(wrong, "channel_id")


@given(st.integers(0, 2**64 - 1))
def test_a_snowflake_is_its_digits(value: int) -> None:
    assert payloads.snowflake(value, "x") == payloads.snowflake(str(value), "x") == str(value)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: payloads.presence_update(status="away"), ValueError, "status"),
    (lambda: payloads.presence_update(status=None), ValueError, "status"),  # type: ignore[arg-type]
    (lambda: payloads.presence_update(status="idle", afk=1), TypeError, "afk"),  # type: ignore[arg-type]
    (lambda: payloads.presence_update(status="idle", since="now"), TypeError, "since"),  # type: ignore[arg-type]
    (lambda: payloads.presence_update(status="idle", since=-1), ValueError, "since"),
    (lambda: payloads.presence_update(status="idle", game={"name": "x", "type": 0}, activities=[]), ValueError, "game"),
    (lambda: payloads.presence_update(status="idle", game={"type": 0}), TypeError, "^game "),
    (lambda: payloads.presence_update(status="idle", activities="x"), TypeError, "activities"),  # type: ignore[arg-type]
    (lambda: payloads.presence_update(status="idle", activities={"name": "x"}), TypeError, "activities"),  # type: ignore[dict-item]
    (lambda: payloads.presence_update(status="idle", activities=[{"name": 1}]), TypeError, "activities"),
    (lambda: payloads.presence_update(status="idle", activities=[{"name": "x", "type": "0"}]), TypeError, "type"),
    (lambda: payloads.presence_update(status="idle", activities=[{"name": "x", "type": None}]), TypeError, "type"),
    (lambda: payloads.presence_update(status="idle", game={"name": "x", "type": True}), TypeError, "^game .*type"),
    (lambda: payloads.presence_update(status="idle", game={"name": "x"}), TypeError, "^game .*type .*0 playing"),
    (lambda: payloads.presence_update(status="idle", activities=[{"name": "x"}]), TypeError, "^activities .*type"),
    (lambda: payloads.presence_update(status="idle", game={"name": "x", "type": -1}), ValueError, "^game .*-1"),
    (lambda: payloads.presence_update(status="idle", game={"name": "x", "type": 6}), ValueError, "^game .*0 to 5 .*6"),
    (lambda: payloads.check_presence({"activities": [{"name": "x"}]}), TypeError, "^presence: activities .*type"),
    (lambda: payloads.check_presence({"activities": [{"type": 0}]}), TypeError, "^presence: activities .*name"),
    (lambda: payloads.check_presence({"game": {"name": "x", "type": 9}}), ValueError, "^presence: game .*9"),
    (lambda: payloads.presence_update(status="idle", game="chess"), TypeError, "^game .*'chess'"),  # type: ignore[arg-type]
    (lambda: payloads.check_presence({"status": "away"}), ValueError, "^presence: status .*'away'"),
    (lambda: payloads.check_presence({"afk": None}), TypeError, "^presence: afk .*None"),
    (lambda: payloads.check_presence("online"), TypeError, "presence"),
    (lambda: payloads.check_presence({"state": "online"}), ValueError, "'state'"),
    (lambda: payloads.voice_state_update("x", 1), ValueError, "guild_id"),
    (lambda: payloads.voice_state_update(1, 1.5), TypeError, "channel_id"),  # type: ignore[arg-type]
    (lambda: payloads.voice_state_update(1, 1, self_mute=1), TypeError, "self_mute"),  # type: ignore[arg-type]
    (lambda: payloads.voice_state_update(1, 1, self_deaf="no"), TypeError, "self_deaf"),  # type: ignore[arg-type]
    (lambda: payloads.request_guild_members(-1), ValueError, "guild_id"),
    (lambda: payloads.request_guild_members(2**64), ValueError, "guild_id"),
    (lambda: payloads.request_guild_members("\N{ARABIC-INDIC DIGIT ONE}"), ValueError, "guild_id"),
    (lambda: payloads.request_guild_members(True), TypeError, "guild_id"),
    (lambda: payloads.request_guild_members("9" * 5000), ValueError, "guild_id"),
    (lambda: payloads.request_guild_members(1, query=5), TypeError, "query"),  # type: ignore[arg-type]
    (lambda: payloads.request_guild_members(1, query="a", user_ids=[1]), ValueError, "query and user_ids"),
    (lambda: payloads.request_guild_members(1, limit=-1), ValueError, "limit"),
    (lambda: payloads.request_guild_members(1, limit="1"), TypeError, "limit"),  # type: ignore[arg-type]
    (lambda: payloads.request_guild_members(1, user_ids=[]), ValueError, "user_ids must hold at least one id"),
    (lambda: payloads.guild_member_requests(1, user_ids=[]), ValueError, "user_ids must hold at least one id"),
    (lambda: payloads.request_guild_members(1, user_ids=range(101)), ValueError, "101"),
    (lambda: payloads.request_guild_members(1, user_ids=5.5), TypeError, "user_ids"),  # type: ignore[arg-type]
    (lambda: payloads.request_guild_members(1, presences=1), TypeError, "presences"),  # type: ignore[arg-type]
    (lambda: payloads.request_guild_members(1, nonce="é" * 17), ValueError, "nonce"),
    (lambda: payloads.request_guild_members(1, nonce=[]), TypeError, "nonce"),  # type: ignore[arg-type]
    (lambda: payloads.guild_member_requests(1, user_ids=[]), ValueError, "user_ids"),
    (lambda: payloads.guild_member_requests(1, user_ids=[1, "x"]), ValueError, "user_ids"),
    (lambda: payloads.guild_member_requests(1, user_ids=5.5), TypeError, "user_ids"),  # type: ignore[arg-type]
    (lambda: payloads.guild_member_requests(1, query="a", user_ids=[1]), ValueError, "query and user_ids"),
    (lambda: payloads.request_soundboard_sounds([]), ValueError, "guild_ids"),
    (lambda: payloads.request_soundboard_sounds("12"), TypeError, "guild_ids"),
    (lambda: payloads.request_channel_info(1, []), ValueError, "fields"),
    (lambda: payloads.request_channel_info(1, [""]), TypeError, "fields .*''"),
    (lambda: payloads.request_channel_info(1, [["status"]]), TypeError, r"fields .*\['status'\]"),  # type: ignore[list-item]
    (lambda: payloads.request_channel_info(1, None), TypeError, "fields"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "error", "name"), REFUSED)
def test_bad_input_is_refused_by_name(call: Callable[[], Any], error: type[Exception], name: str) -> None:
    with pytest.raises(error, match=name):
        call()
