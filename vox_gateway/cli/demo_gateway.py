"""The demo's gateway, in a process of its own, told what to do line by line.

Each line in is a JSON object with ``do``; each line out answers one. The process ends when its input does, so it never
outlives the demo.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

__all__ = ["BEAT", "main", "serve"]

#: seconds between heartbeats
BEAT = 0.5


def serve(orders: TextIO, answers: TextIO) -> None:
    """Run a gateway until `orders` ends."""
    from ..testing import LocalGateway

    def answer(**words: Any) -> None:
        print(json.dumps(words), file=answers, flush=True)

    with LocalGateway(heartbeat_interval=BEAT) as gateway:
        guild = gateway.guilds[0]
        voice = next(one["id"] for one in guild["channels"] if one["type"] == 2)
        answer(url=gateway.url, guild=guild["id"], voice=voice)
        for line in orders:
            order = json.loads(line)
            if order["do"] == "dispatch":
                for number in range(order["first"], order["first"] + order["count"]):
                    gateway.dispatch("MESSAGE_CREATE", _message(guild["id"], number))
            elif order["do"] == "drop":
                gateway.drop("reset")
            answer(done=order["do"])


def _message(guild_id: str, number: int) -> dict[str, Any]:
    return {
        "id": str(1300000000000000000 + number),
        "guild_id": guild_id,
        "channel_id": "1200000000000000011",
        "author": {"id": "1100000000000000002", "username": "ada"},
        "content": f"message {number}",
        "nonce": number,
    }


def main() -> None:
    """The process's whole life."""
    serve(sys.stdin, sys.stdout)
