"""A process that runs some of a bot's shards, and says which events its handlers got.

``shards_node.py GATEWAY COORDINATION SHARDS TIMES GATE``: the last two are JSON. A line on stdout for everything:
``started``, ``event GUILD NONCE``, ``ready SHARD``, ``resumed SHARD``. SIGTERM drains it; the end of stdin closes it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from vox_gateway import Intents, ShardManager
from vox_gateway.coordination import GateSettings, LeaseTimes, bot_id, open_coordination

TOKEN = "benchmark"


def main() -> None:
    """Run until SIGTERM, or until stdin ends."""
    url, shared, shards, times, gate = sys.argv[1:]
    coordination = open_coordination(
        shared, bot=bot_id(TOKEN), times=LeaseTimes(**json.loads(times)), gate=GateSettings(**json.loads(gate))
    )
    manager = ShardManager(token=TOKEN, url=url, shards=int(shards), intents=Intents.all(), coordination=coordination)

    def say(line: str) -> None:
        os.write(1, line.encode() + b"\n")  # at once, and whole: this process may be killed

    @manager.on("MESSAGE_CREATE")
    def event(message: dict[str, Any]) -> None:
        say(f"event {message['guild_id']} {message['nonce']}")

    manager.on("READY", lambda _: say(f"ready {manager.current_shard}"))
    manager.on("RESUMED", lambda _: say(f"resumed {manager.current_shard}"))

    def close_at_end() -> None:
        sys.stdin.read()
        manager.close()

    threading.Thread(target=close_at_end, name="stdin", daemon=True).start()
    say("started")
    manager.connect()
    coordination.close()


if __name__ == "__main__":
    main()
