"""hikari: the shards of a bot whose event manager counts raw events."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import hikari
from hikari.api import shard as shard_api
from hikari.impl import event_manager, shard

from .tally_shards import arguments, tally


async def run() -> None:
    """Connect, count, and tell."""
    args, done = arguments(), asyncio.Event()
    count = tally(args, done.set)

    def consume(self: Any, name: str, shard: Any, payload: Any) -> None:
        count()

    # Without an argument for it, a bot takes zstd wherever its package is.
    defaults: Any = shard.GatewayShardImpl.__init__.__kwdefaults__
    defaults["compression"] = shard_api.GatewayCompression.TRANSPORT_ZLIB_STREAM
    event_manager.EventManagerImpl.consume_raw_event = consume  # type: ignore[method-assign, assignment]
    bot = hikari.GatewayBot(
        "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token",
        banner=None,
        logs="ERROR",
        intents=hikari.Intents.ALL,
        auto_chunk_members=False,
        rest_url=f"{args.url.replace('ws', 'http', 1)}/api/v10",
        suppress_optimization_warning=True,
    )
    await bot.start(check_for_updates=False, shard_count=args.shards)
    await done.wait()
    os._exit(0)  # it has told; how this library ends is not measured


if __name__ == "__main__":
    asyncio.run(run())
