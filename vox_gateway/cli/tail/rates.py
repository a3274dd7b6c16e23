"""Totals and recent rates of events by name. Times are arguments; no clock is read."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Rate", "Rates", "merge"]


class Rate(NamedTuple):
    """The count of an event name.

    Attributes:
        name: such as ``"MESSAGE_CREATE"``.
        total: events since the start.
        per_second: events per second within the window.
    """

    name: str
    total: int
    per_second: float


class Rates:
    """A sliding-window event counter. Thread-safe.

    Args:
        start: monotonic time of the start, in seconds.
        window: length of the window, in seconds.
        slices: number of slices in the window; the oldest is dropped as a whole.
    """

    def __init__(self, start: float, window: float = 10.0, slices: int = 20) -> None:
        self._start = start
        self._width = window / slices
        self._slices: deque[tuple[int, Counter[str]]] = deque()
        self._max_slices = slices
        self._totals: Counter[str] = Counter()
        self._lock = threading.Lock()  # guards the counts: dispatcher threads write, the main thread reads

    def count(self, name: str, now: float) -> None:
        """Count an event."""
        with self._lock:
            number = self._slide(now)
            if not self._slices or self._slices[-1][0] < number:
                self._slices.append((number, Counter()))
            self._slices[-1][1][name] += 1
            self._totals[name] += 1

    def snapshot(self, now: float) -> dict[str, Rate]:
        """Return the rate of every name seen so far."""
        with self._lock:
            number = self._slide(now)
            recent: Counter[str] = Counter()
            for _, counts in self._slices:
                recent.update(counts)
            totals = dict(self._totals)
        # Near the start the slices cover less than the window, but at least one slice.
        first = self._start + max(0, number - self._max_slices + 1) * self._width
        covered = max(now - first, self._width)
        return {name: Rate(name, total, recent[name] / covered) for name, total in totals.items()}

    def _slide(self, now: float) -> int:
        """Drop slices older than the window and return the current slice number. The lock must be held."""
        number = int((now - self._start) / self._width)
        while self._slices and self._slices[0][0] <= number - self._max_slices:
            self._slices.popleft()
        return number


def merge(snapshots: Iterable[dict[str, Rate]]) -> list[Rate]:
    """Sum snapshots by name, sorted by descending rate, then by descending total."""
    totals: Counter[str] = Counter()
    rates: dict[str, float] = {}
    for snapshot in snapshots:
        for rate in snapshot.values():
            totals[rate.name] += rate.total
            rates[rate.name] = rates.get(rate.name, 0.0) + rate.per_second
    summed = [Rate(name, total, rates[name]) for name, total in totals.items()]
    return sorted(summed, key=lambda rate: (-rate.per_second, -rate.total, rate.name))
