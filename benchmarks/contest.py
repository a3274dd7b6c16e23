"""Runs contestants in turn, round after round, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .contestants import CA, Contestant
from .environments import ROOT, Unavailable

__all__ = ["EventsLost", "Result", "Servers", "compete", "ratios", "result", "turns"]

#: seconds that one run may take
PATIENCE = 300.0


@dataclass(frozen=True)
class Result:
    """A contestant's rounds, in order.

    Attributes:
        rates: events in a second.
        cpus: microseconds of processor time for an event, of all threads.
        peaks: most memory, in MB.
    """

    name: str
    rates: tuple[float, ...]
    cpus: tuple[float, ...]
    peaks: tuple[float, ...]

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(self.rates)

    @property
    def cpu(self) -> float:
        """The median."""
        return statistics.median(self.cpus)

    @property
    def peak(self) -> float:
        """The median."""
        return statistics.median(self.peaks)


class EventsLost(Exception):
    """A contestant did not get every event: whatever it measured is worth nothing."""


class Servers:
    """A server process for each set of options, started when first asked for."""

    def __init__(self, events: int, stack: contextlib.ExitStack) -> None:
        self._events = events
        self._stack = stack
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._urls: dict[tuple[str, ...], str] = {}

    @property
    def ca(self) -> str:
        """The file with the authority that clients have to trust."""
        return str(self._folder / "ca.pem")

    def url(self, options: tuple[str, ...], events: int | None = None) -> str:
        """Where a server with these options listens."""
        count = str(self._events if events is None else events)
        command = [sys.executable, "-m", "benchmarks.server", "--events", count, *self.filled(options)]
        key = tuple(command)
        if key not in self._urls:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
            self._stack.enter_context(process)  # after the kill: reaps it, and closes its pipes
            self._stack.callback(process.kill)
            assert process.stdout is not None
            self._urls[key] = process.stdout.readline().strip()
        return self._urls[key]

    def filled(self, options: Iterable[str]) -> list[str]:
        """Options, with the name of the authority's file."""
        return [self.ca if option == CA else option for option in options]


def compete(contestants: list[Contestant], events: int, rounds: int) -> list[Result]:
    """Run all, in turn; returns the results of those that took part in every round.

    Raises:
        EventsLost: one did not get every event.
    """
    runs: dict[str, list[dict[str, float]]] = {one.name: [] for one in contestants}
    with contextlib.ExitStack() as stack:
        servers = Servers(events, stack)
        for number, order in enumerate(turns(contestants, rounds), 1):
            for one in order:
                if one.name in runs:
                    say(f"round {number} of {rounds}: {one.name}")
                    try:
                        runs[one.name].append(run(one, servers, events))
                    except Unavailable:
                        del runs[one.name]
    say("")
    return [result(name, told) for name, told in runs.items()]


def turns(contestants: list[Contestant], rounds: int) -> list[list[Contestant]]:
    """The order of each round: each begins further on, so that nobody always follows the same pause or load."""
    starts = [number * len(contestants) // rounds for number in range(rounds)]
    return [contestants[start:] + contestants[:start] for start in starts]


def run(one: Contestant, servers: Servers, events: int) -> dict[str, float]:
    """One run of one contestant.

    Raises:
        Unavailable: it cannot be run here; said on the screen.
        EventsLost: it did not get every event.
    """
    shards = one.shards or 1
    each = max(int(events * one.share), min(events, 200)) // shards
    count = each * shards
    try:
        command = one.command()
    except Unavailable as reason:
        say(f"{one.name} takes no part: {reason}\n")
        raise
    url = "-" if one.server is None else servers.url(one.server, each)
    counts = [str(each)] if one.shards is None else [str(shards), str(each)]
    command += [url, *counts, *servers.filled(one.options)]
    environment = {**os.environ, "NO_PROXY": "*", "PYTHONWARNINGS": "ignore", **one.environment}
    try:
        done = subprocess.run(
            command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise EventsLost(f"{one.name} had not got {count} events after {PATIENCE:g} seconds") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        words = done.stderr.strip().splitlines()
        say(f"{one.name} takes no part: {words[-1] if words else 'it said nothing'}\n")
        raise Unavailable(one.name)
    told: dict[str, float] = json.loads(lines[-1])
    if told["events"] != count:
        raise EventsLost(f"{one.name} got {told['events']} of {count} events")
    return told


def result(name: str, runs: list[dict[str, float]]) -> Result:
    """What a contestant's runs told."""
    return Result(
        name,
        tuple(one["events"] / one["seconds"] for one in runs),
        tuple(one["cpu"] / one["events"] * 1e6 for one in runs),
        tuple(one["peak_kb"] / 1024 for one in runs),
    )


def ratios(ours: Iterable[float], theirs: Iterable[float]) -> list[float]:
    """Ours divided by theirs, sorted: round by round, since the machine is busier in some than in others."""
    return sorted(one / other for one, other in zip(ours, theirs, strict=True))


def say(words: str) -> None:
    """Show how far it is, on one line."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)
    elif words:
        print(words.strip(), file=sys.stderr, flush=True)
