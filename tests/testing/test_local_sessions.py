"""The local gateway's dispatch of events to sessions, and resumes."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from foreign_client import EVERY_INTENT, OpenClient

from vox_gateway.testing import LocalGateway, guild

GUILD_ID = "1200000000004194304"
BOT = {"id": "1100000000000000001", "username": "vox"}
ADA = {"id": "1100000000000000002", "username": "ada"}


def message(**fields: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "guild_id": GUILD_ID,
        "content": "hello",
        "embeds": [{}],
        "attachments": [{}],
        "components": [{}],
        "author": ADA,
        "mentions": [],
        **fields,
    }


def test_an_event_reaches_the_client_with_the_next_sequence_number(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.dispatch("MESSAGE_CREATE", message()) == 1
    assert client.recv() == {"t": "MESSAGE_CREATE", "s": 4, "op": 0, "d": message()}


def test_sequence_numbers_belong_to_the_session(gateway: LocalGateway, open_client: OpenClient) -> None:
    first, second = open_client(gateway), open_client(gateway)
    first.login()
    gateway.dispatch("MESSAGE_CREATE", message())
    second.login(intents=0)
    assert gateway.dispatch("USER_UPDATE", BOT) == 2
    assert first.recv_until("USER_UPDATE")["s"] == 5
    assert second.recv_until("USER_UPDATE")["s"] == 2


@pytest.mark.parametrize("how", ["reset", "eof", "close"])
@pytest.mark.parametrize("compress", ["", "&compress=zlib-stream"])
def test_a_resume_replays_every_missed_event(
    gateway: LocalGateway, open_client: OpenClient, how: str, compress: str
) -> None:
    query = "v=10&encoding=json" + compress
    client = open_client(gateway, query)
    client.login()
    assert gateway.drop(how) == 1
    assert client.closed()[0] == (4000 if how == "close" else None)
    for index in range(100):
        assert gateway.dispatch("MESSAGE_CREATE", message(id=str(index))) == 1
    again = open_client(gateway, query)
    again.resume(client)
    replay = [again.recv() for _ in range(100)]
    assert [payload["d"]["id"] for payload in replay] == [str(index) for index in range(100)]
    assert [payload["s"] for payload in replay] == list(range(4, 104))
    resumed = again.recv()
    assert (resumed["t"], resumed["s"]) == ("RESUMED", 104)
    gateway.dispatch("MESSAGE_CREATE", message(id="live"))
    live = again.recv()
    assert (live["d"]["id"], live["s"]) == ("live", 105)
    assert gateway.expect("RESUME").data["seq"] == 3


def test_a_replay_sends_events_unchanged(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    gateway.drop()
    changing = message()
    gateway.dispatch("MESSAGE_CREATE", changing)
    changing["content"] = "changed later"
    again = open_client(gateway)
    again.resume(client)
    assert again.recv()["d"]["content"] == "hello"


def test_a_session_may_resume_from_any_sent_event(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    again = open_client(gateway)
    again.resume(client, seq=0)
    assert [again.recv()["t"] for _ in range(4)] == ["READY", "GUILD_CREATE", "GUILD_CREATE", "RESUMED"]


def test_a_resume_takes_the_session_from_an_open_connection(gateway: LocalGateway, open_client: OpenClient) -> None:
    client, again = open_client(gateway), open_client(gateway)
    client.login()
    again.resume(client)
    assert again.recv()["t"] == "RESUMED"
    assert client.closed()[0] == 4000
    gateway.expect_close()
    gateway.dispatch("MESSAGE_CREATE", message())
    assert again.recv()["t"] == "MESSAGE_CREATE"


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_close_with_1000_or_1001_ends_the_session(gateway: LocalGateway, open_client: OpenClient, code: int) -> None:
    client = open_client(gateway)
    client.login()
    client.close(code)
    closed = gateway.expect_close()
    assert (closed.code, closed.clean, closed.by, closed.sent_code) == (code, True, "client", code)
    assert gateway.sessions == ()
    again = open_client(gateway)
    again.resume(client)
    assert again.recv()["op"] == 9


def test_a_close_with_another_code_keeps_the_session(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    client.close(4000)
    assert gateway.expect_close().code == 4000
    assert [session.connected for session in gateway.sessions] == [False]
    again = open_client(gateway)
    again.resume(client)
    assert again.recv()["t"] == "RESUMED"


def test_a_lost_connection_keeps_the_session(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    client.websocket.socket.shutdown(2)
    closed = gateway.expect_close()
    assert (closed.code, closed.clean, closed.by) == (None, False, "client")
    assert len(gateway.sessions) == 1


def test_a_session_that_timed_out_is_not_listed(open_client: OpenClient) -> None:
    with LocalGateway(session_timeout=0.0) as gateway:
        open_client(gateway).login()
        assert len(gateway.sessions) == 1
        gateway.drop()
        assert gateway.sessions == ()


def test_a_closed_gateway_has_no_sessions(gateway: LocalGateway, open_client: OpenClient) -> None:
    open_client(gateway).login()
    gateway.close()
    assert gateway.sessions == ()


def test_an_unknown_session_is_invalid_and_the_connection_may_identify(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.send(6, {"token": "secret", "session_id": "nonsense", "seq": 1})
    assert client.recv() == {"t": None, "s": None, "op": 9, "d": False}
    client.login()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"seq": 1000}, 4007),
        ({"seq": -1}, 4007),
        ({"seq": None}, 4002),
        ({"seq": "3"}, 4002),
        ({"session_id": None}, 4002),
        ({"token": None}, 4002),
        ({"token": "another"}, 4004),
    ],
)
def test_an_invalid_resume_closes_the_connection(
    gateway: LocalGateway, open_client: OpenClient, fields: dict[str, Any], code: int
) -> None:
    client = open_client(gateway)
    client.login()
    gateway.drop()
    again = open_client(gateway)
    again.send(6, {"token": "secret", "session_id": client.session_id, "seq": 1, **fields})
    assert again.closed()[0] == code


def test_an_invalid_seq_ends_the_session(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    gateway.drop()
    open_client(gateway).resume(client, seq=1000)
    gateway.expect_close(where=lambda closed: closed.sent_code == 4007)
    assert gateway.sessions == ()


def test_a_session_is_invalid_after_its_resume_window(open_client: OpenClient) -> None:
    with LocalGateway(session_timeout=0.0) as gateway:
        client = open_client(gateway)
        client.login()
        gateway.drop()
        again = open_client(gateway)
        again.resume(client)
        assert again.recv()["op"] == 9


def test_a_session_that_needs_discarded_events_is_invalid(open_client: OpenClient) -> None:
    with LocalGateway(replay_limit=5, identify_interval=0) as gateway:
        client = open_client(gateway)
        client.login()
        gateway.drop()
        for _ in range(5):
            gateway.dispatch("MESSAGE_CREATE", message())
        again = open_client(gateway)
        again.resume(client)
        again.recv_until("RESUMED")
        gateway.drop()
        for _ in range(6):
            gateway.dispatch("MESSAGE_CREATE", message())
        late = open_client(gateway)
        late.resume(again)
        assert late.recv()["op"] == 9


def test_expired_sessions_are_closed_with_4009_and_cannot_resume(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.expire_sessions() == 1
    assert client.closed()[0] == 4009
    again = open_client(gateway)
    again.resume(client)
    assert again.recv()["op"] == 9


def test_op_9_true_keeps_the_session_and_false_ends_it(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.invalidate(resumable=True) == 1
    assert client.recv()["d"] is True
    client.close(4000)
    again = open_client(gateway)
    again.resume(client)
    assert again.recv()["t"] == "RESUMED"
    assert gateway.invalidate() == 1
    assert again.recv() == {"t": None, "s": None, "op": 9, "d": False}
    assert gateway.sessions == ()
    again.login()


def test_op_7_and_op_1_reach_the_client(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.reconnect() == 1
    assert client.recv() == {"t": None, "s": None, "op": 7, "d": None}
    assert gateway.request_heartbeat() == 1
    assert client.recv() == {"t": None, "s": None, "op": 1, "d": None}


def test_guild_events_go_to_their_shard_and_others_to_shard_0(gateway: LocalGateway, open_client: OpenClient) -> None:
    clients = [open_client(gateway) for _ in range(2)]
    for shard_id, client in enumerate(clients):
        ready = client.login(shard=[shard_id, 2])
        assert [int(guild["id"]) >> 22 & 1 for guild in ready["d"]["guilds"]] == [shard_id]
    odd, even = str(3 << 22), str(4 << 22)
    assert gateway.dispatch("CHANNEL_UPDATE", {"id": "5", "guild_id": odd}) == 1
    assert clients[1].recv()["d"]["guild_id"] == odd
    assert gateway.dispatch("GUILD_UPDATE", {"id": even}) == 1
    assert clients[0].recv()["d"]["id"] == even
    assert gateway.dispatch("MESSAGE_CREATE", {"content": "a direct message"}) == 1
    assert clients[0].recv()["t"] == "MESSAGE_CREATE"
    assert gateway.dispatch("GUILD_UPDATE", {"id": even}, shard=1) == 1
    assert clients[1].recv()["d"]["id"] == even
    assert gateway.drop(shard=1) == 1
    assert clients[1].closed() == (None, "")
    clients[0].send(1, None)
    assert clients[0].recv()["op"] == 11


@pytest.mark.parametrize(
    ("name", "data", "intent"),
    [
        ("GUILD_CREATE", {"id": GUILD_ID}, 1 << 0),
        ("CHANNEL_PINS_UPDATE", {"guild_id": GUILD_ID}, 1 << 0),
        ("CHANNEL_PINS_UPDATE", {}, 1 << 12),
        ("GUILD_MEMBER_ADD", {"guild_id": GUILD_ID, "user": ADA}, 1 << 1),
        ("GUILD_MEMBER_UPDATE", {"guild_id": GUILD_ID, "user": ADA}, 1 << 1),
        ("THREAD_MEMBERS_UPDATE", {"guild_id": GUILD_ID, "removed_member_ids": [BOT["id"]]}, 1 << 0),
        ("THREAD_MEMBERS_UPDATE", {"guild_id": GUILD_ID}, 1 << 1),
        ("GUILD_BAN_ADD", {"guild_id": GUILD_ID}, 1 << 2),
        ("GUILD_SOUNDBOARD_SOUND_CREATE", {"guild_id": GUILD_ID}, 1 << 3),
        ("INTEGRATION_CREATE", {"guild_id": GUILD_ID}, 1 << 4),
        ("WEBHOOKS_UPDATE", {"guild_id": GUILD_ID}, 1 << 5),
        ("INVITE_CREATE", {"guild_id": GUILD_ID}, 1 << 6),
        ("VOICE_STATE_UPDATE", {"guild_id": GUILD_ID}, 1 << 7),
        ("PRESENCE_UPDATE", {"guild_id": GUILD_ID}, 1 << 8),
        ("MESSAGE_CREATE", {"guild_id": GUILD_ID}, 1 << 9),
        ("MESSAGE_CREATE", {}, 1 << 12),
        ("MESSAGE_DELETE_BULK", {"guild_id": GUILD_ID}, 1 << 9),
        ("MESSAGE_REACTION_ADD", {"guild_id": GUILD_ID}, 1 << 10),
        ("MESSAGE_REACTION_ADD", {}, 1 << 13),
        ("TYPING_START", {"guild_id": GUILD_ID}, 1 << 11),
        ("TYPING_START", {}, 1 << 14),
        ("GUILD_SCHEDULED_EVENT_CREATE", {"guild_id": GUILD_ID}, 1 << 16),
        ("AUTO_MODERATION_RULE_CREATE", {"guild_id": GUILD_ID}, 1 << 20),
        ("AUTO_MODERATION_ACTION_EXECUTION", {"guild_id": GUILD_ID}, 1 << 21),
        ("MESSAGE_POLL_VOTE_ADD", {"guild_id": GUILD_ID}, 1 << 24),
        ("MESSAGE_POLL_VOTE_ADD", {}, 1 << 25),
    ],
)
def test_an_event_needs_its_intent(
    gateway: LocalGateway, open_client: OpenClient, name: str, data: dict[str, Any], intent: int
) -> None:
    client = open_client(gateway)
    client.login(intents=intent)
    assert gateway.dispatch(name, data) == 1
    assert client.recv_until(name)["d"] == data
    others = EVERY_INTENT & ~(3 if name == "THREAD_MEMBERS_UPDATE" else intent)
    open_client(gateway).login(intents=others)
    gateway.drop()
    assert gateway.dispatch(name, data) == 1  # only to the first session, which may be resumed


@pytest.mark.parametrize("name", ["INTERACTION_CREATE", "USER_UPDATE", "ENTITLEMENT_CREATE", "SUBSCRIPTION_CREATE"])
def test_an_event_without_an_intent_is_always_sent(gateway: LocalGateway, open_client: OpenClient, name: str) -> None:
    client = open_client(gateway)
    client.login(intents=0)
    assert gateway.dispatch(name, {}) == 1
    assert client.recv()["t"] == name


def test_the_bots_own_member_update_needs_no_intent(gateway: LocalGateway, open_client: OpenClient) -> None:
    open_client(gateway).login(intents=1)
    assert gateway.dispatch("GUILD_MEMBER_UPDATE", {"guild_id": GUILD_ID, "user": BOT}) == 1
    assert gateway.dispatch("GUILD_MEMBER_UPDATE", {"guild_id": GUILD_ID, "user": ADA}) == 0


def test_without_guild_members_only_the_bots_own_thread_membership_arrives(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    everything, guilds_only = open_client(gateway), open_client(gateway)
    everything.login()
    guilds_only.login(intents=1)
    thread = {"id": "5", "guild_id": GUILD_ID, "member_count": 3}
    ada, bot = {"id": "5", "user_id": ADA["id"]}, {"id": "5", "user_id": BOT["id"]}
    assert gateway.dispatch("THREAD_MEMBERS_UPDATE", {**thread, "added_members": [ada]}) == 1
    assert gateway.dispatch("THREAD_MEMBERS_UPDATE", {**thread, "removed_member_ids": [ADA["id"]]}) == 1
    mixed = {**thread, "added_members": [ada, bot], "removed_member_ids": [ADA["id"]]}
    assert gateway.dispatch("THREAD_MEMBERS_UPDATE", mixed) == 2
    assert [everything.recv()["d"] for _ in range(3)][-1] == mixed
    own = {**thread, "added_members": [bot], "removed_member_ids": []}
    assert guilds_only.recv_until("THREAD_MEMBERS_UPDATE")["d"] == own


def test_without_message_content_a_message_is_emptied(gateway: LocalGateway, open_client: OpenClient) -> None:
    with_content, without = open_client(gateway), open_client(gateway)
    with_content.login()
    without.login(intents=1 << 9)
    sent = message(poll={"question": {}})
    assert gateway.dispatch("MESSAGE_CREATE", sent) == 2
    assert with_content.recv()["d"] == sent
    emptied = without.recv_until("MESSAGE_CREATE")["d"]
    assert emptied == message(content="", embeds=[], attachments=[], components=[])


@pytest.mark.parametrize("fields", [{"author": BOT}, {"mentions": [BOT]}, {"guild_id": None}])
def test_own_messages_mentions_and_direct_messages_keep_their_content(
    gateway: LocalGateway, open_client: OpenClient, fields: dict[str, Any]
) -> None:
    client = open_client(gateway)
    client.login(intents=1 << 9 | 1 << 12)
    gateway.dispatch("MESSAGE_CREATE", message(**fields))
    assert client.recv_until("MESSAGE_CREATE")["d"]["content"] == "hello"


def test_the_parts_of_a_guild_can_be_set(open_client: OpenClient) -> None:
    with LocalGateway(guilds=[{"id": 1 << 22, "name": "Mine", "custom": [1]}, guild(2 << 22)]) as gateway:
        client = open_client(gateway)
        client.identify()
        create = client.recv_until("GUILD_CREATE")["d"]
    assert (create["id"], create["name"], create["custom"]) == (str(1 << 22), "Mine", [1])
    assert [member["user"]["id"] for member in create["members"]] == [BOT["id"]]


def test_any_payload_can_be_sent(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.send(99, {"any": "thing"}) == 1
    assert client.recv() == {"t": None, "s": None, "op": 99, "d": {"any": "thing"}}
    assert gateway.send("DISPATCH", [], s=77, t="ODD") == 1
    assert client.recv() == {"t": "ODD", "s": 77, "op": 0, "d": []}


def test_text_with_any_code_point_arrives(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway, "v=10&encoding=json&compress=zlib-stream")
    client.login()
    text = "π 🦆 \u2028 \x00 \ud800"
    gateway.dispatch("USER_UPDATE", {"text": text})
    assert client.recv()["d"]["text"] == text


def test_payload_compression_mixes_compressed_and_plain(gateway: LocalGateway, open_client: OpenClient) -> None:
    import zlib

    client = open_client(gateway)
    client.identify(compress=True)
    first = client.websocket.recv(5)
    assert isinstance(first, bytes)
    assert json.loads(zlib.decompress(first))["t"] == "READY"
    gateway.dispatch("USER_UPDATE", {"small": 1})
    kinds = [type(client.websocket.recv(5)) for _ in range(3)]
    assert kinds == [bytes, bytes, str]


def test_zstd_stream_is_one_frame_for_the_whole_connection(gateway: LocalGateway, open_client: OpenClient) -> None:
    zstd = pytest.importorskip(
        "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", reason="no zstd here"
    )
    client = open_client(gateway, "v=10&encoding=json&compress=zstd-stream", hello=False)
    decompressor = zstd.ZstdDecompressor()
    client.identify()
    names = [json.loads(decompressor.decompress(client.websocket.recv(5)))["t"] for _ in range(4)]
    assert names == [None, "READY", "GUILD_CREATE", "GUILD_CREATE"]
    assert not decompressor.eof


def test_expect_takes_each_payload_once_and_in_order(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    for seq in range(3):
        client.send(1, seq)
    assert [gateway.expect("HEARTBEAT").data for _ in range(2)] == [0, 1]
    assert gateway.expect(1, where=lambda beat: beat.data == 2).data == 2
    assert [(beat.op, beat.name, beat.data, beat.connection) for beat in gateway.received] == [
        (1, "HEARTBEAT", 0, 1),
        (1, "HEARTBEAT", 1, 1),
        (1, "HEARTBEAT", 2, 1),
    ]


def test_expect_leaves_payloads_that_where_rejects(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.send(1, 1)
    client.send(1, 2)
    assert gateway.expect("HEARTBEAT", where=lambda beat: beat.data == 2).data == 2
    assert gateway.expect("HEARTBEAT").data == 1


def test_logins_are_expected_by_their_shard(gateway: LocalGateway, open_client: OpenClient) -> None:
    first, second = open_client(gateway), open_client(gateway)
    first.login(shard=[0, 2])
    second.login(shard=[1, 2])
    for shard_id in (1, 0):
        assert gateway.expect("IDENTIFY", shard=shard_id).data["shard"] == [shard_id, 2]
    second.close(4000)
    gateway.expect_close(shard=1)
    open_client(gateway).resume(second)
    assert gateway.expect("RESUME", shard=1).shard == 1
    open_client(gateway).login()
    assert gateway.expect("IDENTIFY", shard=0).connection == 4


@pytest.mark.parametrize("op", [2, 6])
@pytest.mark.parametrize("data", [None, {}, {"shard": "1", "session_id": []}, {"shard": [2, 2], "session_id": "none"}])
def test_a_malformed_login_has_no_shard(gateway: LocalGateway, open_client: OpenClient, op: int, data: Any) -> None:
    open_client(gateway).send(op, data)
    received = gateway.expect(op)
    assert received.shard == (0 if op == 2 and data == {} else None)


def test_a_failed_expect_reports_the_received_payloads(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.send(1, None)
    gateway.expect("HEARTBEAT")
    with pytest.raises(AssertionError, match=r"no RESUME came within 0\.01 s; 1 connection so far.*1 HEARTBEAT"):
        gateway.expect("RESUME", timeout=0.01)
    with pytest.raises(AssertionError, match="no connection ended"):
        gateway.expect_close(timeout=0.01)
    with pytest.raises(AssertionError, match="0 of 1 sessions"):
        gateway.wait_connected(timeout=0.01)
    with pytest.raises(AssertionError, match="connection 2 did not come"):
        gateway.wait_connection(2, timeout=0.01)
    with pytest.raises(ValueError, match="'RESUMEE'"):
        gateway.expect("RESUMEE")


def test_a_connection_records_its_url(gateway: LocalGateway, open_client: OpenClient) -> None:
    open_client(gateway, "v=10&encoding=json&extra=1")
    record = gateway.wait_connection(1)
    assert (record.number, record.path, record.status) == (1, "/", 101)
    assert record.query == {"v": "10", "encoding": "json", "extra": "1"}
    assert record.headers["upgrade"] == "websocket"
    assert record.closed is None


def test_wait_connected_sees_sessions_come_and_go(gateway: LocalGateway, open_client: OpenClient) -> None:
    open_client(gateway).login(shard=[0, 2])
    open_client(gateway).login(shard=[1, 2])
    assert [session.shard for session in gateway.wait_connected(2)] == [(0, 2), (1, 2)]
