"""discord.py: the shards of an AutoShardedClient, whose parsers of raw events count."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import discord
import yarl
from discord import gateway

from .tally_shards import arguments, tally


class EachEvent(dict[str, Any]):
    """One parser for every event."""

    def __init__(self, parse: Any) -> None:
        self._parse = parse

    def __missing__(self, name: str) -> Any:
        return self.setdefault(name, self._parse)


class Client(discord.AutoShardedClient):
    """Waits for no turn to IDENTIFY."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """See discord.py, which waits 5 seconds."""


async def run() -> None:
    """Connect, count, and tell."""
    os.environ["no_proxy"] = "*"
    args, done = arguments(), asyncio.Event()
    client = Client(shard_count=args.shards, intents=discord.Intents.all(), chunk_guilds_at_startup=False)
    http = args.url.replace("ws", "http", 1)
    discord.http.Route.BASE = f"{http}/api/v10"
    gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(args.url)
    client._connection.parsers = EachEvent(tally(args, done.set))
    task = asyncio.ensure_future(client.start("benchmark.token.x"))
    ended = asyncio.ensure_future(done.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    os._exit(0)  # it has told; how this library ends is not measured


if __name__ == "__main__":
    asyncio.run(run())
