"""The local gateway's start and end, TLS, HTTP, and heavy loads."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from foreign_client import OpenClient
from tls_contexts import client_context, server_context

import vox_gateway.testing
from vox_gateway.testing import LocalGateway
from vox_gateway.testing.protocol.limits import SessionStarts


def get(url: str, token: str | None = "secret") -> tuple[int, Any]:
    headers = {} if token is None else {"Authorization": f"Bot {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v9", "/api/v10"])
def test_get_gateway_needs_no_token(gateway: LocalGateway, prefix: str) -> None:
    assert get(f"{gateway.http_url}{prefix}/gateway", token=None) == (200, {"url": gateway.url})


def test_get_gateway_bot_reports_the_session_start_limit(open_client: OpenClient) -> None:
    with LocalGateway(
        token="secret", shards=4, max_concurrency=2, session_starts=1000, session_starts_remaining=990
    ) as gateway:
        open_client(gateway).login()
        status, answer = get(f"{gateway.http_url}/gateway/bot")
    assert status == 200
    assert 86_300_000 < answer["session_start_limit"].pop("reset_after") <= 86_400_000
    assert answer == {
        "url": gateway.url,
        "shards": 4,
        "session_start_limit": {"total": 1000, "remaining": 989, "max_concurrency": 2},
    }


def test_session_starts_reset_after_their_period() -> None:
    starts = SessionStarts(total=2, remaining=1, period=10.0, now=100.0)
    assert starts.spend(101.0)
    assert not starts.spend(109.0)
    assert starts.reset_after(109.0) == 1.0
    assert starts.remaining(110.0) == 2
    assert starts.reset_after(111.0) == 9.0
    with LocalGateway(session_starts=7, session_starts_remaining=0, session_start_period=1e-6) as gateway:
        assert gateway.session_starts_remaining == 7


@pytest.mark.parametrize("shift", [0, -3600])
def test_an_http_response_has_a_date(gateway: LocalGateway, shift: float) -> None:
    gateway.faults.shift_clock(shift)
    with urllib.request.urlopen(f"{gateway.http_url}/gateway", timeout=5) as response:
        date = parsedate_to_datetime(response.headers["Date"]).timestamp()
    assert abs(date - shift - time.time()) < 60


def test_an_http_request_can_be_refused(gateway: LocalGateway) -> None:
    gateway.faults.refuse_request(429, retry_after=1.5)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{gateway.http_url}/gateway", timeout=5)
    with refused.value as error:
        assert (error.code, error.headers["Retry-After"]) == (429, "1.5")
    gateway.faults.refuse_request(401)
    assert get(f"{gateway.http_url}/gateway") == (401, {"message": "401: Unauthorized", "code": 0})
    assert get(f"{gateway.http_url}/gateway")[0] == 200
    assert gateway.http.requests[1].status == 401


def test_an_http_request_can_be_left_unanswered(
    gateway: LocalGateway, raw_socket: Callable[[LocalGateway], socket.socket]
) -> None:
    gateway.faults.ignore_request()
    sock = raw_socket(gateway)
    sock.sendall(b"GET /gateway HTTP/1.1\r\nHost: x\r\n\r\n")
    assert gateway.http.wait_for_request("GET", "/gateway").status is None
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        sock.recv(1)


@pytest.mark.parametrize("route", ["/gateway/bot", "/users/@me", "/oauth2/applications/@me", "/applications/@me"])
@pytest.mark.parametrize(("token", "status"), [("secret", 200), ("wrong", 401), (None, 401)])
def test_routes_of_the_bot_need_its_token(route: str, token: str | None, status: int) -> None:
    with LocalGateway(token="secret") as gateway:
        assert get(f"{gateway.http_url}/api/v10{route}", token)[0] == status
        assert [(request.path, request.status) for request in gateway.http.requests] == [(f"/api/v10{route}", status)]


def test_any_other_route_is_not_found(gateway: LocalGateway) -> None:
    assert get(f"{gateway.http_url}/api/v10/guilds/1") == (404, {"message": "404: Not Found", "code": 0})
    assert gateway.connections == ()


def test_non_http_data_ends_the_connection(
    gateway: LocalGateway, raw_socket: Callable[[LocalGateway], socket.socket]
) -> None:
    sock = raw_socket(gateway)
    sock.sendall(b"\x16\x03\x01\x02\x00 not http\r\n\r\n")
    assert sock.recv(64).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_tls_carries_everything_both_ways(open_client: OpenClient) -> None:
    with LocalGateway(ssl_context=server_context(), rate_limit=10_000, identify_interval=0) as gateway:
        assert gateway.url.startswith("wss://127.0.0.1:")
        assert gateway.http_url.startswith("https://127.0.0.1:")
        client = open_client(gateway, ssl_context=client_context())
        client.login()
        for index in range(500):
            gateway.dispatch("USER_UPDATE", {"index": index, "padding": "x" * 3000})
            client.send(1, index)
        indexes: list[int] = []
        acks = 0
        while len(indexes) < 500 or acks < 500:
            payload = client.recv()
            if payload["op"] == 11:
                acks += 1
            else:
                indexes.append(payload["d"]["index"])
        assert indexes == list(range(500))
        assert [entry.data for entry in gateway.received if entry.op == 1] == list(range(500))


@pytest.mark.parametrize("how", ["reset", "eof", "close"])
def test_tls_can_be_cut(open_client: OpenClient, how: str) -> None:
    with LocalGateway(ssl_context=server_context(), identify_interval=0) as gateway:
        client = open_client(gateway, ssl_context=client_context())
        client.login()
        gateway.drop(how)
        assert client.closed()[0] == (4000 if how == "close" else None)
        again = open_client(gateway, ssl_context=client_context())
        again.resume(client)
        assert again.recv()["t"] == "RESUMED"


def test_a_failed_tls_handshake_does_not_affect_others(
    open_client: OpenClient,
    raw_socket: Callable[[LocalGateway], socket.socket],
) -> None:
    with LocalGateway(ssl_context=server_context()) as gateway:
        sock = raw_socket(gateway)
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        open_client(gateway, ssl_context=client_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            open_client(gateway, ssl_context=ssl.create_default_context())
        open_client(gateway, ssl_context=client_context())


def test_close_leaks_no_thread_and_no_descriptor(open_client: OpenClient) -> None:
    threads = set(threading.enumerate())
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    gateway = LocalGateway(identify_interval=0).start()
    clients = [open_client(gateway) for _ in range(20)]
    for client in clients[:10]:
        client.login()
    gateway.stop_reading()
    gateway.silence()
    gateway.close()
    gateway.close()
    for client in clients:
        client.closed()
        client.close()
    for thread in set(threading.enumerate()) - threads:  # threads of the clients may still be ending
        thread.join(5)
        assert not thread.is_alive(), thread.name
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) == descriptors
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gateway.port), 1)


def test_an_unstarted_gateway_can_be_closed() -> None:
    LocalGateway().close()


def test_a_gateway_starts_once() -> None:
    with LocalGateway() as gateway, pytest.raises(RuntimeError, match="create a new LocalGateway"):
        gateway.start()


def test_a_port_in_use_is_an_error(gateway: LocalGateway) -> None:
    with pytest.raises(OSError, match="in use"):
        LocalGateway(port=gateway.port).start()


def test_a_closed_gateway_raises_that_it_is_not_running() -> None:
    gateway = LocalGateway().start()
    gateway.close()
    with pytest.raises(RuntimeError, match="not running"):
        gateway.accept_again()


def test_an_internal_error_of_the_gateway_fails_the_test(gateway: LocalGateway) -> None:
    with LocalGateway() as broken:
        broken._state.event_loop.failures.append(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            broken.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heartbeat_interval", 0),
        ("heartbeat_interval", float("nan")),
        ("heartbeat_interval", float("inf")),
        ("heartbeat_timeout", -1.0),
        ("identify_interval", -1),
        ("shards", 0),
        ("max_concurrency", 0),
        ("session_starts", -1),
        ("session_start_period", 0),
        ("session_start_period", float("inf")),
        ("session_timeout", float("nan")),
        ("member_request_interval", float("inf")),
        ("rate_limit", 0),
        ("max_payload", 0),
        ("port", 70_000),
    ],
)
def test_an_invalid_argument_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        LocalGateway(**{name: value})


@pytest.mark.parametrize(
    "options",
    [
        {"heartbeat_timeout": float("inf")},
        {"heartbeat_interval": 1e8},  # 3 years: more milliseconds than a wait may take
        {"rate_limit_period": float("inf"), "session_timeout": float("inf"), "identify_interval": float("inf")},
    ],
)
def test_a_time_may_be_very_long(open_client: OpenClient, options: dict[str, Any]) -> None:
    with LocalGateway(**options) as gateway:
        client = open_client(gateway)
        client.login()
        client.send(1, None)
        assert client.recv()["op"] == 11


def test_repr_shows_the_state(gateway: LocalGateway) -> None:
    assert repr(LocalGateway()) == "<LocalGateway not started on 127.0.0.1:0, 0 sessions>"
    assert repr(gateway) == f"<LocalGateway listening on 127.0.0.1:{gateway.port}, 0 sessions>"


@pytest.mark.parametrize("query", ["v=10&encoding=json", "v=10&encoding=json&compress=zlib-stream"])
def test_an_event_of_20_megabytes_arrives(gateway: LocalGateway, open_client: OpenClient, query: str) -> None:
    client = open_client(gateway, query)
    client.login()
    text = "ab🦆" * (20_000_000 // 6)
    gateway.dispatch("USER_UPDATE", {"text": text})
    assert client.recv(timeout=30)["d"]["text"] == text


def test_many_events_arrive_in_order(gateway: LocalGateway, open_client: OpenClient) -> None:
    client = open_client(gateway)
    client.login()
    count = 10_000
    event = {"content": "x" * 700, "guild_id": "1200000000004194304"}
    for _ in range(count):
        gateway.dispatch("MESSAGE_CREATE", event)
    for seq in range(4, count + 4):
        assert client.recv()["s"] == seq


def test_a_client_that_does_not_read_does_not_delay_others(
    gateway: LocalGateway, open_client: OpenClient, raw_socket: Callable[[LocalGateway], socket.socket]
) -> None:
    lazy = raw_socket(gateway)
    lazy.sendall(
        b"GET /?v=10 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    identify = json.dumps(
        {
            "op": 2,
            "d": {
                "token": "x",
                "intents": 0,
                "properties": {"os": "x", "browser": "x", "device": "x"},
            },
        }
    ).encode()
    mask = b"\0\0\0\0"
    lazy.sendall(b"\x82\xfe" + len(identify).to_bytes(2, "big") + mask + identify)
    gateway.wait_connected()
    busy = open_client(gateway)
    busy.login()
    for index in range(200):
        assert gateway.dispatch("USER_UPDATE", {"index": index, "padding": "x" * 100_000}) == 2
        assert busy.recv()["d"]["index"] == index
    assert gateway.drop("reset") == 2


def test_one_thread_serves_200_connections(
    gateway: LocalGateway, raw_socket: Callable[[LocalGateway], socket.socket]
) -> None:
    before = threading.active_count()
    for _ in range(200):
        raw_socket(gateway).sendall(
            b"GET /?v=10 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
    gateway.wait_connection(200)
    assert threading.active_count() == before


def test_without_websockets_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['websockets'] = None; import vox_gateway.testing"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert 'pip install "vox-gateway[testing]"' in result.stderr


def test_the_gateway_shares_no_code_with_the_client() -> None:
    """Otherwise both could share a bug."""
    import ast
    from pathlib import Path

    folder = Path(vox_gateway.testing.__file__).parent
    for path in set(folder.rglob("*.py")) - {folder / "pytest_plugin.py"}:  # connects the two
        depth = len(path.relative_to(folder).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, path
                assert node.level or not (node.module or "").startswith("vox_gateway"), path
            elif isinstance(node, ast.Import):
                assert not any(name.name.startswith("vox_gateway") for name in node.names), path
