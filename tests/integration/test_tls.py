"""TLS: untrusted certificates, broken and slow streams, full buffers."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from client_helpers import MakeClient, RecordEvents, start
from scripted_server import Peer, ScriptedServer, pieces
from tls_contexts import client_context, new_authority, server_context

from vox_gateway import CertificateInvalid

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")

T = TypeVar("T")


@pytest.fixture
def options() -> dict[str, Any]:
    """The client options that make it trust the server."""
    return {"ssl_context": client_context()}


@pytest.fixture
def server(make_client: MakeClient) -> Iterator[ScriptedServer]:
    with ScriptedServer("wss", receive_buffer=4096) as server:
        yield server


def accept(server: ScriptedServer, context: ssl.SSLContext) -> Peer:
    peer = server.accept()
    peer.start_tls(context)
    return peer.upgrade()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_commands_over_tls_beyond_the_socket_buffer_arrive_complete(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any], version: ssl.TLSVersion
) -> None:
    context = server_context(version=version)
    client = start(make_client(server, **options))
    peer = accept(server, context).login()
    assert client.wait_until_ready(5)
    for number in range(100):
        client.send_packet(50, [number, "x" * 4000], timeout=5)
    assert [peer.expect(50) for _ in range(100)] == [[number, "x" * 4000] for number in range(100)]
    assert client.stats.reconnects == 0
    assert peer.sock.version() == version.name.replace("_", ".")  # type: ignore[attr-defined]


@pytest.mark.parametrize("ending", ["close_notify", "end of stream", "garbage", "reset"])
def test_events_before_any_end_of_tls_count(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any], record_events: RecordEvents, ending: str
) -> None:
    context = server_context()
    client = make_client(server, **options)
    recorded, closes = record_events(client, "NEWS"), record_events(client, "close")
    client.connect(async_=True)
    first = accept(server, context).login()
    first.event("NEWS", 1)
    assert recorded.data() == 1
    if ending == "close_notify":
        first.sock.settimeout(0.01)
        with pytest.raises((ssl.SSLError, OSError)):
            first.sock.unwrap()  # type: ignore[attr-defined]
            raise OSError("the client answered")
    elif ending == "garbage":
        first.sock = _without_tls(first.sock)
        first.write(b"\x17\x03\x03\x00\x20" + b"?" * 32)
    if ending == "reset":
        first.reset()
    else:
        first.close()
    second = accept(server, context)
    assert second.resume()["seq"] == 2
    assert closes.data()["code"] == 1006


def _without_tls(sock: socket.socket) -> socket.socket:
    """Return the TCP socket under a TLS socket."""
    return socket.socket(fileno=sock.detach())


def test_tls_records_may_arrive_byte_by_byte(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any], record_events: RecordEvents
) -> None:
    """The test encrypts by itself, to choose where to cut."""
    context = server_context()
    client = make_client(server, **options)
    recorded = record_events(client, "NEWS")
    client.connect(async_=True)
    peer = server.accept()
    raw = peer.sock
    peer.sock = _Trickle(raw, context)  # type: ignore[assignment]
    peer.upgrade().login()
    for number in range(5):
        peer.event("NEWS", number)
    assert [recorded.data() for _ in range(5)] == list(range(5))
    client.voice_state_update(1, None, timeout=5)
    assert peer.expect(4)
    assert client.stats.reconnects == 0
    raw.close()


class _Trickle:
    """A server-side TLS socket that writes one byte at a time."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self._raw = raw
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.settimeout, self.close = raw.settimeout, raw.close
        self._until(self._tls.do_handshake)

    def recv(self, size: int) -> bytes:
        return self._until(lambda: self._tls.read(size))

    def sendall(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def _until(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._raw.recv(65536)
                self._in.write(data) if data else self._in.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        for piece in pieces(self._out.read(), 1):
            self._raw.sendall(piece)


def test_an_expired_certificate_is_fatal_at_first(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any]
) -> None:
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    client = start(make_client(server, **options))
    with pytest.raises(ssl.SSLError):
        accept(server, server_context(not_after=yesterday))
    with pytest.raises(CertificateInvalid, match="expired"):
        client.wait_closed(5)


def test_a_certificate_that_becomes_invalid_is_retried(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any]
) -> None:
    client = start(make_client(server, **options))
    first = accept(server, server_context()).login()
    assert client.wait_until_ready(5)
    first.reset()
    with pytest.raises(ssl.SSLError):
        accept(server, server_context(issuer=new_authority()))
    second = accept(server, server_context())
    assert second.resume()["seq"] == 1
    second.event("RESUMED")
    assert client.wait_until_ready(5)


def test_a_server_without_tls_is_retried(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any]
) -> None:
    client = start(make_client(server, **options))
    plain = server.accept()
    assert plain.sock.recv(1) == b"\x16"
    plain.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    plain.close()
    accept(server, server_context()).login()
    assert client.wait_until_ready(5)


def test_the_token_is_never_sent_to_a_resume_url_without_tls(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    context = server_context()
    with ScriptedServer("ws") as plain:
        client = start(make_client(server, **options))
        first = accept(server, context).login(resume_gateway_url=plain.url)
        assert client.wait_until_ready(5)
        first.reset()
        assert accept(server, context).resume()["seq"] == 1
        assert "without TLS" in caplog.text
        with pytest.raises(TimeoutError):
            plain.accept(0.01)


def test_a_resume_url_with_an_untrusted_certificate_falls_back_to_the_base_url(
    server: ScriptedServer, make_client: MakeClient, options: dict[str, Any], record_events: RecordEvents
) -> None:
    client = make_client(server, **options)
    ready = record_events(client, "READY")
    client.connect(async_=True)
    with ScriptedServer("wss") as elsewhere:
        accept(server, server_context()).login(resume_gateway_url=elsewhere.url)
        ready.next()  # a session is kept only after READY was handled
        client.close(resumable=True)
        client.connect(async_=True)
        with pytest.raises(ssl.SSLError):
            elsewhere.accept().start_tls(server_context(issuer=new_authority()))
        second = accept(server, server_context())
        second.resume()
        second.event("RESUMED")
        assert client.wait_until_ready(5)
