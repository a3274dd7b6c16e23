"""How many events there were of each name, and how many a second of late. Times are arguments."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Rate", "Rates", "merged"]


class Rate(NamedTuple):
    """What came of one name.

    Attributes:
        name: such as ``"MESSAGE_CREATE"``.
        total: how many since the beginning.
        per_second: over the last seconds.
    """

    name: str
    total: int
    per_second: float


class Rates:
    """Counts events in slices of time, of which those of the window are kept. For any thread.

    Args:
        start: when it begins, monotonic and in seconds.
        window: seconds over which the rate is taken.
        slices: into how many slices that is cut.
    """

    def __init__(self, start: float, window: float = 10.0, slices: int = 20) -> None:
        self._start = start
        self._width = window / slices
        self._slices: deque[tuple[int, Counter[str]]] = deque()
        self._most = slices
        self._totals: Counter[str] = Counter()
        self._lock = threading.Lock()  # guards the counts: one thread counts, and another looks

    def count(self, name: str, now: float) -> None:
        """One more event."""
        with self._lock:
            number = self._slide(now)
            if not self._slices or self._slices[-1][0] < number:
                self._slices.append((number, Counter()))
            self._slices[-1][1][name] += 1
            self._totals[name] += 1

    def look(self, now: float) -> dict[str, Rate]:
        """All names that ever came, with their counts."""
        with self._lock:
            number = self._slide(now)
            recent: Counter[str] = Counter()
            for _, counts in self._slices:
                recent.update(counts)
            totals = dict(self._totals)
        # What the slices cover; at the beginning less than the window, and one slice at the least.
        first = self._start + max(0, number - self._most + 1) * self._width
        covered = max(now - first, self._width)
        return {name: Rate(name, total, recent[name] / covered) for name, total in totals.items()}

    def _slide(self, now: float) -> int:
        """Forget what is older than the window; gives the number of the slice that is now. The lock is held."""
        number = int((now - self._start) / self._width)
        while self._slices and self._slices[0][0] <= number - self._most:
            self._slices.popleft()
        return number


def merged(looks: Iterable[dict[str, Rate]]) -> list[Rate]:
    """The rates of several counts together, by how often events come, then by how often they came."""
    totals: Counter[str] = Counter()
    rates: dict[str, float] = {}
    for look in looks:
        for rate in look.values():
            totals[rate.name] += rate.total
            rates[rate.name] = rates.get(rate.name, 0.0) + rate.per_second
    found = [Rate(name, total, rates[name]) for name, total in totals.items()]
    return sorted(found, key=lambda rate: (-rate.per_second, -rate.total, rate.name))
