"""Several processes that run the shards of one bot: who runs which, and who may IDENTIFY when.

A `Coordination` keeps what they agree on: in memory, in an SQLite file for processes on one machine, or in Redis.
"""

from .interface import Change, Coordination, CoordinationFailed, GateSettings, LeaseLost, NodeInfo, Turns, View
from .leases import LeaseTimes
from .opening import bot_id, open_coordination

__all__ = [
    "Change",
    "Coordination",
    "CoordinationFailed",
    "GateSettings",
    "LeaseLost",
    "LeaseTimes",
    "NodeInfo",
    "Turns",
    "View",
    "bot_id",
    "open_coordination",
]
