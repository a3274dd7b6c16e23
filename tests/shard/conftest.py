"""Parts of a run, each made alone: options, a queue and a mailbox, and a gateway to connect to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from vox_gateway import Client, IdentifyGate
from vox_gateway.concurrency.scheduler import Scheduler
from vox_gateway.config import Options
from vox_gateway.dispatch.event_queue import EventQueue
from vox_gateway.dispatch.progress import InlineProgress
from vox_gateway.log import ShardLog
from vox_gateway.network.urls import GatewayURL, gateway_url
from vox_gateway.shard.connection import ConnectionConfig
from vox_gateway.shard.messages import Mailbox
from vox_gateway.testing import LocalGateway

MakeConfig = Callable[..., ConnectionConfig]


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway with Discord's own figures, except that IDENTIFY may be sent at any time, and no heartbeat is due."""
    with LocalGateway(identify_interval=0, heartbeat_interval=86_400) as gateway:
        yield gateway


def options_for(gateway: LocalGateway) -> Options:
    """Options of a client of `gateway`, as `Client` makes them."""
    return Client(url=gateway.url, token="any", intents=1 << 9, identify_gate=IdentifyGate(interval=0))._options


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    """Calls what is due; ended at the end."""
    scheduler = Scheduler("test-heartbeat", ShardLog((0, 1)), pytest.fail)
    yield scheduler
    scheduler.stop()


@pytest.fixture
def make_config(gateway: LocalGateway, scheduler: Scheduler) -> MakeConfig:
    """Makes what a connection needs, with a queue that nobody empties."""

    def make(**changes: Any) -> ConnectionConfig:
        options = options_for(gateway)

        def find_url(*_: object) -> GatewayURL:
            return gateway_url(gateway.url, encoding=options.codec.name, compress=options.transport_compression)

        parts: dict[str, Any] = {
            "options": options,
            "identify": lambda: options.identify(None),
            "find_url": find_url,
            "queue": EventQueue(1000, 1 << 20, InlineProgress(), SimpleQueue()),
            "heartbeats": scheduler,
            "mailbox": Mailbox(),
            "on_failure": pytest.fail,
            "log": ShardLog((0, 1)),
        }
        return ConnectionConfig(**{**parts, **changes})

    return make
