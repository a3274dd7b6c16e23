"""A client that asks the API where its gateway is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from vox_gateway import AuthenticationFailed, Client, DiscoveryFailed, IdentifyGate, Status, TokenRefused
from vox_gateway.testing import LocalGateway

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"
#: seconds: the bound of close(), and what a busy machine adds
PROMPT = 3.5


@pytest.fixture
def asking(make_client: Any) -> Any:
    """Makes clients that are told the API only."""

    def make(gateway: LocalGateway, **options: Any) -> Client:
        client: Client = make_client(gateway, **{"url": None, "api_url": f"{gateway.http_url}/api/v10", **options})
        return client

    return make


@pytest.fixture(autouse=True)
def no_token_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, "vox_gateway")
    yield
    assert TOKEN not in caplog.text


def asked(gateway: LocalGateway) -> int:
    return len([request for request in gateway.requests if request.path == "/api/v10/gateway/bot"])


@pytest.mark.slow
def test_it_asks_for_each_identify_and_not_for_a_resume(gateway: LocalGateway, asking: Any) -> None:
    client = asking(gateway)
    client.connect(async_=True)
    assert client.wait_until_ready(5)
    assert asked(gateway) == 1
    gateway.drop("reset")
    gateway.expect("RESUME", 5)
    assert client.wait_until_ready(5)
    assert asked(gateway) == 1
    gateway.expect("IDENTIFY", 1)
    gateway.invalidate(resumable=False)
    gateway.expect("IDENTIFY", 15)
    assert asked(gateway) == 2
    client.close()
    client.connect(async_=True)
    gateway.expect("IDENTIFY", 5)
    assert asked(gateway) == 3


def test_a_resume_that_fails_at_its_own_url_goes_to_the_one_that_was_told(asking: Any) -> None:
    nobody = "ws://127.0.0.1:9"
    with LocalGateway(identify_interval=0, resume_url=nobody) as gateway:
        client = asking(gateway)
        client.connect(async_=True)
        assert client.wait_until_ready(5)
        gateway.drop("reset")
        gateway.expect("RESUME", 10)
        assert asked(gateway) == 1


def test_a_resume_in_another_run_asks_when_it_needs_to(asking: Any, hear: Any) -> None:
    nobody = "ws://127.0.0.1:9"
    with LocalGateway(identify_interval=0, resume_url=nobody) as gateway:
        client = asking(gateway)
        heard = hear(client, "READY")
        client.connect(async_=True)
        heard.next(5)  # a session of which nothing was handled is not resumed
        client.close(resumable=True)
        client.connect(async_=True)
        gateway.expect("RESUME", 10)
        assert asked(gateway) == 2


@pytest.mark.parametrize("times", [1, None])
def test_a_token_that_is_refused_ends_the_client_whenever_it_is(
    gateway: LocalGateway, asking: Any, times: int | None
) -> None:
    client = asking(gateway)
    if times is None:
        gateway.faults.refuse_request(401, times=None)
        with pytest.raises(TokenRefused, match="token is not valid") as raised:
            client.connect()
        assert isinstance(raised.value, AuthenticationFailed)
    else:
        client.connect(async_=True)
        assert client.wait_until_ready(5)
        gateway.faults.refuse_request(401)
        gateway.invalidate(resumable=False)
        with pytest.raises(TokenRefused):
            client.wait_closed(15)
    assert client.status is Status.CLOSED


def test_an_api_that_cannot_be_right_is_fatal_at_first(gateway: LocalGateway, asking: Any) -> None:
    client = asking(gateway, api_url=f"{gateway.http_url}/not/there")
    with pytest.raises(DiscoveryFailed, match=r"HTTP 404.*check api_url="):
        client.connect()


@pytest.mark.parametrize("status", [503, 429])
def test_an_api_that_is_busy_is_asked_again(
    gateway: LocalGateway, asking: Any, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.faults.refuse_request(status, retry_after=1.5)
    client = asking(gateway)
    client.connect(async_=True)
    assert client.wait_until_ready(10)
    first, second = gateway.requests
    assert second.at - first.at >= 1.4
    assert "ask again in 1.5 seconds" in caplog.text


def test_an_api_that_comes_up_late_is_found(gateway: LocalGateway, asking: Any) -> None:
    gateway.stop_accepting()
    client = asking(gateway)
    client.connect(async_=True)
    assert not client.wait_until_ready(0.2)
    gateway.accept_again()
    assert client.wait_until_ready(10)


@pytest.mark.slow
def test_without_session_starts_it_waits_until_they_return(asking: Any, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    with LocalGateway(session_starts=5, session_starts_remaining=0, session_start_period=3) as gateway:
        client = asking(gateway)
        client.connect(async_=True)
        gateway.wait_request(1)
        identify = gateway.expect("IDENTIFY", 15)
        assert identify.at - began >= 3
        assert client.wait_until_ready(5)
        assert gateway.session_starts_remaining == 4
    warning, *_ = [record for record in caplog.records if "no session starts remain" in record.getMessage()]
    assert warning.levelno == logging.WARNING
    assert "until they return at 20" in warning.getMessage()


def test_the_other_shards_of_a_bot_do_not_even_ask_then(
    asking: Any, when_logged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gate, refused = IdentifyGate(interval=0), threading.Event()
    when_logged("no session starts remain", refused.set)
    with LocalGateway(shards=2, session_starts_remaining=0) as gateway:
        first = asking(gateway, shard=(0, 2), identify_gate=gate)
        first.connect(async_=True)
        assert refused.wait(10)
        second = asking(gateway, shard=(1, 2), identify_gate=gate)
        second.connect(async_=True)
        assert not second.wait_until_ready(0.3)
        for client in (first, second):
            began = time.monotonic()
            client.close()
            assert time.monotonic() - began < PROMPT
        assert asked(gateway) == 1
        assert gateway.connections == ()
    assert "no session starts remain: IDENTIFY is refused for 86" in caplog.text


def test_the_servers_concurrency_lets_shards_identify_side_by_side(asking: Any) -> None:
    gate = IdentifyGate(interval=60)
    with LocalGateway(shards=2, max_concurrency=2) as gateway:
        clients = [asking(gateway, shard=(shard, 2), identify_gate=gate) for shard in (0, 1)]
        for client in clients:
            client.connect(async_=True)
        assert all(client.wait_until_ready(10) for client in clients)


@pytest.mark.parametrize("fault", ["ignore_request", "ignore_connection"])
def test_close_is_prompt_while_the_api_is_silent(gateway: LocalGateway, asking: Any, fault: str) -> None:
    getattr(gateway.faults, fault)(times=None)
    client = asking(gateway)
    client.connect(async_=True)
    if fault == "ignore_request":
        gateway.wait_request(1)
    else:
        assert not client.wait_until_ready(0.3)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < PROMPT
    assert client.status is Status.CLOSED
    assert client.wait_closed(0)


def test_a_silent_api_is_given_up_in_time(gateway: LocalGateway, asking: Any, caplog: pytest.LogCaptureFixture) -> None:
    gateway.faults.ignore_request()
    client = asking(gateway, connect_timeout=0.3)
    client.connect(async_=True)
    assert client.wait_until_ready(10)
    assert "GET /gateway/bot took longer than connect_timeout=0.3 seconds" in caplog.text
