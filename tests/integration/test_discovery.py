"""Clients that discover their gateway through the API."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Protocol

import pytest
from client_helpers import MakeClient, OnLogLine, RecordEvents, close_promptly, start, start_until_ready

from vox_gateway import AuthenticationFailed, Client, DiscoveryFailed, IdentifyGate, Status, TokenRefused
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


class MakeDiscoveringClient(Protocol):
    """Makes a client of a local gateway that knows only the URL of its API."""

    def __call__(self, gateway: LocalGateway, **options: Any) -> Client: ...


@pytest.fixture
def make_discovering_client(make_client: MakeClient) -> MakeDiscoveringClient:
    """Makes clients that know only the URL of the API."""

    def make(gateway: LocalGateway, **options: Any) -> Client:
        return make_client(gateway, **{"url": None, "api_url": f"{gateway.http_url}/api/v10", **options})

    return make


def queries(gateway: LocalGateway) -> int:
    """Return how often the API was queried."""
    return len([request for request in gateway.http.requests if request.path == "/api/v10/gateway/bot"])


@pytest.mark.slow
def test_the_api_is_queried_before_each_identify_but_not_before_a_resume(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient
) -> None:
    client = start_until_ready(make_discovering_client(gateway))
    assert queries(gateway) == 1
    gateway.drop("reset")
    gateway.expect("RESUME", 5)
    assert client.wait_until_ready(5)
    assert queries(gateway) == 1
    gateway.expect("IDENTIFY")
    gateway.invalidate(resumable=False)
    gateway.expect("IDENTIFY", 15)
    assert queries(gateway) == 2
    client.close()
    client.connect(async_=True)
    gateway.expect("IDENTIFY", 5)
    assert queries(gateway) == 3


def test_a_failed_resume_url_falls_back_to_the_discovered_url(make_discovering_client: MakeDiscoveringClient) -> None:
    nobody = "ws://127.0.0.1:9"
    with LocalGateway(identify_interval=0, resume_url=nobody) as gateway:
        start_until_ready(make_discovering_client(gateway))
        gateway.drop("reset")
        gateway.expect("RESUME", 10)
        assert queries(gateway) == 1


def test_a_resume_in_a_later_run_queries_the_api_if_the_resume_url_fails(
    make_discovering_client: MakeDiscoveringClient, record_events: RecordEvents
) -> None:
    nobody = "ws://127.0.0.1:9"
    with LocalGateway(identify_interval=0, resume_url=nobody) as gateway:
        client = make_discovering_client(gateway)
        recorded = record_events(client, "READY")
        client.connect(async_=True)
        recorded.next(5)  # a session is kept only after READY was handled
        client.close(resumable=True)
        client.connect(async_=True)
        gateway.expect("RESUME", 10)
        assert queries(gateway) == 2


@pytest.mark.parametrize("times", [1, None])
def test_a_refused_token_ends_the_client_at_any_time(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient, times: int | None
) -> None:
    client = make_discovering_client(gateway)
    if times is None:
        gateway.faults.refuse_request(401, times=None)
        with pytest.raises(TokenRefused, match="token is not valid") as raised:
            client.connect()
        assert isinstance(raised.value, AuthenticationFailed)
    else:
        start_until_ready(client)
        gateway.faults.refuse_request(401)
        gateway.invalidate(resumable=False)
        with pytest.raises(TokenRefused):
            client.wait_closed(15)
    assert client.status is Status.CLOSED


def test_a_wrong_api_url_is_fatal_at_the_first_attempt(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient
) -> None:
    client = make_discovering_client(gateway, api_url=f"{gateway.http_url}/not/there")
    with pytest.raises(DiscoveryFailed, match=r"HTTP 404.*check api_url="):
        client.connect()


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_api_is_queried_again_after_retry_after(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.faults.refuse_request(status, retry_after=0.5)
    start_until_ready(make_discovering_client(gateway))
    first, second = gateway.http.requests
    assert second.at - first.at >= 0.5
    assert "ask again in 0.5 seconds" in caplog.text


def test_a_client_connects_once_the_api_becomes_reachable(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient
) -> None:
    gateway.stop_accepting()
    client = start(make_discovering_client(gateway))
    assert not client.wait_until_ready(0.2)
    gateway.accept_again()
    assert client.wait_until_ready(10)


@pytest.mark.slow
def test_identify_waits_for_the_session_start_limit_to_reset(
    make_discovering_client: MakeDiscoveringClient, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    with LocalGateway(session_starts=5, session_starts_remaining=0, session_start_period=2) as gateway:
        client = start(make_discovering_client(gateway))
        gateway.http.wait_for_request("GET", "/gateway/bot")
        identify = gateway.expect("IDENTIFY", 15)
        assert identify.at - began >= 2
        assert client.wait_until_ready(5)
        assert gateway.session_starts_remaining == 4
    warning, *_ = [record for record in caplog.records if "no session starts remain" in record.getMessage()]
    assert warning.levelno == logging.WARNING
    assert "until they return at 20" in warning.getMessage()


def test_other_shards_do_not_query_the_api_while_no_session_starts_remain(
    make_discovering_client: MakeDiscoveringClient, on_log_line: OnLogLine, caplog: pytest.LogCaptureFixture
) -> None:
    gate, refused = IdentifyGate(interval=0), threading.Event()
    on_log_line("no session starts remain", refused.set)
    with LocalGateway(shards=2, session_starts_remaining=0) as gateway:
        first = make_discovering_client(gateway, shard=(0, 2), identify_gate=gate)
        first.connect(async_=True)
        assert refused.wait(10)
        second = make_discovering_client(gateway, shard=(1, 2), identify_gate=gate)
        second.connect(async_=True)
        assert not second.wait_until_ready(0.3)
        for client in (first, second):
            close_promptly(client)
        assert queries(gateway) == 1
        assert gateway.connections == ()
    assert "no session starts remain: IDENTIFY is refused for 86" in caplog.text


def test_max_concurrency_from_the_api_lets_shards_identify_concurrently(
    make_discovering_client: MakeDiscoveringClient,
) -> None:
    gate = IdentifyGate(interval=60)
    with LocalGateway(shards=2, max_concurrency=2) as gateway:
        clients = [make_discovering_client(gateway, shard=(shard, 2), identify_gate=gate) for shard in (0, 1)]
        for client in clients:
            client.connect(async_=True)
        assert all(client.wait_until_ready(10) for client in clients)


@pytest.mark.parametrize("fault", ["ignore_request", "ignore_connection"])
def test_close_is_prompt_while_the_api_is_silent(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient, fault: str
) -> None:
    getattr(gateway.faults, fault)(times=None)
    client = start(make_discovering_client(gateway))
    if fault == "ignore_request":
        gateway.http.wait_for_request("GET", "/gateway/bot")
    else:
        assert not client.wait_until_ready(0.3)
    close_promptly(client)


def test_a_silent_api_times_out(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.faults.ignore_request()
    start_until_ready(make_discovering_client(gateway, connect_timeout=1.5))
    assert "GET /gateway/bot took longer than connect_timeout=1.5 seconds" in caplog.text


def test_an_outage_of_the_api_does_not_keep_a_bot_offline(
    gateway: LocalGateway, make_discovering_client: MakeDiscoveringClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_until_ready(make_discovering_client(gateway))
    gateway.expect("IDENTIFY")
    gateway.faults.refuse_request(503, times=None)
    gateway.invalidate(resumable=False)
    gateway.expect("IDENTIFY", 15)
    assert client.wait_until_ready(5)
    assert queries(gateway) == 2
    assert f"connecting to {gateway.url}, counting session starts" in caplog.text
