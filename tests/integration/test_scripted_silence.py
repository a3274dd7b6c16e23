"""Servers that fall silent: no HELLO, no READY, unacknowledged heartbeats, zombie connections."""

from __future__ import annotations

import time

import pytest
from client_helpers import MakeClient, open_connection
from scripted_server import RECONNECT_TIMEOUT, ClientClosed, Peer, ScriptedServer, message
from support import wait_until
from websockets.frames import Opcode

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


def test_a_missing_hello_ends_the_connection(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.HELLO_WITHIN", 0.5)
    client, first = open_connection(make_client, server)
    first.write(message(b"are you there?", Opcode.PING))
    first.expect_end()
    server.open(RECONNECT_TIMEOUT).login()
    assert client.wait_until_ready(5)
    assert "HELLO did not come within 0.5 seconds" in caplog.text


def test_silence_after_identify_times_out_and_a_long_replay_does_not(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.SILENCE_WITHIN", 2.0)
    client, first = open_connection(make_client, server)
    first.hello().expect(2)
    first.expect_end()  # no READY was sent
    second = server.open(RECONNECT_TIMEOUT).login()
    assert client.wait_until_ready(5)
    assert "nothing came for 2 seconds after IDENTIFY" in caplog.text
    second.reset()
    third = server.open(RECONNECT_TIMEOUT)
    third.resume(interval=0.25)
    for _ in range(10):  # longer than the timeout, but never silent
        third.expect(1)
        third.send(11)
        third.event("REPLAYED")
    third.event("RESUMED")
    assert client.wait_until_ready(5)
    assert client.stats.resumes == 1


def acknowledge(peer: Peer, seconds: float) -> None:
    """Acknowledge heartbeats for `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        peer.expect(1)
        peer.send(11)


def test_ready_may_be_late_while_heartbeats_are_acknowledged(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.SILENCE_WITHIN", 2.0)
    client, peer = open_connection(make_client, server)
    peer.hello(interval=0.3).expect(2)
    acknowledge(peer, 2.5)
    peer.event("READY", {"session_id": "s1"})
    assert client.wait_until_ready(5)
    assert client.stats.identifies == 1


@pytest.mark.slow
def test_acknowledged_heartbeats_do_not_prolong_the_wait_for_a_replay(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, first = open_connection(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    monkeypatch.setattr("vox_gateway.shard.connection.SILENCE_WITHIN", 2.0)
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_FAILED_RESUMES", 2)
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    second.resume(interval=0.5)
    acknowledge(second, 0.2)
    began = time.monotonic()
    second.event("REPLAYED")  # restarts the timeout
    with pytest.raises((ClientClosed, EOFError, OSError)):
        acknowledge(second, 10.0)
    assert time.monotonic() - began >= 2.0
    third = server.open(RECONNECT_TIMEOUT)
    third.resume(interval=0.5)
    with pytest.raises((ClientClosed, EOFError, OSError)):
        acknowledge(third, 10.0)
    server.open(RECONNECT_TIMEOUT).login(session_id="s2")  # both counted as failed resumes
    assert client.wait_until_ready(5)
    assert caplog.text.count("no event came for 2 seconds after RESUME") == 2


def test_a_heartbeat_before_the_first_event_has_no_sequence_number(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    _, peer = open_connection(make_client, server)
    peer.hello(0.1)
    assert peer.receive()["op"] == 2
    assert peer.receive() == {"op": 1, "d": None}


def test_requested_heartbeats_need_no_acknowledgement(server: ScriptedServer, make_client: MakeClient) -> None:
    client, peer = open_connection(make_client, server)
    peer.login(interval=0.3)
    for _ in range(20):  # several intervals
        peer.send(1)
        assert peer.receive()["op"] == 1
        peer.send(11)
    assert client.stats.reconnects == 0


@pytest.mark.parametrize("last_sign", [1, 3])
def test_a_server_that_goes_silent_after_a_late_event_is_a_zombie(
    server: ScriptedServer, make_client: MakeClient, last_sign: int
) -> None:
    """Its last event arrived after a heartbeat that it never acknowledged."""
    client, first = open_connection(make_client, server)
    first.login(interval=0.4)
    for _ in range(last_sign):
        first.expect(1)
        first.event("NEWS")
    if last_sign == 1:
        first.expect(1)  # the event was a sign of life
    second = server.open(RECONNECT_TIMEOUT)
    assert first.expect_close().code == 4000
    assert second.resume()["seq"] == 1 + last_sign
    wait_until(lambda: client.stats.reconnects == 1)


def test_a_zombie_connection_with_full_buffers_is_replaced(make_client: MakeClient) -> None:
    with ScriptedServer(receive_buffer=4096) as server:
        client, first = open_connection(make_client, server, compress=False)
        first.login(interval=0.4)
        assert client.wait_until_ready(5)
        first.write(message(b"?" * 125, Opcode.PING) * 40_000)  # 5 MB of pongs, never read
        began = time.monotonic()
        second = server.open(RECONNECT_TIMEOUT)
        assert time.monotonic() - began < 2 * 0.4 + 1.0 + 4  # two intervals, the close timeout, and a margin
        second.resume()


def test_latency_is_measured_from_heartbeat_to_acknowledgement(server: ScriptedServer, make_client: MakeClient) -> None:
    client, peer = open_connection(make_client, server)
    peer.login(interval=0.5)
    peer.expect(1)
    peer.send(11)
    peer.expect(1)
    began = time.monotonic()
    peer.event("NEWS")  # otherwise the connection would be a zombie
    wait_until(lambda: 0 < client.latency < 5)  # published a moment after the next heartbeat
    peer.expect(1)
    late = time.monotonic() - began
    peer.send(11)
    wait_until(lambda: late <= client.latency < 10)
