"""discord.py, or py-cord, which shares its names: raw events to a counter, or parsed as a bot has them."""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
import discord
import yarl
from discord import gateway

from ..corpus import THE_END
from .computing import compute
from .stopwatch import Stopwatch


class Handlers(dict[str, Callable[[Any], object]]):
    """Takes the place of discord.py's parsers, of which it calls the one of the event: the same for each but READY."""

    def __init__(self, on_ready: Callable[[Any], object], handle: Callable[[Any], object]) -> None:
        super().__init__(READY=on_ready)
        self._handle = handle

    def __missing__(self, name: str) -> Callable[[Any], object]:
        return self.setdefault(name, self._handle)


async def run(args: argparse.Namespace) -> None:
    """Connect, count, and tell."""
    os.environ["no_proxy"] = "*"
    http = args.url.replace("ws", "http", 1)
    discord.http.Route.BASE = f"{http}/api/v10"
    discord.http.Route.API_BASE_URL = f"{http}/api/v10"  # type: ignore[attr-defined]  # py-cord's name for it
    gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(args.url)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=args.ca)) if args.ca else None
    client = discord.Client(intents=discord.Intents.all(), chunk_guilds_at_startup=False, connector=connector)
    done = asyncio.Event()
    if args.raw:
        count_raw(client, Stopwatch(args.count, args.only), args.only, done)
    else:
        count_messages(client, Stopwatch(args.count, "MESSAGE_CREATE"), done)
    if args.busy:
        compute()
    task = asyncio.ensure_future(client.start("benchmark.token.x"))
    ended = asyncio.ensure_future(done.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    os._exit(0)  # it has told; how these libraries end is not measured


def count_raw(client: discord.Client, watch: Stopwatch, only: str | None, done: asyncio.Event) -> None:
    """Count the data of every event, or of one."""
    calls = 0

    def ready(data: Any) -> None:
        watch.start()

    def count(data: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == watch.calls:
            watch.stop(calls)
            done.set()

    parsers = Handlers(ready, count) if only is None else {"READY": ready, only: count}
    client._connection.parsers = parsers  # type: ignore[assignment]


def count_messages(client: discord.Client, watch: Stopwatch, done: asyncio.Event) -> None:
    """Count what `on_message` gets, when all events are parsed."""
    parsers = client._connection.parsers
    parse_ready: Callable[[Any], object] = parsers["READY"]
    calls = 0

    def ready(data: Any) -> None:
        watch.start()
        parse_ready(data)

    parsers["READY"] = ready

    @client.event
    async def on_message(message: discord.Message) -> None:
        nonlocal calls
        calls += 1
        if message.content == THE_END:
            watch.stop(calls)
            done.set()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--only", help="count this raw event only")
    parser.add_argument("--busy", action="store_true", help="with a computing thread beside it")
    parser.add_argument("--ca", help="the authority to trust")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
