"""Opens what a bot's processes share, and finds nodes in it. Never shows the URL, which may hold a password."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections import Counter
from collections.abc import Iterator

from ...coordination import Coordination, NodeStatus, Overview, bot_id, bots_of, open_coordination
from ...sanitize import sanitize_line
from ..shared.exits import CommandError, Exit

__all__ = ["ENVIRONMENT", "NODE_HELP", "add_coordination", "find_node", "labels", "opened"]

#: has the URL
VARIABLE = "VOX_GATEWAY_COORDINATION"
#: part of the help of each command
ENVIRONMENT = f"""\
environment:
  {VARIABLE}  the URL that the bot's processes use, such as
                            sqlite:///bot.db or redis://host:6379/0; unlike
                            an option it is not shown in process lists
  DISCORD_TOKEN             contains the bot's id
"""
NODE_HELP = "the node's name or id, as vox-gateway shards shows it"
_SQLITE = "sqlite:///"
#: characters of a node's name, and names in a message
_NAME, _NAMES = 40, 10


def add_coordination(parser: argparse.ArgumentParser) -> None:
    """Add the options that `opened` uses."""
    parser.add_argument(
        "--coordination", metavar="URL", help=f"the URL that the bot's processes use (default: {VARIABLE})"
    )
    parser.add_argument(
        "--bot",
        metavar="ID",
        type=_bot,
        help="the bot's id (default: from DISCORD_TOKEN, otherwise the only bot that is there)",
    )


def _bot(text: str) -> str:
    if not (text.isalnum() and text.isascii()):
        raise argparse.ArgumentTypeError(f"invalid bot id {text!r}: expected the number that Discord shows as its id")
    return text


@contextlib.contextmanager
def opened(args: argparse.Namespace) -> Iterator[Coordination]:
    """Open the coordination that the options and the environment say, while the block runs.

    Raises:
        CommandError: it is not said, or cannot be used; or the bot is not known.
        CoordinationFailed: it cannot be reached.
        MissingExtra: Redis needs the extra ``cluster``.
    """
    url = args.coordination or os.environ.get(VARIABLE, "")
    if not url:
        raise CommandError(
            f"set {VARIABLE} or give --coordination: the URL that the bot's processes use, such as sqlite:///bot.db "
            "or redis://host:6379/0",
            Exit.UNUSABLE,
        )
    path = url.removeprefix(_SQLITE)
    if path and path != url and not os.path.exists(path):
        raise CommandError(f"{path} does not exist: no process of the bot has used it", Exit.UNUSABLE)
    try:
        coordination = open_coordination(url, bot=args.bot or _find_bot(url), create=False)
    except ValueError as error:
        raise CommandError(str(error), Exit.UNUSABLE) from None
    with contextlib.closing(coordination):
        yield coordination


def _find_bot(url: str) -> str:
    if token := os.environ.get("DISCORD_TOKEN"):
        return bot_id(token)
    bots = bots_of(url)
    if len(bots) == 1:
        return bots[0]
    if not bots:
        raise CommandError("no process of a bot has used this coordination")
    raise CommandError(f"several bots use this coordination: give --bot with one of {_some(bots)}", Exit.UNUSABLE)


def labels(overview: Overview) -> dict[str, str]:
    """Return what to call each node, by id: its name, and the id too if others have the same name."""
    names = {node.info.id: sanitize_line(node.info.name, _NAME) for node in overview.nodes}
    count = Counter(names.values())
    return {node: name if count[name] == 1 else f"{name} ({node})" for node, name in names.items()}


def find_node(overview: Overview, text: str) -> NodeStatus:
    """Return the node with an id or a name.

    Raises:
        CommandError: no node has it, or several do.
    """
    found = [node for node in overview.nodes if node.info.id == text]
    found = found or [node for node in overview.nodes if text in (node.info.name, labels(overview)[node.info.id])]
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(
            f"{len(found)} nodes have the name {text!r}: give the id of one, {_some([node.info.id for node in found])}",
            Exit.UNUSABLE,
        )
    known = _some([*labels(overview).values()])
    raise CommandError(f"there is no node {text!r}" + (f", only {known}" if known else ": none is running"))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES:,} others" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
