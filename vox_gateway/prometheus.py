"""Metrics for Prometheus through its official client, the extra ``prometheus``.

A scrape reads the counts that clients have anyway, so metrics add nothing to the cost of an event. Called on the thread
that serves the scrape. ::

    GatewayCollector(client)  # or a ShardManager, for each of its shards
    prometheus_client.start_http_server(8000)

See: https://prometheus.io/docs/practices/naming/ and https://prometheus.io/docs/instrumenting/writing_exporters/
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from .client import Client
from .diagnostics.stats import Stats, Status
from .errors import MissingExtra
from .sharding import ManagedShard, ShardManager

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, StateSetMetricFamily
    from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry
except ImportError as _error:
    raise MissingExtra("vox_gateway.prometheus", "prometheus") from _error

__all__ = ["GatewayCollector"]

_Family = CounterMetricFamily | GaugeMetricFamily | StateSetMetricFamily


class GatewayCollector(Collector):
    """Exports the counts of clients as a time series for each shard; the label ``shard`` is the shard's id.

    It registers itself; ``registry.unregister(collector)`` removes it. A client may be exported before it connects and
    after it was closed.

    Args:
        clients: 1 or more, each of a different shard; or a single `ShardManager`, which exports all of its shards.
        registry: the default registry of Prometheus if not given; a registry holds a single collector of this class.

    Raises:
        MissingExtra: (when the module is imported) prometheus_client is not installed.
        TypeError, ValueError: an argument cannot be used, or the registry has such a collector already.
    """

    def __init__(self, *clients: Client, registry: CollectorRegistry = REGISTRY) -> None:
        self._clients = _check_clients(clients)
        if not isinstance(registry, CollectorRegistry):
            raise TypeError(f"registry must be a CollectorRegistry, not {registry!r}")
        registry.register(self)

    def describe(self) -> Iterable[_Family]:
        """Return the metrics without values, for the registry."""
        return _families().values()

    def collect(self) -> Iterator[_Family]:
        """Yield the metrics with their current values, for the registry."""
        families = _families()
        for client in self._shards():
            health, stats = client.health(), client.stats
            for name, value in _values(health, stats).items():
                if value is not None:
                    families[name].add_metric([str(health["shard"][0])], value)
        yield from families.values()

    def _shards(self) -> Iterator[Client | ManagedShard]:
        for client in self._clients:
            if isinstance(client, ShardManager):
                yield from client.shards.values()
            else:
                yield client


def _families() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, name, documentation in (
        (GaugeMetricFamily, "up", "Whether the client is ready: READY or RESUMED arrived on its connection"),
        (GaugeMetricFamily, "ok", "Whether the client does its work; see Client.health()"),
        (StateSetMetricFamily, "status", "What the client is doing"),
        (GaugeMetricFamily, "latency_seconds", "From the last heartbeat to its acknowledgement"),
        (GaugeMetricFamily, "uptime_seconds", "Since READY or RESUMED, on this connection"),
        (GaugeMetricFamily, "last_event_timestamp_seconds", "When the last event arrived, Unix time"),
        (CounterMetricFamily, "events", "Dispatch events received"),
        (GaugeMetricFamily, "events_waiting", "Events that wait for their handlers"),
        (GaugeMetricFamily, "backlog_full", "Whether reading is paused because too many events wait"),
        (
            GaugeMetricFamily,
            "slow_handler_seconds",
            "For how long a handler slower than slow_handler_warning has been running",
        ),
        (CounterMetricFamily, "received_bytes", "Bytes read from sockets"),
        (CounterMetricFamily, "inflated_bytes", "Bytes of payloads after inflating"),
        (CounterMetricFamily, "heartbeats", "Heartbeats sent"),
        (CounterMetricFamily, "reconnects", "Connections made after the first"),
        (CounterMetricFamily, "resumes", "Connections on which RESUMED arrived"),
        (CounterMetricFamily, "identifies", "IDENTIFYs sent"),
    ):
        found[name] = kind(f"vox_gateway_{name}", documentation, labels=["shard"])
    return found


def _values(health: dict[str, Any], stats: Stats) -> dict[str, Any]:
    """Return the value of each metric; None omits the sample, since a missing value is not zero."""
    since = health["since_event"]
    return {
        "up": health["uptime"] is not None,
        "ok": health["ok"],
        "status": {status.value: status.value == health["status"] for status in Status},
        "latency_seconds": health["latency"],
        "uptime_seconds": health["uptime"],
        "last_event_timestamp_seconds": None if since is None else time.time() - since,
        "events": stats.events,
        "events_waiting": stats.events_waiting,
        "backlog_full": health["backlog_full"],
        "slow_handler_seconds": health["slow_handler_seconds"] or 0.0,
        "received_bytes": stats.bytes_in,
        "inflated_bytes": stats.bytes_inflated,
        "heartbeats": stats.beats,
        "reconnects": stats.reconnects,
        "resumes": stats.resumes,
        "identifies": stats.identifies,
    }


def _check_clients(clients: tuple[object, ...]) -> list[Client]:
    if not clients:
        raise TypeError("clients must hold at least one Client")
    checked: dict[int, Client] = {}
    if len(clients) == 1 and isinstance(clients[0], ShardManager):
        return [clients[0]]
    for client in clients:
        if not isinstance(client, Client):
            raise TypeError(f"clients must be Clients, not {client!r}")
        if isinstance(client, ShardManager):
            raise TypeError("a ShardManager must be the only one of clients: it exports all of its shards")
        shard = client.health()["shard"][0]
        if shard in checked:
            raise ValueError(f"clients must differ in their shard, and two are shard {shard}; use a registry for each")
        checked[shard] = client
    return list(checked.values())
