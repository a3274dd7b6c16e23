"""``vox-gateway tail``: prints every event as a line of JSON until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import simplejson

from ...client import Client
from ...concurrency.signals import SignalSafeEvent
from ...errors import GatewayError, MissingExtra
from ...sanitize import sanitize_line
from ...sharding import ShardManager
from ..shared import arguments
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.login import add_login, make_client, notes
from ..shared.parsers import add_command
from ..shared.stderr import say
from ..shared.stdout import watched
from .running import run_client

if TYPE_CHECKING:
    from .dashboard import Dashboard

__all__ = ["add_to", "run"]

_HELP = "print events as lines of JSON, or show a live table (needs DISCORD_TOKEN)"

_DESCRIPTION = """\
Connect with the bot's token in the environment variable DISCORD_TOKEN, and
print every event as a line of JSON:

  {"t": event name, "s": sequence number, "d": data}

--shards adds "shard", the shard id. --pretty shows a table instead, updated
twice a second: the state and latency of each shard, and the rate of each
event. It needs an extra: pip install "vox-gateway[pretty]".

The state of the connection is logged to stderr. A lost connection is resumed.
Ctrl-C ends the command, and so does closing the output, as head does."""

_EPILOG = f"""\
examples:
  vox-gateway tail
  vox-gateway tail --events READY,INTERACTION_CREATE
  vox-gateway tail --intents default,MESSAGE_CONTENT | jq .t
  vox-gateway tail --pretty --shards 4

{
    exit_codes(
        {
            Exit.OK: "ended with Ctrl-C, or the reader closed the output",
            Exit.FAILED: "refused by the gateway, or the output could not be written",
            Exit.UNUSABLE: "the command line is invalid, --pretty has no terminal, or DISCORD_TOKEN or an extra is "
            "missing",
        }
    )
}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "tail", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--pretty", action="store_true", help="show a live table instead of lines")
    shards = add_login(parser)
    shards.add_argument(
        "--shards",
        type=arguments.positive_count,
        metavar="COUNT",
        help="run all COUNT shards, each on its own connection",
    )
    parser.set_defaults(run=run, default_log_level=logging.INFO)


def run(args: argparse.Namespace) -> int:
    """Print events until Ctrl-C, or until the reader closes the output.

    Returns:
        The exit code.

    Raises:
        CommandError: the token is missing, an argument is invalid, or stdout cannot be written to.
        MissingExtra: rich is not installed.
    """
    dashboard = _dashboard() if args.pretty else None
    client = make_client(args, args.shards)
    for note in notes(args.events or frozenset(), args.intents):
        say(note)
    try:
        if dashboard is None:
            _print_lines(client, args.events)
        else:
            with dashboard(client, args.events, with_stderr=sys.stderr.isatty()) as table:
                run_client(client, tick=table.draw, interval=table.REFRESH_INTERVAL)
    except GatewayError:
        return Exit.FAILED  # the log on stderr has the reason
    say("closed")
    return Exit.OK


def _print_lines(client: Client, events: frozenset[str] | None) -> None:
    ended = SignalSafeEvent()

    def end() -> None:
        ended.set()  # for the case that the client has not been connected yet
        client.close()

    output = _Output(end, sys.stdout.fileno())
    _print_events(client, output, events)
    with watched(sys.stdout, end):
        run_client(client, is_ended=ended.is_set)
    if output.error is not None and not isinstance(output.error, BrokenPipeError):
        raise CommandError(f"the events cannot be written to stdout: {output.error}")


def _print_events(client: Client, output: _Output, events: frozenset[str] | None) -> None:
    manager = client if isinstance(client, ShardManager) else None

    @client.on("DISPATCH")
    def show(payload: dict[str, Any]) -> None:
        if events is None or payload["t"] in events:
            shard = {} if manager is None else {"shard": manager.current_shard}
            output.write({**{key: payload.get(key) for key in ("t", "s", "d")}, **shard})

    @client.on("READY")
    def ready(data: dict[str, Any]) -> None:
        name = sanitize_line(str(data.get("user", {}).get("username")))
        shard = "" if manager is None else f"shard {manager.current_shard} "
        say(f"{shard}connected as {name}, in {len(data.get('guilds', ()))} guilds")


def _dashboard() -> type[Dashboard]:
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        raise CommandError("--pretty needs a terminal: omit it to print lines", Exit.UNUSABLE)
    try:
        from .dashboard import Dashboard
    except ImportError as error:
        raise MissingExtra("--pretty", "pretty") from error
    return Dashboard


class _Output:
    """Writes lines of JSON to a file descriptor. Thread-safe.

    Bypasses sys.stdout: a handler blocked on a slow reader would hold its buffer lock and hang the interpreter at exit.

    Args:
        on_error: called when a write has failed.

    Attributes:
        error: the error of the failed write, or None.
    """

    def __init__(self, on_error: Callable[[], None], descriptor: int) -> None:
        self.error: OSError | None = None
        self._on_error = on_error
        self._descriptor = descriptor
        self._lock = threading.Lock()  # keeps lines whole: the dispatcher threads of all shards write

    def write(self, value: object) -> None:
        """Write `value` as a line."""
        rest = _json(value).encode() + b"\n"
        with self._lock:
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError as error:
                self.error = error
        if self.error is not None:
            self._on_error()


def _json(value: object) -> str:
    """Return `value` as JSON with non-printable characters escaped, so that it cannot control a terminal."""
    text = simplejson.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    # Such characters occur inside JSON strings only.
    return "".join(char if char.isprintable() else simplejson.dumps(char)[1:-1] for char in text)
