"""`LocalGateway.follow` and `LocalGateway.wait_sent`."""

from __future__ import annotations

import queue
import threading
import urllib.request
from typing import Any

from foreign_client import OpenClient

from vox_gateway.testing import (
    Closed,
    ConnectionRecord,
    HttpRequest,
    LocalGateway,
    Received,
    SessionRefused,
    SessionView,
)

TIMEOUT = 10.0


def test_follow_yields_all_records_in_order(gateway: LocalGateway, open_client: OpenClient) -> None:
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    gateway.follow(inbox)
    client = open_client(gateway)
    session = client.login()["d"]["session_id"]
    gateway.drop("eof")
    assert gateway.sessions[0].connection is None
    again = open_client(gateway)
    again.resume(client)
    again.recv_until("RESUMED")
    with urllib.request.urlopen(gateway.http_url + "/gateway", timeout=TIMEOUT) as answer:
        assert answer.status == 200
    found = [inbox.get(timeout=TIMEOUT) for _ in range(8)]
    visit = [ConnectionRecord, Received, SessionView]
    assert [type(record) for record in found] == [*visit, Closed, *visit, HttpRequest]
    assert found[0].status == 101
    assert [found[1].name, found[5].name] == ["IDENTIFY", "RESUME"]
    assert [found[2].id, found[6].id] == [session, session]
    assert [found[2].connection, found[6].connection] == [found[0].number, found[4].number] == [1, 2]


def test_each_op_9_is_recorded_with_its_reason(open_client: OpenClient) -> None:
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with LocalGateway(identify_interval=60, replay_limit=1) as gateway:
        gateway.follow(inbox)
        first = open_client(gateway)
        first.login()
        late = open_client(gateway)
        late.identify()
        assert late.recv()["op"] == 9
        gateway.faults.invalid_session("IDENTIFY", resumable=True)
        late.identify()
        assert late.recv()["op"] == 9
        gateway.drop("eof")
        for _ in range(2):
            again = open_client(gateway)
            again.resume(first, seq=0)
            assert again.recv()["op"] == 9
        gateway.invalidate(resumable=True)
        refused = []
        while len(refused) < 6:
            if isinstance(record := inbox.get(timeout=TIMEOUT), SessionRefused):
                refused.append(record)
    assert [(record.connection, record.resumable) for record in refused[:4]] == [
        (2, False),
        (2, True),
        (3, False),
        (4, False),
    ]
    assert refused[0].reason.startswith("IDENTIFY refused: the last was ")
    assert [record.reason for record in refused[1:]] == [
        "IDENTIFY refused by faults.invalid_session()",
        "RESUME refused: too many events were missed (replay_limit=1)",
        "RESUME refused: no such session, or it was disconnected for too long (session_timeout=180)",
        *["the session was ended by invalidate()"] * 2,
    ]


def test_wait_sent_returns_once_the_client_reads(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.wait_sent(TIMEOUT)
    # More than the socket buffers and the client library hold.
    for _ in range(200):
        gateway.dispatch("ANYTHING", {"text": "x" * 500_000})
    assert not gateway.wait_sent(0.05)
    reader = threading.Thread(target=lambda: [client.recv() for _ in range(200)])
    reader.start()
    assert gateway.wait_sent(6 * TIMEOUT)
    reader.join()


def test_wait_sent_ends_when_the_gateway_closes(open_client: OpenClient) -> None:
    with LocalGateway() as gateway:
        open_client(gateway).login()
        for _ in range(200):
            gateway.dispatch("ANYTHING", {"text": "x" * 500_000})
        closer = threading.Timer(0.05, gateway.close)
        closer.start()
        assert not gateway.wait_sent(6 * TIMEOUT)
        closer.join()
