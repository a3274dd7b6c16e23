"""The URL and IDENTIFY, the ways in which a connection ends, and what the client sends next."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from client_helpers import MakeClient, RecordEvents, SendMessages, start, start_until_ready

from vox_gateway import Intents
from vox_gateway.shard import connection
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")

RESUMED_AFTER = 10.0


def test_the_url_carries_version_encoding_and_compression(make_client: MakeClient) -> None:
    with LocalGateway() as gateway:
        start_until_ready(make_client(gateway, url=f"{gateway.url}/some/path?region=eu&v=9&compress=zstd-stream"))
        opened = gateway.wait_connection(1)
        assert opened.query == {"region": "eu", "v": "9", "encoding": "json", "compress": "zlib-stream"}
        assert opened.path == "/some/path"


def test_without_compression_the_url_has_no_compress_parameter(gateway: LocalGateway, make_client: MakeClient) -> None:
    start_until_ready(make_client(gateway, compress=False))
    assert gateway.wait_connection(1).query == {"v": "10", "encoding": "json"}


def test_the_port_argument_overrides_the_port_in_the_url(gateway: LocalGateway, make_client: MakeClient) -> None:
    start_until_ready(make_client(gateway, url="ws://127.0.0.1:1", port=gateway.port))


def test_identify_carries_the_clients_options(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(
        gateway,
        token="Bot tok",  # the form that the REST API uses
        intents=513,
        shard=(1, 3),
        large_threshold=250,
        presence={"status": "idle"},
        properties={"os": "x", "browser": "y", "device": "z"},
    )
    client.connect(async_=True)
    assert gateway.expect("IDENTIFY").data == {
        "token": "tok",
        "intents": 513,
        "properties": {"os": "x", "browser": "y", "device": "z"},
        "shard": [1, 3],
        "large_threshold": 250,
        "presence": {"status": "idle", "since": None, "activities": [], "afk": False},
    }


@pytest.mark.parametrize(
    ("how", "options", "seen"),
    [
        ("reset", {}, 1006),
        ("eof", {}, 1006),
        ("close", {"code": 1000, "reason": "bye"}, 1000),
        ("close", {"code": 1001}, 1001),
        ("close", {"code": 4000}, 4000),
        ("close", {"code": 4001}, 4001),
        ("close", {"code": 4002}, 4002),
        ("close", {"code": 4008}, 4008),
        ("close", {"code": 4999}, 4999),
    ],
)
def test_a_disconnect_is_resumed_without_losing_events(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    send_messages: SendMessages,
    how: str,
    options: dict[str, Any],
    seen: int,
) -> None:
    client = make_client(gateway)
    messages, closes = record_events(client, "MESSAGE_CREATE"), record_events(client, "close")
    start_until_ready(client)
    send_messages(gateway, range(5))
    gateway.drop(how, **options)
    send_messages(gateway, range(5, 20))
    assert gateway.expect("RESUME", RESUMED_AFTER).data["session_id"] == client.session.id
    assert [messages.data()["nonce"] for _ in range(20)] == list(range(20))
    assert closes.data()["code"] == seen
    assert client.stats.identifies == 1
    assert gateway.connections[1].query == gateway.connections[0].query


@pytest.mark.parametrize("code", [4003, 4005, 4007, 4009])
def test_some_close_codes_start_a_new_session(gateway: LocalGateway, make_client: MakeClient, code: int) -> None:
    client = start_until_ready(make_client(gateway))
    first = client.session.id
    gateway.expect("IDENTIFY")
    gateway.drop("close", code=code)
    gateway.expect("IDENTIFY", RESUMED_AFTER)
    assert client.wait_until_ready(5)
    assert client.session.id != first
    assert client.stats.resumes == 0


def test_op_7_is_answered_with_4000_and_a_resume(gateway: LocalGateway, make_client: MakeClient) -> None:
    start_until_ready(make_client(gateway))
    gateway.reconnect()
    assert gateway.expect_close().code == 4000
    gateway.expect("RESUME", RESUMED_AFTER)


def test_op_7_before_hello_is_followed_by_another_attempt(gateway: LocalGateway, make_client: MakeClient) -> None:
    gateway.faults.reconnect_before_hello()
    client = start(make_client(gateway))
    assert client.wait_until_ready(RESUMED_AFTER)
    assert gateway.expect_close().code == 4000
    assert len(gateway.connections) == 2


def test_op_9_with_true_is_resumed(gateway: LocalGateway, make_client: MakeClient) -> None:
    start_until_ready(make_client(gateway))
    gateway.invalidate(resumable=True)
    assert gateway.expect_close().code == 4000
    gateway.expect("RESUME", RESUMED_AFTER)


def test_op_9_with_false_starts_a_new_session_after_a_delay(gateway: LocalGateway, make_client: MakeClient) -> None:
    start_until_ready(make_client(gateway))
    gateway.expect("IDENTIFY")
    gateway.invalidate(resumable=False)
    closed = gateway.expect_close()
    assert 1.0 <= gateway.expect("IDENTIFY", RESUMED_AFTER).at - closed.at < 5.5


def test_an_expired_session_is_replaced_by_a_new_one(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(gateway))
    gateway.expect("IDENTIFY")
    gateway.expire_sessions()
    gateway.drop("reset")
    gateway.expect("IDENTIFY", 15)
    assert client.wait_until_ready(5)


def test_an_unreachable_resume_url_falls_back_to_the_base_url(make_client: MakeClient) -> None:
    with LocalGateway() as gone:
        nobody = gone.url
    with LocalGateway(resume_url=nobody) as gateway:
        client = start_until_ready(make_client(gateway))
        assert client.session.resume_url == nobody
        gateway.drop("reset")
        gateway.expect("RESUME", RESUMED_AFTER)
        client.close()


def test_a_reachable_resume_url_receives_the_resume(make_client: MakeClient) -> None:
    with LocalGateway(identify_interval=0) as second:
        with LocalGateway(identify_interval=0, resume_url=f"{second.url}/resume?kept=1") as first:
            client = start_until_ready(make_client(first))
            first.drop("reset")
            resume = second.expect("RESUME", RESUMED_AFTER)
            assert resume.data["seq"] >= 1
            query = second.wait_connection(1).query
            assert query == {"kept": "1", "v": "10", "encoding": "json", "compress": "zlib-stream"}
            # The second gateway does not know the session: op 9, then a new session at the base URL.
            first.expect("IDENTIFY")
            first.expect("IDENTIFY", 15)
            client.close()


@pytest.mark.slow
def test_after_five_failed_resumes_a_new_session_starts(
    gateway: LocalGateway, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_DELAY", 0.1)  # seconds
    start_until_ready(make_client(gateway))
    gateway.expect("IDENTIFY")
    gateway.faults.cut("resume", "reset", times=5)
    gateway.drop("reset")
    gateway.expect("IDENTIFY", 45)
    assert len([payload for payload in gateway.received if payload.name == "RESUME"]) == 5


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("json", 4000),
        ("utf8", 1007),
        ("not an object", 4000),
        ("zlib", 4000),
        ("rsv", 1002),
        ("opcode", 1002),
        ("masked", 1002),
        ("continuation", 1002),
        ("long control", 1002),
        ("close code", 1002),
    ],
)
def test_malformed_data_ends_the_connection_and_is_resumed(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture, kind: str, code: int
) -> None:
    client = start_until_ready(make_client(gateway))
    gateway.send_garbage(kind)
    gateway.expect("RESUME", RESUMED_AFTER)
    assert gateway.expect_close().code == code
    assert client.wait_until_ready(5)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, caplog.text


@pytest.mark.parametrize(
    ("compress", "split"),
    [
        (True, {"split_writes": 1}),
        (True, {"fragment": 3}),
        (True, {"split_messages": 5}),  # only a compressed message may span several websocket messages
        (True, {"split_writes": 7, "fragment": 2, "split_messages": 3}),
        (False, {"split_writes": 1}),
        (False, {"split_writes": 7, "fragment": 2}),
    ],
)
def test_data_may_arrive_in_pieces_of_any_size(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    send_messages: SendMessages,
    compress: bool,
    split: dict[str, int],
) -> None:
    for fault, size in split.items():
        getattr(gateway.faults, fault)(size)
    client = make_client(gateway, compress=compress, intents=Intents.GUILD_MESSAGES | Intents.MESSAGE_CONTENT)
    messages = record_events(client, "MESSAGE_CREATE")
    start_until_ready(client)
    send_messages(gateway, range(3))
    assert [messages.data()["nonce"] for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("at", ["upgraded", "hello", "identify", "ready", "event"])
@pytest.mark.parametrize("how", ["reset", "eof", "close"])
def test_a_disconnect_at_any_stage_is_recovered(
    gateway: LocalGateway, make_client: MakeClient, at: str, how: str
) -> None:
    gateway.faults.cut(at, how)
    client = start(make_client(gateway))
    gateway.wait_connection(2, RESUMED_AFTER)
    assert client.wait_until_ready(RESUMED_AFTER)


def test_a_disconnect_during_a_replay_loses_and_duplicates_nothing(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, send_messages: SendMessages
) -> None:
    client = make_client(gateway)
    messages = record_events(client, "MESSAGE_CREATE")
    start_until_ready(client)
    gateway.faults.cut("replay", "reset")
    gateway.drop("reset")
    send_messages(gateway, range(50))
    assert [messages.data(15)["nonce"] for _ in range(50)] == list(range(50))
    assert messages.empty


def test_unknown_opcodes_and_events_are_accepted(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client = make_client(gateway)
    recorded = record_events(client, "SOMETHING_NEW", "DISPATCH")
    client.on("READY", lambda data: client.remove_all_listeners("READY"))
    start_until_ready(client)
    gateway.send(77, d={"x": 1})
    gateway.dispatch("SOMETHING_NEW", {"y": 2})
    while (event := recorded.next())[0] != "SOMETHING_NEW":
        assert event[1][0]["op"] == 0
    assert event[1] == ({"y": 2},)
    assert client.stats.reconnects == 0


@pytest.mark.parametrize("chatty", [False, True])
def test_a_missing_hello_times_out(
    gateway: LocalGateway, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, chatty: bool
) -> None:
    monkeypatch.setattr(connection, "HELLO_WITHIN", 0.5)
    gateway.faults.no_hello()
    client = start(make_client(gateway))
    gateway.wait_connection(1)
    while chatty and len(gateway.connections) == 1:
        gateway.send(11)  # other payloads must not extend the timeout
    gateway.wait_connection(2, 5)
    assert client.wait_until_ready(5)
