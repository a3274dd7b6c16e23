"""Real processes with a manager each, which share the shards of one bot: killed, drained, paused, cut off from Redis.

`python -m benchmarks processes` does the same with more events and with the times that users have.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("trustme", reason="the benchmarks need trustme")

from coordination_support import pause
from redis_server import RedisServer
from support import wait_until

from benchmarks.fleet import Fleet
from benchmarks.processes import accepts, redis_server
from benchmarks.stalling_proxy import StallingProxy
from vox_gateway.coordination import GateSettings, LeaseTimes
from vox_gateway.testing import LocalGateway

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unmeasured")]

SHARDS = 4
#: events in a second: enough for several of each shard while it moves
RATE = 200.0
AT_ONCE = GateSettings(interval=0.0, max_concurrency=SHARDS, gather=0.0)
#: nothing moves while all processes live; a process that is silent for 4 seconds has lost its shards
TIMES = LeaseTimes(ttl=4.0, renew=0.3, retry=0.2, give_up=2.0, join=1.0, rebalance=3600.0)
#: of processes that must not be lost to a busy machine
PATIENT = LeaseTimes(ttl=30.0, renew=0.5, retry=0.2, give_up=20.0, join=1.0, rebalance=3600.0)


@contextlib.contextmanager
def busy_fleet(url: str, times: LeaseTimes, count: int = 2) -> Iterator[Fleet]:
    """Processes that run all shards, while events come."""
    local = LocalGateway(guilds=[], shards=SHARDS, max_concurrency=SHARDS, identify_interval=0.0)
    with local as gateway, contextlib.ExitStack() as stack:
        fleet = Fleet(gateway, SHARDS, times, AT_ONCE)
        stack.callback(fleet.close)
        fleet.start(count, url)
        wait_until(fleet.ready, 30)
        wait_until(lambda: sum(len(member.running) for member in fleet.members) == SHARDS, 30)  # they say so later
        with fleet.sending(RATE):
            wait_until(lambda: any(member.seen for member in fleet.members), 30)
            yield fleet


def running(fleet: Fleet) -> tuple[int, set[int]]:
    """The place of a process that runs shards, and those."""
    number = next(number for number, member in enumerate(fleet.members) if member.running)
    return number, fleet.members[number].running


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis server of the test's own."""
    pytest.importorskip("redis")
    if not RedisServer.is_installed():
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    with redis_server(tmp_path) as port:
        assert accepts(port)
        yield port


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bot.db"
    return f"redis://127.0.0.1:{request.getfixturevalue('redis_port')}/0"


def check_taken_over(fleet: Fleet, number: int, shards: set[int]) -> None:
    """Wait until others have resumed the shards of a process, and check that nothing was lost or disordered."""
    wait_until(lambda: fleet.resumed(but_by=fleet.members[number]) >= shards, 30)
    fleet.stop_sending()
    wait_until(lambda: not fleet.delivery().missing, 30)
    assert fleet.delivery().disordered == 0
    assert len(fleet.received("IDENTIFY")) == SHARDS


def test_the_shards_of_a_killed_process_go_on_elsewhere(url: str) -> None:
    with busy_fleet(url, TIMES) as fleet:
        number, shards = running(fleet)
        fleet.members[number].process.kill()
        fleet.members[number].wait()
        check_taken_over(fleet, number, shards)


def test_sigterm_hands_over(url: str) -> None:
    with busy_fleet(url, PATIENT) as fleet:
        number, shards = running(fleet)
        fleet.members[number].process.send_signal(signal.SIGTERM)
        assert fleet.members[number].wait() == 0
        check_taken_over(fleet, number, shards)


def test_a_process_that_was_paused_does_not_connect_again(url: str) -> None:
    with busy_fleet(url, TIMES) as fleet:
        number, shards = running(fleet)
        paused = fleet.members[number]
        pause(paused.process, url)
        wait_until(lambda: fleet.resumed(but_by=paused) >= shards, 30)
        resumed = len(fleet.received("RESUME"))
        paused.process.send_signal(signal.SIGCONT)
        fleet.stop_sending()
        wait_until(lambda: not fleet.delivery().missing, 30)
        paused.process.send_signal(signal.SIGTERM)  # answered after all that it does when it goes on
        paused.wait()
        assert len(fleet.received("RESUME")) == resumed
        assert len(fleet.received("IDENTIFY")) == SHARDS


def test_a_process_that_cannot_reach_redis_loses_its_shards_once(redis_port: int) -> None:
    with (
        contextlib.closing(StallingProxy(redis_port)) as proxy,
        busy_fleet(f"redis://127.0.0.1:{proxy.port}/0", TIMES, count=1) as fleet,
    ):
        (other,) = fleet.start(1, f"redis://127.0.0.1:{redis_port}/0")
        wait_until(lambda: other.is_started, 30)
        proxy.cut()
        wait_until(lambda: other.resumed == set(range(SHARDS)), 30)
        proxy.mend()
        fleet.stop_sending()
        wait_until(lambda: not fleet.delivery().missing, 30)
        assert fleet.delivery().disordered == 0
        assert len(fleet.received("RESUME")) == SHARDS
        assert len(fleet.received("IDENTIFY")) == SHARDS
