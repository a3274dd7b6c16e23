"""Real processes that share shards: killed, paused, drained, and all at once at one SQLite file."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from coordination_support import GATE, TIMES, pause
from support import wait_until

from vox_gateway.coordination import GateSettings, LeaseTimes, NodeInfo, open_coordination

pytestmark = pytest.mark.usefixtures("unmeasured")

#: seconds that processes have to start and to take shards over
PATIENCE = 30.0
PROGRAM = Path(__file__).with_name("node_program.py")
#: nothing moves while all live
STILL = replace(TIMES, join=0.4, rebalance=3600.0)
FAST = GateSettings(interval=0.0, max_concurrency=64, gather=0.0)


class Process:
    """A process that runs shards.

    Attributes:
        lines: what it printed.
        running: its shards, as far as it said.
    """

    def __init__(self, url: str, bot: str, shards: int, times: LeaseTimes, gate: GateSettings) -> None:
        self.lines: list[dict[str, Any]] = []
        self.running: set[int] = set()
        settings = [json.dumps(asdict(times)), json.dumps(asdict(gate))]
        command = [sys.executable, PROGRAM, url, bot, str(shards), *settings]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, name="test-reader", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            self.lines.append(said)
            self.running |= set(said["shards"]) if said["event"] == "assigned" else set()
            self.running -= set(said["shards"]) if said["event"] == "revoked" else set()

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in [*self.lines] if line["event"] == event]

    def shards_of(self, event: str) -> set[int]:
        return {line["shard"] for line in self.of(event)}

    def drain(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("drain\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.communicate(timeout=PATIENCE)
        self._reader.join()


Start = Callable[..., list[Process]]


@pytest.fixture
def start(shared_url: str, bot: str) -> Iterator[Start]:
    """Starts processes, and waits until they run all shards."""
    found: list[Process] = []

    def call(count: int, shards: int, times: LeaseTimes = STILL, gate: GateSettings = FAST) -> list[Process]:
        found.extend(Process(shared_url, bot, shards, times, gate) for _ in range(count))
        wait_until(lambda: set().union(*(one.running for one in found)) == set(range(shards)), PATIENCE)
        return found

    yield call
    for one in found:
        one.process.stdin.close()  # type: ignore[union-attr]  # all at once, and then wait
    for one in found:
        one.process.stdin = None
        one.end()


@pytest.fixture(params=["sqlite", "redis"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("redis_url")) if request.param == "redis" else f"sqlite:///{tmp_path}/bot.db"


@pytest.mark.slow
def test_the_shards_of_a_killed_process_resume_elsewhere(start: Start, shared_url: str) -> None:
    # SQLite must not wait for the leases to expire: the process's lock ends with it.
    ttl = 600.0 if shared_url.startswith("sqlite") else 2.5
    processes = start(3, 12, replace(STILL, ttl=ttl, give_up=min(ttl - 0.5, 60.0)))
    wait_until(lambda: len(set().union(*(one.shards_of("saved") for one in processes))) == 12, PATIENCE)
    killed, *others = sorted(processes, key=lambda one: -len(one.running))
    lost = set(killed.running)
    killed.process.kill()
    wait_until(lambda: set().union(*(one.shards_of("resume") for one in others)) == lost, PATIENCE)
    assert set().union(*(one.running for one in others)) == set(range(12))
    assert sum(len(one.of("identify")) for one in processes) == 12, "no session was lost"
    assert not any(one.of("revoked") for one in others)


@pytest.mark.slow
def test_a_paused_process_closes_its_shards_and_does_not_fight(start: Start, shared_url: str) -> None:
    paused, other = start(2, 8, replace(STILL, ttl=2.5, give_up=2.0))
    wait_until(lambda: len(paused.shards_of("saved") | other.shards_of("saved")) == 8, PATIENCE)
    paused, other = (paused, other) if paused.running else (other, paused)
    theirs = set(paused.running)
    pause(paused.process, shared_url)
    wait_until(lambda: other.running == set(range(8)), PATIENCE)
    wait_until(lambda: other.shards_of("resume") >= theirs, PATIENCE)
    paused.process.send_signal(signal.SIGCONT)
    wait_until(lambda: paused.of("revoked"), PATIENCE)
    (revoked,) = paused.of("revoked")
    assert revoked["lost"]
    assert set(revoked["shards"]) == theirs
    assert not any(revoked["holds"])
    assert not theirs & paused.shards_of("resume")
    resumes = [line["shard"] for line in other.of("resume")]
    assert len(resumes) == len(set(resumes)), "each shard moved once"


def test_a_deploy_spends_no_identify(start: Start) -> None:
    (old,) = start(1, 8)
    wait_until(lambda: old.shards_of("identify") == set(range(8)), PATIENCE)
    *_, new = start(1, 8)
    old.drain()
    wait_until(lambda: new.shards_of("resume") == set(range(8)), PATIENCE)
    assert new.of("identify") == []
    wait_until(lambda: old.of("revoked"), PATIENCE)  # which was said before, and may be read later
    assert [line["lost"] for line in old.of("revoked")] == [False]


def test_many_processes_keep_the_interval(start: Start) -> None:
    gate = replace(GATE, interval=0.1, max_concurrency=4)
    processes = start(3, 20, STILL, gate)
    wait_until(lambda: sum(len(one.of("identify")) for one in processes) == 20, PATIENCE)
    identified = sorted((line["at"], line["shard"]) for one in processes for line in one.of("identify"))
    assert len({shard for _, shard in identified}) == 20
    for key in range(4):
        times = [at for at, shard in identified if shard % 4 == key]
        least = min(later - earlier for earlier, later in itertools.pairwise(times))
        assert least >= gate.interval - 0.005, "the clocks of the store and of the line differ by milliseconds"


def test_a_process_that_opens_a_file_twice_keeps_its_locks(tmp_path: Path) -> None:
    """Without them another process that closes the file takes itself for the last one, and removes the log of it."""
    url = f"sqlite:///{tmp_path}/bot.db"
    program = "import sys, vox_gateway.coordination as c; one = c.open_coordination(sys.argv[1], bot='1'); one.close()"
    with contextlib.ExitStack() as stack:
        first, _ = (stack.enter_context(contextlib.closing(open_coordination(url, bot="1"))) for _ in range(2))
        info = NodeInfo("id", "name", 1, 1)
        first.beat(info, {0: 1.0})
        subprocess.run([sys.executable, "-c", program, url], check=True, timeout=60)
        first.save(info, 0, "kept")
        third = stack.enter_context(contextlib.closing(open_coordination(url, bot="1")))
        assert third.load(1, [0]) == {0: "kept"}


@pytest.mark.parametrize("shared_url", ["sqlite"], indirect=True)
def test_processes_whose_locks_were_deleted_do_not_take_each_other_for_dead(
    start: Start, shared_url: str, bot: str, tmp_path: Path
) -> None:
    times = replace(STILL, ttl=600.0, give_up=60.0)
    (process,) = start(1, 4, times)
    info = NodeInfo("id", "name", 4, 4)
    with contextlib.ExitStack() as stack:
        (tmp_path / "bot.db-nodes").unlink()
        coordination = stack.enter_context(contextlib.closing(open_coordination(shared_url, bot=bot, times=times)))
        view = coordination.beat(info, {})
        assert (len(view.nodes), len(view.leases)) == (2, 4)

        def expires_in() -> float:
            return next(one.expires_in for one in coordination.overview().nodes if one.info.id != info.id)

        for _ in range(2):  # the first heartbeat may have begun before
            before = expires_in()
            wait_until(lambda: expires_in() > before)  # noqa: B023
        view = coordination.beat(info, {})
        assert (len(view.nodes), len(view.leases), view.is_new) == (2, 4, False)
        assert not process.of("revoked")
        process.process.kill()
        wait_until(lambda: len(coordination.beat(info, {}).nodes) == 1, PATIENCE)
