"""The URL of the gateway while the API is down."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import pytest
from support import after, refused_port

from vox_gateway import DiscoveryFailed, IdentifyGate, TokenRefused
from vox_gateway.concurrency.wakeup import Wakeup
from vox_gateway.discovery.resolver import GatewayResolver
from vox_gateway.errors import ConnectFailed
from vox_gateway.log import ShardLog
from vox_gateway.network.connector import Network, default_ssl_context
from vox_gateway.network.proxy import check_proxy
from vox_gateway.network.urls import DEFAULT_GATEWAY, api_url
from vox_gateway.testing import LocalGateway

Resolve = Callable[..., str]


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with LocalGateway() as gateway:
        yield gateway


def resolver(api: str, proxy: str | None = None, gate: IdentifyGate | None = None) -> Resolve:
    """Return a function that resolves for an IDENTIFY within a number of seconds."""
    network = Network(check_proxy(proxy), default_ssl_context(), 10.0, 0)
    log = ShardLog((0, 1))
    made = GatewayResolver(api_url(api), "token", network, gate=gate or IdentifyGate(), holder=object(), log=log)

    def resolve(resume: bool = False, seconds: float = 10.0) -> str:
        with contextlib.closing(Wakeup()) as wakeup:
            return made.url(resume, after(seconds), wakeup)

    return resolve


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_outage_leaves_the_last_url(gateway: LocalGateway, status: int, caplog: pytest.LogCaptureFixture) -> None:
    resolve = resolver(gateway.http_url)
    assert resolve() == gateway.url
    gateway.faults.refuse_request(status)
    assert resolve() == gateway.url
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    said = warning.getMessage()
    assert f"connecting to {gateway.url}, counting session starts without Discord's count: 127.0.0.1 answered" in said
    assert f"HTTP {status}" in said
    assert resolve() == gateway.url
    assert len(gateway.http.requests) == 3  # asked each time


@pytest.mark.parametrize(("status", "error"), [(401, TokenRefused), (403, DiscoveryFailed), (404, DiscoveryFailed)])
def test_a_refusal_is_no_outage(gateway: LocalGateway, status: int, error: type[Exception]) -> None:
    resolve = resolver(gateway.http_url)
    resolve()
    gateway.faults.refuse_request(status)
    with pytest.raises(error):
        resolve()


def test_a_silent_api_leaves_half_of_the_time(gateway: LocalGateway, caplog: pytest.LogCaptureFixture) -> None:
    resolve = resolver(gateway.http_url)
    resolve()
    gateway.faults.ignore_request()
    assert resolve(seconds=0.6) == gateway.url
    assert "took longer than half of connect_timeout=10 seconds" in caplog.text


def test_without_an_answer_discords_documented_url_serves(caplog: pytest.LogCaptureFixture) -> None:
    proxy = f"http://127.0.0.1:{refused_port()}"  # so that nothing leaves the machine
    assert resolver("https://discord.com/api/v10", proxy)() == DEFAULT_GATEWAY
    assert resolver("https://canary.discord.com/api", proxy)() == DEFAULT_GATEWAY
    assert f"connecting to {DEFAULT_GATEWAY}, counting session starts" in caplog.text


@pytest.mark.parametrize("host", ["example.com", "notdiscord.com", "discord.com.example"])
def test_another_api_gets_no_token_sent_to_discord(host: str) -> None:
    resolve = resolver(f"https://{host}/api", f"http://127.0.0.1:{refused_port()}")
    with pytest.raises(ConnectFailed):
        resolve()
