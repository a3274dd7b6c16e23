"""Opcodes 7 (Reconnect) and 9 (Invalid Session)."""

from __future__ import annotations

import contextlib
import time

import pytest
from client_helpers import Cases, MakeClient, RecordEvents, open_connection
from scripted_server import RECONNECT_TIMEOUT, ScriptedServer

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


def test_events_after_op_7_are_ignored_and_replayed(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, first = open_connection(make_client, server)
    recorded = record_events(client, "NEWS", "RECONNECT")
    first.login()
    first.event("NEWS", "before")
    first.send(7)
    first.event("NEWS", "too late")  # ignored: the resume replays it
    assert first.expect_close().code == 4000
    began = time.monotonic()
    second = server.open(RECONNECT_TIMEOUT)  # the close frame is not answered
    assert time.monotonic() - began < 1.0 + 1.0 + 4  # the wait for the answer, and the first delay
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "too late")
    second.event("RESUMED")
    assert [recorded.next() for _ in range(3)] == [
        ("NEWS", ("before",)),
        ("RECONNECT", ({"op": 7, "d": None, "s": None, "t": None},)),
        ("NEWS", ("too late",)),
    ]
    first.expect_end()
    assert client.wait_until_ready(5)


def test_op_7_before_hello_keeps_the_session(server: ScriptedServer, make_client: MakeClient) -> None:
    client, first = open_connection(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    second.send(7)
    assert second.expect_close().code == 4000
    second.close()
    third = server.open(RECONNECT_TIMEOUT)
    assert third.resume()["seq"] == 1
    third.send(7)  # also right after RESUME
    assert third.expect_close().code == 4000
    third.close()
    fourth = server.open(RECONNECT_TIMEOUT)
    fourth.resume()
    fourth.event("RESUMED")
    assert client.wait_until_ready(5)
    assert client.stats.identifies == 1


def test_a_replay_in_many_pieces_keeps_the_session(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_DELAY", 0.01)
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_FAILED_RESUMES", 2)
    client, peer = open_connection(make_client, server)
    recorded = record_events(client, "NEWS")
    peer.login()
    assert client.wait_until_ready(5)
    for seq in range(1, 6):  # each connection ends before RESUMED
        peer.reset()
        peer = server.open(RECONNECT_TIMEOUT)
        assert peer.resume()["seq"] == seq
        peer.seq = seq
        peer.event("NEWS", seq)
        assert recorded.data() == seq
    peer.event("RESUMED")
    assert client.wait_until_ready(5)
    assert client.stats.identifies == 1


def test_op_9_without_true_starts_a_new_session_at_the_base_url(cases: Cases) -> None:
    with contextlib.ExitStack() as stack:
        sent_at: dict[str, float] = {}
        for data in (False, None, 0, "true", {}):
            elsewhere = stack.enter_context(ScriptedServer())
            client = cases.start(data)
            first = cases.servers[str(data)].open().login(resume_gateway_url=elsewhere.url)
            assert client.wait_until_ready(5)
            first.reset()
            second = elsewhere.open(RECONNECT_TIMEOUT)
            second.resume()
            sent_at[str(data)] = time.monotonic()
            second.send(9, data)
            assert second.expect_close().code == 4000
            second.close()
        for name, client in cases.clients.items():
            third = cases.servers[name].open(8)
            assert time.monotonic() - sent_at[name] > 1.0, name
            third.login(session_id="s2")
            assert client.wait_until_ready(5)
            assert client.session.id == "s2", name
