"""The gateway's process: carries out the orders that come in on stdin.

Each line in is a JSON object with ``order``, its number, ``do``, and what that needs; each line out answers one. Orders
and the gateway's records come to one inbox, which the main thread reads, so that no order keeps the process from ending
when its input does.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ...testing import LocalGateway

__all__ = ["BEAT", "main", "serve"]

#: seconds between two heartbeats of the client
BEAT = 0.75
#: seconds that a machine with better things to do may let the client wait before the gateway gives it up
BEAT_TIMEOUT = 20.0


def serve(orders: TextIO, answers: TextIO) -> None:
    """Run a gateway until `orders` ends."""

    def answer(order: int, **words: Any) -> None:
        print(json.dumps({"order": order, **words}), file=answers, flush=True)

    try:
        from ...testing import LocalGateway
    except ImportError as error:
        answer(0, problem=str(error))
        return
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(orders, inbox), name="vox_gateway-demo-orders", daemon=True)
    with LocalGateway(heartbeat_interval=BEAT, heartbeat_timeout=BEAT_TIMEOUT) as gateway:
        answer(0, value={"url": gateway.url, "pid": os.getpid(), "guild": gateway.guilds[0]})
        gateway.follow(inbox)
        reader.start()
        waiting: list[int] = []  # orders for the next heartbeat
        while (item := inbox.get()) is not None:
            if not isinstance(item, dict):
                if getattr(item, "name", "") == "HEARTBEAT":
                    while waiting:
                        answer(waiting.pop(0))
            elif item["do"] == "next_beat":
                waiting.append(item["order"])
            else:
                answer(item["order"], value=_ORDERS[item["do"]](gateway, item))
        reader.join()


def _read(orders: TextIO, inbox: queue.SimpleQueue[Any]) -> None:
    """Put each order into `inbox`, and None at the end; on a thread that ends with its input."""
    for line in orders:
        inbox.put(json.loads(line))
    inbox.put(None)


def _dispatch(gateway: LocalGateway, order: Mapping[str, Any]) -> None:
    for name, data in order["events"]:
        gateway.dispatch(name, data)


def _cut(gateway: LocalGateway, order: Mapping[str, Any]) -> None:
    """Cut the connection, and go on dispatching without a pause."""
    gateway.drop("reset")
    _dispatch(gateway, {"events": order["after"]})


def _count(gateway: LocalGateway, order: Mapping[str, Any]) -> dict[str, int]:
    """What the gateway itself has seen; events are those of all sessions that there are."""
    names = [received.name for received in gateway.received]
    return {
        "events": sum(session.seq for session in gateway.sessions),
        "connections": len(gateway.connections),
        "beats": names.count("HEARTBEAT"),
        "commands": len(names) - sum(names.count(name) for name in ("HEARTBEAT", "IDENTIFY", "RESUME")),
    }


_ORDERS: Mapping[str, Callable[[LocalGateway, Mapping[str, Any]], Any]] = {
    "dispatch": _dispatch,
    "cut": _cut,
    "count": _count,
}


def main() -> None:
    """The process's whole life."""
    serve(sys.stdin, sys.stdout)
