"""Large and many events, and both directions of one TLS connection at once."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from client_helpers import MakeClient, RecordEvents, start_until_ready
from support import wait_until
from tls_contexts import client_context, server_context

from vox_gateway import CertificateInvalid, Client
from vox_gateway.testing import LocalGateway


@pytest.fixture(params=["ws", "wss"])
def any_gateway(request: pytest.FixtureRequest) -> Iterator[LocalGateway]:
    context = server_context() if request.param == "wss" else None
    with LocalGateway(identify_interval=0, rate_limit=100_000, ssl_context=context) as gateway:
        yield gateway


@pytest.mark.parametrize("compress", [True, False])
def test_a_large_event_arrives_whole(
    any_gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, compress: bool
) -> None:
    client = make_client(any_gateway, compress=compress, ssl_context=client_context())
    recorded = record_events(client, "LARGE")
    start_until_ready(client)
    text = "é😀x" * 2_900_000  # 20 MB in UTF-8
    any_gateway.dispatch("LARGE", {"text": text})
    assert recorded.data(60)["text"] == text
    wait_until(lambda: client.stats.bytes_inflated > 20_000_000)  # published after the event was handed over
    assert client.stats.reconnects == 0


@pytest.mark.parametrize("compress", [True, False])
def test_a_flood_arrives_whole_and_in_order(any_gateway: LocalGateway, make_client: MakeClient, compress: bool) -> None:
    client = make_client(any_gateway, compress=compress, ssl_context=client_context())
    count, seen, last = 20_000, [], threading.Event()

    @client.on("FLOOD")
    def take(number: int) -> None:
        seen.append(number)
        if number == count - 1:
            last.set()

    start_until_ready(client)
    for number in range(count):
        any_gateway.dispatch("FLOOD", number)
    assert last.wait(60)
    assert seen == list(range(count))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_connection_is_read_and_written_concurrently(make_client: MakeClient, version: ssl.TLSVersion) -> None:
    """OpenSSL forbids both at once; thousands of payloads in each direction would fail."""
    down, beats, commands = 10_000, 1_000, 40  # half of the rate limit is reserved for heartbeats
    with LocalGateway(
        identify_interval=0,
        heartbeat_interval=86_400,
        ssl_context=server_context(version=version),
        rate_limit=10**6,
    ) as gateway:
        client = make_client(gateway, ssl_context=client_context())
        seen, last = [], threading.Event()

        @client.on("FLOOD")
        def take(data: Any) -> None:
            seen.append(data["number"])
            if data["number"] == down - 1:
                last.set()

        start_until_ready(client)

        def command(first: int) -> None:
            for number in range(first, first + commands // 4):
                client.voice_state_update(number, None)

        def request_heartbeats() -> None:
            for _ in range(beats):
                gateway.request_heartbeat()

        threads = [threading.Thread(target=command, args=(first,)) for first in range(0, commands, commands // 4)]
        threads.append(threading.Thread(target=request_heartbeats))
        for thread in threads:
            thread.start()
        for number in range(down):
            gateway.dispatch("FLOOD", {"number": number, "text": "x" * 500})
        for thread in threads:
            thread.join(30)
        assert last.wait(30)
        assert seen == list(range(down))
        for _ in range(beats):
            gateway.expect("HEARTBEAT", 30)  # the last may have been requested after the last event
        client.close()
        gateway.expect_close(5)
        arrived = Counter(payload.name for payload in gateway.received)
        assert beats <= arrived.pop("HEARTBEAT") <= beats + 1  # one may have been due anyway
        assert arrived == {"IDENTIFY": 1, "VOICE_STATE_UPDATE": commands}
        assert client.stats.reconnects == 0


def test_a_certificate_for_another_name_is_fatal_at_first(caplog: pytest.LogCaptureFixture) -> None:
    with LocalGateway(ssl_context=server_context("example.org")) as gateway:
        client = Client(token="t", url=gateway.url, ssl_context=client_context())
        with pytest.raises(CertificateInvalid, match="the certificate of"):
            client.connect()


def test_an_untrusted_certificate_is_fatal_at_first() -> None:
    with LocalGateway(ssl_context=server_context()) as gateway:
        client = Client(token="t", url=gateway.url)  # with the system's certificates
        with pytest.raises(CertificateInvalid, match="ssl_context"):
            client.connect()


@pytest.mark.usefixtures("little_jitter")
def test_a_lost_tls_connection_is_resumed(make_client: MakeClient, record_events: RecordEvents) -> None:
    with LocalGateway(identify_interval=0, ssl_context=server_context()) as gateway:
        client = make_client(gateway, ssl_context=client_context())
        recorded = record_events(client, "NEWS")
        start_until_ready(client)
        for number, how in enumerate(("reset", "eof")):
            gateway.drop(how)
            gateway.dispatch("NEWS", number)
            gateway.expect("RESUME", 10)
            assert recorded.data(10) == number
        client.close()


def test_clients_leak_no_threads_or_descriptors(gateway: LocalGateway, make_client: MakeClient) -> None:
    """The fixture `no_leaks` checks threads and descriptors."""
    for _ in range(10):
        with make_client(gateway) as client:
            assert client.wait_until_ready(5)
