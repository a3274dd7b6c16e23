"""This library: raw payloads to one handler, or one event's data to another."""

from __future__ import annotations

import argparse
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from vox_gateway import Client, IdentifyGate, Intents
from vox_gateway.compression import INFLATERS, ZlibStream

from ..corpus import THE_END
from .computing import compute
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
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--one-by-one", action="store_true", help="inflate each message by itself")
    parser.add_argument("--ca", help="the authority to trust")
    args = parser.parse_args()
    if args.one_by_one:
        INFLATERS["zlib-stream"] = OneByOne
    client = Client(
        token="benchmark",
        url=args.url,
        intents=Intents.all(),
        encoding=args.encoding,
        compress=False if args.compress == "none" else args.compress,
        identify_gate=IdentifyGate(interval=0),
        workers=args.workers,
        ssl_context=ssl.create_default_context(cafile=args.ca) if args.ca else None,
    )
    watch, done = Stopwatch(args.count, args.only), threading.Event()
    calls, several_threads = 0, threading.Lock()

    @client.on("READY")
    def ready(data: Any) -> None:
        watch.start()

    if args.only:

        @client.on(args.only)
        def see(data: dict[str, Any]) -> None:
            nonlocal calls
            calls += 1
            if data.get("content") == THE_END:
                done.set()

    elif args.workers:

        @client.on("DISPATCH")
        def count_together(payload: dict[str, Any]) -> None:
            nonlocal calls
            with several_threads:
                calls += 1
                if calls > args.count:  # READY is one
                    done.set()

    else:

        @client.on("DISPATCH")
        def count(payload: dict[str, Any]) -> None:
            nonlocal calls
            calls += 1
            if payload["s"] > args.count:
                done.set()

    if args.busy:
        compute()
    client.connect(async_=True)
    done.wait()
    watch.stop(calls if args.only else calls - 1)
    client.close()


class OneByOne(ZlibStream):
    """What would be done without inflating a whole read at once."""

    def feed_all(self, run: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Each message in a call of its own."""
        return ((message, 1) for data in run if (message := self.feed(data)) is not None)


if __name__ == "__main__":
    main()
