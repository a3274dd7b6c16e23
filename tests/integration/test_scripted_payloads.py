"""Payloads that are malformed, that the reader rejects, or that are cut into pieces."""

from __future__ import annotations

import functools
import json
import logging
import threading
from decimal import Decimal
from typing import Any

import pytest
from client_helpers import TIMEOUT, Cases, MakeClient, RecordEvents, open_connection
from scripted_server import RECONNECT_TIMEOUT, ScriptedServer, message
from support import wait_until
from websockets.frames import Opcode

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


MALFORMED_PAYLOADS = [
    {"op": 0, "d": {}, "s": 2, "t": 5},
    {"op": 0, "d": {}, "s": 2},
    {"op": 0, "d": [], "s": 2, "t": "READY"},
    {"op": "0", "d": {}, "s": 2, "t": "NEWS"},
    {"op": None},
    {"op": True, "t": "NEWS"},
    {"d": {}},
    [1, 2],
    "text",
    None,
    7,
    b"",
    b"{} {}",
    b'{"op":1',
    b"[" * 100_000,
    b'{"op":11,"d":"\xff"}',
]


def test_a_malformed_payload_ends_the_connection(
    cases: Cases, record_events: RecordEvents, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = {}
    for payload in MALFORMED_PAYLOADS:
        client = cases.start(payload)
        recorded[str(payload)] = record_events(client, "NEWS")
        first = cases.servers[str(payload)].open().login()
        assert client.wait_until_ready(5), payload
        first.write(first.frame(payload))
        assert first.expect_close().code in (4000, 1007), payload
        first.close()
    for name, news in recorded.items():
        second = cases.servers[name].open(RECONNECT_TIMEOUT)
        assert second.resume()["seq"] == 1, name
        second.seq = 1
        second.event("NEWS", name)
        assert news.data() == name
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == len(MALFORMED_PAYLOADS)  # one line per payload
    assert max(len(record.getMessage()) for record in warnings) < 300


@pytest.mark.parametrize("compress", [True, False])
def test_payloads_read_together_with_invalid_utf_8_are_kept(
    server: ScriptedServer,
    make_client: MakeClient,
    record_events: RecordEvents,
    caplog: pytest.LogCaptureFixture,
    compress: bool,
) -> None:
    caplog.set_level(logging.INFO, logger="vox_gateway")  # at DEBUG payloads are parsed one by one
    client, first = open_connection(make_client, server, compress=compress)
    news = record_events(client, "NEWS")
    first.hello().expect(2)
    ready = {"op": 0, "t": "READY", "s": 1, "d": {"session_id": "s1"}}
    payloads = [ready, {"op": 0, "t": "NEWS", "s": 2, "d": 1}, b'{"op":11,"d":"\xff"}']
    first.write(b"".join(map(first.frame, payloads)))  # in one segment
    assert first.expect_close().code == 1007
    first.close()
    assert server.open(RECONNECT_TIMEOUT).resume() == {"token": client._options.token, "session_id": "s1", "seq": 2}
    assert news.data() == 1


@pytest.mark.parametrize("compress", [True, False])
def test_the_json_option_parses_every_payload(
    server: ScriptedServer,
    make_client: MakeClient,
    record_events: RecordEvents,
    caplog: pytest.LogCaptureFixture,
    compress: bool,
) -> None:
    caplog.set_level(logging.INFO, logger="vox_gateway")  # at DEBUG payloads are parsed one by one
    reader = functools.partial(json.loads, parse_float=Decimal)
    client, peer = open_connection(make_client, server, compress=compress, json=reader)
    news = record_events(client, "NEWS")
    peer.send(10, {"heartbeat_interval": 60_000})
    peer.expect(2)
    peer.event("READY", {"session_id": "s1"})
    sealed, plain = b'{"t":"NEWS","s":2,"op":0,"d":0.1}', b'{"op":0,"t":"NEWS","s":3,"d":0.1}'
    for payloads in ([sealed], [plain], [sealed, sealed], [plain, sealed], [sealed, b'{"op":11}', sealed]):
        peer.write(b"".join(map(peer.frame, payloads)))
        for _ in [payload for payload in payloads if payload != b'{"op":11}']:
            assert repr(news.data()) == "Decimal('0.1')"


PARSED_BY_DISPATCHER = b'{"t":"NEWS","s":2,"op":0,"d":"boom"}'


PARSED_BY_READER = b'{"op":0,"t":"NEWS","s":2,"d":"boom"}'


@pytest.mark.parametrize("payload", [PARSED_BY_DISPATCHER, PARSED_BY_READER], ids=["dispatcher", "reader"])
@pytest.mark.parametrize("error", [KeyError("why"), SystemExit("why"), KeyboardInterrupt("why")])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_in_the_json_option_ends_the_connection_only(
    server: ScriptedServer,
    make_client: MakeClient,
    record_events: RecordEvents,
    caplog: pytest.LogCaptureFixture,
    payload: bytes,
    error: BaseException,
    workers: int,
) -> None:
    errors = [error]

    def reader(data: bytes) -> Any:
        if b"boom" in data and errors:
            raise errors.pop()
        return json.loads(data)

    client, first = open_connection(make_client, server, json=reader, workers=workers)
    news = record_events(client, "NEWS")
    first.login()
    first.write(first.frame(payload))
    assert first.expect_close().code == 4000
    first.close()
    second = server.open(RECONNECT_TIMEOUT)
    assert second.resume()["seq"] == 1
    second.write(second.frame(payload))
    assert news.data() == "boom"
    assert f"json= raised {type(error).__name__}: " in caplog.text


def test_an_event_that_is_never_decoded_costs_the_session_in_the_end(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if RESUMED is read before the dispatcher, which is held up, comes to the event."""
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_DELAY", 0.01)
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_FAILED_RESUMES", 2)
    may_dispatch = threading.Semaphore(0)

    def read(data: bytes) -> Any:
        if b"POISON" in data:
            raise ValueError("not readable")
        return json.loads(data)

    client = make_client(server, json=read, compress=False)
    client.on("POISON", lambda data: None)
    client.on("open", lambda: may_dispatch.acquire(timeout=TIMEOUT))
    client.connect(async_=True)
    peer = server.open().login()
    assert client.wait_until_ready(5)
    poison = message(b'{"t":"POISON","s":2,"op":0,"d":{}}', Opcode.TEXT)  # as Discord lays it out: it is decoded late
    peer.write(poison)
    for resumes in (1, 2):
        may_dispatch.release()
        assert peer.expect_close().code == 4000
        peer.close()
        peer = server.open(RECONNECT_TIMEOUT)
        assert peer.resume()["seq"] == 1
        peer.write(poison)
        peer.seq = 2
        peer.event("RESUMED")
        wait_until(lambda resumes=resumes: client.stats.resumes == resumes)
    may_dispatch.release(2)
    peer.expect_close()
    peer.close()
    server.open(RECONNECT_TIMEOUT).login(session_id="s2")


@pytest.mark.parametrize("compress", [True, False])
def test_a_message_over_the_size_limit_ends_the_connection(
    server: ScriptedServer, make_client: MakeClient, compress: bool
) -> None:
    client, first = open_connection(make_client, server, compress=compress, max_message_size=65_536)
    first.login()
    assert client.wait_until_ready(5)
    first.event("BOMB", "0" * 1_000_000)  # about a kilobyte compressed
    assert first.expect_close().code in (4000, 1009)
    assert server.open(RECONNECT_TIMEOUT).resume()["seq"] == 1


def test_the_default_size_limit_is_64_mib(server: ScriptedServer, make_client: MakeClient) -> None:
    client, first = open_connection(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    limit = 64 * 1024 * 1024
    first.write(b"\x02\x7f" + (limit - 2).to_bytes(8, "big"))  # the header of a fragment within the limit
    with pytest.raises(TimeoutError):
        first.receive(0.1)
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    second.resume()
    second.write(b"\x82\x7f" + (limit + 1).to_bytes(8, "big"))
    closed = second.expect_close()
    assert closed.code == 1009
