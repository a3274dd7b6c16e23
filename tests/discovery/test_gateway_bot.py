"""Get Gateway Bot over real sockets: every answer, and every way not to get one."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import simplejson
import trustme
from proxy_server import http_connect, proxy_server
from support import black_hole, read_head, refused_port, reset, serving

from vox_gateway import (
    AuthenticationFailed,
    CertificateInvalid,
    ConnectFailed,
    DiscoveryFailed,
    GatewayBot,
    SessionStartLimit,
    TokenRefused,
    get_gateway_bot,
)
from vox_gateway.network.http import MAX_RESPONSE
from vox_gateway.testing import LocalGateway

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
BODY: dict[str, Any] = {
    "url": "ws://gateway.example",
    "shards": 9,
    "session_start_limit": {"total": 1000, "remaining": 999, "reset_after": 14400000, "max_concurrency": 1},
}


def answering(head: str, body: bytes = b"") -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    return serve


def json_response(body: object) -> Callable[[socket.socket], None]:
    data = body if isinstance(body, bytes) else simplejson.dumps(body).encode()
    return answering(f"HTTP/1.1 200 OK\nContent-Length: {len(data)}", data)


def ask(port: int, **options: Any) -> GatewayBot:
    return get_gateway_bot(TOKEN, api_url=f"http://127.0.0.1:{port}/api/v10", **options)


def test_it_returns_url_shards_and_session_start_limit() -> None:
    before = datetime.now(timezone.utc)
    with LocalGateway(
        token=TOKEN,
        shards=3,
        max_concurrency=2,
        session_starts=1000,
        session_starts_remaining=7,
        session_start_period=3600,
    ) as gateway:
        bot = get_gateway_bot(TOKEN, api_url=gateway.http_url)
        assert bot.url == gateway.url
        assert bot.shards == 3
        limit = bot.session_start_limit
        assert (limit.total, limit.remaining, limit.max_concurrency) == (1000, 7, 2)
        assert 3500 < limit.reset_after <= 3600
        assert before + timedelta(seconds=3500) < limit.resets_at < datetime.now(timezone.utc) + timedelta(seconds=3601)
        assert [(request.path, request.status) for request in gateway.http.requests] == [("/gateway/bot", 200)]
    assert isinstance(limit, SessionStartLimit)
    with pytest.raises(AttributeError):
        bot.url = "other"  # type: ignore[misc]


def test_the_request_is_valid() -> None:
    heads = []

    def serve(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        data = simplejson.dumps(BODY).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + data)  # its end is the end of the stream

    with serving(serve) as port:
        assert ask(port).shards == 9
    first, *lines = heads[0].split("\r\n")
    assert first == "GET /api/v10/gateway/bot HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines
    assert f"Authorization: Bot {TOKEN}" in lines
    assert any(line.startswith("User-Agent: DiscordBot (vox_gateway, ") for line in lines)


def test_a_chunked_response_after_a_provisional_one_is_read() -> None:
    data = simplejson.dumps(BODY).encode()
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, data[:10], len(data) - 10, data[10:])
    head = "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nTransfer-Encoding: chunked"
    with serving(answering(head, chunks)) as port:
        assert ask(port).url == "ws://gateway.example"


def test_a_refused_token_raises_the_error_of_the_gateway() -> None:
    with LocalGateway(token="another") as gateway, pytest.raises(TokenRefused, match=r"HTTP 401.*copy") as raised:
        get_gateway_bot(TOKEN, api_url=gateway.http_url)
    assert isinstance(raised.value, AuthenticationFailed)
    assert (raised.value.status, raised.value.code) == (401, 4004)
    assert TOKEN not in f"{raised.value!r} {raised.value}"


@pytest.mark.parametrize(
    ("status", "retry_after", "words", "permanent"),
    [
        (429, 2.5, r"HTTP 429 \(Too Many Requests\): ask again in 2.5 seconds", False),
        (429, None, "ask again later", False),
        (503, None, r"HTTP 503 \(Service Unavailable\): ask again later", False),
        (403, None, "try another network", True),
        (404, None, "check api_url=", True),
        (308, None, "redirects are not followed", True),
    ],
)
def test_a_refusal_has_its_status_and_advice(
    status: int, retry_after: float | None, words: str, permanent: bool
) -> None:
    with LocalGateway() as gateway:
        gateway.faults.refuse_request(status, retry_after=retry_after)
        with pytest.raises(DiscoveryFailed, match=words) as raised:
            get_gateway_bot(TOKEN, api_url=gateway.http_url)
    error = raised.value
    assert (error.status, error.retry_after, error.permanent) == (status, retry_after, permanent)
    assert TOKEN not in str(error)


@pytest.mark.parametrize(
    ("value", "seconds"), [("soon", None), ("nan", None), ("-1", None), ("1e9", 86400.0), ("inf", 86400.0), ("0", 0.0)]
)
def test_an_invalid_retry_after_is_ignored_and_a_long_one_limited(value: str, seconds: float | None) -> None:
    with serving(answering(f"HTTP/1.1 599 Odd\nRetry-After: {value}")) as port:
        with pytest.raises(DiscoveryFailed, match="HTTP 599") as raised:
            ask(port)
    assert raised.value.retry_after == seconds


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BODY.items() if key != name}


def with_limit(**changes: Any) -> dict[str, Any]:
    return {**BODY, "session_start_limit": {**BODY["session_start_limit"], **changes}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>Please log in</html>", "login page"),
        (b"", "login page"),
        (b"[" * 5000, "login page"),
        (b"\xff", "login page"),
        ([], "unexpected body"),
        ("text", "unexpected body"),
        (None, "unexpected body"),
        (without("url"), "url is missing"),
        (without("shards"), "shards is missing"),
        (without("session_start_limit"), "session_start_limit is missing"),
        ({**BODY, "url": "https://discord.com"}, "must begin with wss"),
        ({**BODY, "url": 5}, "must be a string"),
        ({**BODY, "shards": 0}, "shards is not a whole number of 1 or more"),
        ({**BODY, "shards": True}, "shards is not a whole number"),
        (with_limit(remaining=-1), "remaining is not a whole number of 0 or more"),
        (with_limit(max_concurrency=0), "max_concurrency is not a whole number"),
        (with_limit(reset_after=10**18), "reset_after is not a whole number"),
        (with_limit(reset_after="1"), "reset_after is not a whole number"),
    ],
)
def test_an_unexpected_body_is_refused_with_its_flaw(body: object, words: str) -> None:
    with serving(json_response(body)) as port, pytest.raises(DiscoveryFailed, match=words) as raised:
        ask(port)
    assert raised.value.status == 200
    assert not raised.value.permanent


@pytest.mark.parametrize(
    "serve",
    [
        answering("SSH-2.0-OpenSSH_9.2"),
        answering("HTTP/1.1 many OK"),
        answering("HTTP/1.1 200 OK\nContent-Length: 100", b"too little"),
        answering("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"zz\r\n"),
        answering("HTTP/1.1 200 OK\n" + "\n".join(f"X-{number}: 1" for number in range(200))),
        answering("HTTP/1.1 200 OK", b" " * (MAX_RESPONSE + 1)),
        answering("HTTP/1.1 100 Continue\n\n" * 20_000),
        lambda connection: None,
        lambda connection: (read_head(connection), reset(connection)),
    ],
    ids=["no http", "no status", "short", "no chunk", "many headers", "long", "provisional", "nothing", "reset"],
)
def test_a_malformed_response_is_reported(serve: Callable[[socket.socket], Any]) -> None:
    with serving(serve) as port, pytest.raises(ConnectFailed, match="did not answer GET /gateway/bot") as raised:
        ask(port)
    assert not isinstance(raised.value, DiscoveryFailed)
    assert TOKEN not in str(raised.value)


def test_a_server_that_sends_forever_times_out() -> None:
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.wait(0.02):
            connection.sendall(b" ")

    with serving(serve) as port:
        with pytest.raises(ConnectFailed, match=r"the answer of 127.0.0.1 .* longer than timeout=0.3 seconds"):
            ask(port, timeout=0.3)
        over.set()


def test_a_silent_server_times_out() -> None:
    with LocalGateway() as gateway:
        gateway.faults.ignore_request()
        with pytest.raises(ConnectFailed, match=r"longer than timeout=0.2 seconds"):
            get_gateway_bot(TOKEN, api_url=gateway.http_url, timeout=0.2)


def test_a_long_timeout_is_as_good_as_none() -> None:
    with LocalGateway() as gateway:
        assert get_gateway_bot(TOKEN, api_url=gateway.http_url, timeout=10**400).url == gateway.url


def test_an_unreachable_api_is_reported() -> None:
    with pytest.raises(ConnectFailed, match=r"could not connect to 127.0.0.1 port"):
        ask(refused_port())
    with black_hole() as port, pytest.raises(ConnectFailed, match=r"longer than timeout=0.2 seconds"):
        ask(port, timeout=0.2)
    with pytest.raises(ConnectFailed, match="could not be looked up"):
        get_gateway_bot(TOKEN, api_url=f"http://{'a' * 64}.example")


def test_a_hanging_name_lookup_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*args: Any, **options: Any) -> Any:
        answered.wait(20)
        raise OSError("too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(ConnectFailed, match=r"name lookup took longer than timeout=0.1 seconds"):
        get_gateway_bot(TOKEN, timeout=0.1)
    answered.set()


def test_the_certificate_is_verified_and_a_gateway_without_tls_refused() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with LocalGateway(ssl_context=context) as gateway:
        assert get_gateway_bot(TOKEN, api_url=gateway.http_url, ssl_context=trusting).url == gateway.url
        with pytest.raises(CertificateInvalid, match=r"certificate of 127.0.0.1 does not verify"):
            get_gateway_bot(TOKEN, api_url=gateway.http_url)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            json_response(BODY)(tls)

    with serving(serve) as port, pytest.raises(DiscoveryFailed, match="without TLS"):
        get_gateway_bot(TOKEN, api_url=f"https://127.0.0.1:{port}", ssl_context=trusting)


def test_it_uses_the_proxy_argument_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with LocalGateway() as gateway, proxy_server(http_connect()) as server:
        proxy = f"http://127.0.0.1:{server.port}"
        assert get_gateway_bot(TOKEN, api_url=gateway.http_url, proxy=proxy).url == gateway.url
        monkeypatch.setenv("http_proxy", proxy)
        assert get_gateway_bot(TOKEN, api_url=gateway.http_url).url == gateway.url
        assert server.asked == [("127.0.0.1", gateway.port)] * 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"token": ""}, ValueError),
        ({"token": None}, TypeError),
        ({"proxy": "ftp://x"}, ValueError),
        ({"ssl_context": True}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"timeout": "5"}, TypeError),
        ({"api_url": "wss://discord.com"}, ValueError),
        ({"api_url": 5}, TypeError),
        ({"api_url": "https://user:secret@discord.com"}, ValueError),
        ({"api_url": "https://discord.com/api?v=10"}, ValueError),
        ({"api_url": "https://discord.com/a b"}, ValueError),
        ({"api_url": "https://"}, ValueError),
        ({"api_url": "http://x:port"}, ValueError),
    ],
)
def test_an_invalid_argument_is_refused_by_name(options: dict[str, Any], error: type[Exception]) -> None:
    (name,) = options
    with pytest.raises(error, match=name) as raised:
        get_gateway_bot(**{"token": TOKEN, **options})
    assert "secret" not in str(raised.value)


ASK_FOR_EVER = """
import sys
from vox_gateway import get_gateway_bot
try:
    get_gateway_bot("token", api_url=sys.argv[1], timeout=60)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_ends_the_wait_at_once() -> None:
    with LocalGateway() as gateway:
        gateway.faults.ignore_request()
        command = [sys.executable, "-c", ASK_FOR_EVER, gateway.http_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                gateway.http.wait_for_request("GET", "/gateway/bot", 60)
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=60)[0] == "interrupted\n"
            finally:
                process.kill()
