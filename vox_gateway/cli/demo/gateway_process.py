"""The gateway process: executes orders from stdin and answers them on stdout.

An order is a line of JSON with ``order`` (its number), ``do`` and arguments. Orders and the gateway's records go to a
single inbox read by the main thread, so that the process exits at the end of stdin whatever it is doing.
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
#: seconds without a heartbeat before the gateway disconnects; generous for loaded machines
BEAT_TIMEOUT = 20.0


def serve(orders: TextIO, answers: TextIO) -> None:
    """Run a gateway until `orders` ends."""

    def answer(order: int, **fields: Any) -> None:
        print(json.dumps({"order": order, **fields}), file=answers, flush=True)

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
    """Put each order into `inbox`, and None at the end. Runs on its own thread."""
    for line in orders:
        inbox.put(json.loads(line))
    inbox.put(None)


def _dispatch(gateway: LocalGateway, order: Mapping[str, Any]) -> None:
    for name, data in order["events"]:
        gateway.dispatch(name, data)


def _cut(gateway: LocalGateway, order: Mapping[str, Any]) -> None:
    """Reset the connection and continue dispatching at once."""
    gateway.drop("reset")
    _dispatch(gateway, {"events": order["after"]})


def _count(gateway: LocalGateway, order: Mapping[str, Any]) -> dict[str, int]:
    """Return the gateway's own counts."""
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
    """Run the process."""
    serve(sys.stdin, sys.stdout)
