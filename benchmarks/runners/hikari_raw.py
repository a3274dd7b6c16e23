"""hikari: a shard whose event manager counts raw events."""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from typing import Any

import hikari
from hikari.api import shard as shard_api
from hikari.impl import config, shard

from .computing import compute
from .stopwatch import Stopwatch

COMPRESSIONS = {
    "zlib-stream": shard_api.GatewayCompression.TRANSPORT_ZLIB_STREAM,
    "zstd-stream": shard_api.GatewayCompression.TRANSPORT_ZSTD_STREAM,
    "none": None,
}


class Counter:
    """Takes the place of the event manager."""

    def __init__(self, watch: Stopwatch, done: asyncio.Event) -> None:
        self.calls = 0
        self._watch = watch
        self._done = done

    def consume_raw_event(self, name: str, shard: Any, payload: Any) -> None:
        """One event."""
        if name == "READY":
            self._watch.start()
            return
        self.calls += 1
        if self.calls == self._watch.calls:
            self._watch.stop(self.calls)
            self._done.set()


class Factory:
    """Takes the place of the event factory."""

    def deserialize_connected_event(self, shard: Any) -> None:
        """Nobody listens."""

    deserialize_disconnected_event = deserialize_connected_event


class Manager(Counter):
    """What a shard asks besides."""

    async def dispatch(self, event: Any, *, return_tasks: bool = False) -> None:
        """Nobody listens."""


class OneEvent(Manager):
    """Counts one event only."""

    def __init__(self, only: str, watch: Stopwatch, done: asyncio.Event) -> None:
        super().__init__(watch, done)
        self._only = only

    def consume_raw_event(self, name: str, shard: Any, payload: Any) -> None:
        """One event."""
        if name == self._only or name == "READY":
            super().consume_raw_event(name, shard, payload)


async def run(args: argparse.Namespace) -> None:
    """Connect, count, and tell."""
    done = asyncio.Event()
    loads: Any = json.loads
    if args.json == "orjson":
        import orjson

        loads = orjson.loads
    watch = Stopwatch(args.count, args.only)
    manager = OneEvent(args.only, watch, done) if args.only else Manager(watch, done)
    if args.busy:
        compute()
    one = shard.GatewayShardImpl(
        compression=COMPRESSIONS[args.compress],
        loads=loads,
        event_manager=manager,  # type: ignore[arg-type]
        event_factory=Factory(),  # type: ignore[arg-type]
        http_settings=config.HTTPSettings(ssl=ssl.create_default_context(cafile=args.ca) if args.ca else True),
        proxy_settings=config.ProxySettings(),
        intents=hikari.Intents.ALL,
        shard_id=0,
        shard_count=1,
        token="benchmark",
        url=args.url,
    )
    await one.start()
    await done.wait()
    await one.close()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--compress", default="zlib-stream")
    parser.add_argument("--json", default="json")
    parser.add_argument("--ca")
    parser.add_argument("--only", help="count this event only")
    parser.add_argument("--busy", action="store_true", help="with a computing thread beside it")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
