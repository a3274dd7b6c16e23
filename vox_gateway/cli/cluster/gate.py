"""``vox-gateway gate``: which shards may IDENTIFY, which wait, and how many session starts remain."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from typing import Any

from ...coordination import Overview
from ..shared.exits import exit_codes
from ..shared.parsers import add_command
from ..shared.stdout import print_lines
from .access import ENVIRONMENT, add_coordination, labels, opened

__all__ = ["add_to", "run"]

_HELP = "show which shards wait to IDENTIFY, and the session starts that remain"

_DESCRIPTION = """\
Show the identify gate that all processes of a bot share: how many session
starts remain, which shards may IDENTIFY now, and which wait. Of the shards of
a process with the same rate limit key, only the first waits in it."""

_EPILOG = f"""\
examples:
  vox-gateway gate
  vox-gateway gate --json --coordination sqlite:///bot.db

{ENVIRONMENT}
{exit_codes()}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "gate", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    add_coordination(parser)
    parser.set_defaults(run=run, default_log_level=logging.WARNING)


def run(args: argparse.Namespace) -> int:
    """Show it.

    Returns:
        The exit code.

    Raises:
        CommandError: the coordination is not known.
        CoordinationFailed: the coordination cannot be reached.
    """
    with opened(args) as coordination:
        overview = coordination.overview()
    print_lines(*([json.dumps(_document(overview))] if args.json else _lines(overview)))
    return 0


def _document(overview: Overview) -> dict[str, Any]:
    names = {node.info.id: node.info.name for node in overview.nodes}
    return {
        "remaining": overview.remaining,
        "starts_in": overview.starts_in,
        "max_concurrency": overview.max_concurrency,
        "next_turn_in": min((waiter.turn_in for waiter in overview.waiting), default=None),
        "holding": [{**dataclasses.asdict(holder), "node_name": names.get(holder.node)} for holder in overview.holding],
        "waiting": [{**dataclasses.asdict(waiter), "node_name": names.get(waiter.node)} for waiter in overview.waiting],
    }


def _lines(overview: Overview) -> list[str]:
    names = labels(overview)
    budget = f"{overview.remaining:,} session starts remain"
    if overview.starts_in:
        budget = f"no session starts remain; the next in {_words(overview.starts_in)}"
    at_once = overview.max_concurrency
    lines = [f"{budget}; {at_once:,} shard{'s' * (at_once != 1)} may IDENTIFY at once"]
    for holder in overview.holding:
        name = names.get(holder.node, "a node that is gone")
        lines.append(f"shard {holder.shard} of {name} may IDENTIFY now, for up to {_words(holder.ends_in)}")
    for waiter in overview.waiting:
        failed = f"; {waiter.failures:,} turns came to nothing" if waiter.failures else ""
        lines.append(
            f"shard {waiter.shard} of {names.get(waiter.node, 'a node that is gone')} has waited for "
            f"{_words(waiter.waiting_for)}, and may IDENTIFY in {_words(waiter.turn_in)} or later{failed}"
        )
    if not overview.waiting:
        lines.append("no shard waits")
    return lines


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
