"""``vox-gateway serve``: runs a local gateway until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import time
from typing import Any

from .shared import arguments
from .shared.activity import ActivityLog
from .shared.exits import Exit, exit_codes
from .shared.inbox import MainInbox
from .shared.local_gateway import add_port, check_host, how_to_connect, start_gateway
from .shared.log import SILENT
from .shared.parsers import add_command
from .shared.screen import Screen
from .shared.stdout import print_lines, watched

__all__ = ["add_to", "run"]

_HELP = "run a local gateway: no token, no network"

_DESCRIPTION = """\
Run a local gateway to develop bots against. It behaves like Discord's, with
two made-up guilds, and answers commands. Prints a line for everything that
clients do; -v includes heartbeats. Needs no token and no network.

Only this machine can reach it. To listen on another --host, without TLS, add
--public.

The gateway needs an extra: pip install "vox-gateway[testing]"."""

_EPILOG = f"""\
examples:
  vox-gateway serve
  vox-gateway serve --port 0                  any free port
  vox-gateway serve --heartbeat-interval 2    for frequent heartbeats
  vox-gateway serve --token made-up           to test a wrong token

{
    exit_codes(
        {
            Exit.OK: "ended with Ctrl-C",
            Exit.FAILED: "the output could not be written",
            Exit.UNUSABLE: "the command line is invalid, the port is taken, or the extra is missing",
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
        help="the address to listen on, by which clients can reach it (default: %(default)s)",
    )
    parser.add_argument("--public", action="store_true", help="allow a --host that other machines can reach")
    parser.add_argument(
        "--token",
        type=arguments.token,
        help="the only accepted token, a made-up value; others are closed with 4004 (default: any token is accepted)",
    )
    parser.add_argument(
        "--heartbeat-interval",
        type=arguments.seconds,
        default=41.25,
        metavar="SECONDS",
        help="the heartbeat interval of clients (default: %(default)s)",
    )
    parser.add_argument(
        "--identify-interval",
        type=arguments.delay,
        default=0.0,
        metavar="SECONDS",
        help="minimum time between IDENTIFYs; Discord's is 5 (default: %(default)g)",
    )
    parser.set_defaults(run=run, default_log_level=SILENT)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit code.

    Raises:
        CommandError: the gateway cannot listen.
        MissingExtra: the extra is not installed.
    """
    check_host(args.host, args.public)
    activity = ActivityLog(beats=getattr(args, "log", SILENT) <= logging.INFO)
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
        print_lines(*how_to_connect(gateway, args.token), "Ctrl-C to stop", "")
        screen = Screen.of(sys.stdout)
        while True:
            for line in activity.lines(inbox.get()):
                at = time.monotonic() if line.at is None else line.at
                screen.line(at - began, line.mark, line.name, line.text)
    print_lines("closed")
    return Exit.OK
