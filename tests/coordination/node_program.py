"""A process that runs shards, as far as coordination sees them. Prints a line of JSON for everything that happens.

``node_program.py URL BOT SHARDS TIMES GATE``. Each shard enters the identify gate when it is assigned, and has sent its
IDENTIFY at once. A line on stdin drains it; the end of stdin closes it.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time

from vox_gateway.coordination import Assigned, GateSettings, LeaseTimes, Node, Revoked, open_coordination

url, bot, shards, times, gate_settings = sys.argv[1:]
gate = GateSettings(**json.loads(gate_settings))
events: queue.SimpleQueue[object] = queue.SimpleQueue()
coordination = open_coordination(url, bot=bot, times=LeaseTimes(**json.loads(times)), gate=gate)
node = Node(coordination, shards=int(shards), post=events.put)


sessions: dict[int, str] = {}


def say(event: str, **more: object) -> None:
    print(json.dumps({"event": event, "at": time.time(), **more}), flush=True)


class Saved:
    def __init__(self, text: str) -> None:
        self.text = text

    def to_json(self) -> str:
        return self.text


def connect(shard: int) -> None:
    """What a reconnect loop does: RESUME if there is a session, otherwise IDENTIFY when the gate allows it."""
    if not node.holds(shard):
        return
    store = node.session_store(shard, Saved, sessions.get(shard))
    if store.load() is not None:
        say("resume", shard=shard)
    elif node.gate.enter(shard, shard, lambda: events.put(shard), time.monotonic()) == 0.0:
        say("identify", shard=shard)
        node.gate.sent(shard, shard, time.monotonic())
        store.save(Saved(f"session {shard}"))
        say("saved", shard=shard)


def read_stdin() -> None:
    for _ in sys.stdin:
        node.drain()
    events.put(None)


threading.Thread(target=read_stdin, name="stdin", daemon=True).start()
node.start()
while (event := events.get()) is not None:
    if isinstance(event, Assigned):
        say("assigned", shards=sorted(event.shards))
        sessions.update(event.sessions)
        for number in sorted(event.shards):
            connect(number)
    elif isinstance(event, Revoked):
        say("revoked", shards=sorted(event.shards), lost=event.lost, holds=[*map(node.holds, sorted(event.shards))])
        node.release(*event.shards)
    elif isinstance(event, int):
        connect(event)
node.close()
coordination.close()
