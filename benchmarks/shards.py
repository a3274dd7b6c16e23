"""Many shards in one process: what each weighs, how soon all are ready and closed, and what they take in together."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from vox_gateway import IdentifyGate, Intents, ShardManager

from . import environments
from .contest import EventsLost, Servers, say
from .runners.stopwatch import resident

__all__ = ["at_rest", "shards"]

#: seconds for which nothing happens while the idle process is measured
QUIET = 5.0
#: seconds that one run may take
PATIENCE = 300.0
#: of every run; the runners of the peers ask for it
ZLIB = ("--compress", "zlib-stream")
#: the environment and the runner of each
PEERS = {
    "vox_gateway": ("default", "vox_shards"),
    "hikari": ("hikari", "hikari_shards"),
    "discord.py": ("discord.py", "discord_py_shards"),
}
#: numbers of shards; and events in a second on each of the quiet ones
COUNTS = (1, 4, 16, 64)
QUIET_SHARDS, QUIET_RATE = 64, 50
#: the part of the events that is enough beside a computing thread
BUSY_SHARE = 0.1

#: what a runner tells, by the name of the figure
Told = dict[str, float]


def manager(url: str, count: int) -> ShardManager:
    """A manager whose shards may all IDENTIFY at once."""
    gate = IdentifyGate(max_concurrency=count, interval=0)
    return ShardManager(token="benchmark", url=url, shards=count, intents=Intents.all(), identify_gate=gate)


def shards(
    events: int, rounds: int, counts: Sequence[int] = COUNTS, quiet: tuple[int, int] = (QUIET_SHARDS, 500)
) -> str:
    """All measures, a line each.

    Args:
        events: of all shards together, as fast as they are taken.
        quiet: a number of shards, and the events of each, at `QUIET_RATE`.
    """
    lines = [at_rest()]  # first, while this process has no memory to reuse
    rows: list[tuple[int, int | None]] = [(count, None) for count in counts]
    lines += ["", f"as fast as they are taken, {events} events", *table(compete(events, rounds, rows))]
    few = int(events * BUSY_SHARE)
    lines += ["", f"the same beside a computing thread, {few} events", *table(compete(few, rounds, rows, busy=True))]
    calm = compete(quiet[0] * quiet[1], rounds, [(quiet[0], QUIET_RATE)])
    lines += ["", f"{QUIET_RATE} events/s on each of {quiet[0]} shards", *table(calm)]
    return "\n".join(lines)


def compete(
    events: int, rounds: int, rows: list[tuple[int, int | None]], *, busy: bool = False
) -> dict[tuple[str, int], list[Told]]:
    """Run every peer with each number of shards and rate, in an order that each round rotates.

    Args:
        busy: whether a thread computes beside each.

    Raises:
        EventsLost: a runner did not report all events in time.
    """
    runs: dict[tuple[str, int], list[Told]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        servers = Servers(0, stack)
        for number in range(rounds):
            for count, rate in rows:
                for name in rotated([*PEERS], number):
                    say(f"round {number + 1} of {rounds}: {name}, {count} shards")
                    with contextlib.suppress(environments.Unavailable):
                        runs[name, count].append(run(name, servers, count, events // count, rate, busy))
    say("")
    return runs


def run(name: str, servers: Servers, count: int, events: int, rate: int | None, busy: bool) -> Told:
    """One run of one peer, with `events` on each of `count` shards."""
    environment, module = PEERS[name]
    pace = () if rate is None else ("--rate", str(rate))
    url = servers.url((*ZLIB, "--shards", str(count), *pace), events)
    command = [environments.python(environment), "-m", f"benchmarks.runners.{module}", url, str(count), str(events)]
    command += ["--busy"] if busy else []
    environment_variables = {**os.environ, "NO_PROXY": "*", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command, check=False, cwd=environments.ROOT, env=environment_variables, capture_output=True, text=True,
            timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise EventsLost(f"{name} had not got all events of {count} shards after {PATIENCE:g} seconds") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise EventsLost(f"{name} with {count} shards: {done.stderr.strip()[-400:]}")
    told: Told = json.loads(lines[-1])
    return told


def rotated(names: list[str], by: int) -> list[str]:
    """The names, from another one on."""
    by %= len(names)
    return names[by:] + names[:by]


def table(runs: dict[tuple[str, int], list[Told]]) -> Iterator[str]:
    """The medians; and of the ratios, round by round, of our figures to the peer's with as many shards."""
    yield (
        f"{'':14}{'shards':>7}{'events/s':>10}{'CPU µs/event':>14}{'switches/1000':>15}{'RSS MB':>8}{'threads':>9}"
        f"   ours / its: {'events/s':>9}{'CPU':>7}{'RSS':>7}"
    )
    for (name, count), rounds in runs.items():
        line = (
            f"{name:14}{count:>7}{median(rate(told) for told in rounds):>10,.0f}"
            f"{median(cpu(told) for told in rounds):>14.1f}"
            f"{median(told['switches'] / told['events'] * 1000 for told in rounds):>15.0f}"
            f"{median(told['resident_kb'] / 1024 for told in rounds):>8.1f}{rounds[0]['threads']:>9.0f}"
        )
        pairs = list(zip(runs.get(("vox_gateway", count), []), rounds, strict=False))
        if name != "vox_gateway" and pairs:
            line += f"{median(rate(us) / rate(it) for us, it in pairs):>24.2f}"
            line += f"{median(cpu(us) / cpu(it) for us, it in pairs):>7.2f}"
            line += f"{median(us['resident_kb'] / it['resident_kb'] for us, it in pairs):>7.2f}"
        yield line


def rate(told: Told) -> float:
    """Events in a second."""
    return told["events"] / told["seconds"]


def cpu(told: Told) -> float:
    """Microseconds of processor time for an event."""
    return told["cpu"] / told["events"] * 1e6


def at_rest(count: int = 128) -> str:
    """Time until ready, memory, threads, CPU at rest, and time until closed; the server is in another process."""
    with contextlib.ExitStack() as stack:
        url = Servers(0, stack).url(("--compress", "zlib-stream"))
        one = manager(url, count)
        stack.callback(one.close)
        memory, threads, began = resident(), threading.active_count(), time.perf_counter()
        one.connect(async_=True)
        if not one.wait_until_ready(30):
            raise RuntimeError(one.explain())
        ready = time.perf_counter() - began
        memory, threads = resident() - memory, threading.active_count() - threads
        cpu = time.process_time()
        time.sleep(QUIET)
        cpu = (time.process_time() - cpu) / QUIET
        began = time.perf_counter()
        one.close()
        closed = time.perf_counter() - began
    return (
        f"{count} shards: ready in {ready:.2f} s, closed in {closed:.2f} s, {memory / count:.0f} KB and "
        f"{threads / count:.2f} threads each, {cpu:.2%} of a CPU at rest"
    )
