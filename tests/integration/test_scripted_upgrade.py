"""Responses to the websocket upgrade: refusals, redirects, invalid, partial and missing responses."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from client_helpers import TIMEOUT, Cases, MakeClient, RecordEvents, open_connection, start
from scripted_server import RECONNECT_TIMEOUT, Peer, ScriptedServer, message, pieces
from websockets.frames import Opcode

from vox_gateway import Client, DisallowedIntents, UpgradeRefused

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


INVALID_RESPONSES = {
    "empty": b"",
    "not http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "404": b"HTTP/1.1 404 Not Found\r\n\r\n",
    "500": b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
    "invalid status": b"HTTP/1.1 abc Nothing\r\n\r\n",
    "missing accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "wrong accept": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    ),
    "endless": b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-More: of the same\r\n" * 10_000,
    "cut short": b"HTTP/1.1 101 Switching Prot",
}


def test_an_invalid_upgrade_response_is_retried(cases: Cases) -> None:
    clients = {name: cases.start(name) for name in INVALID_RESPONSES}
    for name, response in INVALID_RESPONSES.items():
        first = cases.servers[name].accept()
        first.read_request()
        first.write(response)
        first.close()
    for name, client in clients.items():
        cases.servers[name].open(RECONNECT_TIMEOUT).login()
        assert client.wait_until_ready(5), name
        assert client.stats.reconnects == 0, name  # no websocket was opened before


def test_a_reset_instead_of_an_upgrade_response_is_retried(server: ScriptedServer, make_client: MakeClient) -> None:
    client = start(make_client(server))
    server.accept().reset()
    server.open(RECONNECT_TIMEOUT).login()
    assert client.wait_until_ready(5)


@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 101 Switching Prot"])
def test_an_unanswered_upgrade_times_out(
    server: ScriptedServer, make_client: MakeClient, half: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = start(make_client(server, connect_timeout=1))
    silent = server.accept()
    silent.read_request()
    silent.write(half)
    silent.expect_end()
    server.open(RECONNECT_TIMEOUT).login()
    assert client.wait_until_ready(5)
    assert "connect_timeout=1 seconds" in caplog.text


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 204])
@pytest.mark.parametrize("located", [True, False])
def test_redirects_are_not_followed(
    server: ScriptedServer,
    make_client: MakeClient,
    record_events: RecordEvents,
    caplog: pytest.LogCaptureFixture,
    status: int,
    located: bool,
) -> None:
    """The token is sent only to the gateway that the user named."""
    with ScriptedServer() as other:
        client = make_client(server)
        opens = record_events(client, "open", "close")
        client.connect(async_=True)
        first = server.accept()
        first.read_request()
        location = f"Location: {other.url}/\r\n" if located else ""
        first.write(f"HTTP/1.1 {status} Elsewhere\r\n{location}Content-Length: 0\r\n\r\n".encode())
        server.open(RECONNECT_TIMEOUT).login()
        assert client.wait_until_ready(5)
        assert opens.next() == ("open", ())
        assert opens.empty
        assert (client.stats.identifies, client.stats.reconnects) == (1, 0)
        assert f"refused the websocket upgrade with HTTP {status}" in caplog.text
        with pytest.raises(TimeoutError):
            other.accept(0.01)


@pytest.mark.parametrize("status", [401, 403, 302])
def test_a_refused_upgrade_raises_with_its_status(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents, status: int
) -> None:
    client = start(make_client(server))
    server.accept().refuse(f"{status} No")
    if status == 302:
        server.open(RECONNECT_TIMEOUT)  # a retry
        assert "HTTP 302" in client.health()["last_error"]
        return
    with pytest.raises(UpgradeRefused, match=str(status)) as raised:
        client.wait_closed(5)
    assert raised.value.status == status


def test_a_refused_upgrade_does_not_wait_for_the_body(server: ScriptedServer, make_client: MakeClient) -> None:
    client = start(make_client(server))
    first = server.accept()
    first.read_request()
    first.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n")
    with pytest.raises(UpgradeRefused, match="403"):
        client.wait_closed(5)


def test_the_upgrade_request_has_a_user_agent_and_no_extensions(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    _, peer = open_connection(make_client, server)
    headers = {name.lower(): value for name, value in peer.read_request().headers.raw_items()}
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["user-agent"].startswith("DiscordBot (vox_gateway")
    assert "sec-websocket-extensions" not in headers
    assert "origin" not in headers


def test_hello_may_arrive_in_the_same_segment_as_the_upgrade(server: ScriptedServer, make_client: MakeClient) -> None:
    client = start(make_client(server, compress=False))
    peer = server.accept()
    peer.upgrade(then=message(b'{"op":10,"d":{"heartbeat_interval":60000}}', Opcode.TEXT))
    peer.expect(2)
    peer.event("READY", {"session_id": "s1"})
    assert client.wait_until_ready(5)


@pytest.fixture
def logged_in(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents, tmp_path: Path
) -> tuple[Client, Peer]:
    """A client with a session file, whose handlers have had READY, and its server's side."""
    client, peer = open_connection(make_client, server, session_file=tmp_path / "session")
    ready = record_events(client, "READY")
    peer.login()
    ready.next()
    return client, peer


def test_a_refused_upgrade_leaves_the_session_to_the_next_start(
    server: ScriptedServer, make_client: MakeClient, logged_in: tuple[Client, Peer], tmp_path: Path
) -> None:
    client, _ = logged_in
    client.close(resumable=True)
    refused = start(make_client(server, session_file=tmp_path / "session"))
    server.accept().refuse("403 Forbidden")
    with pytest.raises(UpgradeRefused):
        refused.wait_closed(TIMEOUT)
    _, last = open_connection(make_client, server, session_file=tmp_path / "session")
    assert last.resume()["session_id"] == "s1"


def test_a_fatal_close_code_ends_the_session(
    server: ScriptedServer, make_client: MakeClient, logged_in: tuple[Client, Peer], tmp_path: Path
) -> None:
    client, first = logged_in
    first.send_close(4014)
    with pytest.raises(DisallowedIntents):
        client.wait_closed(TIMEOUT)
    assert not client.session.resumable
    _, last = open_connection(make_client, server, session_file=tmp_path / "session")
    last.login(session_id="s2")


def test_an_upgrade_response_may_arrive_byte_by_byte(server: ScriptedServer, make_client: MakeClient) -> None:
    client = start(make_client(server))
    peer = server.accept()
    write_all = peer.write

    def write_bytewise(data: bytes) -> None:
        for piece in pieces(data, 1):
            write_all(piece)

    peer.write = write_bytewise  # type: ignore[method-assign]
    peer.upgrade().login()
    assert client.wait_until_ready(5)


def test_running_out_of_descriptors_is_retried(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socketpair
    failures = [OSError(24, "Too many open files") for _ in ("to read with other shards", "to connect")]

    def scarce(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*args)

    monkeypatch.setattr(socket, "socketpair", scarce)
    client, peer = open_connection(make_client, server)
    peer.login()
    assert client.wait_until_ready(5)
    assert failures == []
