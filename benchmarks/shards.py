"""Many shards in one process: what each weighs, how soon all are ready and closed, and what they take in together."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import Any

from vox_gateway import IdentifyGate, Intents, ShardManager

from .contest import Servers
from .runners.stopwatch import resident

__all__ = ["shards"]

#: seconds for which nothing happens while the idle process is measured
QUIET = 5.0


def manager(url: str, count: int) -> ShardManager:
    """A manager whose shards may all IDENTIFY at once."""
    gate = IdentifyGate(max_concurrency=count, interval=0)
    return ShardManager(token="benchmark", url=url, shards=count, intents=Intents.all(), identify_gate=gate)


def shards(count: int = 128, events: int = 512_000) -> str:
    """All measures, a line each."""
    quiet = at_rest(count)  # first, while this process has no memory to reuse
    rates = {number: throughput(number, events) for number in (1, 4, 16, 64)}
    sums = ", ".join(f"{number}: {rate:,.0f}/s" for number, rate in rates.items())
    return f"{quiet}\nevents by number of shards: {sums}"


def at_rest(count: int) -> str:
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


def throughput(count: int, events: int) -> float:
    """Events in a second of all shards together, with a handler for each."""
    total, seen, done = events // count * count, itertools.count(1), threading.Event()
    with contextlib.ExitStack() as stack:
        one = manager(Servers(events // count, stack).url(("--compress", "zlib-stream")), count)
        stack.callback(one.close)

        @one.on("DISPATCH")
        def handle(payload: dict[str, Any]) -> None:
            if payload["t"] != "READY" and next(seen) == total:
                done.set()

        began = time.perf_counter()
        one.connect(async_=True)
        if not done.wait(120):
            raise RuntimeError(one.explain())
        return total / (time.perf_counter() - began)
