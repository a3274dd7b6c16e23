"""Several processes that run the shards of one bot: who runs which, and who may IDENTIFY when.

A `Coordination` keeps what they agree on: in memory, in an SQLite file for processes on one machine, or in Redis. A
`Node` is a process's part. `ShardManager` uses it like this::

    coordination = open_coordination("sqlite:///bot.db", bot=bot_id(token))
    node = Node(coordination, shards=16, post=mailbox.put)
    node.start()

and takes from its mailbox:

- `Assigned`: make a shard with ``identify_gate=node.gate`` and
  ``session_file=node.session_store(shard, SavedSession.from_json, sessions.get(shard))``, and run it: it resumes the
  session that the shard's last owner saved, which came with `Assigned`.
- `Revoked`: close the shards with 4000, so that they can be resumed; when a shard is closed and its session is saved,
  call ``node.release(shard)``. Another process runs it from then on.
- `Drained`: the node was drained, by this process or by an order from outside: end the run.
- `CoordinationEnded`: a mistake of ours; all shards are revoked.

Before every attempt to connect, also to RESUME, a shard asks ``node.holds(shard)``, and does not connect if it is
false: two processes that run a shard would end each other's connections forever. A shard that ends with an error of
its own is released with ``failed=True``, so that another process tries it. On SIGTERM the manager calls
``node.drain()``, answers the `Revoked` that follows, waits for `Drained` and calls ``node.close()``.
``node.report(shard, load, state)`` lets busy shards be spread, and operators see the state of each.

Operators need no node: ``coordination.overview()`` is one read, ``order_drain`` makes a node drain as above, and
``order_move`` moves a shard to a node, where it stays for `PIN_TIME`.
"""

from .events import Assigned, CoordinationEnded, Drained, Event, Revoked
from .interface import (
    PIN_TIME,
    Change,
    Coordination,
    CoordinationFailed,
    GateSettings,
    LeaseLost,
    NodeInfo,
    NodeStatus,
    Overview,
    ShardStatus,
    TurnHolder,
    Turns,
    View,
    Waiter,
)
from .leases import LeaseTimes
from .node import Node
from .opening import bot_id, bots_of, check_coordination, open_coordination

__all__ = [
    "PIN_TIME",
    "Assigned",
    "Change",
    "Coordination",
    "CoordinationEnded",
    "CoordinationFailed",
    "Drained",
    "Event",
    "GateSettings",
    "LeaseLost",
    "LeaseTimes",
    "Node",
    "NodeInfo",
    "NodeStatus",
    "Overview",
    "Revoked",
    "ShardStatus",
    "TurnHolder",
    "Turns",
    "View",
    "Waiter",
    "bot_id",
    "bots_of",
    "check_coordination",
    "open_coordination",
]
