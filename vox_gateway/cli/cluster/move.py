"""``vox-gateway move``: moves a shard to a node."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from ...coordination import PIN_TIME
from ..shared import arguments
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.parsers import add_command
from ..shared.stdout import print_lines
from .access import ENVIRONMENT, NODE_HELP, add_coordination, find_node, labels, opened

__all__ = ["add_to", "run"]

_HELP = "move a shard to another process"

_DESCRIPTION = f"""\
Move a shard to a node, which is one process of the bot. The process that runs
it now hands it over, and the node resumes its session, which takes no
IDENTIFY. Other shards may move too, so that all nodes stay equally busy.

The shard stays at the node for {PIN_TIME / 3600:g} hour, or until the node is drained or gone.
A later order for the shard replaces this one."""

_EPILOG = f"""\
examples:
  vox-gateway move 17 worker-3
  vox-gateway move 17 worker-3 --coordination redis://10.0.0.5:6379/0

{ENVIRONMENT}
{exit_codes({Exit.OK: "the order was given", Exit.FAILED: "the node does not exist, is drained or has no room"})}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "move", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("shard", metavar="SHARD", type=arguments.count, help="the shard's id")
    parser.add_argument("node", metavar="NODE", help=NODE_HELP)
    add_coordination(parser)
    parser.set_defaults(run=run, default_log_level=logging.WARNING)


def run(args: argparse.Namespace) -> int:
    """Give the order.

    Returns:
        The exit code.

    Raises:
        CommandError: there is no such shard or node, the node cannot take it, or the coordination is not known.
        CoordinationFailed: the coordination cannot be reached.
    """
    with opened(args) as coordination:
        overview = coordination.overview()
        node, names = find_node(overview, args.node), labels(overview)
        name, total = names[node.info.id], node.info.total
        if args.shard >= total:
            raise CommandError(f"there is no shard {args.shard}: {name} runs shards of 0 to {total - 1}", Exit.UNUSABLE)
        if node.is_to_drain or not node.info.capacity:
            raise CommandError(f"{name} hands over its shards, and takes no others")
        shards = {shard.shard: shard.owner for shard in overview.shards if shard.total == total}
        owner = shards.get(args.shard)
        if owner != node.info.id and [*shards.values()].count(node.info.id) >= node.info.capacity:
            raise CommandError(f"{name} has no room: its capacity is {node.info.capacity}, and it runs as many shards")
        if not coordination.order_move(node.info.id, args.shard):
            raise CommandError(f"{name} has just left")
    if owner == node.info.id:
        print_lines(f"shard {args.shard} is at {name}, and stays there")
    else:
        print_lines(f"shard {args.shard} moves from {names.get(owner or '', 'no node')} to {name}")
    return Exit.OK
