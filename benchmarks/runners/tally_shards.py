"""What every runner of many shards measures the same way: from the first event's handler to the last's."""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .computing import compute
from .stopwatch import resident

__all__ = ["arguments", "tally"]


def arguments() -> argparse.Namespace:
    """The URL, the number of shards, and the events of each. Begins to compute if that is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("shards", type=int)
    parser.add_argument("events", type=int)
    parser.add_argument("--busy", action="store_true", help="with a computing thread beside it")
    args = parser.parse_args()
    if args.busy:
        compute()
    return args


def tally(args: argparse.Namespace, done: Callable[[], object]) -> Callable[..., Any]:
    """Return a handler of all dispatches: measures from the first event after all READYs, and prints after the last."""
    seen, first, last = itertools.count(1), args.shards + 1, args.shards * (args.events + 1)
    began = cpu = 0.0
    switches = 0

    def handle(*event: object) -> None:
        nonlocal began, cpu, switches
        number = next(seen)
        if number == first:
            switches, cpu, began = context_switches(), time.process_time(), time.perf_counter()
        elif number == last:
            seconds = time.perf_counter() - began
            told = {
                "events": args.shards * args.events,
                "seconds": seconds,
                "cpu": time.process_time() - cpu,
                "switches": context_switches() - switches,
                "resident_kb": resident(),
                "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "threads": len(list(Path("/proc/self/task").iterdir())),
            }
            print(json.dumps(told), flush=True)
            done()

    return handle


def context_switches() -> int:
    """How often the threads of this process have waited, or were made to."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw + usage.ru_nivcsw
