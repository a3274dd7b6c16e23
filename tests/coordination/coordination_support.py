"""What the tests of coordination have in common."""

from __future__ import annotations

from collections.abc import Callable

from vox_gateway.coordination import Coordination, GateSettings, LeaseTimes

__all__ = ["GATE", "TIMES", "Open"]

#: short enough for a test, long enough for a busy machine
TIMES = LeaseTimes(ttl=3.0, renew=0.1, retry=0.05, give_up=1.3, join=0.0, rebalance=0.0)
GATE = GateSettings(interval=0.3, turn=2.0, gather=0.0)

#: opens a coordination for one bot, as a process would; takes `times` and `gate`
Open = Callable[..., Coordination]
