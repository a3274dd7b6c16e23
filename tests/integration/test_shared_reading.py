"""Connections that are read on the dispatcher, on the standby, and on their own thread again."""

from __future__ import annotations

from client_helpers import MakeClient, RecordEvents, open_connection
from scripted_server import ScriptedServer

TIMEOUT = 5.0


def test_a_read_with_more_than_the_queue_takes_does_not_block_the_dispatcher(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client, peer = open_connection(make_client, server, backlog_bytes=1, compress=False)
    numbers = record_events(client, "NUMBER")
    peer.login()
    assert client.wait_until_ready(TIMEOUT)
    for number in range(0, 40, 2):
        event, other = (peer.frame({"op": 0, "t": "NUMBER", "s": 2 + number + i, "d": number + i}) for i in range(2))
        peer.write(event + peer.frame({"op": 11}) + other)  # in a single read, and put one after the other
        assert [numbers.data(TIMEOUT) for _ in range(2)] == [number, number + 1]
