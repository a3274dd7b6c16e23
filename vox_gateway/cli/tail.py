"""``vox-gateway tail``: every event as one JSON line, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from typing import Any

import simplejson

from ..client import Client
from ..intents import Intents
from ..urls import DEFAULT_GATEWAY

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Connect with the bot token in the environment variable DISCORD_TOKEN, and print every event as one JSON line:
{"t": the event's name, "s": its sequence number, "d": its data}. What happens to the connection goes to stderr.
Ctrl-C closes the connection and ends."""


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "tail",
        help="print every event as one JSON line",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--intents",
        type=_intents,
        default=Intents.default(),
        metavar="LIST",
        help="a number, or names such as GUILDS,GUILD_MESSAGES; also default, privileged, all, none (default: default)",
    )
    parser.add_argument("--events", type=_names, metavar="LIST", help="only these events, such as READY,MESSAGE_CREATE")
    parser.add_argument("--url", default=DEFAULT_GATEWAY, help="the gateway (default: %(default)s)")
    parser.add_argument("--shard", type=_shard, default=(0, 1), metavar="ID/COUNT", help="the shard (default: 0/1)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print events until Ctrl-C, or until nobody reads them; returns the exit code."""
    token = os.environ.get("DISCORD_TOKEN")
    if not token:
        raise ValueError("set DISCORD_TOKEN to the bot's token, in the environment so that no process list shows it")
    client = Client(token=token, url=args.url, intents=args.intents, shard=args.shard)
    unread = threading.Event()

    @client.on("DISPATCH")
    def show(payload: dict[str, Any]) -> None:
        if unread.is_set() or (args.events is not None and payload["t"] not in args.events):
            return
        line = simplejson.dumps({"t": payload["t"], "s": payload["s"], "d": payload["d"]}, ensure_ascii=False)
        try:
            sys.stdout.buffer.write(line.encode(errors="surrogatepass") + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            unread.set()
            client.close()

    @client.on("READY")
    def ready(data: dict[str, Any]) -> None:
        _say(f"ready as {data['user']['username']}, {len(data['guilds'])} guilds")

    @client.on("RESUMED")
    def resumed(data: Any) -> None:
        _say("resumed, nothing was missed")

    @client.on("close")
    def closed(data: dict[str, Any]) -> None:
        _say(f"closed: {data['code']} {data['reason']}")

    client.connect()
    if unread.is_set():
        raise BrokenPipeError
    return 0


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().upper() for name in text.split(",") if name.strip())


def _intents(text: str) -> Intents:
    if text.isdigit():
        return Intents(int(text))
    intents = Intents.none()
    for name in text.split(","):
        word = name.strip()
        if word.lower() in ("default", "privileged", "all", "none"):
            intents |= getattr(Intents, word.lower())()
        elif word.upper() in Intents.__members__:
            intents |= Intents[word.upper()]
        else:
            raise argparse.ArgumentTypeError(f"{word!r} is no intent; choose from {', '.join(Intents.__members__)}")
    return intents


def _shard(text: str) -> tuple[int, int]:
    shard_id, slash, count = text.partition("/")
    if not (slash and shard_id.isdigit() and count.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard; write ID/COUNT, such as 0/1")
    return int(shard_id), int(count)
