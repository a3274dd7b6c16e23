"""How many shards a node offers to run: fewer for some time after a shard has failed. Pure: times are arguments.

The node's thread calls it, and shows the result to the other nodes with the next heartbeat.
"""

from __future__ import annotations

__all__ = ["Capacity"]

#: seconds for which a node whose shard has failed takes no more shards, so that others try: doubled with each failure
#: in a row, up to the second; failures are in a row within `FAILURES_WITHIN` seconds
FIRST_REST, MAX_REST, FAILURES_WITHIN = 5.0, 60.0, 300.0


class Capacity:
    """The number of shards that a node may run now.

    Args:
        usual: the number when nothing has failed.

    Attributes:
        number: of shards.
        rests_until: when shards may be taken again after a failure, as monotonic time; None if they may.
        is_draining: whether the node hands over all shards, for good.
    """

    def __init__(self, usual: int) -> None:
        self.number: int = usual
        self.rests_until: float | None = None
        self.is_draining: bool = False
        self._usual = usual
        self._failures = 0  # in a row
        self._failed_at = 0.0

    def drain(self) -> None:
        """Run no shards from now on."""
        self.is_draining = True
        self.number = 0

    def fail(self, running: int, now: float) -> None:
        """A shard has failed: run no more than `running` for some time."""
        in_a_row = now - self._failed_at < FAILURES_WITHIN
        self._failures = self._failures + 1 if in_a_row else 1
        self._failed_at = now
        self.rests_until = now + min(FIRST_REST * 2.0 ** (self._failures - 1), MAX_REST)
        self.number = running

    def recover(self, now: float) -> bool:
        """Return whether the time after a failure is over now, since the last call."""
        if self.rests_until is None or now < self.rests_until:
            return False
        self.rests_until = None
        self.number = 0 if self.is_draining else self._usual
        return True
