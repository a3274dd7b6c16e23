"""This library: raw payloads to one handler, or one event's data to another."""

from __future__ import annotations

import argparse
import ssl
import threading
from typing import Any

from vox_gateway import Client, IdentifyGate, Intents

from ..corpus import THE_END
from .stopwatch import Stopwatch


def main() -> None:
    """Connect, count, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--encoding", default="json")
    parser.add_argument("--compress", default="none")
    parser.add_argument("--only", help="listen to this event only")
    parser.add_argument("--busy", action="store_true", help="with a computing thread beside it")
    parser.add_argument("--ca", help="the authority to trust")
    args = parser.parse_args()
    client = Client(
        token="benchmark",
        url=args.url,
        intents=Intents.all(),
        encoding=args.encoding,
        compress=False if args.compress == "none" else args.compress,
        identify_gate=IdentifyGate(interval=0),
        ssl_context=ssl.create_default_context(cafile=args.ca) if args.ca else None,
    )
    watch, done = Stopwatch(args.count), threading.Event()
    last = args.count + 1

    @client.on("READY")
    def ready(data: Any) -> None:
        watch.start()

    if args.only:

        @client.on(args.only)
        def see(data: dict[str, Any]) -> None:
            if data.get("content") == THE_END:
                done.set()

    else:

        @client.on("DISPATCH")
        def count(payload: dict[str, Any]) -> None:
            if payload["s"] == last:
                done.set()

    if args.busy:
        threading.Thread(target=compute, args=(done,), daemon=True).start()
    client.connect(async_=True)
    done.wait()
    watch.stop(client.stats.events - 1)
    client.close()


def compute(done: threading.Event) -> None:
    """Use the interpreter as a busy program does."""
    while not done.is_set():
        sum(range(1000))


if __name__ == "__main__":
    main()
