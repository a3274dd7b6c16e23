"""What one writes without a library: websocket-client, zlib, simplejson and pyee in a loop."""

from __future__ import annotations

import argparse
import zlib

import simplejson
import websocket
from pyee import EventEmitter

from .computing import compute
from .stopwatch import Stopwatch


def main() -> None:
    """Connect, count, and tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--busy", action="store_true")
    args = parser.parse_args()
    events = 0
    watch, emitter = Stopwatch(args.count), EventEmitter()

    @emitter.on("DISPATCH")
    def count(payload: dict[str, object]) -> None:
        nonlocal events
        events += 1

    if args.busy:
        compute()
    socket = websocket.create_connection(f"{args.url}/?v=10&encoding=json&compress=zlib-stream")
    inflater = zlib.decompressobj()
    while events < args.count:
        payload = simplejson.loads(inflater.decompress(socket.recv()))
        if payload["op"] == 10:
            socket.send(simplejson.dumps({"op": 2, "d": {}}))
        elif payload["t"] == "READY":
            watch.start()
        else:
            emitter.emit("DISPATCH", payload)
    watch.stop(events)


if __name__ == "__main__":
    main()
