"""``vox-gateway shards``: which process runs which shard, and how each is."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from ...concurrency.signals import SignalSafeEvent
from ...coordination import Coordination, CoordinationFailed
from ..shared.exits import Exit, exit_codes
from ..shared.parsers import add_command
from ..shared.stderr import say
from ..shared.stdout import print_lines, watched
from .access import ENVIRONMENT, add_coordination, opened
from .rows import LeaseRow, as_lines, document, rows_of, summary

if TYPE_CHECKING:
    from .table import LiveTable

__all__ = ["add_to", "run"]

#: seconds between two looks
_INTERVAL = 1.0

_HELP = "show which process runs which shard, live"

_DESCRIPTION = """\
Show the shards of a bot that several processes run: owner, state, latency,
events a second, guilds, resumes, and why the last connection ended. Updated
every second until Ctrl-C: as a table on a terminal with the extra pretty
(pip install "vox-gateway[pretty]"), otherwise as a line for each shard that
has changed its owner or state."""

_EPILOG = f"""\
examples:
  vox-gateway shards
  vox-gateway shards sqlite:///bot.db --once
  vox-gateway shards --json | jq '.shards[] | select(.owner == null)'

{ENVIRONMENT}
{exit_codes({Exit.OK: "all went well, or ended with Ctrl-C"})}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "shards", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("url", metavar="URL", nargs="?", help="the same as --coordination")
    parser.add_argument("--once", action="store_true", help="print the shards once, as lines")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    add_coordination(parser)
    parser.set_defaults(run=run, default_log_level=logging.WARNING)


def run(args: argparse.Namespace) -> int:
    """Show them.

    Returns:
        The exit code.

    Raises:
        CommandError: the coordination is not known.
        CoordinationFailed: the coordination cannot be reached.
    """
    args.coordination = args.url or args.coordination
    with opened(args) as coordination:
        overview = coordination.overview()
        if args.json:
            print_lines(json.dumps(document(overview)))
        elif args.once:
            print_lines(summary(overview), *as_lines(rows_of(overview)))
        elif (table := _live_table()) is not None:
            with contextlib.suppress(KeyboardInterrupt), table:
                _show_table(coordination, table)
        else:
            with contextlib.suppress(KeyboardInterrupt):
                _show_lines(coordination)
    return Exit.OK


def _live_table() -> LiveTable | None:
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return None
    try:
        from .table import LiveTable
    except ImportError:
        return None
    return LiveTable()


def _show_table(coordination: Coordination, table: LiveTable) -> None:
    pause, title, rows = SignalSafeEvent(), "", list[LeaseRow]()
    while True:
        try:
            overview = coordination.overview()
            title, rows = summary(overview), rows_of(overview)
        except CoordinationFailed as error:  # the processes try again too
            title = str(error)
        table.draw(title, rows)
        pause.wait(_INTERVAL)


def _show_lines(coordination: Coordination) -> None:
    gone = SignalSafeEvent()
    before: dict[str, tuple[str, ...]] = {}
    is_failing = False
    with watched(sys.stdout, gone.set):
        while not gone.is_set():
            try:
                overview = coordination.overview()
            except CoordinationFailed as error:
                if not is_failing:
                    say(error)
                is_failing = True
            else:
                is_failing = False
                rows = rows_of(overview)
                now = {row.cells[0]: row.cells[:3] for row in rows}
                changed = [row for row in rows if before.get(row.cells[0]) != now[row.cells[0]]]
                if changed:
                    print_lines(*([] if before else [summary(overview)]), *as_lines(changed)[bool(before) :])
                before = now
            gone.wait(_INTERVAL)
