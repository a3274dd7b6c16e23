"""``vox-gateway serve``: the local gateway alone, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import time
from typing import Any

from .shared import arguments
from .shared.activity import Visitors
from .shared.exits import Exit, exit_codes
from .shared.inbox import MainInbox
from .shared.local_gateway import add_port, check_host, how_to_connect, start_gateway
from .shared.log import SILENT
from .shared.parsers import add_command
from .shared.screen import Screen
from .shared.stdout import print_lines, watched

__all__ = ["add_to", "run"]

_HELP = "run a gateway of your own on this machine: no token, no network"

_DESCRIPTION = """\
Run a gateway on this machine, for bots to connect to while they are written:
it speaks as Discord's does, with two invented guilds, and answers commands.
What clients do is told line by line; -v tells heartbeats too. Needs no token
and no network.

Only this machine can reach it. --host with another address opens it to
others, who are let in without TLS, so it wants --public too.

The gateway needs an extra: pip install "vox-gateway[testing]"."""

_EPILOG = f"""\
examples:
  vox-gateway serve
  vox-gateway serve --port 0                  any port that is free
  vox-gateway serve --heartbeat-interval 2    to see beats with -v
  vox-gateway serve --token made-up           to see a wrong token refused

{
    exit_codes(
        {
            Exit.OK: "ended with Ctrl-C, before which all went well",
            Exit.FAILED: "the output could not be written",
            Exit.UNUSABLE: "the command line is not usable, the port is taken, or the extra is missing",
            Exit.INTERRUPTED: "ended with Ctrl-C before it listened",
        }
    )
}
"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "serve", _HELP, _DESCRIPTION, _EPILOG)
    add_port(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen: by this name or address clients must reach it (default: %(default)s)",
    )
    parser.add_argument("--public", action="store_true", help="let --host be reached from outside of this machine")
    parser.add_argument(
        "--token",
        type=arguments.token,
        help="the only token to let in, an invented one; others are closed with 4004 (default: every token is let in)",
    )
    parser.add_argument(
        "--heartbeat-interval",
        type=arguments.seconds,
        default=41.25,
        metavar="SECONDS",
        help="between two heartbeats of a client (default: %(default)s)",
    )
    parser.add_argument(
        "--identify-interval",
        type=arguments.delay,
        default=0.0,
        metavar="SECONDS",
        help="refuse an IDENTIFY that comes sooner after the last; Discord's is 5 (default: %(default)g)",
    )
    parser.set_defaults(run=run, usual_log=SILENT)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit code.

    Raises:
        CommandError: it cannot listen as it should.
        MissingExtra: the gateway is not installed.
    """
    check_host(args.host, args.public)
    visitors = Visitors(beats=getattr(args, "log", SILENT) <= logging.INFO)
    inbox = MainInbox[Any]()
    gateway = start_gateway(
        host=args.host,
        port=args.port,
        token=args.token,
        heartbeat_interval=args.heartbeat_interval,
        identify_interval=args.identify_interval,
    )
    with (
        contextlib.closing(gateway),
        contextlib.suppress(KeyboardInterrupt),
        watched(sys.stdout, lambda: inbox.fail(BrokenPipeError())),
    ):
        began = time.monotonic()
        gateway.follow(inbox)
        print_lines(*how_to_connect(gateway, args.token), "Ctrl-C ends it", "")
        screen = Screen.of(sys.stdout)
        while True:
            for line in visitors.lines(inbox.get()):
                at = time.monotonic() if line.at is None else line.at
                screen.line(at - began, line.mark, line.name, line.words)
    print_lines("closed")
    return Exit.OK
