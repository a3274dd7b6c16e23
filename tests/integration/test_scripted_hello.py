"""HELLO, and the responses to IDENTIFY and RESUME."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from client_helpers import Cases, MakeClient, RecordEvents, open_connection
from scripted_server import NO_HEARTBEATS, RECONNECT_TIMEOUT, ScriptedServer
from support import wait_until

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


INVALID_HELLOS: list[Any] = [
    None,
    {},
    [],
    {"heartbeat_interval": None},
    {"heartbeat_interval": "41250"},
    {"heartbeat_interval": 0},
    {"heartbeat_interval": -5},
    {"heartbeat_interval": True},
    {"heartbeat_interval": 1e300},
]


def test_an_invalid_hello_ends_the_connection(cases: Cases, caplog: pytest.LogCaptureFixture) -> None:
    for data in INVALID_HELLOS:
        cases.start(data)
        first = cases.servers[str(data)].open()
        first.send(10, data)
        assert first.expect_close().code == 4000, data
        first.close()
    for name, client in cases.clients.items():
        cases.servers[name].open(RECONNECT_TIMEOUT).login()
        assert client.wait_until_ready(5), name
    assert caplog.text.count("HELLO needs a heartbeat_interval") == len(INVALID_HELLOS)


def test_a_dispatch_before_hello_ends_the_connection_and_does_not_count(
    cases: Cases, record_events: RecordEvents, caplog: pytest.LogCaptureFixture
) -> None:
    early = ("READY", "RESUMED", "NEWS")
    recorded = {}
    for name in early:
        client = cases.start(name)
        recorded[name] = record_events(client, "NEWS", "LAST")
        first = cases.servers[name].open().login()
        assert client.wait_until_ready(5), name
        first.reset()
    for name in early:
        second = cases.servers[name].open(RECONNECT_TIMEOUT)
        second.write(second.frame({"op": 0, "t": name, "s": 77, "d": {"session_id": "s2"}}) * 2)
        assert second.expect_close().code == 4000, name
        second.close()
    for name, client in cases.clients.items():
        third = cases.servers[name].open(RECONNECT_TIMEOUT)
        resume = third.resume()
        assert (resume["session_id"], resume["seq"]) == ("s1", 1), name
        third.event("LAST")
        third.event("RESUMED")
        assert client.wait_until_ready(5), name
        assert recorded[name].next()[0] == "LAST", name
    assert caplog.text.count("came before HELLO); resuming") == len(early)


def test_resumed_in_answer_to_identify_ends_the_connection(server: ScriptedServer, make_client: MakeClient) -> None:
    client, first = open_connection(make_client, server)
    first.hello().expect(2)
    first.event("RESUMED")
    assert first.expect_close().code == 4000
    assert not client.wait_until_ready(0)
    first.close()
    server.open(RECONNECT_TIMEOUT).login()
    assert client.wait_until_ready(5)


def test_a_heartbeat_interval_may_be_a_fraction(server: ScriptedServer, make_client: MakeClient) -> None:
    client, peer = open_connection(make_client, server)
    peer.login(interval=0.2505)
    began = time.monotonic()
    for _ in range(4):
        peer.expect(1)
        peer.send(11)
    assert time.monotonic() - began < 4 * 0.2505 + 4.0
    assert client.stats.reconnects == 0


def test_a_second_hello_is_ignored(server: ScriptedServer, make_client: MakeClient) -> None:
    client, peer = open_connection(make_client, server)
    peer.login(interval=NO_HEARTBEATS).hello(0.01)
    peer.event("RESUMED")
    peer.send(1)
    assert peer.receive() == {"op": 1, "d": 2}  # without a second IDENTIFY or an earlier heartbeat
    wait_until(lambda: client.stats.identifies == 1)  # counted a moment after the write


def test_a_session_that_cannot_be_encoded_in_resume_is_dropped(
    server: ScriptedServer, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client, first = open_connection(make_client, server)
    first.login(session_id="half \ud800")
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(RECONNECT_TIMEOUT).hello()
    assert second.expect_close().code == 4000
    second.close()
    server.open(RECONNECT_TIMEOUT).login(session_id="s2")
    assert client.wait_until_ready(5)
    wait_until(lambda: client.session.id == "s2")
    assert "lone surrogate '\\ud800'" in caplog.text


@pytest.mark.parametrize("url", [None, 5, "", "http://127.0.0.1/", "wss://", "ws://a b/", "ws://user:pw@127.0.0.1/"])
def test_an_invalid_resume_url_is_ignored(server: ScriptedServer, make_client: MakeClient, url: Any) -> None:
    client, first = open_connection(make_client, server)
    first.login(resume_gateway_url=url)
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    assert second.resume()["session_id"] == "s1"
    second.event("RESUMED")
    assert client.wait_until_ready(5)


def test_a_ready_without_a_session_id_is_not_resumed(server: ScriptedServer, make_client: MakeClient) -> None:
    client, first = open_connection(make_client, server)
    first.hello().expect(2)
    first.event("READY", {})
    assert client.wait_until_ready(5)
    first.reset()
    server.open(RECONNECT_TIMEOUT).login()


def test_a_resume_answered_with_ready_starts_a_new_session(server: ScriptedServer, make_client: MakeClient) -> None:
    client, first = open_connection(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    second.resume()
    second.event("READY", {"session_id": "s2"})
    assert client.wait_until_ready(5)
    wait_until(lambda: (client.session.id, client.session.seq) == ("s2", 1))


def test_optional_payload_fields_may_be_missing(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server)
    recorded = record_events(client, "NEWS", "HEARTBEAT_ACK")
    peer.write(peer.frame({"op": 10, "d": {"heartbeat_interval": 60_000}}))
    peer.expect(2)
    peer.write(peer.frame({"op": 0, "t": "READY", "s": 1, "d": {"session_id": "s1"}, "extra": 1}))
    peer.write(peer.frame({"op": 11}))
    peer.write(peer.frame({"op": 0, "t": "NEWS"}))
    assert recorded.next() == ("HEARTBEAT_ACK", ({"op": 11},))
    assert recorded.next() == ("NEWS", (None,))
    wait_until(lambda: client.session.seq == 1)
    assert client.latency == math.inf  # no heartbeat was sent that it could acknowledge
