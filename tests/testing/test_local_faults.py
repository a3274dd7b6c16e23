"""Faults of the local gateway."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest
from foreign_client import OpenClient
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vox_gateway.testing import LocalGateway

STREAM = "v=10&encoding=json&compress=zlib-stream"


@pytest.mark.parametrize("status", [503, 429, 401, 403])
def test_a_handshake_can_be_refused(gateway: LocalGateway, open_client: OpenClient, status: int) -> None:
    gateway.faults.refuse_upgrade(status, times=2, retry_after=1.5)
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused:
            open_client(gateway)
        assert refused.value.response.status_code == status
        assert refused.value.response.headers["Retry-After"] == "1.5"
    open_client(gateway)
    assert [record.status for record in gateway.connections] == [status, status, 101]


def test_a_handshake_can_be_left_unanswered(
    gateway: LocalGateway, open_client: OpenClient, raw_socket: Callable[[LocalGateway], socket.socket]
) -> None:
    gateway.faults.ignore_upgrade()
    sock = raw_socket(gateway)
    sock.sendall(
        b"GET /?v=10 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert gateway.wait_connection(1).status is None
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    open_client(gateway)


def test_a_connection_can_be_left_unanswered(
    gateway: LocalGateway, open_client: OpenClient, raw_socket: Callable[[LocalGateway], socket.socket]
) -> None:
    gateway.faults.ignore_connection()
    sock = raw_socket(gateway)
    sock.sendall(b"GET /gateway HTTP/1.1\r\n\r\n")
    open_client(gateway)
    assert gateway.http.requests == ()


def test_hello_can_be_omitted(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.no_hello()
    client = open_client(gateway, hello=False)
    with pytest.raises(TimeoutError):
        client.recv(timeout=0.1)
    open_client(gateway)


def test_op_7_can_replace_hello(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.reconnect_before_hello()
    assert open_client(gateway, hello=False).recv()["op"] == 7
    open_client(gateway)


def test_acknowledgements_can_be_withheld_from_a_new_connection(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.no_ack()
    client = open_client(gateway)
    client.login()
    client.send(1, None)
    gateway.expect("HEARTBEAT")
    gateway.dispatch("USER_UPDATE", {})
    assert client.recv()["t"] == "USER_UPDATE"
    other = open_client(gateway)
    other.send(1, None)
    assert other.recv()["op"] == 11


def test_acknowledgements_can_be_withheld_from_an_open_connection(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.withhold_acks() == 1
    client.send(1, None)
    gateway.expect("HEARTBEAT")
    gateway.dispatch("USER_UPDATE", {})
    assert client.recv()["t"] == "USER_UPDATE"


def test_a_silenced_connection_sends_nothing_and_its_end_is_noticed(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.login()
    assert gateway.silence() == 1
    client.send(1, None)
    assert gateway.dispatch("USER_UPDATE", {"while": "silent"}) == 1
    with pytest.raises(TimeoutError):
        client.recv(timeout=0.1)
    assert [entry.name for entry in gateway.received] == ["IDENTIFY"]
    client.close(4000)
    closed = gateway.expect_close()
    assert (closed.code, closed.clean, closed.by, closed.sent_code) == (4000, False, "client", None)
    again = open_client(gateway)
    again.resume(client)
    assert again.recv()["d"] == {"while": "silent"}
    assert again.recv()["t"] == "RESUMED"


def test_a_gateway_that_stops_reading_fills_the_clients_buffer(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    gateway.stop_reading()
    client.websocket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    stuck = threading.Event()

    def send_much() -> None:
        try:
            for _ in range(100):
                client.websocket.send("x" * 1_000_000)
        except (ConnectionClosed, OSError):
            pass
        finally:
            stuck.set()

    sender = threading.Thread(target=send_much)
    sender.start()
    assert not stuck.wait(0.3)
    assert [entry.name for entry in gateway.received] == ["IDENTIFY"]
    gateway.resume_reading()
    assert stuck.wait(5)
    sender.join()
    assert gateway.expect_close().sent_code == 4002


@pytest.mark.parametrize("how", ["reset", "eof", "close"])
@pytest.mark.parametrize("at", ["upgraded", "hello", "identify", "ready"])
def test_a_login_can_be_cut_at_any_point(gateway: LocalGateway, open_client: OpenClient, at: str, how: str) -> None:
    gateway.faults.cut(at, how, code=4123, reason="on demand")
    client = open_client(gateway, hello=False)
    if at != "upgraded":
        assert client.recv()["op"] == 10
    if at in ("identify", "ready"):
        client.identify()
    if at == "ready":
        assert client.recv()["t"] == "READY"
    assert client.closed() == ((4123, "on demand") if how == "close" else (None, ""))
    again = open_client(gateway)
    if at != "ready":
        assert gateway.sessions == ()
        again.login()
    else:
        again.resume(client)
        assert [again.recv()["t"] for _ in range(3)] == ["GUILD_CREATE", "GUILD_CREATE", "RESUMED"]


@pytest.mark.parametrize(("at", "arrives"), [("upgraded", 0), ("hello", 1), ("ready", 2), ("event", 2)])
def test_a_connection_is_silent_only_after_what_it_was_to_send(
    gateway: LocalGateway, open_client: OpenClient, at: str, arrives: int
) -> None:
    gateway.faults.cut(at, "silent")
    client = open_client(gateway, hello=False)
    if arrives > 0:
        assert client.recv()["op"] == 10
    client.identify()
    if arrives > 1:
        assert client.recv()["t"] == "READY"
    client.send(1, None)
    with pytest.raises(TimeoutError):
        client.recv(timeout=0.1)


def test_what_was_dispatched_before_a_silence_arrives(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    for index in range(1000):  # more than the gateway's thread can send in the meantime
        gateway.dispatch("USER_UPDATE", {"index": index})
    gateway.silence()
    assert [client.recv()["d"]["index"] for _ in range(1000)] == list(range(1000))


@pytest.mark.parametrize("at", ["resume", "replay"])
def test_a_resume_can_be_cut_and_tried_again(gateway: LocalGateway, open_client: OpenClient, at: str) -> None:
    client = open_client(gateway)
    client.login()
    gateway.drop()
    gateway.dispatch("USER_UPDATE", {})
    gateway.faults.cut(at)
    again = open_client(gateway)
    again.resume(client)
    assert again.closed()[0] is None
    third = open_client(gateway)
    third.resume(client)
    assert [third.recv()["t"] for _ in range(2)] == ["USER_UPDATE", "RESUMED"]


def test_a_connection_can_be_cut_after_a_number_of_events(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    gateway.faults.cut("event", "close", after=3)
    for index in range(5):
        gateway.dispatch("USER_UPDATE", {"index": index})
    assert [client.recv()["d"]["index"] for _ in range(3)] == [0, 1, 2]
    assert client.closed()[0] == 4000
    again = open_client(gateway)
    again.resume(client)
    assert [again.recv()["d"]["index"] for _ in range(2)] == [3, 4]


def test_each_of_several_cuts_comes_after_a_number_of_events(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    gateway.faults.cut("event", "close", after=3, times=2)
    for index in range(7):
        gateway.dispatch("USER_UPDATE", {"index": index})
    for expected in ([0, 1, 2], [3, 4, 5]):
        assert [client.recv()["d"]["index"] for _ in range(3)] == expected
        assert client.closed()[0] == 4000
        again = open_client(gateway)
        again.resume(client)
        client = again
    assert client.recv()["d"]["index"] == 6
    assert client.recv()["t"] == "RESUMED"


def test_a_replay_can_be_cut_in_its_middle(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    gateway.drop()
    for index in range(5):
        gateway.dispatch("USER_UPDATE", {"index": index})
    gateway.faults.cut("event", "eof", after=2)
    again = open_client(gateway)
    again.resume(client)
    assert [again.recv()["d"]["index"] for _ in range(2)] == [0, 1]
    assert again.closed()[0] is None
    third = open_client(gateway)
    third.resume(again)
    assert [third.recv()["d"]["index"] for _ in range(3)] == [2, 3, 4]


@pytest.mark.parametrize("resumable", [True, False])
def test_a_resume_can_be_answered_with_op_9(gateway: LocalGateway, open_client: OpenClient, resumable: bool) -> None:
    client = open_client(gateway)
    client.login()
    gateway.drop()
    gateway.faults.invalid_session("RESUME", resumable)
    again = open_client(gateway)
    again.resume(client)
    assert again.recv() == {"t": None, "s": None, "op": 9, "d": resumable}
    assert len(gateway.sessions) == int(resumable)


def test_an_identify_can_be_answered_with_op_9(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.invalid_session("IDENTIFY", times=2)
    client = open_client(gateway)
    for _ in range(2):
        client.identify()
        assert client.recv()["d"] is False
    client.login()


def test_ready_can_be_late(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.delay_ready(0.5)
    client = open_client(gateway)
    client.identify()
    identify = gateway.expect("IDENTIFY")
    client.send(1, None)
    assert client.recv()["op"] == 11
    assert client.recv()["t"] == "READY"
    client.send(1, 1)
    gateway.expect("HEARTBEAT")
    assert gateway.expect("HEARTBEAT").at - identify.at >= 0.5


def test_a_session_that_ends_before_a_late_replay_is_not_resumed(
    gateway: LocalGateway, open_client: OpenClient
) -> None:
    client = open_client(gateway)
    client.login()
    gateway.drop()
    gateway.faults.delay_ready(1.5)
    again = open_client(gateway)
    again.resume(client)
    gateway.expect("RESUME")
    assert gateway.expire_sessions() == 1
    assert again.recv() == {"t": None, "s": None, "op": 9, "d": False}
    again.login()  # on the same connection
    assert len(gateway.sessions) == 1


@pytest.mark.parametrize("query", ["v=10&encoding=json", STREAM])
def test_single_byte_writes_arrive_complete(gateway: LocalGateway, open_client: OpenClient, query: str) -> None:
    gateway.faults.split_writes(1)
    client = open_client(gateway, query)
    client.login()
    gateway.dispatch("USER_UPDATE", {"text": "🦆" * 50})
    assert client.recv()["d"]["text"] == "🦆" * 50


@pytest.mark.parametrize("query", ["v=10&encoding=json", STREAM])
def test_fragments_arrive_complete(gateway: LocalGateway, open_client: OpenClient, query: str) -> None:
    gateway.faults.fragment(3)
    client = open_client(gateway, query)
    client.login()
    gateway.dispatch("USER_UPDATE", {"text": "🦆" * 50})
    assert client.recv()["d"]["text"] == "🦆" * 50


def test_a_compressed_payload_can_span_several_messages(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.split_messages(5)
    client = open_client(gateway, STREAM, hello=False)
    first = client.websocket.recv(5)
    assert isinstance(first, bytes)
    assert len(first) == 5
    gateway.faults.clear()
    plain = open_client(gateway)
    gateway.faults.split_messages(5)
    plain.login()  # splitting needs a stream


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("rsv", "reserved bits"),
        ("opcode", "invalid opcode"),
        ("masked", "incorrect masking"),
        ("continuation", "unexpected continuation"),
        ("long control", "control frame too long"),
        ("close code", "invalid status code"),
    ],
)
def test_a_broken_frame_fails_the_client(gateway: LocalGateway, open_client: OpenClient, kind: str, error: str) -> None:
    client = open_client(gateway)
    assert gateway.send_garbage(kind) == 1
    with pytest.raises(ConnectionClosed) as failure:
        client.recv()
    assert error in str(failure.value)
    closed = gateway.expect_close(by="client")
    assert closed.code == 1002


def test_a_broken_payload_is_sent_in_a_valid_frame(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    gateway.send_garbage("json")
    assert client.websocket.recv(5) == '{"t":null,"s":null,"op":'
    gateway.send_garbage("not an object")
    assert client.websocket.recv(5) == '["t","s","op","d"]'


def test_invalid_utf8_is_sent_in_a_valid_stream(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway, STREAM)
    gateway.send_garbage("utf8")
    with pytest.raises(UnicodeDecodeError):
        client.recv()


def test_a_broken_stream_can_be_sent(gateway: LocalGateway, open_client: OpenClient) -> None:
    import zlib

    client = open_client(gateway, STREAM)
    gateway.send_garbage("zlib")
    with pytest.raises(zlib.error):
        client.recv()


def test_raw_bytes_are_sent_without_framing(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    assert gateway.send_raw(b"\x81\x02{}") == 1
    assert client.websocket.recv(5) == "{}"


def test_connections_can_be_refused_for_a_while(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    port = gateway.port
    gateway.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        open_client(gateway)
    gateway.dispatch("USER_UPDATE", {})
    assert client.recv()["t"] == "USER_UPDATE"
    gateway.accept_again()
    assert gateway.port == port
    open_client(gateway).login()


def test_cleared_faults_do_not_occur(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.no_hello(times=None)
    gateway.faults.fragment(1)
    gateway.faults.clear()
    open_client(gateway)


def test_a_fault_with_times_none_persists(gateway: LocalGateway, open_client: OpenClient) -> None:
    gateway.faults.refuse_upgrade(times=None)
    for _ in range(3):
        with pytest.raises(InvalidStatus):
            open_client(gateway)


@pytest.mark.parametrize(
    ("arm", "error"),
    [
        (lambda gateway: gateway.faults.cut("nowhere"), "invalid at='nowhere'"),
        (lambda gateway: gateway.faults.cut("hello", "gently"), "invalid how='gently'"),
        (lambda gateway: gateway.faults.cut("event", after=0), "invalid after=0"),
        (lambda gateway: gateway.faults.no_hello(times=0), "invalid times=0"),
        (lambda gateway: gateway.faults.fragment(0), "invalid size=0"),
        (lambda gateway: gateway.faults.invalid_session("HEARTBEAT"), "invalid op='HEARTBEAT'"),
        (lambda gateway: gateway.drop("gently"), "invalid how='gently'"),
        (lambda gateway: gateway.drop("close", code=1006), "invalid code=1006"),
        (lambda gateway: gateway.faults.cut("hello", "close", code=5000), "invalid code=5000"),
        (lambda gateway: gateway.faults.refuse_upgrade(101), "invalid status=101"),
        (lambda gateway: gateway.faults.refuse_request(600), "invalid status=600"),
        (lambda gateway: gateway.faults.refuse_request(429, retry_after=-1), "invalid retry_after=-1"),
        (lambda gateway: gateway.faults.delay_ready(float("nan")), "invalid seconds=nan"),
        (lambda gateway: gateway.faults.limit_members(float("inf")), "invalid retry_after=inf"),
        (lambda gateway: gateway.faults.shift_clock(1e15), "invalid seconds=1000"),
        (lambda gateway: gateway.expect_close(by="server"), "invalid by='server'"),
        (lambda gateway: gateway.wait_connection(0), "invalid number=0"),
        (lambda gateway: gateway.send_garbage("nice"), "invalid kind='nice'"),
    ],
)
def test_an_invalid_argument_is_refused(
    gateway: LocalGateway, arm: Callable[[LocalGateway], object], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        arm(gateway)
