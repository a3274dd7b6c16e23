"""hikari as a bot has it: every event is made into hikari's own object and handed to a listener, which counts it."""

from __future__ import annotations

import argparse
import asyncio
import os

import hikari

from .stopwatch import Stopwatch

#: one for each name in the corpus, so that as many are heard as were sent
KINDS = (
    hikari.GuildAvailableEvent,
    hikari.PresenceUpdateEvent,
    hikari.GuildMessageCreateEvent,
    hikari.GuildTypingEvent,
    hikari.GuildReactionAddEvent,
    hikari.VoiceStateUpdateEvent,
    hikari.MemberUpdateEvent,
)


async def run(args: argparse.Namespace) -> None:
    """Connect, count, and tell."""
    watch, done = Stopwatch(args.count), asyncio.Event()
    bot = hikari.GatewayBot(
        "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token",
        banner=None,
        logs="ERROR",
        intents=hikari.Intents.ALL,
        auto_chunk_members=False,
        rest_url=f"{args.url.replace('ws', 'http', 1)}/api/v10",
        suppress_optimization_warning=True,
    )
    seen = 0

    @bot.listen(hikari.ShardReadyEvent)
    async def ready(event: hikari.ShardReadyEvent) -> None:
        watch.start()

    @bot.listen(*KINDS)
    async def count(event: hikari.Event) -> None:
        nonlocal seen
        seen += 1
        if seen == watch.calls:
            watch.stop(seen)
            done.set()

    await bot.start(check_for_updates=False)
    await done.wait()
    os._exit(0)  # it has told; how this library ends is not measured


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
