"""``vox-gateway demo``: runs the client against a local gateway with scripted failures."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..shared.exits import Exit, exit_codes
from ..shared.inbox import MainInbox
from ..shared.log import SILENT
from ..shared.parsers import add_command
from ..shared.screen import Screen
from .gateway import GatewayProcess
from .messages import Message
from .runner import Runner
from .scenario import run_scenario
from .summary import print_summary

__all__ = ["add_to", "run"]

_HELP = "watch the client work with a local gateway: no token, no network"

_DESCRIPTION = """\
Start a local gateway in another process, connect the client to it, and show
events, commands with their responses, a lost connection that is resumed
without loss, and heartbeats that continue while a handler blocks.

Needs no token and no network, and takes about ten seconds. The gateway needs
an extra: pip install "vox-gateway[testing]"."""

_EPILOG = exit_codes(
    {
        Exit.OK: "no event was lost",
        Exit.FAILED: "an event was lost, or the output could not be written",
        Exit.UNUSABLE: "the command line is invalid, or the extra is missing",
    }
)


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "demo", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.set_defaults(run=run, default_log_level=SILENT)


def run(args: argparse.Namespace) -> int:
    """Run the demo; return the exit code.

    Raises:
        CommandError: the demo could not be completed.
        MissingExtra: the extra is not installed.
    """
    inbox = MainInbox[Message]()
    with GatewayProcess(inbox.put) as gateway:
        runner = Runner(Screen.of(sys.stdout), gateway, inbox)
        return print_summary(runner.screen, runner.received, run_scenario(runner, inbox.put))
