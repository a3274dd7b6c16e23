"""The gateway process: executes commands from stdin and replies on stdout.

A command is a line of JSON with ``number``, ``command`` (its name) and arguments. Commands and the gateway's records go
to a single inbox read by the main thread, so that the process exits at the end of stdin whatever it is doing.
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

__all__ = ["HEARTBEAT_INTERVAL", "main", "serve"]

#: seconds between two heartbeats of the client
HEARTBEAT_INTERVAL = 0.75
#: seconds without a heartbeat before the gateway disconnects; generous for loaded machines
HEARTBEAT_TIMEOUT = 20.0


def serve(commands: TextIO, replies: TextIO) -> None:
    """Run a gateway until `commands` ends."""

    def reply(number: int, **fields: Any) -> None:
        print(json.dumps({"number": number, **fields}), file=replies, flush=True)

    try:
        from ...testing import LocalGateway
    except ImportError as error:
        reply(0, error=str(error))
        return
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(commands, inbox), name="vox_gateway-demo-commands", daemon=True)
    with LocalGateway(heartbeat_interval=HEARTBEAT_INTERVAL, heartbeat_timeout=HEARTBEAT_TIMEOUT) as gateway:
        reply(0, value={"url": gateway.url, "pid": os.getpid(), "guild": gateway.guilds[0]})
        gateway.follow(inbox)
        reader.start()
        waiting: list[int] = []  # numbers of the commands that wait for the next heartbeat
        while (item := inbox.get()) is not None:
            if not isinstance(item, dict):
                if getattr(item, "name", "") == "HEARTBEAT":
                    while waiting:
                        reply(waiting.pop(0))
            elif item["command"] == "next_heartbeat":
                waiting.append(item["number"])
            else:
                reply(item["number"], value=_COMMANDS[item["command"]](gateway, item))
        reader.join()


def _read(commands: TextIO, inbox: queue.SimpleQueue[Any]) -> None:
    """Put each command into `inbox`, and None at the end. Runs on its own thread."""
    for line in commands:
        inbox.put(json.loads(line))
    inbox.put(None)


def _dispatch(gateway: LocalGateway, arguments: Mapping[str, Any]) -> None:
    for name, data in arguments["events"]:
        gateway.dispatch(name, data)


def _cut(gateway: LocalGateway, arguments: Mapping[str, Any]) -> None:
    """Reset the connection and continue dispatching at once."""
    gateway.drop("reset")
    _dispatch(gateway, {"events": arguments["after"]})


def _count(gateway: LocalGateway, arguments: Mapping[str, Any]) -> dict[str, int]:
    """Return the gateway's own counts."""
    names = [received.name for received in gateway.received]
    return {
        "events": sum(session.seq for session in gateway.sessions),
        "connections": len(gateway.connections),
        "heartbeats": names.count("HEARTBEAT"),
        "commands": len(names) - sum(names.count(name) for name in ("HEARTBEAT", "IDENTIFY", "RESUME")),
    }


_COMMANDS: Mapping[str, Callable[[LocalGateway, Mapping[str, Any]], Any]] = {
    "dispatch": _dispatch,
    "cut": _cut,
    "count": _count,
}


def main() -> None:
    """Run the process."""
    serve(sys.stdin, sys.stdout)
