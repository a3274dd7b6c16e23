"""``vox-gateway tail``: every event as one JSON line, until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any

import simplejson

from ..client import Client
from ..errors import GatewayError
from .exits import CommandError, Exit, exit_codes
from .login import add_login, make_client, notes
from .stderr import say

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Connect with the bot's token in the environment variable DISCORD_TOKEN, and
print every event as one line of JSON:

  {"t": the event's name, "s": its sequence number, "d": its data}

What happens to the connection is told on stderr; one that breaks is resumed.
Ctrl-C closes it, and so does a reader of the output that has had enough, such
as head. If the gateway refuses for good, its reason is told."""

_EPILOG = f"""\
examples:
  vox-gateway tail
  vox-gateway tail --events READY,INTERACTION_CREATE
  vox-gateway tail --intents default,MESSAGE_CONTENT | jq .t

{exit_codes({
    Exit.OK: "closed with Ctrl-C, or by whoever read the output",
    Exit.FAILED: "refused by the gateway, or the output could not be written",
    Exit.UNUSABLE: "the command line is not usable, or DISCORD_TOKEN or an extra is missing",
})}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "tail",
        help="print every event as one line of JSON (needs DISCORD_TOKEN)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=parents,
    )
    add_login(parser)
    parser.set_defaults(run=run, usual_log=logging.INFO)


def run(args: argparse.Namespace) -> int:
    """Print events until Ctrl-C, or until nobody reads them.

    Returns:
        The exit code.

    Raises:
        CommandError: there is no token, an argument cannot be, or stdout cannot be written to.
    """
    client = make_client(args)
    for note in notes(args.events or frozenset(), args.intents):
        say(note)
    output = _Output(client, sys.stdout.fileno())

    @client.on("DISPATCH")
    def show(payload: dict[str, Any]) -> None:
        if args.events is None or payload["t"] in args.events:
            output.write({key: payload.get(key) for key in ("t", "s", "d")})

    @client.on("READY")
    def ready(data: dict[str, Any]) -> None:
        say(f"connected as {data.get('user', {}).get('username')}, in {len(data.get('guilds', ()))} guilds")

    try:
        client.connect()
    except GatewayError:
        return Exit.FAILED  # its words are on stderr: the log, which this command shows, ends with them
    if output.error is not None and not isinstance(output.error, BrokenPipeError):
        raise CommandError(f"the events cannot be written to stdout: {output.error}")
    say("closed")
    return Exit.OK


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
