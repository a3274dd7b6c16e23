"""Whether anything was lost. Pure: it is told what was sent and what arrived, and judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Tally", "complaints"]


@dataclass
class Tally:
    """The events that arrived, by their sequence numbers: a session numbers its events 1, 2, 3 and so on.

    Attributes:
        misplaced: how many came after one with a higher number.
    """

    misplaced: int = 0
    _times: Counter[int] = field(default_factory=Counter)
    _highest: int = 0

    def arrived(self, seq: int) -> None:
        """An event reached its handler."""
        self._times[seq] += 1
        self.misplaced += seq < self._highest
        self._highest = max(self._highest, seq)

    @property
    def received(self) -> int:
        """Events that arrived, each counted once."""
        return len(self._times)

    @property
    def repeated(self) -> int:
        """Arrivals of an event that had arrived before."""
        return self._times.total() - len(self._times)

    @property
    def highest(self) -> int:
        """The highest sequence number so far."""
        return self._highest

    def lost(self, sent: int) -> int:
        """How many of the events 1 to `sent` did not arrive."""
        return sum(seq not in self._times for seq in range(1, sent + 1))


def complaints(tally: Tally, *, sent: int, resumes: int, beats_while_blocked: int) -> Iterator[str]:
    """What went wrong, in words; nothing when all is well."""
    if lost := tally.lost(sent):
        yield f"{_events(lost)} lost"
    if tally.repeated:
        yield f"{_events(tally.repeated)} handled twice"
    if tally.misplaced:
        yield f"{_events(tally.misplaced)} out of order"
    if not resumes:
        yield "the session was not resumed"
    if not beats_while_blocked:
        yield "no heartbeat was sent while the handler blocked"


def _events(count: int) -> str:
    return "1 event was" if count == 1 else f"{count} events were"
