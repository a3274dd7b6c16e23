"""Looks for races: every thread of a client is switched as often as Python can, while others use all that it shares."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_helpers import MakeClient, start_until_ready
from support import in_background

from vox_gateway import Client
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("unmeasured", "little_jitter")

COUNT, GUILDS, RECONNECTS = 400, 7, 3
TIMEOUT = 60.0


@pytest.fixture
def tiny_switch_interval() -> Iterator[None]:
    """Without the GIL it changes nothing, and threads run at the same time instead."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def users(client: Client) -> list[Callable[[], object]]:
    """What threads of a program do beside the handlers."""

    def add_and_remove() -> None:
        client.on("OTHER", users)
        client.remove_listener("OTHER", users)

    return [
        add_and_remove,
        lambda: client.stream("NUMBER").close(),
        lambda: (client.explain(), client.stats, client.health(), client.session, repr(client)),
        functools.partial(client.send_packet, 4, {"guild_id": "1", "channel_id": None}, timeout=TIMEOUT),
    ]


@pytest.mark.usefixtures("tiny_switch_interval")
@pytest.mark.parametrize("workers", [0, 3])
def test_nothing_is_lost_or_repeated_while_threads_use_all_that_is_shared(
    make_client: MakeClient, workers: int
) -> None:
    with LocalGateway(identify_interval=0, rate_limit=1_000_000) as gateway:
        client = make_client(gateway, workers=workers, backlog=50)
        handled: list[list[int]] = [[] for _ in range(GUILDS)]
        streamed: list[int] = []
        over = threading.Event()
        taken = client.stream("NUMBER", maxsize=0)

        @client.on("NUMBER")
        def handle(data: dict[str, Any]) -> None:
            handled[int(data["guild_id"])].append(data["number"])

        def use(action: Callable[[], object]) -> None:
            while not over.wait(0.001):
                action()

        start_until_ready(client)
        using = [in_background(functools.partial(use, action)) for action in users(client)]
        for number in range(COUNT):
            gateway.dispatch("NUMBER", {"guild_id": str(number % GUILDS), "number": number})
            if number % (COUNT // (RECONNECTS + 1)) == COUNT // (RECONNECTS + 2):
                assert gateway.wait_connected(timeout=TIMEOUT)
                gateway.reconnect()
        while len(streamed) < COUNT:
            streamed.append(taken.get(TIMEOUT).data["number"])
        over.set()
        for call in using:
            call.result(TIMEOUT)
        assert gateway.wait_handled(client, TIMEOUT)
        assert client.stats.reconnects >= 1  # it may be asked twice before it has heard the first
    assert streamed == list(range(COUNT))
    assert handled == [list(range(guild, COUNT, GUILDS)) for guild in range(GUILDS)]
