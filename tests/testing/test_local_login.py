"""The handshake, IDENTIFY, READY, heartbeats, and the limits of the local gateway."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from foreign_client import EVERY_INTENT, PROPERTIES, OpenClient

from vox_gateway.testing import LocalGateway, guild


def test_hello_is_first_and_has_the_interval_in_milliseconds(open_client: OpenClient) -> None:
    with LocalGateway(heartbeat_interval=41.25) as gateway:
        client = open_client(gateway, hello=False)
        assert client.recv() == {"t": None, "s": None, "op": 10, "d": {"heartbeat_interval": 41250}}


def test_ready_has_the_user_and_the_resume_url(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.identify(shard=[0, 1])
    ready = client.recv()
    assert (ready["op"], ready["t"], ready["s"]) == (0, "READY", 1)
    data = ready["d"]
    assert data["v"] == 10
    assert data["user"]["bot"] is True
    # GATEWAY_PRESENCE_LIMITED, GATEWAY_GUILD_MEMBERS_LIMITED, GATEWAY_MESSAGE_CONTENT_LIMITED
    flags = 1 << 13 | 1 << 15 | 1 << 19
    assert data["application"] == {"id": data["user"]["id"], "flags": flags, "flags_new": str(flags)}
    assert data["resume_gateway_url"] == gateway.url
    assert data["session_id"] == gateway.sessions[0].id
    assert data["shard"] == [0, 1]
    assert data["guilds"] == [{"id": guild["id"], "unavailable": True} for guild in gateway.guilds]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("/resume?x=1", "{url}/resume?x=1"),
        ("wss://elsewhere.invalid", "wss://elsewhere.invalid"),
    ],
)
def test_the_resume_url_can_be_set(open_client: OpenClient, given: str, told: str) -> None:
    with LocalGateway(resume_url=given) as gateway:
        ready = open_client(gateway).login()
        assert ready["d"]["resume_gateway_url"] == told.format(url=gateway.url)


def test_ready_has_no_shard_when_identify_had_none(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.identify()
    assert "shard" not in client.recv()["d"]


def test_each_guild_is_created_after_ready(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.identify()
    client.recv()
    creates = [client.recv(), client.recv()]
    assert [create["t"] for create in creates] == ["GUILD_CREATE", "GUILD_CREATE"]
    assert [create["s"] for create in creates] == [2, 3]
    assert [create["d"]["name"] for create in creates] == ["Engine room", "Library"]
    assert all("status" not in member for create in creates for member in create["d"]["members"])


def test_without_the_guilds_intent_no_guild_is_created(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.identify(intents=0)
    client.recv()
    client.send(1, 1)
    assert client.recv()["op"] == 11


def test_without_the_presences_intent_guild_create_lists_only_the_bot(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.identify(intents=1)
    create = client.recv_until("GUILD_CREATE")["d"]
    assert [member["user"]["username"] for member in create["members"]] == ["vox"]
    assert create["member_count"] == 4
    assert create["presences"] == []


def test_guild_create_of_a_large_guild_omits_offline_members(open_client: OpenClient) -> None:
    from vox_gateway.testing import member, user

    members = [member(user(1000 + index, f"user{index}"), status="offline") for index in range(60)]
    with LocalGateway(guilds=[guild(1 << 22, members=members)]) as gateway:
        client = open_client(gateway)
        client.identify(large_threshold=50)
        create = client.recv_until("GUILD_CREATE")["d"]
    assert create["large"] is True
    assert create["member_count"] == 61
    assert [member["user"]["username"] for member in create["members"]] == ["vox"]


def test_the_data_of_a_guild_create_makes_a_guild(open_client: OpenClient) -> None:
    given = {
        "id": 1 << 22,
        "members": [{"user": {"id": "5", "username": "eve"}, "roles": []}],
        "channels": [{"id": 6, "type": 2, "name": "Lounge"}, {"id": "7"}],
    }
    with LocalGateway(guilds=[given], bot={"id": 8}) as gateway:
        client = open_client(gateway)
        client.identify()
        create = client.recv_until("GUILD_CREATE")["d"]
        assert [member["user"]["id"] for member in create["members"]] == ["5", "8"]
        assert [(channel["id"], channel["type"]) for channel in create["channels"]] == [("6", 2), ("7", 0)]
        client.send(8, {"guild_id": create["id"], "query": "ev", "limit": 0})
        chunk = client.recv_until("GUILD_MEMBERS_CHUNK")["d"]
        assert [member["user"]["username"] for member in chunk["members"]] == ["eve"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"guilds": [{"name": "nameless"}]}, "invalid guilds: no id in"),
        ({"guilds": [{"id": "abc"}]}, "invalid guilds: the id of a guild is 'abc', expected a snowflake"),
        ({"guilds": [{"id": 1, "members": [{"nick": "eve"}]}]}, "invalid guilds: no id in"),
        ({"guilds": [{"id": 1, "channels": [{"name": "general"}]}]}, "invalid guilds: no id in"),
        ({"bot": {"username": "vox"}}, "invalid bot: no id in"),
    ],
)
def test_a_guild_or_bot_without_an_id_is_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        LocalGateway(**options)


def test_heartbeats_are_acknowledged_before_and_after_identify(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.send(1, None)
    assert client.recv() == {"t": None, "s": None, "op": 11, "d": None}
    client.login()
    client.send(1, client.seq)
    assert client.recv()["op"] == 11


def test_json_in_binary_frames_is_accepted(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.websocket.send(b'{"op":1,"d":null}')
    assert client.recv()["op"] == 11


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("encoding=json", 4012),
        ("v=&encoding=json", 4012),
        ("v=5&encoding=json", 4012),
        ("version=10&encoding=json", 4012),
        ("v=10&encoding=xml", 4002),
        ("v=10&encoding=json&compress=", 4002),
        ("v=10&encoding=json&compress=lzw", 4002),
    ],
)
def test_an_invalid_url_closes_the_connection(
    gateway: LocalGateway, open_client: OpenClient, query: str, code: int
) -> None:
    assert open_client(gateway, query, hello=False).closed()[0] == code


@pytest.mark.parametrize(("query", "version"), [("v=9", 9), ("v=10", 10)])
def test_json_is_the_default_encoding(gateway: LocalGateway, open_client: OpenClient, query: str, version: int) -> None:
    assert open_client(gateway, query).login()["d"]["v"] == version


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"token": ...}, 4002),
        ({"token": 5}, 4002),
        ({"token": "wrong"}, 4004),
        ({"properties": ...}, 4002),
        ({"properties": {"os": "linux"}}, 4002),
        ({"intents": ...}, 4002),
        ({"intents": "1"}, 4013),
        ({"intents": True}, 4013),
        ({"intents": -1}, 4013),
        ({"intents": 1 << 19}, 4013),
        ({"intents": 1 << 8}, 4014),
        ({"intents": EVERY_INTENT}, 4014),
        ({"shard": [1, 1]}, 4010),
        ({"shard": [0, 0]}, 4010),
        ({"shard": [-1, 2]}, 4010),
        ({"shard": ["0", "1"]}, 4010),
        ({"shard": 0}, 4010),
        ({"large_threshold": 49}, 4002),
        ({"large_threshold": 251}, 4002),
        ({"large_threshold": "50"}, 4002),
        ({"compress": 1}, 4002),
        ({"presence": []}, 4002),
        ({"presence": {"status": "busy"}}, 4002),
        ({"presence": {"status": "online", "activities": {}}}, 4002),
    ],
)
def test_an_invalid_identify_closes_the_connection(open_client: OpenClient, fields: dict[str, Any], code: int) -> None:
    with LocalGateway(token="secret", allowed_intents=1 << 1) as gateway:
        client = open_client(gateway)
        client.identify(**{"intents": 513, **fields})
        assert client.closed()[0] == code
        assert gateway.sessions == ()


def test_an_identify_that_is_not_an_object_closes_the_connection(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.send(2, "token")
    assert client.closed()[0] == 4002


def test_a_complete_identify_is_accepted(open_client: OpenClient) -> None:
    with LocalGateway(token="secret", allowed_intents=1 << 1) as gateway:
        client = open_client(gateway)
        presence = {"since": None, "activities": [{"name": "Go", "type": 0}], "status": "dnd", "afk": False}
        client.login(intents=3, shard=[0, 1], large_threshold=250, compress=False, presence=presence)
        assert gateway.sessions[0].presence == presence


def test_the_old_property_names_are_accepted(gateway: LocalGateway, open_client: OpenClient) -> None:
    open_client(gateway).login(properties={f"${key}": value for key, value in PROPERTIES.items()})


@pytest.mark.parametrize("op", [3, 4, 8, 31, 43])
def test_a_command_before_identify_closes_the_connection(
    gateway: LocalGateway, open_client: OpenClient, op: int
) -> None:
    client = open_client(gateway)
    client.send(op, {})
    assert client.closed()[0] == 4003


@pytest.mark.parametrize("op", [0, 5, 7, 9, 10, 11, 12, 99, -1])
def test_a_server_opcode_closes_the_connection(gateway: LocalGateway, open_client: OpenClient, op: int) -> None:
    client = open_client(gateway)
    client.send(op, None)
    assert client.closed()[0] == 4001


@pytest.mark.parametrize("message", ["{", "[1]", "null", '{"d":1}', '{"op":"1"}', '{"op":true}', b"\xff\xff"])
def test_an_invalid_payload_closes_the_connection(
    gateway: LocalGateway, open_client: OpenClient, message: str | bytes
) -> None:
    client = open_client(gateway)
    client.websocket.send(message)
    assert client.closed()[0] == 4002
    assert gateway.expect_close().sent_code == 4002


@pytest.mark.parametrize("again", ["identify", "resume"])
def test_a_second_identify_closes_the_connection(gateway: LocalGateway, open_client: OpenClient, again: str) -> None:
    client = open_client(gateway)
    client.login()
    if again == "identify":
        client.identify()
    else:
        client.resume(client)
    assert client.closed()[0] == 4005


def test_a_heartbeat_with_text_closes_the_connection(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.send(1, "5")
    assert client.closed()[0] == 4002


def test_a_payload_over_4096_bytes_closes_the_connection(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    beat = '{"op":1,"d":null}'
    client.websocket.send(beat + " " * (4096 - len(beat)))
    assert client.recv()["op"] == 11
    client.websocket.send(beat + " " * (4097 - len(beat)))
    assert client.closed()[0] == 4002


def test_the_121st_payload_in_a_minute_closes_the_connection(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    for _ in range(120):
        client.send(1, None)
        assert client.recv()["op"] == 11
    client.send(1, None)
    assert client.closed()[0] == 4008


def test_heartbeats_at_short_intervals_do_not_count_towards_the_rate_limit(open_client: OpenClient) -> None:
    with LocalGateway(heartbeat_interval=0.05) as gateway:
        client = open_client(gateway)
        for _ in range(150):
            client.send(1, None)
            assert client.recv()["op"] == 11


def test_a_client_without_heartbeats_is_closed_and_may_resume(open_client: OpenClient) -> None:
    with LocalGateway(heartbeat_interval=0.05, heartbeat_timeout=1.0) as gateway:
        client = open_client(gateway)
        client.login()
        assert client.closed() == (4000, "Heartbeat timeout.")
        again = open_client(gateway)
        again.resume(client)
        assert again.recv()["t"] == "RESUMED"


def test_a_client_with_heartbeats_stays_connected(open_client: OpenClient) -> None:
    with LocalGateway(heartbeat_interval=0.05, heartbeat_timeout=2.0) as gateway:
        client = open_client(gateway)
        client.login()
        beats = 0
        while gateway.connections[0].opened_at + 2.5 > gateway.received[-1].at:
            client.send(1, client.seq)
            assert client.recv()["op"] == 11
            gateway.expect("HEARTBEAT")
            beats += 1
        assert beats > 1


def test_an_identify_over_max_concurrency_is_answered_with_op_9(open_client: OpenClient) -> None:
    with LocalGateway(max_concurrency=2, identify_interval=60) as gateway:
        open_client(gateway).login(shard=[0, 4])
        open_client(gateway).login(shard=[1, 4])
        late = open_client(gateway)
        late.identify(shard=[2, 4])
        assert late.recv() == {"t": None, "s": None, "op": 9, "d": False}
        assert len(gateway.sessions) == 2


def test_a_resume_does_not_count_towards_max_concurrency(open_client: OpenClient) -> None:
    with LocalGateway(identify_interval=60) as gateway:
        client = open_client(gateway)
        client.login()
        for _ in range(3):
            gateway.drop()
            again = open_client(gateway)
            again.resume(client)
            assert again.recv()["t"] == "RESUMED"
            client.seq = again.seq


def test_after_the_interval_the_same_connection_may_identify(open_client: OpenClient) -> None:
    with LocalGateway(identify_interval=0.2, rate_limit=10**6, session_starts=10**6) as gateway:
        open_client(gateway).login()
        late = open_client(gateway)
        late.identify()
        reply = late.recv()
        while reply["op"] == 9:
            late.identify()
            reply = late.recv()
        assert reply["t"] == "READY"


def test_only_identify_uses_session_starts(open_client: OpenClient) -> None:
    with LocalGateway(session_starts=2, identify_interval=0) as gateway:
        client = open_client(gateway)
        client.login()
        assert gateway.session_starts_remaining == 1
        gateway.drop()
        again = open_client(gateway)
        again.resume(client)
        again.recv_until("RESUMED")
        assert gateway.session_starts_remaining == 1
        open_client(gateway).login()
        refused = open_client(gateway)
        refused.identify()
        assert refused.closed()[0] == 4004


def test_too_many_guilds_on_one_shard_need_sharding(open_client: OpenClient) -> None:
    guilds = [guild(index << 22) for index in range(1, 5)]
    with LocalGateway(guilds=guilds, max_guilds_per_shard=2, identify_interval=0) as gateway:
        refused = open_client(gateway)
        refused.identify()
        assert refused.closed()[0] == 4011
        ready = open_client(gateway).login(shard=[1, 2])
        assert [guild["id"] for guild in ready["d"]["guilds"]] == [str(1 << 22), str(3 << 22)]


def test_a_large_bot_needs_a_multiple_of_its_shards(open_client: OpenClient) -> None:
    with LocalGateway(shard_multiple=4, identify_interval=0) as gateway:
        refused = open_client(gateway)
        refused.identify(shard=[0, 6])
        assert refused.closed()[0] == 4010
        open_client(gateway).login(shard=[0, 8])


def test_records_do_not_show_the_token(gateway: LocalGateway, open_client: OpenClient) -> None:
    open_client(gateway).login(token="very-secret")
    identify = gateway.expect("IDENTIFY")
    assert identify.data["token"] == "very-secret"
    assert "very-secret" not in f"{identify!r} {identify} {gateway!r} {gateway.sessions!r} {gateway.connections!r}"
    with pytest.raises(AssertionError) as failure:
        gateway.expect("RESUME", timeout=0.01)
    assert "very-secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("allowed", "count", "flags"),
    [
        (None, 1, 1 << 13 | 1 << 15 | 1 << 19),
        (None, 100, 1 << 12 | 1 << 14 | 1 << 18),
        (0, 1, 0),
        (1 << 1 | 1 << 0, 1, 1 << 15),
        (1 << 8, 100, 1 << 12),
        (1 << 15, 1, 1 << 19),
    ],
)
def test_application_flags_show_the_privileged_intents(
    open_client: OpenClient, allowed: int | None, count: int, flags: int
) -> None:
    guilds = [guild(index << 22) for index in range(1, count + 1)]
    with LocalGateway(allowed_intents=allowed, guilds=guilds) as gateway:
        request = urllib.request.Request(
            f"{gateway.http_url}/api/v10/applications/@me", headers={"Authorization": "Bot x"}
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["flags"] == flags
        assert open_client(gateway).login(intents=0)["d"]["application"]["flags"] == flags


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid token='': expected a token"):
        LocalGateway(token="")
