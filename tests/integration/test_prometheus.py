"""Prometheus metrics of connected clients, scraped over HTTP."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from client_helpers import MakeClient, RecordEvents, SendMessages, start_until_ready

from vox_gateway import IdentifyGate, ShardManager
from vox_gateway.testing import LocalGateway

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from vox_gateway.prometheus import GatewayCollector

WITHOUT = """
import sys
sys.modules["prometheus_client"] = None
import vox_gateway
try:
    import vox_gateway.prometheus
except vox_gateway.MissingExtra as error:
    print(error)
"""


def test_without_the_package_the_error_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], check=False, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout == ('vox_gateway.prometheus needs an optional package: pip install "vox-gateway[prometheus]"\n')


Samples = dict[tuple[str, str], float]


@pytest.fixture
def prometheus_client() -> ModuleType:
    return pytest.importorskip("prometheus_client", reason="the extra prometheus is not installed")


@pytest.fixture
def registry(prometheus_client: ModuleType) -> CollectorRegistry:
    registry: CollectorRegistry = prometheus_client.CollectorRegistry()
    return registry


@pytest.fixture
def collector(prometheus_client: ModuleType) -> type[GatewayCollector]:
    from vox_gateway.prometheus import GatewayCollector

    return GatewayCollector


@contextmanager
def scraper(registry: CollectorRegistry) -> Iterator[Callable[[], Samples]]:
    """Serve metrics; yield a function that scrapes the values by name and labels, without statuses of value 0."""
    from prometheus_client import start_http_server
    from prometheus_client.parser import text_string_to_metric_families

    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)

    def scrape() -> Samples:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if family.name != "vox_gateway_status" or sample.value:
                    key = sample.name.removeprefix("vox_gateway_"), ",".join(sample.labels.values())
                    assert key not in found
                    found[key] = sample.value
        return found

    try:
        yield scrape
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.mark.usefixtures("little_jitter")
def test_a_scrape_reports_the_clients_counters(
    gateway: LocalGateway,
    make_client: MakeClient,
    registry: CollectorRegistry,
    collector: type[GatewayCollector],
    record_events: RecordEvents,
    send_messages: SendMessages,
) -> None:
    client = make_client(gateway)
    messages, resumed = record_events(client, "MESSAGE_CREATE"), record_events(client, "RESUMED")
    collector(client, registry=registry)
    with scraper(registry) as scrape:
        before = scrape()
        assert before["up", "0"] == before["ok", "0"] == before["events_total", "0"] == 0
        assert before["status", "0,closed"] == 1
        for unknown in ("latency_seconds", "uptime_seconds", "last_event_timestamp_seconds"):
            assert (unknown, "0") not in before

        start_until_ready(client)
        gateway.request_heartbeat()
        gateway.expect("HEARTBEAT", 5)
        send_messages(gateway, range(3))
        for _ in range(3):
            messages.next()
        gateway.drop("reset")
        resumed.next(10)  # the last event has been handled

        during, stats = scrape(), client.stats
        assert during["up", "0"] == during["ok", "0"] == during["status", "0,ready"] == 1
        assert ("status", "0,closed") not in during
        assert during["heartbeats_total", "0"] >= 1
        assert during["received_bytes_total", "0"] > 0
        assert during["inflated_bytes_total", "0"] > 0
        assert during["reconnects_total", "0"] == stats.reconnects == 1
        assert during["resumes_total", "0"] == stats.resumes == 1
        assert during["identifies_total", "0"] == stats.identifies == 1
        assert 3 <= during["events_total", "0"] <= stats.events
        assert during["events_waiting", "0"] == during["backlog_full", "0"] == during["slow_handler_seconds", "0"] == 0
        assert 0 <= during["uptime_seconds", "0"] < 60
        assert during["last_event_timestamp_seconds", "0"] > 1.7e9

        client.close()
        after = scrape()
        assert after["up", "0"] == after["ok", "0"] == 0
        assert after["status", "0,closed"] == 1
        assert after["events_total", "0"] == client.stats.events
        assert ("uptime_seconds", "0") not in after


def test_shards_have_labels_and_a_collector_can_be_unregistered(
    gateway: LocalGateway, make_client: MakeClient, registry: CollectorRegistry, collector: type[GatewayCollector]
) -> None:
    first, second = (make_client(gateway, shard=(number, 2)) for number in range(2))
    start_until_ready(second)
    both = collector(first, second, registry=registry)
    with scraper(registry) as scrape:
        found = scrape()
        assert (found["up", "0"], found["up", "1"]) == (0, 1)
        assert (found["identifies_total", "0"], found["identifies_total", "1"]) == (0, 1)
        with pytest.raises(ValueError, match="vox_gateway_up"):
            collector(first, registry=registry)
        registry.unregister(both)
        assert scrape() == {}
        collector(first, registry=registry)
        assert ("up", "0") in scrape()


def test_metric_names_and_types_follow_prometheus_conventions(
    make_client: MakeClient, registry: CollectorRegistry, collector: type[GatewayCollector]
) -> None:
    with LocalGateway() as gateway:
        families = {family.name: family for family in collector(make_client(gateway), registry=registry).collect()}
    assert {name for name in families if not name.startswith("vox_gateway_")} == set()
    counters = {name.removeprefix("vox_gateway_") for name, family in families.items() if family.type == "counter"}
    assert counters == {
        "events",
        "received_bytes",
        "inflated_bytes",
        "heartbeats",
        "reconnects",
        "resumes",
        "identifies",
    }
    assert families["vox_gateway_status"].type == "stateset"
    assert all(family.documentation for family in families.values())


def test_the_default_registry_is_prometheus_clients(
    gateway: LocalGateway, make_client: MakeClient, collector: type[GatewayCollector], prometheus_client: ModuleType
) -> None:
    mine = collector(make_client(gateway))
    try:
        assert b"vox_gateway_up" in prometheus_client.generate_latest()
    finally:
        prometheus_client.REGISTRY.unregister(mine)
    assert b"vox_gateway_up" not in prometheus_client.generate_latest()


def test_invalid_collector_arguments_are_refused(
    gateway: LocalGateway, make_client: MakeClient, registry: CollectorRegistry, collector: type[GatewayCollector]
) -> None:
    client = make_client(gateway)
    with pytest.raises(TypeError, match="clients must hold at least one Client"):
        collector(registry=registry)
    with pytest.raises(TypeError, match="clients must be Clients, not 5"):
        collector(5, registry=registry)
    with pytest.raises(TypeError, match="registry must be a CollectorRegistry, not None"):
        collector(client, registry=None)
    with pytest.raises(ValueError, match="two are shard 0"):
        collector(client, make_client(gateway), registry=registry)


def test_a_manager_is_exported_with_each_of_its_shards(
    gateway: LocalGateway, make_client: MakeClient, registry: CollectorRegistry, collector: type[GatewayCollector]
) -> None:
    gate = IdentifyGate(interval=0)
    with ShardManager(token="any", url=gateway.url, shards=2, identify_gate=gate) as manager:
        with pytest.raises(TypeError, match="must be the only one"):
            collector(make_client(gateway), manager, registry=registry)
        collector(manager, registry=registry)
        assert manager.wait_until_ready(10)
        with scraper(registry) as scrape:
            found = scrape()
        assert found["up", "0"] == found["up", "1"] == 1
