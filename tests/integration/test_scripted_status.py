"""The status and the counters of a client at each stage of a connection."""

from __future__ import annotations

import threading

import pytest
from client_helpers import MakeClient, RecordEvents, open_connection
from scripted_server import RECONNECT_TIMEOUT, ScriptedServer
from support import wait_until

from vox_gateway import Status

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


def test_stats_match_the_data_on_the_wire(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server)
    recorded = record_events(client, "NEWS")
    peer.login()
    for number in range(50):
        peer.event("NEWS", "x" * number)
    for _ in range(50):
        recorded.data()
    wait_until(lambda: client.session.seq == 51)  # published after the last read was handed over
    stats = client.stats
    assert stats.bytes_in == peer.bytes_sent
    assert stats.bytes_inflated == peer.payload_bytes
    assert stats.events == 51
    assert (stats.identifies, stats.resumes, stats.reconnects, stats.events_waiting) == (1, 0, 0, 0)
    assert str(client.status) == "ready"


def test_status_follows_the_stages_of_a_connection(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client = make_client(server)
    introduced = record_events(client, "HELLO")  # emitted after the answer to HELLO was sent
    assert client.status is Status.CLOSED
    client.connect(async_=True)
    first = server.accept()
    first.read_request()
    assert client.status is Status.CONNECTING
    first.upgrade().hello().expect(2)
    introduced.next()
    wait_until(lambda: client.status is Status.IDENTIFYING)
    first.event("READY", {"session_id": "s1"})
    assert client.wait_until_ready(5)
    assert client.status is Status.READY
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    second.resume()
    introduced.next()
    wait_until(lambda: client.status is Status.RESUMING)
    closer = threading.Thread(target=client.close)
    closer.start()
    second.expect_close()
    assert client.status is Status.CLOSING
    second.close()
    closer.join(5)
    assert client.status is Status.CLOSED
    assert f"{client!r}".startswith("<Client shard=0/1 closed ")
