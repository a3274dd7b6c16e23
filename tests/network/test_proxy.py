"""Through real proxies on loopback."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
import trustme
from proxy_server import Answer, http_connect, proxy_server, socks5, socks5_refusing

from vox_gateway import Client, ConnectFailed, IdentifyGate
from vox_gateway.errors import GatewayError
from vox_gateway.network.proxy import Proxy, check_proxy, proxy_from_environment
from vox_gateway.testing import LocalGateway


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_a_client_connects_and_resumes_through_a_proxy(scheme: str) -> None:
    answer = http_connect() if scheme == "http" else socks5
    with LocalGateway() as gateway, proxy_server(answer) as server:
        with Client(token="t", url=gateway.url, proxy=f"{scheme}://127.0.0.1:{server.port}") as client:
            assert client.wait_until_ready(5)
            gateway.drop("reset")
            gateway.expect("RESUME", 5)
            assert client.wait_until_ready(5)
        assert server.asked == [("127.0.0.1", gateway.port)] * 2


def test_tls_is_verified_through_a_proxy() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with LocalGateway(ssl_context=context) as gateway, proxy_server(http_connect(auth="ada:pass word")) as server:
        url = f"http://ada:pass%20word@127.0.0.1:{server.port}"
        with Client(token="t", url=gateway.url, proxy=url, ssl_context=trusting) as client:
            assert client.wait_until_ready(5)
        strict = Client(token="u", url=gateway.url, proxy=url)
        with pytest.raises(ConnectFailed, match="certificate"):
            strict.connect()


@pytest.mark.parametrize(
    ("userinfo", "credentials"), [("ada", "ada:"), ("ada:", "ada:"), (":secret", ":secret"), ("a%40b:x%3Ay", "a@b:x:y")]
)
@pytest.mark.parametrize("from_environment", [False, True])
def test_credentials_are_sent_as_rfc_7617_requires(
    userinfo: str, credentials: str, from_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalGateway() as gateway, proxy_server(http_connect(auth=credentials)) as server:
        proxy = f"http://{userinfo}@127.0.0.1:{server.port}"
        if from_environment:
            monkeypatch.setenv("no_proxy", "example.org")
            monkeypatch.setenv("http_proxy", proxy)
        gate = IdentifyGate(interval=0)
        options = {} if from_environment else {"proxy": proxy}
        with Client(token="t", url=gateway.url, identify_gate=gate, **options) as client:
            assert client.wait_until_ready(5)


@pytest.mark.parametrize(
    ("answer", "scheme", "words"),
    [
        (http_connect(auth="ada:secret"), "http", "407"),
        (http_connect(status="502 Bad Gateway"), "http", "502"),
        (http_connect(status=""), "http", "gave no tunnel"),
        (http_connect(status="x"), "http", "gave no tunnel"),
        (lambda client: None, "http", "gave no tunnel"),
        (socks5_refusing, "socks5", "gave no tunnel"),
    ],
)
def test_a_proxy_that_refuses_is_logged_and_retried(
    answer: Answer, scheme: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = threading.Semaphore(0)

    def counted(client: socket.socket) -> tuple[str, int] | None:
        attempts.release()
        return answer(client)

    with LocalGateway() as gateway, proxy_server(counted) as server:
        proxy = f"{scheme}://ada:wrong@127.0.0.1:{server.port}"
        with Client(token="t", url=gateway.url, proxy=proxy) as client:
            assert attempts.acquire(timeout=10)
            assert attempts.acquire(timeout=10)
            assert not client.wait_until_ready(0)
    assert words in caplog.text
    assert "wrong" not in caplog.text


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_close_is_prompt_while_a_proxy_is_silent(scheme: str) -> None:
    accepted, leave = threading.Event(), threading.Event()

    def silent(client: socket.socket) -> None:
        accepted.set()
        leave.wait(10)

    with LocalGateway() as gateway, proxy_server(silent) as server:
        with Client(token="t", url=gateway.url, proxy=f"{scheme}://127.0.0.1:{server.port}") as client:
            assert accepted.wait(5)
        assert client.wait_closed(5)
        leave.set()


def test_the_environment_names_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    assert proxy_from_environment("gateway.discord.gg", True) is None
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:x%20y@proxy.example:3128")
    assert proxy_from_environment("gateway.discord.gg", True) == Proxy("http", "proxy.example", 3128, "ada", "x y")
    assert proxy_from_environment("gateway.discord.gg", False) is None
    monkeypatch.setenv("NO_PROXY", "localhost,.discord.gg")
    assert proxy_from_environment("gateway.discord.gg", True) is None


def test_an_invalid_proxy_in_the_environment_is_reported_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, secure in (("https_proxy", True), ("http_proxy", False)):
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv(variable, "http://ada:sec/ret@proxy:3128")
        with pytest.raises(ConnectFailed, match=f"{variable.upper()} is not a valid URL") as raised:
            proxy_from_environment("gateway.example", secure)
        assert "sec" not in str(raised.value)


def test_a_client_uses_the_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalGateway(identify_interval=0) as gateway, proxy_server(http_connect()) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("no_proxy", "example.org")  # websocket-client 1.8 leaves out 127.0.0.1 by itself
        with Client(token="t", url=gateway.url, identify_gate=IdentifyGate(interval=0)) as client:
            assert client.wait_until_ready(5)
        assert server.asked
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with Client(token="t", url=gateway.url, identify_gate=IdentifyGate(interval=0)) as client:
            client.wait_until_ready(5)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("127.0.0.1:8080", "proxy has no scheme: it must begin with one of http://, socks4://"),
        ("localhost:8080", "proxy has no scheme: it must begin with one of http://, socks4://"),
        ("", "proxy has no scheme"),
        ("ftp://localhost", "proxy must begin with one of http://, socks4://, socks4a://, socks5://, socks5h://, not"),
    ],
)
def test_a_proxy_with_another_scheme_or_none_is_refused(proxy: str, words: str) -> None:
    with pytest.raises(ValueError, match="proxy") as raised:
        check_proxy(proxy)
    assert words in str(raised.value)


def test_a_proxy_is_parsed_and_hides_its_password() -> None:
    proxy = check_proxy("socks5h://ada:secret@proxy")
    assert proxy == Proxy("socks5h", "proxy", 1080, "ada", "secret")
    assert "secret" not in repr(proxy)
    assert check_proxy(None) is None
    assert check_proxy("http://proxy") == Proxy("http", "proxy", 80)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://ada:secret@",
        "ada:secret@proxy",
        "http://ada:secret@proxy:port",
        "http://[::1",
        "http://ada:secret/1@proxy",
        "http://ada:secret#1@proxy",
        "http://ada:secret\uff0f1@proxy",
    ],
)
def test_an_invalid_proxy_is_refused_without_its_password(proxy: str) -> None:
    with pytest.raises(ValueError, match="proxy") as raised:
        check_proxy(proxy)
    assert "secret" not in str(raised.value)
    assert not isinstance(raised.value, GatewayError)
