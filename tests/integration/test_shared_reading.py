"""Connections that are read on the dispatcher, on the standby, and on their own thread again."""

from __future__ import annotations

import queue
import random
import socket
import ssl
import threading
from typing import Any

import pytest
from client_helpers import TOKEN, MakeClient, RecordEvents, open_connection, start
from scripted_server import RECONNECT_TIMEOUT, ScriptedServer
from tls_contexts import client_context, server_context

from vox_gateway import IdentifyGate, Intents, ShardManager
from vox_gateway.testing import LocalGateway, guild

TIMEOUT = 10.0
SHARDS, EVENTS = 4, 60


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


@pytest.mark.usefixtures("little_jitter")
@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the two records cannot be sent as one segment")
def test_the_end_of_tls_in_the_same_read_as_an_event_is_noticed(
    make_client: MakeClient, record_events: RecordEvents
) -> None:
    with ScriptedServer("wss") as server:
        client = start(make_client(server, ssl_context=client_context()))
        numbers = record_events(client, "NUMBER")
        peer = server.accept()
        peer.start_tls(server_context())
        peer.upgrade().login()
        assert client.wait_until_ready(TIMEOUT)
        peer.event("NUMBER", 1)
        assert numbers.data(TIMEOUT) == 1
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        peer.event("NUMBER", 2)
        peer.sock.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            peer.sock.unwrap()  # the stream below stays open
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        assert numbers.data(TIMEOUT) == 2
        server.accept(RECONNECT_TIMEOUT).close()
        client.close()


@pytest.mark.usefixtures("little_jitter")
@pytest.mark.parametrize(
    "options",
    [{"compress": False}, {"backlog": 2}, {"backlog_bytes": 1, "encoding": "etf"}, {"workers": 2, "backlog": 2}, "tls"],
    ids=str,
)
def test_whoever_reads_each_event_comes_once_and_in_order(options: Any) -> None:
    chance = random.Random(str(options))
    tls = (server_context(), {"ssl_context": client_context()}) if options == "tls" else (None, options)
    seen: queue.SimpleQueue[tuple[int | None, int]] = queue.SimpleQueue()
    guilds = [guild(shard << 22) for shard in range(SHARDS)]
    with LocalGateway(identify_interval=0, guilds=guilds, rate_limit=10_000, ssl_context=tls[0]) as gateway:
        gate = IdentifyGate(max_concurrency=SHARDS, interval=0)
        manager = ShardManager(
            url=gateway.url, token=TOKEN, shards=SHARDS, intents=Intents.all(), identify_gate=gate, **tls[1]
        )

        @manager.on("MESSAGE_CREATE")
        def see(message: Any) -> None:
            seen.put((manager.current_shard, message["nonce"]))
            if not message["nonce"] % 20:
                threading.Event().wait(0.015)  # longer than the standby looks on

        manager.connect(async_=True)
        assert manager.wait_until_ready(TIMEOUT)
        expected = {shard: list(range(EVENTS)) for shard in range(SHARDS)}
        order = [shard for shard in expected for _ in range(EVENTS)]
        chance.shuffle(order)
        sent = dict.fromkeys(expected, 0)
        for number, shard in enumerate(order):
            message = {"id": "1", "guild_id": str(shard << 22), "channel_id": "2", "nonce": sent[shard]}
            gateway.dispatch("MESSAGE_CREATE", message)
            sent[shard] += 1
            if chance.random() < 0.1:
                gateway.request_heartbeat(shard)
            if number % 60 == 30:
                gateway.drop(chance.choice(["reset", "eof", "close"]), shard=chance.randrange(SHARDS))
        found: dict[int | None, list[int]] = {shard: [] for shard in expected}
        for _ in order:
            shard_id, nonce = seen.get(timeout=TIMEOUT)
            found[shard_id].append(nonce)
        assert found == expected
        manager.close()
    assert seen.empty()
