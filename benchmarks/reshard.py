"""Another number of shards under load: which events are missing, come twice or out of order, and the longest pause.

The local gateway is in another process: ``python -m benchmarks.reshard RATE`` prints its URL, and after a line on its
standard input sends numbered events of each guild until the next line; then it prints how many each guild has sent.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vox_gateway import IdentifyGate, Intents, ShardManager
from vox_gateway.testing import LocalGateway

from .environments import ROOT

__all__ = ["Verdict", "judge", "reshard"]

#: guilds that send events, which every number of shards up to theirs divides among all shards
GUILDS = 48
#: seconds between two bursts of events, and for which events come before and after each change
TICK, STEADY = 0.005, 1.0
#: seconds for which both generations are connected
OVERLAP = 1.0


@dataclass(frozen=True)
class Verdict:
    """What became of the events.

    Attributes:
        missing, duplicates: events.
        misplaced: events with a later one of the same guild before them.
    """

    missing: int
    duplicates: int
    misplaced: int


def judge(sent: int, seen: Mapping[int, Sequence[int]], guilds: int = GUILDS) -> Verdict:
    """Compare the numbers that came, by guild, with those from 0 to `sent` that each of `guilds` has sent."""
    missing = duplicates = misplaced = 0
    for guild in range(guilds):
        numbers = seen.get(guild, ())
        missing += sent - len(set(numbers))
        duplicates += len(numbers) - len(set(numbers))
        misplaced += sum(later < before for before, later in itertools.pairwise(numbers))
    return Verdict(missing, duplicates, misplaced)


def reshard(rate: float = 2000.0, totals: Sequence[int] = (4, 8, 4)) -> str:
    """Change the number of shards from each of `totals` to the next, at `rate` events in a second."""
    seen: dict[int, list[int]] = defaultdict(list)
    times: list[float] = []

    def say(line: str) -> None:
        assert process.stdin is not None
        print(line, file=process.stdin, flush=True)

    def hear() -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    command = [sys.executable, "-m", "benchmarks.reshard", str(rate)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        gate = IdentifyGate(max_concurrency=max(totals), interval=0)
        manager = ShardManager(
            token="benchmark", url=hear(), shards=totals[0], intents=Intents.all(), identify_gate=gate
        )

        @manager.on("MESSAGE_CREATE")
        def note(message: dict[str, Any]) -> None:
            seen[int(message["guild_id"]) >> 22].append(message["nonce"])
            times.append(time.perf_counter())

        with manager:
            manager.wait_until_ready(30)
            began = time.perf_counter()
            say("begin")
            time.sleep(STEADY)
            switches = []
            for total in totals[1:]:
                manager.reshard(total, overlap=OVERLAP, timeout=60)
                switches.append(time.perf_counter())
                time.sleep(STEADY)
            say("end")
            sent = int(hear())
            spent = time.perf_counter() - began
            _await(times, sent * GUILDS)
            verdict = judge(sent, seen)
        process.communicate("")
    around = STEADY / 4
    pauses = ", ".join(f"{longest_pause(times, at - around, at + around) * 1000:.0f}" for at in switches)
    steady = longest_pause(times, began + STEADY - 2 * around, began + STEADY) * 1000
    return (
        f"reshard {' -> '.join(map(str, totals))} at {sent * GUILDS / spent:,.0f} events/s, {sent * GUILDS} events: "
        f"missing {verdict.missing}, duplicates {verdict.duplicates}, out of order {verdict.misplaced}; "
        f"longest pause around each switch {pauses} ms, before them {steady:.0f} ms"
    )


def longest_pause(times: Sequence[float], begin: float, end: float) -> float:
    """The longest time without an event between `begin` and `end`, in seconds."""
    within = [begin, *(at for at in times if begin < at < end), end]
    return max(later - before for before, later in itertools.pairwise(within))


def _await(times: list[float], count: int) -> None:
    """Wait until `count` events have come, and a moment more for one too many; 10 seconds at most."""
    until, pause = time.perf_counter() + 10, threading.Event()
    while len(times) < count and time.perf_counter() < until:
        pause.wait(0.05)
    pause.wait(0.5)


def serve(rate: float) -> None:
    """The gateway's process; see the module."""
    with LocalGateway(identify_interval=0, rate_limit=10**6, guilds=[]) as gateway:
        print(gateway.url, flush=True)
        sys.stdin.readline()
        over = threading.Event()

        def wait_for_end() -> None:
            sys.stdin.readline()
            over.set()

        threading.Thread(target=wait_for_end, daemon=True).start()
        began, sent = time.perf_counter(), 0
        while not over.wait(TICK):
            while sent * GUILDS < (time.perf_counter() - began) * rate:
                for guild in range(GUILDS):
                    message = {"guild_id": str(guild << 22), "nonce": sent, "content": "x" * 500}
                    gateway.dispatch("MESSAGE_CREATE", message)
                sent += 1
        print(sent, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    serve(float(sys.argv[1]))
