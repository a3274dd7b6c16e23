"""discord.py, or py-cord, which shares its names: raw events to a counter, or parsed as a bot has them."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

import discord
import yarl
from discord import gateway

from .stopwatch import Stopwatch


class Raw(dict[str, Any]):
    """Parsers of every event, none of which does anything."""

    def __missing__(self, name: str) -> Any:
        return self.setdefault(name, lambda data: None)


async def run(args: argparse.Namespace) -> None:
    """Connect, count, and tell."""
    os.environ["no_proxy"] = "*"
    client = discord.Client(intents=discord.Intents.all(), chunk_guilds_at_startup=False)
    http = args.url.replace("ws", "http", 1)
    discord.http.Route.BASE = f"{http}/api/v10"
    discord.http.Route.API_BASE_URL = f"{http}/api/v10"  # type: ignore[attr-defined]  # py-cord's name for it
    gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(args.url)
    watch, done = Stopwatch(args.count), asyncio.Event()
    received = gateway.DiscordWebSocket.received_message
    seen = 0

    async def received_and_counted(self: Any, message: Any, /) -> None:
        nonlocal seen
        before = self.sequence
        await received(self, message)
        if self.sequence != before:
            if self.sequence == 1:
                if args.raw:
                    self._discord_parsers = Raw()
                watch.start()
                return
            seen += 1
            if seen == args.count:
                watch.stop(seen)
                done.set()

    gateway.DiscordWebSocket.received_message = received_and_counted  # type: ignore[method-assign]

    @client.event
    async def on_message(message: Any) -> None:
        pass

    task = asyncio.ensure_future(client.start("benchmark.token.x"))
    ended = asyncio.ensure_future(done.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    os._exit(0)  # it has told; how these libraries end is not measured


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--raw", action="store_true")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
