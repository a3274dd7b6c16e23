"""What an import costs: fresh interpreters in turn, one with nothing, one with the package, one with a client too."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

__all__ = ["import_cost"]

PROGRAMS = {
    "a bare interpreter": "",
    "import vox_gateway": "import vox_gateway",
    "... and a Client": "import vox_gateway; vox_gateway.Client(token='benchmark')",
}
#: Printed at the end of each program: CPU seconds of the process, and its memory in pages. Not `ru_maxrss`, which
#: begins with the memory of the process that started this one.
USED = """
import time
cpu = time.process_time()
print([cpu, int(open("/proc/self/statm").read().split()[1])])
"""
PAGE = os.sysconf("SC_PAGE_SIZE")


def import_cost(times: int = 30) -> str:
    """Wall and CPU time and memory of each program above a bare interpreter: medians of `times` rounds."""
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as cache:
        # Compiled once, and elsewhere: an installed package is compiled when it is installed.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for program in PROGRAMS.values():
            run(program, environment)
        for _ in range(times):
            for name, program in PROGRAMS.items():
                figures[name].append(run(program, environment))
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in figures.items()
    }
    bare = medians.pop("a bare interpreter")
    lines = [f"a bare interpreter: {describe(bare)}, the medians of {times}"]
    for name, row in medians.items():
        lines.append(f"{name}: {describe([value - least for value, least in zip(row, bare, strict=True)])} more")
    return "\n".join(lines)


def run(program: str, environment: Mapping[str, str]) -> tuple[float, float, float]:
    """Milliseconds of wall and of CPU time of a new interpreter, and its memory in MB."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program + USED], env=environment, check=True, capture_output=True, text=True
    )
    wall = time.perf_counter() - began
    cpu, pages = json.loads(done.stdout)
    return wall * 1000, cpu * 1000, pages * PAGE / 1024**2


def describe(figures: list[float]) -> str:
    """The three figures of `run` in words."""
    wall, cpu, memory = figures
    return f"{wall:.0f} ms, {cpu:.0f} ms of CPU time, {memory:.1f} MB"
