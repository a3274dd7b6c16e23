"""``vox-gateway tail``: every event as one JSON line, until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import simplejson

from ...client import Client
from ...errors import GatewayError, MissingExtra
from ...sanitize import sanitize_line
from ..shared import arguments
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.login import add_login, make_client, notes
from ..shared.parsers import add_command
from ..shared.stderr import say
from ..shared.stdout import watched
from .shards import Shards

if TYPE_CHECKING:
    from .dashboard import Dashboard

__all__ = ["add_to", "run"]

_HELP = "print every event as one line of JSON, or show a table (needs DISCORD_TOKEN)"

_DESCRIPTION = """\
Connect with the bot's token in the environment variable DISCORD_TOKEN, and
print every event as one line of JSON:

  {"t": the event's name, "s": its sequence number, "d": its data}

and with --shards also "shard": the id of the shard that it came on. With
--pretty, show a table instead, twice a second: each shard with its state and
latency, and how many events of which name come in a second. It needs an extra:
pip install "vox-gateway[pretty]".

What happens to the connection is told on stderr; one that breaks is resumed.
Ctrl-C closes it, and so does a reader of the output that has had enough, such
as head. If the gateway refuses for good, its reason is told."""

_EPILOG = f"""\
examples:
  vox-gateway tail
  vox-gateway tail --events READY,INTERACTION_CREATE
  vox-gateway tail --intents default,MESSAGE_CONTENT | jq .t
  vox-gateway tail --pretty --shards 4

{
    exit_codes(
        {
            Exit.OK: "closed with Ctrl-C, or by whoever read the output",
            Exit.FAILED: "refused by the gateway, or the output could not be written",
            Exit.UNUSABLE: "the command line is not usable, --pretty has no terminal, or DISCORD_TOKEN or an extra is "
            "missing",
        }
    )
}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "tail", _HELP, _DESCRIPTION, _EPILOG)
    parser.add_argument("--pretty", action="store_true", help="show a table instead of lines")
    shards = add_login(parser)
    shards.add_argument(
        "--shards", type=arguments.at_least_one, metavar="COUNT", help="all shards of so many, one connection for each"
    )
    parser.set_defaults(run=run, usual_log=logging.INFO)


def run(args: argparse.Namespace) -> int:
    """Print events until Ctrl-C, or until nobody reads them.

    Returns:
        The exit code.

    Raises:
        CommandError: there is no token, an argument cannot be, or stdout cannot be written to.
        MissingExtra: rich is not installed.
    """
    dashboard = _dashboard() if args.pretty else None
    shards = [None] if args.shards is None else [(number, args.shards) for number in range(args.shards)]
    clients = [make_client(args, shard) for shard in shards]
    for note in notes(args.events or frozenset(), args.intents):
        say(note)
    try:
        if dashboard is None:
            _print_lines(clients, args)
        else:
            with dashboard(clients, args.events, with_stderr=sys.stderr.isatty()) as table:
                Shards(clients).run(table.draw, table.EVERY)
    except GatewayError:
        return Exit.FAILED  # its words are on stderr: the log, which this command shows, ends with them
    say("closed")
    return Exit.OK


def _print_lines(clients: Sequence[Client], args: argparse.Namespace) -> None:
    """Print events until the end."""
    shards = Shards(clients)
    output = _Output(shards.end, sys.stdout.fileno())
    for number, client in enumerate(clients):
        _print_events(client, output, args.events, {} if args.shards is None else {"shard": number})
    with watched(sys.stdout, shards.end):
        shards.run()
    if output.error is not None and not isinstance(output.error, BrokenPipeError):
        raise CommandError(f"the events cannot be written to stdout: {output.error}")


def _print_events(client: Client, output: _Output, events: frozenset[str] | None, shard: dict[str, int]) -> None:
    @client.on("DISPATCH")
    def show(payload: dict[str, Any]) -> None:
        if events is None or payload["t"] in events:
            output.write({**{key: payload.get(key) for key in ("t", "s", "d")}, **shard})

    @client.on("READY")
    def ready(data: dict[str, Any]) -> None:
        name = sanitize_line(str(data.get("user", {}).get("username")))
        who = f"connected as {name}, in {len(data.get('guilds', ()))} guilds"
        say(" ".join([f"shard {number}" for number in shard.values()] + [who]))


def _dashboard() -> type[Dashboard]:
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        raise CommandError("--pretty needs a terminal that it can draw on: leave it out for lines", Exit.UNUSABLE)
    try:
        from .dashboard import Dashboard
    except ImportError as error:
        raise MissingExtra("--pretty", "pretty") from error
    return Dashboard


class _Output:
    """Lines of JSON on a file descriptor.

    Unbuffered, and past sys.stdout: the lock of a buffer, held by a handler that waits for a slow reader, would keep
    the interpreter from ending after Ctrl-C.

    Args:
        end: called when they can no longer be written.

    Attributes:
        error: why no more was written, or None.
    """

    def __init__(self, end: Callable[[], None], descriptor: int) -> None:
        self.error: OSError | None = None
        self._end = end
        self._descriptor = descriptor
        self._lock = threading.Lock()  # keeps lines whole, which the threads of several shards write

    def write(self, value: object) -> None:
        """Write one line."""
        rest = _json(value).encode() + b"\n"
        with self._lock:
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError as error:
                self.error = error
        if self.error is not None:
            self._end()


def _json(value: object) -> str:
    """`value` as JSON that steers no terminal: readable text stays as it is, what is not printable is escaped."""
    text = simplejson.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    # It is inside of a string, where alone JSON has such characters; a lone surrogate is legal there.
    return "".join(one if one.isprintable() else simplejson.dumps(one)[1:-1] for one in text)
