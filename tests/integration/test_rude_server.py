"""What a gateway may do to a client that no healthy gateway would."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import socket
import struct
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from rude_server import SYNC_FLUSH, Peer, RudeServer, message, pieces
from websockets.frames import Frame, Opcode

from vox_gateway import AuthenticationFailed, Status, UpgradeRefused

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")

NEXT = 5.0
#: seconds between beats, where one that the client sends by itself would be mistaken for an answer
SELDOM = 3600.0


@pytest.fixture
def server(make_client: Any) -> Iterator[RudeServer]:
    """After `make_client`, so that it goes first: a client that is left alone closes faster."""
    with RudeServer() as server:
        yield server


class Many:
    """A client and a server for each of many cases, which then wait out their backoffs side by side."""

    def __init__(self, make_client: Any, stack: contextlib.ExitStack) -> None:
        self.clients: dict[str, Any] = {}
        self.servers: dict[str, RudeServer] = {}
        self._make_client = make_client
        self._stack = stack

    def client(self, case: Any) -> Any:
        """A client that connects to the server of `case`."""
        server = self.servers[str(case)] = self._stack.enter_context(RudeServer())
        client = self.clients[str(case)] = self._make_client(server)
        client.connect(async_=True)
        return client


@pytest.fixture
def many(make_client: Any) -> Iterator[Many]:
    """Cases by name."""
    with contextlib.ExitStack() as stack:
        yield Many(make_client, stack)


def connect(make_client: Any, server: RudeServer, **options: Any) -> tuple[Any, Peer]:
    """A client, and the server's end of its first websocket."""
    client = make_client(server, **options)
    client.connect(async_=True)
    return client, server.open()


def answer(peer: Peer, status: str) -> None:
    """Answer the upgrade with an HTTP status, and end."""
    peer.read_request()
    peer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    peer.close()


# -- the upgrade ---------------------------------------------------------------------------------------------------

NO_UPGRADE = {
    "nothing": b"",
    "no http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "404": b"HTTP/1.1 404 Not Found\r\n\r\n",
    "500": b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
    "no such status": b"HTTP/1.1 abc Nothing\r\n\r\n",
    "no accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "wrong accept": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    ),
    "endless": b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-More: of the same\r\n" * 10_000,
    "cut short": b"HTTP/1.1 101 Switching Prot",
}


def test_an_answer_that_is_no_upgrade_is_tried_again(many: Many) -> None:
    clients = {name: many.client(name) for name in NO_UPGRADE}
    for name, answer in NO_UPGRADE.items():
        first = many.servers[name].accept()
        first.read_request()
        first.write(answer)
        first.close()
    for name, client in clients.items():
        many.servers[name].open(NEXT).login()
        assert client.wait_until_ready(5), name
        assert client.stats.reconnects == 0, name  # the first attempt made no connection


def test_a_reset_in_place_of_an_upgrade_is_tried_again(server: RudeServer, make_client: Any) -> None:
    client = make_client(server)
    client.connect(async_=True)
    server.accept().reset()
    server.open(NEXT).login()
    assert client.wait_until_ready(5)


@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 101 Switching Prot"])
def test_an_upgrade_that_is_not_answered_in_time_is_given_up(
    server: RudeServer, make_client: Any, half: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(server, connect_timeout=0.3)
    client.connect(async_=True)
    silent = server.accept()
    silent.read_request()
    silent.write(half)
    silent.expect_end(2)
    server.open(NEXT).login()
    assert client.wait_until_ready(5)
    assert "connect_timeout=0.3" in caplog.text


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 204])
@pytest.mark.parametrize("located", [True, False])
def test_a_redirect_is_a_refusal_and_is_not_followed(
    server: RudeServer, make_client: Any, hear: Any, caplog: pytest.LogCaptureFixture, status: int, located: bool
) -> None:
    """The token goes to the gateway that the user named, and to no other."""
    with RudeServer() as other:
        client = make_client(server)
        opens = hear(client, "open", "close")
        client.connect(async_=True)
        first = server.accept()
        first.read_request()
        location = f"Location: {other.url}/\r\n" if located else ""
        first.write(f"HTTP/1.1 {status} Elsewhere\r\n{location}Content-Length: 0\r\n\r\n".encode())
        server.open(NEXT).login()
        assert client.wait_until_ready(5)
        assert opens.next() == ("open", ())
        assert opens.silent
        assert (client.stats.identifies, client.stats.reconnects) == (1, 0)
        assert f"refused the websocket upgrade with HTTP {status}" in caplog.text
        with pytest.raises(TimeoutError):
            other.accept(0.01)


@pytest.mark.parametrize("status", [401, 403, 302])
def test_a_refusal_is_an_error_with_its_status(server: RudeServer, make_client: Any, hear: Any, status: int) -> None:
    client = make_client(server)
    client.connect(async_=True)
    answer(server.accept(), f"{status} No")
    if status == 302:
        server.open(NEXT)  # it is tried again
        assert "HTTP 302" in client.health()["last_error"]
        return
    with pytest.raises(UpgradeRefused, match=str(status)) as raised:
        client.wait_closed(5)
    assert raised.value.status == status


def test_a_refusal_does_not_wait_for_its_body(server: RudeServer, make_client: Any) -> None:
    client = make_client(server)
    client.connect(async_=True)
    first = server.accept()
    first.read_request()
    first.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n")
    with pytest.raises(UpgradeRefused, match="403"):
        client.wait_closed(5)


def test_the_upgrade_asks_for_no_extension_and_says_who_asks(server: RudeServer, make_client: Any) -> None:
    _, peer = connect(make_client, server)
    headers = {name.lower(): value for name, value in peer.read_request().headers.raw_items()}
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["user-agent"].startswith("DiscordBot (vox_gateway")
    assert "sec-websocket-extensions" not in headers
    assert "origin" not in headers


def test_hello_may_come_with_the_upgrade_in_one_segment(server: RudeServer, make_client: Any) -> None:
    client = make_client(server, compress=False)
    client.connect(async_=True)
    peer = server.accept()
    peer.upgrade(then=message(b'{"op":10,"d":{"heartbeat_interval":60000}}', Opcode.TEXT))
    peer.expect(2)
    peer.event("READY", {"session_id": "s1"})
    assert client.wait_until_ready(5)


def test_an_upgrade_may_come_byte_by_byte(server: RudeServer, make_client: Any) -> None:
    client = make_client(server)
    client.connect(async_=True)
    peer = server.accept()
    real, write = peer.sock, peer.write
    peer.write = lambda data: [write(piece) for piece in pieces(data, 1)]  # type: ignore[method-assign]
    peer.upgrade().login()
    assert client.wait_until_ready(5)
    assert real is peer.sock


# -- HELLO and READY -----------------------------------------------------------------------------------------------


NO_HELLO = [
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


def test_a_hello_that_is_none_costs_the_connection(many: Many, caplog: pytest.LogCaptureFixture) -> None:
    for data in NO_HELLO:
        many.client(data)
        first = many.servers[str(data)].open()
        first.send(10, data)
        assert first.expect_close().code == 4000, data
        first.close()
    for name, client in many.clients.items():
        many.servers[name].open(NEXT).login()
        assert client.wait_until_ready(5), name
    assert caplog.text.count("HELLO needs a heartbeat_interval") == len(NO_HELLO)


def test_a_heartbeat_interval_may_be_a_fraction(server: RudeServer, make_client: Any) -> None:
    client, peer = connect(make_client, server)
    peer.login(interval=0.2505)
    began = time.monotonic()
    for _ in range(4):
        peer.expect(1)
        peer.send(11)
    assert time.monotonic() - began < 4 * 0.2505 + 1.0
    assert client.stats.reconnects == 0


def test_a_second_hello_changes_nothing(server: RudeServer, make_client: Any) -> None:
    client, peer = connect(make_client, server)
    peer.login(interval=SELDOM).hello(0.01)
    peer.event("RESUMED")
    peer.send(1)
    assert peer.receive() == {"op": 1, "d": 2}  # and no second IDENTIFY, nor a faster beat, came before it
    assert client.stats.identifies == 1


def test_a_gateway_that_says_no_hello_is_given_up(
    server: RudeServer, make_client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.HELLO_WITHIN", 1.0)
    client, first = connect(make_client, server)
    first.write(message(b"are you there?", Opcode.PING))
    first.expect_end(3)
    server.open(NEXT).login()
    assert client.wait_until_ready(5)
    assert "HELLO did not come within 1 seconds" in caplog.text


def test_silence_before_ready_is_bounded_and_a_long_replay_is_not(
    server: RudeServer, make_client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.SILENCE_WITHIN", 0.4)
    client, first = connect(make_client, server)
    first.hello().expect(2)
    first.expect_end(3)  # no READY comes
    second = server.open(NEXT).login()
    assert client.wait_until_ready(5)
    assert "nothing came for 0.4 seconds after IDENTIFY" in caplog.text
    second.reset()
    third = server.open(NEXT)
    third.resume(interval=0.1)
    for _ in range(12):  # longer than the silence, and never silent
        third.expect(1)
        third.event("REPLAYED")
    third.event("RESUMED")
    assert client.wait_until_ready(5)
    assert client.stats.resumes == 1


def acknowledge(peer: Peer, seconds: float, timeout: float) -> None:
    """Acknowledge heartbeats for a time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        peer.expect(1, timeout)
        peer.send(11)


def test_ready_may_come_late_while_heartbeats_are_acknowledged(
    server: RudeServer, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.SILENCE_WITHIN", 1.0)
    client, peer = connect(make_client, server)
    peer.hello(interval=0.1).expect(2)
    acknowledge(peer, 2.5, timeout=1.0)
    peer.event("READY", {"session_id": "s1"})
    assert client.wait_until_ready(5)
    assert client.stats.identifies == 1


@pytest.mark.slow
def test_heartbeats_and_their_acknowledgements_are_no_progress_after_resume(
    server: RudeServer, make_client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, first = connect(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    monkeypatch.setattr("vox_gateway.shard.connection.SILENCE_WITHIN", 1.5)
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_FAILED_RESUMES", 2)
    first.reset()
    second = server.open(NEXT)
    second.resume(interval=0.1)
    acknowledge(second, 0.5, timeout=1.0)
    began = time.monotonic()
    second.event("REPLAYED")  # renews the bound
    with pytest.raises((EOFError, OSError)):
        acknowledge(second, 10.0, timeout=5.0)
    assert time.monotonic() - began >= 1.5
    third = server.open(NEXT)
    third.resume(interval=0.1)
    with pytest.raises((EOFError, OSError)):
        acknowledge(third, 10.0, timeout=5.0)
    server.open(NEXT).login(session_id="s2")  # both counted as failed resumes
    assert client.wait_until_ready(5)
    assert caplog.text.count("no event came for 1.5 seconds after RESUME") == 2


def test_a_session_that_cannot_be_written_as_resume_is_dropped(
    server: RudeServer, make_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client, first = connect(make_client, server)
    first.login(session_id="half \ud800")
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(NEXT).hello()
    assert second.expect_close().code == 4000
    second.close()
    server.open(NEXT).login(session_id="s2")
    assert client.wait_until_ready(5)
    assert client.session.id == "s2"
    assert "lone surrogate '\\ud800'" in caplog.text


@pytest.mark.parametrize("url", [None, 5, "", "http://127.0.0.1/", "wss://", "ws://a b/", "ws://user:pw@127.0.0.1/"])
def test_a_resume_url_that_is_none_is_not_needed(server: RudeServer, make_client: Any, url: Any) -> None:
    client, first = connect(make_client, server)
    first.login(resume_gateway_url=url)
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(NEXT)
    assert second.resume()["session_id"] == "s1"
    second.event("RESUMED")
    assert client.wait_until_ready(5)


def test_a_ready_without_a_session_is_ready_and_begun_anew(server: RudeServer, make_client: Any) -> None:
    client, first = connect(make_client, server)
    first.hello().expect(2)
    first.event("READY", {})
    assert client.wait_until_ready(5)
    first.reset()
    server.open(NEXT).login()


def test_a_resume_that_is_answered_with_ready_goes_on(server: RudeServer, make_client: Any) -> None:
    client, first = connect(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(NEXT)
    second.resume()
    second.event("READY", {"session_id": "s2"})
    assert client.wait_until_ready(5)
    assert (client.session.id, client.session.seq) == ("s2", 1)


NO_PAYLOAD = [
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


def test_a_payload_without_the_shape_of_one_costs_the_connection(
    many: Many, hear: Any, caplog: pytest.LogCaptureFixture
) -> None:
    heard = {}
    for payload in NO_PAYLOAD:
        client = many.client(payload)
        heard[str(payload)] = hear(client, "NEWS")
        first = many.servers[str(payload)].open().login()
        assert client.wait_until_ready(5), payload
        first.write(first.frame(payload))
        assert first.expect_close().code in (4000, 1007), payload
        first.close()
    for name, news in heard.items():
        second = many.servers[name].open(NEXT)
        assert second.resume()["seq"] == 1, name
        second.seq = 1
        second.event("NEWS", name)
        assert news.data() == name
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == len(NO_PAYLOAD)  # one line for each
    assert max(len(record.getMessage()) for record in said) < 300


@pytest.mark.parametrize("compress", [True, False])
def test_a_payload_that_is_not_utf_8_does_not_cost_those_that_were_read_with_it(
    server: RudeServer, make_client: Any, hear: Any, caplog: pytest.LogCaptureFixture, compress: bool
) -> None:
    caplog.set_level(logging.INFO, logger="vox_gateway")  # at DEBUG each payload is read by itself
    client, first = connect(make_client, server, compress=compress)
    news = hear(client, "NEWS")
    first.hello().expect(2)
    ready = {"op": 0, "t": "READY", "s": 1, "d": {"session_id": "s1"}}
    payloads = [ready, {"op": 0, "t": "NEWS", "s": 2, "d": 1}, b'{"op":11,"d":"\xff"}']
    first.write(b"".join(map(first.frame, payloads)))  # in one segment
    assert first.expect_close().code == 1007
    first.close()
    assert server.open(NEXT).resume() == {"token": client._options.token, "session_id": "s1", "seq": 2}
    assert news.data() == 1


@pytest.mark.parametrize("compress", [True, False])
def test_the_chosen_reader_reads_every_payload_however_the_stream_is_cut(
    server: RudeServer, make_client: Any, hear: Any, caplog: pytest.LogCaptureFixture, compress: bool
) -> None:
    caplog.set_level(logging.INFO, logger="vox_gateway")  # at DEBUG each payload is read by itself
    reader = functools.partial(json.loads, parse_float=Decimal)
    client, peer = connect(make_client, server, compress=compress, json=reader)
    news = hear(client, "NEWS")
    peer.send(10, {"heartbeat_interval": 60_000})
    peer.expect(2)
    peer.event("READY", {"session_id": "s1"})
    sealed, plain = b'{"t":"NEWS","s":2,"op":0,"d":0.1}', b'{"op":0,"t":"NEWS","s":3,"d":0.1}'
    for payloads in ([sealed], [plain], [sealed, sealed], [plain, sealed], [sealed, b'{"op":11}', sealed]):
        peer.write(b"".join(map(peer.frame, payloads)))
        for _ in [payload for payload in payloads if payload != b'{"op":11}']:
            assert repr(news.data()) == "Decimal('0.1')"


BY_THE_DISPATCHER = b'{"t":"NEWS","s":2,"op":0,"d":"boom"}'
BY_THE_READER = b'{"op":0,"t":"NEWS","s":2,"d":"boom"}'


@pytest.mark.parametrize("payload", [BY_THE_DISPATCHER, BY_THE_READER], ids=["dispatcher", "reader"])
@pytest.mark.parametrize("error", [KeyError("why"), SystemExit("why"), KeyboardInterrupt("why")])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_reader_that_raises_costs_the_connection_and_nothing_else(
    server: RudeServer,
    make_client: Any,
    hear: Any,
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

    client, first = connect(make_client, server, json=reader, workers=workers)
    news = hear(client, "NEWS")
    first.login()
    first.write(first.frame(payload))
    assert first.expect_close().code == 4000
    first.close()
    second = server.open(NEXT)
    assert second.resume()["seq"] == 1
    second.write(second.frame(payload))
    assert news.data() == "boom"
    assert f"json= raised {type(error).__name__}: " in caplog.text


def test_what_a_lean_server_leaves_out_is_not_missed(server: RudeServer, make_client: Any, hear: Any) -> None:
    client, peer = connect(make_client, server)
    heard = hear(client, "NEWS", "HEARTBEAT_ACK")
    peer.write(peer.frame({"op": 10, "d": {"heartbeat_interval": 60_000}}))
    peer.expect(2)
    peer.write(peer.frame({"op": 0, "t": "READY", "s": 1, "d": {"session_id": "s1"}, "extra": 1}))
    peer.write(peer.frame({"op": 11}))
    peer.write(peer.frame({"op": 0, "t": "NEWS"}))
    assert heard.next() == ("HEARTBEAT_ACK", ({"op": 11},))
    assert heard.next() == ("NEWS", (None,))
    assert client.session.seq == 1
    assert client.latency == math.inf  # nothing was beaten that could have been acknowledged


# -- frames --------------------------------------------------------------------------------------------------------


def test_pings_are_answered_even_inside_a_message(server: RudeServer, make_client: Any, hear: Any) -> None:
    client, peer = connect(make_client, server, compress=False)
    heard = hear(client, "NEWS")
    peer.login(interval=SELDOM)
    text = b'{"op":0,"s":2,"t":"NEWS","d":"\xc3\xa9"}'
    cut = text.index(b"\xa9")  # inside a character
    peer.write(message(text[:cut], Opcode.TEXT, final=False))
    peer.write(message(b"still there?", Opcode.PING))
    peer.write(message(b"never asked", Opcode.PONG))
    peer.write(message(b"", Opcode.CONT, final=False))
    pong = peer.receive()
    assert isinstance(pong, Frame)
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"still there?")
    peer.write(message(text[cut:], Opcode.CONT))
    assert heard.data() == "é"
    assert client.stats.reconnects == 0


def test_json_may_come_in_binary_frames(server: RudeServer, make_client: Any, hear: Any) -> None:
    client, peer = connect(make_client, server, compress=False)
    heard = hear(client, "NEWS")
    peer.login()
    peer.write(message(b'{"op":0,"s":2,"t":"NEWS","d":1}', Opcode.BINARY))
    assert heard.data() == 1


def test_plain_text_may_come_between_compressed_messages(server: RudeServer, make_client: Any, hear: Any) -> None:
    client, peer = connect(make_client, server)
    heard = hear(client, "NEWS")
    peer.login()
    peer.write(message(b'{"op":0,"s":2,"t":"NEWS","d":"plain"}', Opcode.TEXT))
    peer.seq = 2
    peer.event("NEWS", "compressed")
    assert [heard.data(), heard.data()] == ["plain", "compressed"]
    assert client.session.seq == 3


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_end_of_a_compressed_message_may_be_cut_anywhere(
    server: RudeServer, make_client: Any, hear: Any, size: int
) -> None:
    client, peer = connect(make_client, server)
    heard = hear(client, "NEWS")
    peer.login()
    for number in range(3):
        compressed = peer.compressed(b'{"op":0,"s":%d,"t":"NEWS","d":%d}' % (number + 2, number))
        assert compressed.endswith(SYNC_FLUSH)
        peer.write(b"".join(message(piece, Opcode.BINARY) for piece in pieces(compressed, size)))
        peer.write(message(b"", Opcode.BINARY))
    assert [heard.data() for _ in range(3)] == [0, 1, 2]
    assert client.stats.reconnects == 0


def test_a_message_with_the_mark_of_the_end_inside_is_whole_all_the_same(
    server: RudeServer, make_client: Any, hear: Any
) -> None:
    client, peer = connect(make_client, server)
    heard = hear(client, "NEWS")
    peer.login()
    # Two flushes in one websocket message: the mark in the middle ends nothing.
    text = b'{"op":0,"s":2,"t":"NEWS","d":"' + b"x" * 1000 + b'"}'
    peer.write(message(peer.compressed(text[:500]) + peer.compressed(text[500:]), Opcode.BINARY))
    assert heard.data() == "x" * 1000


@pytest.mark.parametrize("compress", [True, False])
def test_a_message_beyond_the_limit_costs_the_connection(server: RudeServer, make_client: Any, compress: bool) -> None:
    client, first = connect(make_client, server, compress=compress, max_message_size=65_536)
    first.login()
    assert client.wait_until_ready(5)
    first.event("BOMB", "0" * 1_000_000)  # compressed it is but a kilobyte
    assert first.expect_close().code in (4000, 1009)
    assert server.open(NEXT).resume()["seq"] == 1


def test_the_limit_is_64_mib_unless_told_otherwise(server: RudeServer, make_client: Any) -> None:
    client, first = connect(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    most = 64 * 1024 * 1024
    first.write(b"\x02\x7f" + (most - 2).to_bytes(8, "big"))  # a fragment's head; its payload would not be refused
    with pytest.raises(TimeoutError):
        first.receive(0.1)
    first.reset()
    second = server.open(NEXT)
    second.resume()
    second.write(b"\x82\x7f" + (most + 1).to_bytes(8, "big"))
    closed = second.expect_close()
    assert closed.code == 1009


def test_each_connection_has_a_compression_of_its_own(server: RudeServer, make_client: Any, hear: Any) -> None:
    client, first = connect(make_client, server)
    heard = hear(client, "NEWS")
    first.login()
    first.event("NEWS", "x" * 500)
    assert heard.data() == "x" * 500
    first.write(message(first.compressed(b'{"op":0,"s":3,"t":"NEWS","d":"half')[:-6], Opcode.BINARY))
    first.reset()
    second = server.open(NEXT)
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "x" * 500)
    assert heard.data() == "x" * 500


# -- closing -------------------------------------------------------------------------------------------------------


def test_a_close_frame_without_a_code_is_answered_in_kind_and_resumed(
    server: RudeServer, make_client: Any, hear: Any
) -> None:
    client, first = connect(make_client, server)
    closes = hear(client, "close")
    first.login()
    assert client.wait_until_ready(5)
    first.send_close()
    assert first.expect_close().code is None
    first.expect_end(1)  # and the client does not wait for us to end it
    assert closes.data()["code"] == 1005
    server.open(NEXT).resume()


def test_what_comes_before_a_close_frame_counts_and_what_comes_after_does_not(
    server: RudeServer, make_client: Any, hear: Any
) -> None:
    client, first = connect(make_client, server, compress=False)
    heard = hear(client, "NEWS")
    first.login()
    early, late = (first.frame({"op": 0, "s": seq, "t": "NEWS", "d": seq}) for seq in (2, 3))
    first.write(early + message(b"\x0f\xa0bye", Opcode.CLOSE) + late)
    second = server.open(NEXT)
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "again")
    assert [heard.data(), heard.data()] == [2, "again"]


@pytest.mark.parametrize("stage", ["upgraded", "identified", "live"])
def test_a_fatal_code_ends_the_client_at_every_stage(server: RudeServer, make_client: Any, stage: str) -> None:
    client, peer = connect(make_client, server)
    if stage == "identified":
        peer.hello().expect(2)
    elif stage == "live":
        peer.login()
        assert client.wait_until_ready(5)
    peer.send_close(4004, b"who are you?")
    with pytest.raises(AuthenticationFailed, match="who are you"):
        client.wait_closed(5)
    assert peer.expect_close().code == 4004
    with pytest.raises(TimeoutError):
        server.accept(0.01)


def test_a_fatal_code_is_heard_even_when_the_connection_breaks_right_after_it(
    server: RudeServer, make_client: Any
) -> None:
    client, peer = connect(make_client, server)
    peer.login()
    assert client.wait_until_ready(5)
    # The socket is gone when the client answers; the code must not be lost with it.
    peer.sock.shutdown(socket.SHUT_RD)
    peer.send_close(4004)
    peer.close()
    with pytest.raises(AuthenticationFailed):
        client.wait_closed(5)


def test_the_end_of_the_stream_is_the_end_even_if_the_server_still_reads(
    server: RudeServer, make_client: Any, hear: Any
) -> None:
    client, first = connect(make_client, server)
    closes = hear(client, "close")
    first.login()
    assert client.wait_until_ready(5)
    first.sock.shutdown(socket.SHUT_WR)
    assert server.open(NEXT).resume()["seq"] == 1
    first.expect_end(1)
    assert closes.data()["code"] == 1006


# -- op 7 and op 9 -------------------------------------------------------------------------------------------------


def test_a_server_that_asks_for_a_reconnect_and_goes_on_talking_is_left(
    server: RudeServer, make_client: Any, hear: Any
) -> None:
    client, first = connect(make_client, server)
    heard = hear(client, "NEWS", "RECONNECT")
    first.login()
    first.event("NEWS", "before")
    first.send(7)
    first.event("NEWS", "too late")  # the resume brings it again, so here it must not count
    assert first.expect_close().code == 4000
    began = time.monotonic()
    second = server.open(NEXT)  # the close frame is not answered
    assert time.monotonic() - began < 1.0 + 1.0 + 4  # the wait for the answer, and the first backoff
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "too late")
    second.event("RESUMED")
    assert [heard.next() for _ in range(3)] == [
        ("NEWS", ("before",)),
        ("RECONNECT", ({"op": 7, "d": None, "s": None, "t": None},)),
        ("NEWS", ("too late",)),
    ]
    first.expect_end(1)
    assert client.wait_until_ready(5)


@pytest.mark.parametrize("what", ["events", "pings"])
def test_a_server_that_floods_after_op_7_is_left_in_time(server: RudeServer, make_client: Any, what: str) -> None:
    client, first = connect(make_client, server, compress=False)
    first.login()
    assert client.wait_until_ready(5)
    first.send(7)
    ended = threading.Event()
    one = message(b"?" * 125, Opcode.PING) if what == "pings" else first.frame({"op": 0, "t": "N", "s": 2, "d": None})

    much = one * 100_000

    def flood() -> None:
        try:
            while True:
                first.sock.sendall(much)
        except OSError:
            ended.set()

    flooder = threading.Thread(target=flood)
    flooder.start()
    try:
        second = server.open(NEXT)
        assert second.resume()["seq"] == 1
        assert ended.wait(2)
    finally:
        with contextlib.suppress(OSError):  # it has ended by itself, or ends now
            first.sock.shutdown(socket.SHUT_RDWR)
        flooder.join(5)


def test_op_7_before_hello_keeps_the_session(server: RudeServer, make_client: Any) -> None:
    client, first = connect(make_client, server)
    first.login()
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open(NEXT)
    second.send(7)
    assert second.expect_close().code == 4000
    second.close()
    third = server.open(NEXT)
    assert third.resume()["seq"] == 1
    third.send(7)  # and right after RESUME, too
    assert third.expect_close().code == 4000
    third.close()
    fourth = server.open(NEXT)
    fourth.resume()
    fourth.event("RESUMED")
    assert client.wait_until_ready(5)
    assert client.stats.identifies == 1


def test_op_9_with_anything_but_true_begins_a_new_session_on_the_base_url(many: Many) -> None:
    with contextlib.ExitStack() as stack:
        said = {}
        for data in (False, None, 0, "true", {}):
            elsewhere = stack.enter_context(RudeServer())
            client = many.client(data)
            first = many.servers[str(data)].open().login(resume_gateway_url=elsewhere.url)
            assert client.wait_until_ready(5)
            first.reset()
            second = elsewhere.open(NEXT)
            second.resume()
            second.send(9, data)
            assert second.expect_close().code == 4000
            second.close()
            said[str(data)] = time.monotonic()
        for name, client in many.clients.items():
            third = many.servers[name].open(8)
            assert time.monotonic() - said[name] > 0.95, name
            third.login(session_id="s2")
            assert client.wait_until_ready(5)
            assert client.session.id == "s2", name


def test_an_unreachable_resume_url_is_followed_by_a_resume_on_the_base_url(
    server: RudeServer, make_client: Any
) -> None:
    with RudeServer() as elsewhere:
        client, first = connect(make_client, server)
        first.login(resume_gateway_url=f"{elsewhere.url}/there")
        assert client.wait_until_ready(5)
        first.reset()
        refused = elsewhere.accept(NEXT)
        assert refused.path == "/there"
        assert refused.query == first.query
        refused.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        refused.close()
        second = server.open(NEXT)
        assert second.query == first.query
        assert second.resume() == {"token": client._options.token, "session_id": "s1", "seq": 1}
        second.event("RESUMED")
        assert client.wait_until_ready(5)
        second.reset()
        assert elsewhere.open(NEXT).resume()["session_id"] == "s1"  # and the next resume goes there again


SICK_BEFORE_HELLO = {
    "closes": lambda peer: peer.upgrade().send_close(1001),
    "drops": lambda peer: peer.upgrade().close(),
    "resets": lambda peer: peer.upgrade().reset(),
    "op 7": lambda peer: peer.upgrade().send(7),
    "no HELLO": lambda peer: peer.upgrade(),
    "bad HELLO": lambda peer: peer.upgrade().send(10),
    "401": lambda peer: answer(peer, "401 Unauthorized"),
    "403": lambda peer: answer(peer, "403 Forbidden"),
    "503": lambda peer: answer(peer, "503 Busy"),
}


def test_a_resume_url_that_fails_before_hello_is_followed_by_a_resume_on_the_base_url(
    many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.HELLO_WITHIN", 1.0)
    with contextlib.ExitStack() as stack:
        elsewhere = {case: stack.enter_context(RudeServer()) for case in SICK_BEFORE_HELLO}
        for case in SICK_BEFORE_HELLO:
            client = many.client(case)
            first = many.servers[case].open().login(resume_gateway_url=elsewhere[case].url)
            assert client.wait_until_ready(5), case
            first.reset()
        for case, fail in SICK_BEFORE_HELLO.items():
            fail(elsewhere[case].accept(NEXT))
        for case, client in many.clients.items():
            second = many.servers[case].open(NEXT)
            assert second.resume()["session_id"] == "s1", case
            second.event("RESUMED")
            assert client.wait_until_ready(5), case
            assert client.stats.identifies == 1, case


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_kept_session_whose_resume_url_refuses_is_resumed_at_the_base_url(
    server: RudeServer, make_client: Any, hear: Any, status: str
) -> None:
    with RudeServer() as elsewhere:
        client, first = connect(make_client, server)
        ready = hear(client, "READY")
        first.login(resume_gateway_url=elsewhere.url)
        ready.next()  # or there would be no session to keep
        client.close(resumable=True)
        client.connect(async_=True)
        answer(elsewhere.accept(NEXT), status)
        second = server.open(NEXT)
        second.resume()
        second.event("RESUMED")
        assert client.wait_until_ready(5)


def test_a_session_that_fails_five_times_before_hello_is_dropped(
    server: RudeServer, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_DELAY", 0.01)
    with RudeServer() as elsewhere:
        client, first = connect(make_client, server)
        first.login(resume_gateway_url=elsewhere.url)
        assert client.wait_until_ready(5)
        first.reset()
        for one in (elsewhere, *[server] * 4):
            peer = one.open(NEXT)
            peer.send(7)
            peer.expect_close()
            peer.close()
        server.open(NEXT).login(session_id="s2")
        assert client.wait_until_ready(5)
        assert client.session.id == "s2"


# -- heartbeats and zombies ----------------------------------------------------------------------------------------


def test_a_beat_before_the_first_event_has_no_sequence_number(server: RudeServer, make_client: Any) -> None:
    _, peer = connect(make_client, server)
    peer.hello(0.1)
    assert peer.receive()["op"] == 2
    assert peer.receive() == {"op": 1, "d": None}


def test_beats_that_the_server_asks_for_are_none_that_it_owes_an_answer_for(
    server: RudeServer, make_client: Any
) -> None:
    client, peer = connect(make_client, server)
    peer.login(interval=0.3)
    asked = 0
    while asked < 20:  # several intervals' worth, each answered with a beat, none of them acknowledged
        peer.send(1)
        assert peer.receive()["op"] == 1
        peer.send(11)
        asked += 1
    assert client.stats.reconnects == 0


def test_a_flood_of_requests_for_a_beat_is_answered_and_holds_up_no_event(
    server: RudeServer, make_client: Any, hear: Any
) -> None:
    client, peer = connect(make_client, server, compress=False)
    heard = hear(client, "NEWS")
    peer.login(interval=SELDOM)
    peer.write(peer.frame({"op": 1, "d": None}) * 1000)
    peer.event("NEWS", 1)
    assert heard.data() == 1
    for _ in range(1000):
        peer.expect(1)
    # Commands keep half the window even so.
    client.voice_state_update(1, None, timeout=1)
    assert peer.expect(4)
    client.close()  # a beat is counted once it is written, and the peer may see it first
    assert client.stats.beats == 1000


@pytest.mark.parametrize("last_sign", [1, 3])
def test_a_server_that_dies_after_it_has_answered_late_is_a_zombie_all_the_same(
    server: RudeServer, make_client: Any, last_sign: int
) -> None:
    """Its last sign of life came after a beat that it never acknowledged."""
    client, first = connect(make_client, server)
    first.login(interval=0.3)
    for _ in range(last_sign):
        first.expect(1)
        first.event("NEWS")
    began = time.monotonic()
    second = server.open(NEXT)
    assert 0.25 < time.monotonic() - began < 2 * 0.3 + 4
    assert first.expect_close().code == 4000
    assert second.resume()["seq"] == 1 + last_sign
    assert client.stats.reconnects == 1


def test_a_zombie_that_reads_nothing_is_left_with_its_buffers_full(make_client: Any) -> None:
    with RudeServer(receive_buffer=4096) as server:
        client, first = connect(make_client, server, compress=False)
        first.login(interval=0.4)
        assert client.wait_until_ready(5)
        first.write(message(b"?" * 125, Opcode.PING) * 60_000)  # some megabytes of pongs, which nobody reads
        began = time.monotonic()
        second = server.open(NEXT)
        assert time.monotonic() - began < 2 * 0.4 + 1.0 + 1.5
        second.resume()


def test_commands_that_the_kernel_does_not_take_wait_and_arrive_whole(make_client: Any) -> None:
    with RudeServer(receive_buffer=4096) as server:
        client, peer = connect(make_client, server, compress=False)
        peer.login()
        for number in range(100):
            client.send_packet(50, [number, "x" * 4000], timeout=5)  # returns although nobody reads
        got = [peer.expect(50) for _ in range(100)]
        assert got == [[number, "x" * 4000] for number in range(100)]
        assert client.stats.reconnects == 0


# -- old and new ---------------------------------------------------------------------------------------------------


def test_a_connection_torn_in_the_middle_of_a_frame_is_resumed_from_the_last_whole_event(
    server: RudeServer, make_client: Any, hear: Any
) -> None:
    client, first = connect(make_client, server, compress=False)
    heard = hear(client, "NEWS")
    first.login()
    first.event("NEWS", "whole")
    first.write(first.frame({"op": 0, "s": 3, "t": "NEWS", "d": "torn"})[:-3])
    first.close()
    second = server.open(NEXT)
    assert second.resume()["seq"] == 2
    second.seq = 2
    second.event("NEWS", "torn")
    assert [heard.data(), heard.data()] == ["whole", "torn"]


def test_the_numbers_tell_what_was_on_the_wire(server: RudeServer, make_client: Any, hear: Any) -> None:
    client, peer = connect(make_client, server)
    heard = hear(client, "NEWS")
    peer.login()
    for number in range(50):
        peer.event("NEWS", "x" * number)
    for _ in range(50):
        heard.data()
    stats = client.stats
    assert stats.bytes_in == peer.sent
    assert stats.bytes_inflated == peer.said
    assert stats.events == 51
    assert (stats.identifies, stats.resumes, stats.reconnects, stats.events_waiting) == (1, 0, 0, 0)
    assert client.session.seq == 51
    assert str(client.status) == "ready"


def test_the_status_tells_what_the_client_is_doing(server: RudeServer, make_client: Any, hear: Any) -> None:
    client = make_client(server)
    introduced = hear(client, "HELLO")  # emitted when what HELLO calls for has been done
    assert client.status is Status.CLOSED
    client.connect(async_=True)
    first = server.accept()
    first.read_request()
    assert client.status is Status.CONNECTING
    first.upgrade().hello().expect(2)
    introduced.next()
    assert client.status is Status.IDENTIFYING
    first.event("READY", {"session_id": "s1"})
    assert client.wait_until_ready(5)
    assert client.status is Status.READY
    first.reset()
    second = server.open(NEXT)
    second.resume()
    introduced.next()
    assert client.status is Status.RESUMING
    closer = threading.Thread(target=client.close)
    closer.start()
    second.expect_close()
    assert client.status is Status.CLOSING
    second.close()
    closer.join(5)
    assert client.status is Status.CLOSED
    assert f"{client!r}".startswith("<Client shard=0/1 closed ")


def test_latency_is_from_the_beat_to_its_acknowledgement(server: RudeServer, make_client: Any) -> None:
    client, peer = connect(make_client, server)
    peer.login(interval=0.3)
    peer.expect(1)
    peer.send(11)
    peer.expect(1)
    assert 0 < client.latency < 1.0
    began = time.monotonic()
    peer.event("NEWS")  # or the silence would make it a zombie
    peer.expect(1)
    late = time.monotonic() - began
    peer.send(11)
    peer.expect(1)  # the heartbeat loop has taken the acknowledgement by its next beat
    assert late <= client.latency < 2.0


def test_a_descriptor_that_cannot_be_had_is_a_failed_attempt_and_not_the_end(
    server: RudeServer, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socketpair
    failures = [OSError(24, "Too many open files")]

    def scarce(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*args)

    monkeypatch.setattr(socket, "socketpair", scarce)
    client, peer = connect(make_client, server)
    peer.login()
    assert client.wait_until_ready(5)
    assert failures == []


def test_linger_is_what_makes_a_reset(server: RudeServer, make_client: Any, hear: Any) -> None:
    """What arrived before a reset, and was read, counts."""
    client, first = connect(make_client, server)
    heard = hear(client, "NEWS")
    first.login()
    first.event("NEWS", 1)
    assert heard.data() == 1
    first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    first.close()
    assert server.open(NEXT).resume()["seq"] == 2
    assert client.stats.identifies == 1
