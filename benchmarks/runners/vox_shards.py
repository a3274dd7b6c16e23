"""This library: the shards of a manager, whose raw payloads go to one handler."""

from __future__ import annotations

import os
import threading

from vox_gateway import IdentifyGate, Intents, ShardManager
from vox_gateway.concurrency.gil import HAS_GIL

from .tally_shards import arguments, tally


def main() -> None:
    """Connect, count, and tell."""
    args, done = arguments(), threading.Event()
    gate = IdentifyGate(max_concurrency=args.shards, interval=0)
    manager = ShardManager(
        token="benchmark",
        url=args.url,
        shards=args.shards,
        dispatchers=1 if HAS_GIL else min(args.shards, len(os.sched_getaffinity(0))),
        intents=Intents.all(),
        identify_gate=gate,
    )
    manager.on("DISPATCH", tally(args, done.set))
    manager.connect(async_=True)
    done.wait()
    manager.close()


if __name__ == "__main__":
    main()
