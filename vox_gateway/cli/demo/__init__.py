"""``vox-gateway demo``: a real client, a real gateway, and a bad day, all on this machine."""

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
from .messages import Occurrence
from .runner import Stage
from .scenario import tell
from .summary import sum_up

__all__ = ["add_to", "run"]

_HELP = "see it work on a gateway of its own: no token, no network"

_DESCRIPTION = """\
Start a gateway in a process of its own, connect the client to it, and show
what the client is made for: events arrive, commands are answered, the
connection is cut and nothing is lost, a handler blocks and heartbeats go on.

Needs no token and no network, and takes about ten seconds. The gateway needs
an extra, which pip install "vox-gateway[testing]" brings."""

_EPILOG = exit_codes(
    {
        Exit.OK: "nothing was lost",
        Exit.FAILED: "something was lost, or the output could not be written",
        Exit.UNUSABLE: "the command line is not usable, or the extra is missing",
    }
)


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "demo", _HELP, _DESCRIPTION, _EPILOG)
    parser.set_defaults(run=run, usual_log=SILENT)


def run(args: argparse.Namespace) -> int:
    """Tell the story; returns the exit code.

    Raises:
        CommandError: it could not be told to its end.
        MissingExtra: the gateway is not installed.
    """
    inbox = MainInbox[Occurrence]()
    with GatewayProcess(inbox.put) as gateway:
        stage = Stage(Screen.of(sys.stdout), gateway, inbox)
        return sum_up(stage.screen, stage.tally, tell(stage, inbox.put))
