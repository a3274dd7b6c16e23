"""The gateway's process: carries out, one after the other, the orders that come in on stdin.

Each line in is a JSON object with ``order``, its number, ``do``, and what that needs; each line out answers one. The
process ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
import time
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
    with LocalGateway(heartbeat_interval=BEAT, heartbeat_timeout=BEAT_TIMEOUT) as gateway:
        answer(0, value={"url": gateway.url, "pid": os.getpid(), "guild": gateway.guilds[0]})
        for line in orders:
            order = json.loads(line)
            try:
                answer(order["order"], value=_ORDERS[order["do"]](gateway, order))
            except AssertionError as error:  # what was to be expected did not come
                answer(order["order"], problem=str(error))


def _dispatch(gateway: LocalGateway, order: Mapping[str, Any]) -> None:
    for name, data in order["events"]:
        gateway.dispatch(name, data)


def _cut(gateway: LocalGateway, order: Mapping[str, Any]) -> None:
    """Dispatch, cut the connection, and go on dispatching without a pause."""
    _dispatch(gateway, {"events": order["before"]})
    gateway.drop("reset")
    _dispatch(gateway, {"events": order["after"]})


def _next_beat(gateway: LocalGateway, order: Mapping[str, Any]) -> None:
    """Wait for a heartbeat that comes from now on."""
    now = time.monotonic()
    gateway.expect("HEARTBEAT", order["timeout"], where=lambda received: received.at >= now)


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
    "next_beat": _next_beat,
    "count": _count,
}


def main() -> None:
    """The process's whole life."""
    serve(sys.stdin, sys.stdout)
