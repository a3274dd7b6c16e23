"""Managers that share the shards of a bot, over real sockets: each stands for a process."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from manager_helpers import MakeManager, guild_id
from support import in_background, wait_until

from vox_gateway import (
    ShardManager,
    Status,
)
from vox_gateway.coordination import Coordination, GateSettings, LeaseTimes, open_coordination
from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0
TIMES = LeaseTimes(ttl=3.5, renew=0.1, retry=0.05, give_up=1.3, join=0.0, rebalance=0.0)
GATE = GateSettings(interval=0.0, turn=2.0, gather=0.0)
ALL = set(range(4))

#: opens the coordination of a process
Open = Callable[..., Coordination]
#: makes a manager that stands for a process
MakeProcess = Callable[..., ShardManager]


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    found: list[Coordination] = []

    def call(times: LeaseTimes = TIMES) -> Coordination:
        if request.param == "memory" and found:
            return found[0]
        url = None if request.param == "memory" else f"sqlite:///{tmp_path}/bot.db"
        found.append(open_coordination(url, bot="1", times=times, gate=GATE))
        return found[-1]

    yield call
    for coordination in found:
        coordination.close()


@pytest.fixture
def make_process(gateway: LocalGateway, make_manager: MakeManager, opened: Open) -> MakeProcess:
    def make(times: LeaseTimes = TIMES, **options: Any) -> ShardManager:
        return make_manager(gateway, **{"coordination": opened(times), "identify_gate": None, **options})

    return make


def running(*managers: ShardManager) -> list[int]:
    """The shards that are ready, each as often as it is."""
    return sorted(shard.id for manager in managers for shard in manager.shards.values() if shard.status is Status.READY)


def start(*managers: ShardManager) -> None:
    for manager in managers:
        manager.connect(async_=True)


def test_processes_that_start_together_share_the_shards(gateway: LocalGateway, make_process: MakeProcess) -> None:
    times = dataclasses.replace(TIMES, join=0.3, rebalance=3600.0)
    one, other = make_process(times), make_process(times)
    start(one, other)
    wait_until(lambda: running(one, other) == sorted(ALL))
    assert {len(one.shards), len(other.shards)} == {2}
    assert one.stats.identifies + other.stats.identifies == 4
    assert len(gateway.connections) == 4


def test_a_process_that_comes_resumes_its_part(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(), make_process()
    seen: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
    for number, manager in enumerate((one, other)):
        manager.on("MESSAGE_CREATE", lambda message, number=number: seen.put((message["nonce"], number)))
    start(one)
    wait_until(lambda: running(one) == sorted(ALL))
    wait_until(lambda: all(shard.handled.id == shard.session.id for shard in one.shards.values()))
    stop = threading.Event()

    def send() -> int:
        count = 0
        while not stop.wait(0.002):
            gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(guild_id(count % 4)), "nonce": count})
            count += 1
        return count

    sent = in_background(send)
    start(other)
    wait_until(lambda: len(running(one)) == len(running(other)) == 2)
    stop.set()
    count = sent.result(TIMEOUT)
    got: dict[int, set[int]] = {}
    while len(got) < count:
        nonce, number = seen.get(timeout=TIMEOUT)
        got.setdefault(nonce, set()).add(number)
    assert other.stats.identifies == 0
    assert other.stats.resumes == 2
    assert one.stats.identifies == 4
