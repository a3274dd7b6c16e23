"""Several processes that run a bot's shards: killed, drained, paused, cut off, and all identifying at once.

The figures are those of the local gateway and of loopback. ``python -m benchmarks processes`` takes five minutes; the
rows on Redis need ``redis-server`` and the extra ``cluster``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from vox_gateway.coordination import GateSettings, LeaseTimes
from vox_gateway.testing import LocalGateway

from .fleet import Fleet, wait_for
from .stalling_proxy import StallingProxy

__all__ = ["processes"]

SHARDS = 12
#: events in a second
RATE = 2000.0
#: all shards may IDENTIFY at once: what is measured begins later
AT_ONCE = GateSettings(interval=0.0, max_concurrency=SHARDS, gather=0.0)
#: processes that start together share the shards from the beginning, and nothing moves while all of them live
STILL = LeaseTimes(join=4.0, rebalance=3600.0)


def processes(rate: float = RATE) -> Iterator[str]:
    """All measures on every coordination that can be used here, a line each."""
    with tempfile.TemporaryDirectory() as folder:
        for name, opened in coordinations(Path(folder)):
            for row in (identify, kill, drain, pause):
                with opened() as url:
                    yield f"{name:7} {row.__name__:9} {row(url, rate)}"
        if shutil.which("redis-server"):
            for seconds in (5.0, 15.0):
                yield f"{'redis':7} {'cut off':9} {cut_off(Path(folder), rate, seconds)}"


def coordinations(folder: Path) -> Iterator[tuple[str, Callable[[], contextlib.AbstractContextManager[str]]]]:
    """The names of the coordinations, and what opens an empty one and yields its URL."""
    numbers = itertools.count(1)

    @contextlib.contextmanager
    def sqlite() -> Iterator[str]:
        yield f"sqlite:///{folder}/{next(numbers)}.db"

    @contextlib.contextmanager
    def redis() -> Iterator[str]:
        with redis_server(folder) as port:
            yield f"redis://127.0.0.1:{port}/0"

    yield "sqlite", sqlite
    if shutil.which("redis-server"):
        yield "redis", redis


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """Run a Redis server without persistence, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        wait_for("redis-server", lambda: accepts(port), 10.0)
        yield port
    finally:
        process.kill()
        process.wait()


def accepts(port: int) -> bool:
    """Whether a server listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def fleet(
    count: int, url: str, times: LeaseTimes = STILL, gate: GateSettings = AT_ONCE, shards: int = SHARDS
) -> Iterator[Fleet]:
    """Start processes, and wait until all of the shards are connected."""
    local = LocalGateway(
        guilds=[], shards=shards, max_concurrency=gate.max_concurrency, identify_interval=gate.interval
    )
    with local as gateway, contextlib.ExitStack() as stack:
        those = Fleet(gateway, shards, times, gate)
        stack.callback(those.close)
        those.start(count, url)
        wait_for("all shards to be ready", those.ready)
        yield those


# -- the rows ----------------------------------------------------------------------------------------------------------


def identify(url: str, _: float) -> str:
    """8 processes identify 128 shards, 4 at a time: how close to the least time that the limit allows."""
    shards, gate = 128, GateSettings(interval=0.25, max_concurrency=4)
    with fleet(8, url, dataclasses.replace(STILL, join=8.0), gate, shards) as those:
        identified = [(payload.at, payload.data["shard"][0]) for payload in those.received("IDENTIFY")]
    floor = (shards / gate.max_concurrency - 1) * gate.interval
    total = identified[-1][0] - identified[0][0]
    turns = [[(at, shard) for at, shard in identified if shard % gate.max_concurrency == key] for key in range(4)]
    least = min(later[0] - earlier[0] for key in turns for earlier, later in itertools.pairwise(key))
    swapped = sum(later[1] < earlier[1] for key in turns for earlier, later in itertools.pairwise(key))
    return (
        f"{len(identified)} IDENTIFYs for {shards} shards, {len(those.refused)} refused, {swapped} out of order, least "
        f"gap {least:.3f} s of {gate.interval:g}; {total:.2f} s, {total / floor:.2f} of the least possible"
    )


def kill(url: str, rate: float) -> str:
    """One of three processes is killed."""
    with busy_fleet(3, url, rate) as those:
        victim = those.members[0]
        lost = victim.running
        victim.process.kill()
        taken = wait_for("the shards to be taken over", lambda: those.resumed(but_by=victim) >= lost)
        told = those.settled()
    return f"{len(lost)} shards resumed elsewhere within {taken:.2f} s; {told}"


def drain(url: str, rate: float) -> str:
    """A process gets SIGTERM while others run, as in a deploy."""
    with busy_fleet(2, url, rate) as those:
        (new,) = those.start(1, url)
        wait_for("the new process", lambda: new.is_started)
        pass_time(STILL.join + 1.0)  # until it may take shards
        old = those.members[0]
        shards = old.running
        old.process.send_signal(signal.SIGTERM)
        status = old.wait()
        wait_for("the shards to be taken over", lambda: those.resumed(but_by=old) >= shards)
        told = those.settled()
        longest = max(those.gaps(), default=0.0)
    return f"{len(shards)} shards handed over, each down for {longest:.2f} s at the most, exit status {status}; {told}"


def pause(url: str, rate: float, seconds: float = 20.0) -> str:
    """A process is stopped for longer than its leases last, and goes on."""
    with busy_fleet(2, url, rate) as those:
        paused = those.members[0]
        shards = paused.running
        paused.process.send_signal(signal.SIGSTOP)
        taken = wait_for("the shards to be taken over", lambda: those.resumed(but_by=paused) >= shards)
        pass_time(seconds - taken)
        before = len(those.received("RESUME"))
        paused.process.send_signal(signal.SIGCONT)
        pass_time(5.0)
        after = len(those.received("RESUME")) - before
        told = those.settled()
    return f"{len(shards)} shards taken over within {taken:.2f} s, {after} RESUMEs after {seconds:g} s; {told}"


def cut_off(folder: Path, rate: float, seconds: float) -> str:
    """One of two processes cannot reach Redis for a while."""
    with (
        redis_server(folder) as port,
        contextlib.closing(StallingProxy(port)) as proxy,
        busy_fleet(1, f"redis://127.0.0.1:{proxy.port}/0", rate) as those,
    ):
        (other,) = those.start(1, f"redis://127.0.0.1:{port}/0")
        wait_for("the other process", lambda: other.is_started)
        pass_time(2.0)
        before = len(those.received("RESUME"))
        proxy.cut()
        pass_time(seconds)
        proxy.mend()
        pass_time(5.0)
        moved = len(those.received("RESUME")) - before
        told = those.settled()
    return f"for {seconds:g} s: {moved} RESUMEs for {SHARDS} shards; {told}"


def pass_time(seconds: float) -> None:
    """Let a fault last."""
    threading.Event().wait(max(seconds, 0.0))


@contextlib.contextmanager
def busy_fleet(count: int, url: str, rate: float) -> Iterator[Fleet]:
    """Start processes with events for all shards."""
    with fleet(count, url) as those:
        wait_for("every process to run shards", lambda: all(member.running for member in those.members))
        with those.sending(rate):
            wait_for("events", lambda: all(member.seen for member in those.members))
            yield those
