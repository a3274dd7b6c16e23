"""``vox-gateway tail``: every event as one JSON line, until Ctrl-C."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import simplejson

from ..client import Client
from ..compression import INFLATERS
from ..encoding import CODECS
from ..errors import GatewayError, MissingExtra
from ..intents import KNOWN_EVENTS, Intents, intents_for
from ..urls import DEFAULT_GATEWAY
from . import arguments
from .exits import CommandError, Exit

__all__ = ["add_to", "notes", "run"]

_DESCRIPTION = """\
Connect with the bot's token in the environment variable DISCORD_TOKEN, and
print every event as one line of JSON:

  {"t": the event's name, "s": its sequence number, "d": its data}

What happens to the connection is told on stderr; one that breaks is resumed.
Ctrl-C closes it and ends with exit code 0, and so does a reader of the output
that has had enough, such as head. If the gateway refuses for good, its reason
is told and the exit code is 1."""

_HOW_TO_LOG_IN = (
    "set DISCORD_TOKEN to the bot's token; it is taken from the environment only, so that no process list and no shell "
    "history shows it"
)


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "tail",
        help="print every event as one line of JSON (needs DISCORD_TOKEN)",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=parents,
    )
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
    parser.add_argument(
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
    parser.set_defaults(run=run, usual_log=logging.INFO)


def run(args: argparse.Namespace) -> int:
    """Print events until Ctrl-C, or until nobody reads them.

    Returns:
        The exit code.

    Raises:
        CommandError: there is no token, an argument cannot be, or stdout cannot be written to.
    """
    client = _client(args)
    for note in notes(args.events or frozenset(), args.intents):
        _say(note)
    output = _Output(client, sys.stdout.fileno())

    @client.on("DISPATCH")
    def show(payload: dict[str, Any]) -> None:
        if args.events is None or payload["t"] in args.events:
            output.write({key: payload.get(key) for key in ("t", "s", "d")})

    @client.on("READY")
    def ready(data: dict[str, Any]) -> None:
        _say(f"connected as {data.get('user', {}).get('username')}, in {len(data.get('guilds', ()))} guilds")

    try:
        client.connect()
    except GatewayError:
        return Exit.FAILED  # its words are on stderr: the log, which this command shows, ends with them
    if output.error is not None and not isinstance(output.error, BrokenPipeError):
        raise CommandError(f"the events cannot be written to stdout: {output.error}")
    _say("closed")
    return Exit.OK


def notes(events: frozenset[str], intents: int) -> Iterator[str]:
    """What is odd about a filter: events that do not exist, and such as no intent brings. Pure."""
    for event in sorted(events):
        if event not in KNOWN_EVENTS:
            alike = difflib.get_close_matches(event, KNOWN_EVENTS, n=1)
            yield f"{event} is no event that is known" + (f": did you mean {alike[0]}?" if alike else "")
        elif (needed := intents_for(event)) and not needed & intents:
            names = " or ".join(str(intent.name) for intent in Intents if intent & needed)
            yield f"{event} will not come with these intents: add {names} to --intents"


def _client(args: argparse.Namespace) -> Client:
    token = os.environ.get("DISCORD_TOKEN", "")
    if not token:
        raise CommandError(_HOW_TO_LOG_IN, Exit.UNUSABLE)
    try:
        return Client(
            token=token,
            url=args.url,
            intents=args.intents,
            shard=args.shard,
            encoding=args.encoding,
            compress=False if args.compress == "none" else args.compress,
        )
    except (ValueError, MissingExtra) as error:  # whatever it is about, it never shows the token
        raise CommandError(str(error), Exit.UNUSABLE) from None


class _Output:
    """Lines of JSON on a file descriptor; closes the client when they can no longer be written.

    Unbuffered, and past sys.stdout: the lock of a buffer, held by a handler that waits for a slow reader, would keep
    the interpreter from ending after Ctrl-C.

    Attributes:
        error: why no more was written, or None.
    """

    def __init__(self, client: Client, descriptor: int) -> None:
        self.error: OSError | None = None
        self._client = client
        self._descriptor = descriptor

    def write(self, value: object) -> None:
        """Write one line."""
        text = simplejson.dumps(value, ensure_ascii=False)
        # A lone surrogate is legal in JSON and not in UTF-8; Python's escape for it is JSON's.
        rest = text.encode(errors="backslashreplace") + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.error = error
            self._client.close()


def _say(words: str) -> None:
    print(f"vox-gateway: {words}", file=sys.stderr, flush=True)
