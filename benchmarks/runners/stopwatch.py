"""What every runner measures the same way: from READY to the last event."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

from ..corpus import count_of

__all__ = ["Stopwatch"]


class Stopwatch:
    """Runs from READY until the handler of the last event was called.

    Args:
        count: events that will come.
        only: the event that the handler is for; every event without it.

    Attributes:
        calls: of the handler that will be made.
    """

    def __init__(self, count: int, only: str | None = None) -> None:
        self.calls = count if only is None else count_of(only, count)
        self._count = count
        self._began = self._cpu = 0.0
        self._before = 0

    def start(self) -> None:
        """READY has come."""
        self._before = resident()
        self._cpu = time.process_time()
        self._began = time.perf_counter()

    def stop(self, calls: int) -> None:
        """The handler was called for the last event, and `calls` times in all. Prints the result."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # An event that was lost or handled twice makes the sum wrong, which ends the contest.
        events = self._count + calls - self.calls
        result = {"events": events, "seconds": seconds, "cpu": cpu, "before_kb": self._before, "peak_kb": peak}
        print(json.dumps(result), flush=True)


def resident() -> int:
    """This process's memory now, in KiB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4
