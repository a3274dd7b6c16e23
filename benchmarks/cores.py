"""Events in a second over shards and cores, with and without the GIL, and peers beside it on the same interpreter."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from . import environments
from .contest import Result, compete
from .contestants import ZLIB, Contestant, Goal

__all__ = ["CORES", "GOALS", "SHARDS", "Setting", "cores", "settings", "table"]

SHARDS, CORES = (1, 2, 4, 8), (1, 2)
#: the environment and the runner of each
CLIENTS = {
    "vox_gateway": ("default", "vox_shards"),
    "hikari": ("peers-built", "hikari_shards"),
    "discord.py": ("peers-built", "discord_py_shards"),
}


@dataclass(frozen=True)
class Setting:
    """A client, and what it runs on."""

    client: str
    cores: int
    gil: bool
    shards: int

    @property
    def line(self) -> str:
        """What is the same for every number of shards."""
        return f"{self.client}, {counted(self.cores, 'core')}, {'with' if self.gil else 'without'} the GIL"

    @property
    def name(self) -> str:
        """As a contestant."""
        return f"{self.line}, {counted(self.shards, 'shard')}"


def counted(number: int, noun: str) -> str:
    """A number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def goal(ratio: float, peer: str) -> Goal:
    """What should be reached with 4 shards on two cores."""
    ours = Setting("vox_gateway", 2, False, 4)
    return Goal(ours.name, ratio, Setting(peer, ours.cores, ours.gil, ours.shards).name)


GOALS = [goal(3.5, "hikari"), goal(4.5, "discord.py")]


def settings(without_gil: bool) -> list[Setting]:
    """All of them; without the GIL too, if the interpreter can."""
    gils = (True, False) if without_gil else (True,)
    return [Setting(*one) for one in itertools.product(CLIENTS, CORES, gils, SHARDS)]


def cores(events: int, rounds: int, only: tuple[str, ...] = ("",)) -> list[Result]:
    """Run all whose names begin so, in turn, on the free-threaded Python that is found, or on this one.

    Raises:
        EventsLost: one did not get every event.
    """
    found = environments.free_threaded()
    version, interpreter = found or (environments.VERSION, sys.executable)
    print(f"Python {version}: {interpreter}", file=sys.stderr)
    everyone = [contestant(one, version, interpreter, switch=found is not None) for one in settings(found is not None)]
    return compete([one for one in everyone if one.name.startswith(only)], events, rounds)


def contestant(one: Setting, version: str, interpreter: str, *, switch: bool) -> Contestant:
    """What runs it; `switch` if the interpreter lets one choose whether there is a GIL."""
    server = (*ZLIB, "--shards", str(one.shards))
    return Contestant(one.name, command(one, version, interpreter, switch), server=server, shards=one.shards)


def command(one: Setting, version: str, interpreter: str, switch: bool) -> Callable[[], list[str]]:
    """Makes the command line, as a contestant does."""
    environment, module = CLIENTS[one.client]
    usable = sorted(os.sched_getaffinity(0))[: one.cores]
    gil = ["-X", f"gil={one.gil:d}"] if switch else []

    def made() -> list[str]:
        if len(usable) < one.cores:
            raise environments.Unavailable(f"there are {len(usable)} cores")
        python = environments.python(environment, version, interpreter)
        pinned = ["taskset", "--cpu-list", ",".join(map(str, usable))]
        return [*pinned, python, *gil, "-m", f"benchmarks.runners.{module}"]

    return made


def table(results: list[Result]) -> str:
    """A line for each client, its cores and GIL; a column for each number of shards."""
    by_name = {one.name: one for one in results}
    heads = [counted(shards, "shard") for shards in SHARDS]
    lines = [f"{'events/s':40}{''.join(f'{head:>12}' for head in heads)}"]
    for first in settings(without_gil=True):
        if first.shards == SHARDS[0]:
            names = [Setting(first.client, first.cores, first.gil, shards).name for shards in SHARDS]
            if all(name in by_name for name in names):
                lines.append(f"{first.line:40}{''.join(f'{by_name[name].rate:>12,.0f}' for name in names)}")
    return "\n".join(lines)
