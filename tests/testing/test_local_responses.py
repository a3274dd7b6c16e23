"""The local gateway's responses to commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from foreign_client import EVERY_INTENT, OpenClient

from vox_gateway.testing import LocalGateway, channel, guild, member, user

GUILD_ID = "1200000000004194304"
TEXT_CHANNEL_ID = "1200000000000000011"
VOICE_CHANNEL_ID = "1200000000000000012"
BOT_ID = "1100000000000000001"
GUILD_MEMBERS, GUILD_PRESENCES = 1 << 1, 1 << 8

PRESENCE = {"since": None, "activities": [{"name": "Go", "type": 0}], "status": "idle", "afk": True}
VOICE = {"guild_id": GUILD_ID, "channel_id": VOICE_CHANNEL_ID, "self_mute": False, "self_deaf": True}


def test_a_presence_is_recorded_and_sent_for_every_guild(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    client.send(3, PRESENCE)
    updates = [client.recv() for _ in gateway.guilds]
    assert {update["t"] for update in updates} == {"PRESENCE_UPDATE"}
    assert [update["d"]["guild_id"] for update in updates] == [guild["id"] for guild in gateway.guilds]
    assert updates[0]["d"]["user"] == {"id": BOT_ID}
    assert (updates[0]["d"]["status"], updates[0]["d"]["activities"]) == ("idle", PRESENCE["activities"])
    assert gateway.sessions[0].presence == PRESENCE
    assert gateway.expect("PRESENCE_UPDATE").data == PRESENCE


def test_an_invisible_bot_looks_offline(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    client.send(3, {**PRESENCE, "status": "invisible"})
    assert client.recv_until("PRESENCE_UPDATE")["d"]["status"] == "offline"


def test_without_the_presences_intent_no_presence_is_sent(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login(intents=1)
    client.send(3, PRESENCE)
    client.send(1, None)
    assert client.recv()["op"] == 11


def without(fields: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != key}


@pytest.mark.parametrize(
    ("op", "data"),
    [
        (3, "online"),
        *[(3, without(PRESENCE, key)) for key in PRESENCE],
        (3, {**PRESENCE, "since": "now"}),
        (3, {**PRESENCE, "activities": None}),
        (3, {**PRESENCE, "activities": [{"name": "Go"}]}),
        (3, {**PRESENCE, "activities": [{"type": 0}]}),
        (3, {**PRESENCE, "status": "busy"}),
        (3, {**PRESENCE, "afk": 0}),
        *[(4, without(VOICE, key)) for key in VOICE],
        (4, {**VOICE, "self_mute": None}),
        (4, {**VOICE, "guild_id": "guild"}),
        (8, {"guild_id": GUILD_ID}),
        (8, {"query": "", "limit": 0}),
        (8, {"guild_id": GUILD_ID, "query": ""}),
        (8, {"guild_id": GUILD_ID, "query": 5, "limit": 0}),
        (8, {"guild_id": GUILD_ID, "query": "", "limit": -1}),
        (8, {"guild_id": GUILD_ID, "query": "", "limit": 0, "user_ids": ["1"]}),
        (8, {"guild_id": GUILD_ID, "query": "", "limit": 0, "presences": "yes"}),
        (8, {"guild_id": GUILD_ID, "user_ids": ["ada"]}),
        (8, {"guild_id": [GUILD_ID], "user_ids": ["1"]}),
        (31, {}),
        (31, {"guild_ids": GUILD_ID}),
        (43, {"guild_id": GUILD_ID}),
        (43, {"guild_id": GUILD_ID, "fields": [5]}),
        (43, {"fields": ["status"]}),
    ],
)
def test_an_invalid_command_closes_the_connection(
    gateway: LocalGateway, open_client: OpenClient, op: int, data: Any
) -> None:
    client = open_client(gateway)
    client.login()
    client.send(op, data)
    assert client.closed()[0] == 4002


def test_joining_and_leaving_voice(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    client.send(4, VOICE)
    state, server = client.recv(), client.recv()
    assert state["t"] == "VOICE_STATE_UPDATE"
    assert state["d"] | VOICE == state["d"]
    assert state["d"]["user_id"] == state["d"]["member"]["user"]["id"] == BOT_ID
    assert state["d"]["session_id"] == client.session_id
    assert server["t"] == "VOICE_SERVER_UPDATE"
    assert set(server["d"]) == {"token", "guild_id", "endpoint"}

    client.send(4, {**VOICE, "self_mute": True})
    muted = client.recv()
    assert (muted["t"], muted["d"]["self_mute"]) == ("VOICE_STATE_UPDATE", True)

    client.send(4, {**VOICE, "channel_id": None})
    left = client.recv()
    assert (left["t"], left["d"]["channel_id"]) == ("VOICE_STATE_UPDATE", None)
    client.send(1, None)
    assert client.recv()["op"] == 11


def test_guild_create_lists_voice_states(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    client.send(4, VOICE)
    client.recv_until("VOICE_SERVER_UPDATE")
    late = open_client(gateway)
    late.identify()
    create = late.recv_until("GUILD_CREATE")["d"]
    assert [state["user_id"] for state in create["voice_states"]] == [BOT_ID]


@pytest.mark.parametrize("fields", [{"channel_id": TEXT_CHANNEL_ID}, {"channel_id": "5"}, {"guild_id": "5"}])
def test_joining_a_text_channel_is_not_answered(
    gateway: LocalGateway, open_client: OpenClient, fields: dict[str, Any]
) -> None:
    client = open_client(gateway)
    client.login()
    client.send(4, {**VOICE, **fields})
    client.send(1, None)
    assert client.recv()["op"] == 11


def test_answers_can_be_withheld_and_members_refused(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    gateway.faults.withhold("VOICE_SERVER_UPDATE")
    client.send(4, VOICE)
    gateway.faults.limit_members(7.5)
    for nonce in ("a", "b"):
        client.send(8, {"guild_id": GUILD_ID, "user_ids": ["5"], "nonce": nonce})
    assert client.recv()["t"] == "VOICE_STATE_UPDATE"
    limited = {"opcode": 8, "retry_after": 7.5, "meta": {"guild_id": GUILD_ID, "nonce": "a"}}
    assert client.recv() | {"s": 0} == {"op": 0, "t": "RATE_LIMITED", "s": 0, "d": limited}
    assert client.recv()["d"]["nonce"] == "b"
    gateway.dispatch("VOICE_SERVER_UPDATE", {"guild_id": GUILD_ID})
    assert client.recv()["t"] == "VOICE_SERVER_UPDATE"


@pytest.fixture
def large_gateway() -> Iterator[LocalGateway]:
    """A gateway with one guild of 2,500 members and the bot."""
    members = [
        member(
            user(10_000 + index, f"user{index}"),
            nick="Zed" if index == 7 else None,
            status="offline" if index % 2 else "online",
        )
        for index in range(2500)
    ]
    with LocalGateway(guilds=[guild(GUILD_ID, members=members)], identify_interval=0) as gateway:
        yield gateway


def test_all_members_arrive_in_chunks_of_1000(large_gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(large_gateway)
    client.login()
    client.send(8, {"guild_id": GUILD_ID, "query": "", "limit": 0, "nonce": "n" * 32})
    chunks = [client.recv() for _ in range(3)]
    assert {chunk["t"] for chunk in chunks} == {"GUILD_MEMBERS_CHUNK"}
    data = [chunk["d"] for chunk in chunks]
    assert [len(chunk["members"]) for chunk in data] == [1000, 1000, 501]
    assert [(chunk["chunk_index"], chunk["chunk_count"], chunk["nonce"]) for chunk in data] == [
        (index, 3, "n" * 32) for index in range(3)
    ]
    assert len({member["user"]["id"] for chunk in data for member in chunk["members"]}) == 2501
    assert all("presences" not in chunk and "not_found" not in chunk for chunk in data)


def test_a_second_request_for_all_members_is_rate_limited(large_gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(large_gateway)
    client.login()
    for nonce in ("first", "second"):
        client.send(8, {"guild_id": GUILD_ID, "query": "", "limit": 0, "nonce": nonce})
    limited = client.recv_until("RATE_LIMITED")["d"]
    assert limited["opcode"] == 8
    assert 29 < limited["retry_after"] <= 30
    assert limited["meta"] == {"guild_id": GUILD_ID, "nonce": "second"}


def test_all_members_may_be_requested_again_after_the_interval(open_client: OpenClient) -> None:
    with LocalGateway(member_request_interval=0.0) as gateway:
        client = open_client(gateway)
        client.login()
        for _ in range(3):
            client.send(8, {"guild_id": GUILD_ID, "query": "", "limit": 0})
            assert client.recv()["t"] == "GUILD_MEMBERS_CHUNK"


def test_without_the_members_intent_all_members_are_never_sent(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login(intents=EVERY_INTENT & ~GUILD_MEMBERS)
    client.send(8, {"guild_id": GUILD_ID, "query": "", "limit": 0})
    client.send(8, {"guild_id": GUILD_ID, "query": "", "limit": 2})
    client.send(8, {"guild_id": "5", "query": "ada", "limit": 1})
    client.send(8, {"guild_id": GUILD_ID, "query": "ada", "limit": 1})
    assert [member["user"]["username"] for member in client.recv()["d"]["members"]] == ["ada"]


@pytest.mark.parametrize(
    ("query", "limit", "count"),
    [
        ("USER1", 0, 100),
        ("user1", 5, 5),
        ("user1", 500, 100),
        ("user24", 0, 100),
        ("user249", 0, 11),
        ("ze", 3, 1),
        ("nobody", 5, 0),
        ("", 7, 7),
    ],
)
def test_a_query_matches_the_start_of_names(
    large_gateway: LocalGateway, open_client: OpenClient, query: str, limit: int, count: int
) -> None:
    client = open_client(large_gateway)
    client.login()
    client.send(8, {"guild_id": GUILD_ID, "query": query, "limit": limit})
    chunk = client.recv()["d"]
    assert (len(chunk["members"]), chunk["chunk_index"], chunk["chunk_count"]) == (count, 0, 1)
    assert "nonce" not in chunk


def test_user_ids_are_found_or_listed_as_not_found(large_gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(large_gateway)
    client.login()
    client.send(8, {"guild_id": GUILD_ID, "user_ids": ["77", "10000", 10001], "presences": True})
    chunk = client.recv()["d"]
    assert [member["user"]["id"] for member in chunk["members"]] == ["10000", "10001"]
    assert chunk["not_found"] == ["77"]
    assert [presence["user"]["id"] for presence in chunk["presences"]] == ["10000"]


def test_at_most_100_user_ids_are_looked_up(large_gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(large_gateway)
    client.login()
    client.send(8, {"guild_id": GUILD_ID, "user_ids": [str(10_000 + index) for index in range(150)]})
    assert len(client.recv()["d"]["members"]) == 100


def test_one_user_id_needs_no_list(large_gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(large_gateway)
    client.login()
    client.send(8, {"guild_id": GUILD_ID, "user_ids": "10005"})
    assert [member["user"]["id"] for member in client.recv()["d"]["members"]] == ["10005"]


def test_presences_need_their_intent(large_gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(large_gateway)
    client.login(intents=EVERY_INTENT & ~GUILD_PRESENCES)
    client.send(8, {"guild_id": GUILD_ID, "user_ids": ["10000"], "presences": True})
    assert "presences" not in client.recv()["d"]


@pytest.mark.parametrize("nonce", ["n" * 33, "🦆" * 9, 5])
def test_a_bad_nonce_is_ignored(gateway: LocalGateway, open_client: OpenClient, nonce: object) -> None:
    client = open_client(gateway)
    client.login()
    client.send(8, {"guild_id": GUILD_ID, "user_ids": [BOT_ID], "nonce": nonce})
    assert "nonce" not in client.recv()["d"]


def test_soundboard_sounds_are_sent_for_each_known_guild(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    library = gateway.guilds[1]["id"]
    client.send(31, {"guild_ids": [GUILD_ID, "5", library]})
    first, second = client.recv(), client.recv()
    assert first["t"] == second["t"] == "SOUNDBOARD_SOUNDS"
    assert first["d"]["guild_id"] == GUILD_ID
    assert [sound["name"] for sound in first["d"]["soundboard_sounds"]] == ["quack"]
    assert first["d"]["soundboard_sounds"][0]["guild_id"] == GUILD_ID
    assert second["d"] == {"guild_id": library, "soundboard_sounds": []}


def test_channel_info_has_the_requested_fields(open_client: OpenClient) -> None:
    channels = [
        channel(11, "text"),
        channel(12, "voice", 2, status="Raining", voice_start_time=1700000000),
        channel(13, "stage", 13),
    ]
    with LocalGateway(guilds=[guild(GUILD_ID, channels=channels)]) as gateway:
        client = open_client(gateway)
        client.identify()
        create = client.recv_until("GUILD_CREATE")["d"]
        assert all("voice_start_time" not in channel for channel in create["channels"])
        client.send(43, {"guild_id": GUILD_ID, "fields": ["status", "voice_start_time"]})
        info = client.recv()
        assert info["t"] == "CHANNEL_INFO"
        assert info["d"] == {
            "guild_id": GUILD_ID,
            "channels": [
                {"id": "12", "status": "Raining", "voice_start_time": 1700000000},
                {"id": "13", "status": None, "voice_start_time": None},
            ],
        }
        client.send(43, {"guild_id": GUILD_ID, "fields": ["status"]})
        assert client.recv()["d"]["channels"][0] == {"id": "12", "status": "Raining"}
        client.send(43, {"guild_id": "5", "fields": ["status", "of_tomorrow"]})
        client.send(1, None)
        assert client.recv()["op"] == 11


def test_responses_go_to_the_requesting_session(gateway: LocalGateway, open_client: OpenClient) -> None:
    asking, other = open_client(gateway), open_client(gateway)
    asking.login()
    other.login()
    asking.send(31, {"guild_ids": [GUILD_ID]})
    assert asking.recv()["t"] == "SOUNDBOARD_SOUNDS"
    asking.send(4, VOICE)
    assert [asking.recv()["t"] for _ in range(2)] == ["VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE"]
    assert other.recv()["t"] == "VOICE_STATE_UPDATE"
    other.send(1, None)
    assert other.recv()["op"] == 11
