"""``vox-gateway drain``: has a node hand over its shards, and waits until it has none."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from ...concurrency.signals import SignalSafeEvent
from ...coordination import Coordination, NodeInfo
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.parsers import add_command
from ..shared.stderr import say
from ..shared.stdout import print_lines
from .access import ENVIRONMENT, NODE_HELP, add_coordination, find_node, labels, opened

__all__ = ["add_to", "run"]

#: seconds between two looks
_INTERVAL = 0.5

_HELP = "have a process hand over its shards to the others"

_DESCRIPTION = """\
Order a node, which is one process of the bot, to hand over all its shards. The
other nodes resume their sessions, which takes no IDENTIFY. Waits until the
node has no shard left. The node gets no shards any more: end the process and
start it again to undo this.

The order is kept until the node is gone, so it may be given again, and Ctrl-C
ends the waiting only."""

_EPILOG = f"""\
examples:
  vox-gateway drain worker-3
  vox-gateway drain worker-3 --no-wait --coordination sqlite:///bot.db

{ENVIRONMENT}
{exit_codes({Exit.OK: "the node has no shards left, or with --no-wait: it was ordered"})}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "drain", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("node", metavar="NODE", help=NODE_HELP)
    parser.add_argument("--no-wait", action="store_true", help="do not wait until the node has no shard left")
    add_coordination(parser)
    parser.set_defaults(run=run, default_log_level=logging.WARNING)


def run(args: argparse.Namespace) -> int:
    """Order it, and wait.

    Returns:
        The exit code.

    Raises:
        CommandError: there is no such node, or the coordination is not known.
        CoordinationFailed: the coordination cannot be reached.
    """
    with opened(args) as coordination:
        overview = coordination.overview()
        node = find_node(overview, args.node).info
        name = labels(overview)[node.id]
        if not coordination.order_drain(node.id):
            raise CommandError(f"{name} has just left")
        others = [
            status.info for status in overview.nodes if status.info.total == node.total and status.info.id != node.id
        ]
        if not any(other.capacity for other in others):
            say("no other node can take its shards: they are down until one starts")
        if args.no_wait:
            print_lines(f"{name} was ordered to hand over its shards")
        else:
            _wait(coordination, node, name)
    return Exit.OK


def _wait(coordination: Coordination, node: NodeInfo, name: str) -> None:
    pause, said = SignalSafeEvent(), -1
    while True:
        overview = coordination.overview()
        left = sum(shard.owner == node.id for shard in overview.shards)
        now = next((status.info for status in overview.nodes if status.info.id == node.id), None)
        if now is None:
            print_lines(f"{name} has left")
            return
        if not left and not now.capacity:
            print_lines(f"{name} has no shards left")
            return
        if left != said:
            print_lines(f"{name} has {left:,} shard{'s' * (left != 1)} left")
            said = left
        pause.wait(_INTERVAL)
