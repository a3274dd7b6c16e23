"""What every runner measures the same way: from READY to the last event."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

__all__ = ["Stopwatch"]


class Stopwatch:
    """Counts events, and stops with the last.

    Args:
        count: events that will come.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._began = self._cpu = 0.0
        self._before = 0

    def start(self) -> None:
        """READY has come."""
        self._before = resident()
        self._cpu = time.process_time()
        self._began = time.perf_counter()

    def stop(self, events: int) -> None:
        """The last event was handled; `events` were, in all. Prints the result."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = {"events": events, "seconds": seconds, "cpu": cpu, "before_kb": self._before, "peak_kb": peak}
        print(json.dumps(result), flush=True)


def resident() -> int:
    """This process's memory now, in KiB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4
