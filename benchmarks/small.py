"""Smaller measures: the latency and the memory of events, the memory of an idle shard, the time of a connection."""

from __future__ import annotations

import contextlib
import json
import ssl
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from vox_gateway import Client, IdentifyGate, Intents
from vox_gateway.testing import LocalGateway

from .contest import Servers
from .contestants import CA
from .runners.stopwatch import resident

__all__ = ["idle", "latency", "memory", "start"]

ROOT = Path(__file__).parent.parent


def client(url: str, **options: Any) -> Client:
    """A client that may IDENTIFY at once."""
    return Client(token="benchmark", url=url, intents=Intents.all(), identify_gate=IdentifyGate(interval=0), **options)


def latency(events: int = 6000, rate: float = 2000.0) -> str:
    """From the server's write to the handler, at a steady rate."""
    late: list[int] = []
    done = threading.Event()
    with contextlib.ExitStack() as stack:
        url = Servers(events, stack).url(("--rate", str(rate)))
        one = client(url, compress=False)
        stack.callback(one.close)

        @one.on("TIMED")
        def timed(data: dict[str, Any]) -> None:
            late.append(time.monotonic_ns() - data["sent"])
            if len(late) == events:
                done.set()

        one.connect(async_=True)
        if not done.wait(events / rate + 30):
            raise RuntimeError(f"{len(late)} of {events} events came")
    late.sort()
    p50, p99 = (late[int(len(late) * part)] / 1000 for part in (0.5, 0.99))
    return f"event to handler at {rate:g} events/s: p50 {p50:.0f} µs, p99 {p99:.0f} µs"


def memory(events: int = 1500, size: int = 250_000) -> str:
    """Memory while large events wait behind a stuck handler, and after it has handled them."""
    with contextlib.ExitStack() as stack:
        url = Servers(events, stack).url(("--guild-size", str(size)))
        command = [sys.executable, "-m", "benchmarks.runners.waiting", url, str(events)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    told = json.loads(done.stdout)
    before, stuck, peak, after = (told[key] * 1.024e-3 for key in ("before_kb", "stuck_kb", "peak_kb", "after_kb"))
    return (
        f"memory with {events} events of {size / 1000:.0f} KB: {before:.0f} MB before, {stuck:.0f} MB while "
        f"{told['waiting']} wait behind a stuck handler, {peak:.0f} MB at most, {after:.0f} MB when all are handled"
    )


def idle(shards: int = 50) -> str:
    """Memory of one idle shard more, in one process, without and with TLS; the gateway is in another."""
    return "\n".join((idle_on("ws", shards), idle_on("wss", shards)))


def idle_on(scheme: str, shards: int) -> str:
    """The same for one of them; on wss all shards share a context."""
    with contextlib.ExitStack() as stack:
        servers = Servers(0, stack)
        tls = ("--ca", CA) if scheme == "wss" else ()
        url = servers.url(("--compress", "zlib-stream", *tls))
        context = ssl.create_default_context(cafile=servers.ca) if tls else None
        clients = []
        sizes = []
        for number in range(shards):
            one = client(url, shard=(number, shards), ssl_context=context)
            stack.callback(one.close)
            clients.append(one)
            one.connect(async_=True)
            if not one.wait_until_ready(10):
                raise RuntimeError(f"shard {number} did not get ready")
            sizes.append(resident())
    each = (sizes[-1] - sizes[0]) / (shards - 1)
    first = sizes[0] / 1024
    return f"memory on {scheme}: {first:.1f} MB with one shard, and {each:.0f} KB for each of {shards - 1} more"


def start(times: int = 50) -> str:
    """From `connect` to READY on loopback; the gateway shares this process."""
    took = []
    with LocalGateway(identify_interval=0) as gateway:
        for _ in range(times):
            one = client(gateway.url)
            began = time.perf_counter()
            one.connect(async_=True)
            ready = one.wait_until_ready(10)
            took.append(time.perf_counter() - began)
            one.close()
            if not ready:
                raise RuntimeError("a client did not get ready")
            one.wait_closed(10)
    return f"connect() to READY: {statistics.median(took) * 1000:.1f} ms, the median of {times}"
