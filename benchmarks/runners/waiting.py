"""This library: the memory of events that wait behind a stuck handler, and of the process when they are handled."""

from __future__ import annotations

import argparse
import json
import resource
import threading
import time
from typing import Any

from vox_gateway import Client, IdentifyGate, Intents

from .stopwatch import resident

#: seconds within which memory is given back after the last event
GIVEN_BACK = 1.0
#: seconds within which everything has to happen
TIMEOUT = 60.0


def main() -> None:
    """Connect, let events wait, handle them, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    args = parser.parse_args()
    stuck, leave, done, seen = threading.Event(), threading.Event(), threading.Event(), list[None]()
    gate = IdentifyGate(interval=0)
    client = Client(token="benchmark", url=args.url, intents=Intents.all(), compress=False, identify_gate=gate)

    @client.on("GUILD_CREATE")
    def handle(data: dict[str, Any]) -> None:
        stuck.set()
        leave.wait()
        seen.append(None)
        if len(seen) == args.count:
            done.set()

    told = {"before_kb": resident()}
    client.connect(async_=True)
    until = time.monotonic() + TIMEOUT
    stuck.wait(TIMEOUT)
    while not (health := client.health())["backlog_full"] and health["events_waiting"] < args.count - 1:
        if time.monotonic() > until:
            raise TimeoutError(client.explain())
        time.sleep(0.01)
    told |= {"stuck_kb": resident(), "waiting": health["events_waiting"]}
    leave.set()
    if not done.wait(TIMEOUT):
        raise TimeoutError(client.explain())
    told["peak_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    time.sleep(GIVEN_BACK)
    print(json.dumps(told | {"after_kb": resident()}), flush=True)
    client.close()


if __name__ == "__main__":
    main()
