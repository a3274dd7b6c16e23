"""Options of the commands that log in as a bot, the client made from them, and notes on likely mistakes."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Iterator

from ...client import Client
from ...compression import INFLATERS
from ...encoding import CODECS
from ...errors import MissingExtra
from ...intents import KNOWN_EVENTS, Intents, intents_for
from ...network.urls import DEFAULT_GATEWAY
from ...opcodes import Opcode
from ...sharding import ShardManager
from . import arguments
from .exits import CommandError, Exit

__all__ = ["add_login", "make_client", "notes"]

_HOW_TO_LOG_IN = (
    "set DISCORD_TOKEN to the bot's token; it is read from the environment only, so that process lists and shell "
    "history do not show it"
)


def add_login(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Add the options that `make_client` and `notes` use. Returns the group of the shard options."""
    parser.add_argument(
        "--intents",
        type=arguments.intents,
        default=Intents.default(),
        metavar="LIST",
        help="a number, or names such as GUILDS,GUILD_MESSAGES; also default, privileged, all and none, as in "
        "default,MESSAGE_CONTENT (default: default, all unprivileged intents)",
    )
    parser.add_argument(
        "--events", type=arguments.event_names, metavar="LIST", help="only these events, as in READY,MESSAGE_CREATE"
    )
    parser.add_argument("--url", default=DEFAULT_GATEWAY, help="the gateway (default: %(default)s)")
    shards = parser.add_mutually_exclusive_group()
    shards.add_argument(
        "--shard", type=arguments.shard, default=(0, 1), metavar="ID/COUNT", help="the shard (default: 0/1)"
    )
    parser.add_argument(
        "--compress",
        choices=[name or "none" for name in INFLATERS],
        default="zlib-stream",
        help="transport compression; zstd-stream needs the extra zstd (default: %(default)s)",
    )
    parser.add_argument(
        "--encoding", choices=list(CODECS), default="json", help="the encoding of payloads (default: %(default)s)"
    )
    return shards


def make_client(args: argparse.Namespace, shards: int | None = None) -> Client:
    """Return a client for the options, with the token from the environment.

    Args:
        shards: how many shards a `ShardManager` is to run; None for a client with the option ``--shard``.

    Raises:
        CommandError: the token is missing, or an option is invalid.
    """
    token = os.environ.get("DISCORD_TOKEN", "")
    if not token:
        raise CommandError(_HOW_TO_LOG_IN, Exit.UNUSABLE)
    options = {
        "token": token,
        "url": args.url,
        "intents": args.intents,
        "encoding": args.encoding,
        "compress": False if args.compress == "none" else args.compress,
    }
    try:
        return Client(shard=args.shard, **options) if shards is None else ShardManager(shards=shards, **options)
    except (ValueError, MissingExtra) as error:  # the message never contains the token
        raise CommandError(str(error), Exit.UNUSABLE) from None


def notes(events: frozenset[str], intents: int) -> Iterator[str]:
    """Yield notes on events that are unknown or that the intents do not include. Pure."""
    for event in sorted(events):
        if event not in KNOWN_EVENTS:
            yield f"{event} is not a known event: {_advice(event)}"
        elif (needed := intents_for(event)) and not needed & intents:
            names = " or ".join(str(intent.name) for intent in Intents if intent & needed)
            yield f"{event} is not sent with these intents: add {names} to --intents"


def _advice(name: str) -> str:
    if name in Opcode.__members__:
        return "it is an opcode; only dispatch events are shown"
    alike = difflib.get_close_matches(name, KNOWN_EVENTS, n=1)
    return f"did you mean {alike[0]}?" if alike else "use a name from Discord's documentation, such as MESSAGE_CREATE"
