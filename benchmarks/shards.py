"""Many shards in one process: what each weighs, how soon all are ready and closed, and what they take in together."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

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
    full = compete(events, rounds, [(count, None) for count in counts])
    lines += ["", f"as fast as they are taken, {events} events", *table(full)]
    calm = compete(quiet[0] * quiet[1], rounds, [(quiet[0], QUIET_RATE)])
    lines += ["", f"{QUIET_RATE} events/s on each of {quiet[0]} shards", *table(calm)]
    return "\n".join(lines)


def compete(events: int, rounds: int, rows: list[tuple[int, int | None]]) -> dict[tuple[str, int], list[Told]]:
    """Run every peer with each number of shards and rate, in an order that each round rotates.

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
                        runs[name, count].append(run(name, servers, count, events // count, rate))
    say("")
    return runs


def run(name: str, servers: Servers, count: int, events: int, rate: int | None) -> Told:
    """One run of one peer, with `events` on each of `count` shards."""
    environment, module = PEERS[name]
    pace = () if rate is None else ("--rate", str(rate))
    url = servers.url((*ZLIB, "--shards", str(count), *pace), events)
    command = [environments.python(environment), "-m", f"benchmarks.runners.{module}", url, str(count), str(events)]
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
    """The medians, and the median ratio to the same round with the smallest number of shards."""
    yield (
        f"{'':14}{'shards':>7}{'events/s':>10}{'of one':>8}{'CPU µs/event':>14}{'of one':>8}"
        f"{'switches/1000':>15}{'RSS MB':>8}{'threads':>9}"
    )
    for (name, count), rounds in runs.items():
        ones = runs[name, min(number for other, number in runs if other == name)]
        speed = statistics.median(rate(told) / rate(one) for told, one in zip(rounds, ones, strict=True))
        spent = statistics.median(cpu(told) / cpu(one) for told, one in zip(rounds, ones, strict=True))
        yield (
            f"{name:14}{count:>7}{statistics.median(map(rate, rounds)):>10,.0f}{speed:>8.2f}"
            f"{statistics.median(map(cpu, rounds)):>14.1f}{spent:>8.2f}"
            f"{statistics.median(told['switches'] / told['events'] * 1000 for told in rounds):>15.0f}"
            f"{statistics.median(told['resident_kb'] / 1024 for told in rounds):>8.1f}{rounds[0]['threads']:>9.0f}"
        )


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
