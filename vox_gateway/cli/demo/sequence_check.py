"""Checks that every event was received exactly once and in order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["ReceivedEvents", "problems"]


@dataclass
class ReceivedEvents:
    """The sequence numbers of received events, which count from 1 within a session.

    Attributes:
        misplaced: number of events received after an event with a higher number.
    """

    misplaced: int = 0
    _times: Counter[int] = field(default_factory=Counter)
    _highest: int = 0

    def add(self, seq: int) -> None:
        """Record an event that reached its handler."""
        self._times[seq] += 1
        self.misplaced += seq < self._highest
        self._highest = max(self._highest, seq)

    @property
    def received(self) -> int:
        """Number of distinct events received."""
        return len(self._times)

    @property
    def repeated(self) -> int:
        """Number of duplicates received."""
        return self._times.total() - len(self._times)

    @property
    def highest(self) -> int:
        """Highest sequence number received."""
        return self._highest

    def lost(self, sent: int) -> int:
        """Return how many of the events 1 to `sent` were not received."""
        return sum(seq not in self._times for seq in range(1, sent + 1))


def problems(events: ReceivedEvents, *, sent: int, resumes: int, heartbeats_while_blocked: int) -> Iterator[str]:
    """Describe what went wrong, if anything."""
    if lost := events.lost(sent):
        yield f"{_events(lost)} lost"
    if events.repeated:
        yield f"{_events(events.repeated)} handled twice"
    if events.misplaced:
        yield f"{_events(events.misplaced)} out of order"
    if not resumes:
        yield "the session was not resumed"
    if not heartbeats_while_blocked:
        yield "no heartbeat was sent while the handler blocked"


def _events(count: int) -> str:
    return "1 event was" if count == 1 else f"{count} events were"
