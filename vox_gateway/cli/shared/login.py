"""How a command logs in as a bot: its options, the client that they make, and what is odd about them."""

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
from . import arguments
from .exits import CommandError, Exit

__all__ = ["add_login", "make_client", "notes"]

_HOW_TO_LOG_IN = (
    "set DISCORD_TOKEN to the bot's token; it is taken from the environment only, so that no process list and no shell "
    "history shows it"
)


def add_login(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Add the options that `make_client` and `notes` are told with; gives the group of those that tell the shard."""
    parser.add_argument(
        "--intents",
        type=arguments.intents,
        default=Intents.default(),
        metavar="LIST",
        help="a number, or names such as GUILDS,GUILD_MESSAGES; also default, privileged, all and none, as in "
        "default,MESSAGE_CONTENT (default: default, all that need no privilege)",
    )
    parser.add_argument(
        "--events", type=arguments.event_names, metavar="LIST", help="only these, such as READY,MESSAGE_CREATE"
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
        help="the compression; zstd-stream needs the extra zstd (default: %(default)s)",
    )
    parser.add_argument(
        "--encoding", choices=list(CODECS), default="json", help="how payloads are written (default: %(default)s)"
    )
    return shards


def make_client(args: argparse.Namespace, shard: tuple[int, int] | None = None) -> Client:
    """The client that the options ask for, with the token of the environment.

    Args:
        shard: in the place of the option's.

    Raises:
        CommandError: there is no token, or an option cannot be.
    """
    token = os.environ.get("DISCORD_TOKEN", "")
    if not token:
        raise CommandError(_HOW_TO_LOG_IN, Exit.UNUSABLE)
    try:
        return Client(
            token=token,
            url=args.url,
            intents=args.intents,
            shard=shard or args.shard,
            encoding=args.encoding,
            compress=False if args.compress == "none" else args.compress,
        )
    except (ValueError, MissingExtra) as error:  # whatever it is about, it never shows the token
        raise CommandError(str(error), Exit.UNUSABLE) from None


def notes(events: frozenset[str], intents: int) -> Iterator[str]:
    """Describe what is odd about a filter: events that are not known, and events that no intent brings. Pure."""
    for event in sorted(events):
        if event not in KNOWN_EVENTS:
            yield f"{event} is not a known event: {_advice(event)}"
        elif (needed := intents_for(event)) and not needed & intents:
            names = " or ".join(str(intent.name) for intent in Intents if intent & needed)
            yield f"{event} will not come with these intents: add {names} to --intents"


def _advice(name: str) -> str:
    if name in Opcode.__members__:
        return "it is an opcode, and only dispatch events are shown"
    alike = difflib.get_close_matches(name, KNOWN_EVENTS, n=1)
    return f"did you mean {alike[0]}?" if alike else "use a name of Discord's documentation, such as MESSAGE_CREATE"
