"""``vox-gateway replay``: a recording, played to a bot through a gateway of its own."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...sanitize import sanitize_line
from ..recording import Recorded
from ..recording.reading import beginning, in_order, merged
from ..shared import arguments
from ..shared.activity import Visitors
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.inbox import MainInbox
from ..shared.local_gateway import add_port, how_to_connect, start_gateway
from ..shared.log import SILENT
from ..shared.parsers import add_command
from ..shared.screen import Screen
from ..shared.stderr import Progress, say
from ..shared.stdout import print_lines, watched
from .player import Player

if TYPE_CHECKING:
    from ...testing import LocalGateway
    from .player import Record

__all__ = ["add_to", "run"]

#: events that the gateway keeps for a client that went away; more of a large recording would fill the memory
_KEPT = 10_000

_HELP = "play recorded events to a bot: no token, no network"

_DESCRIPTION = """\
Play recordings of vox-gateway record to a bot, so that it can be tested on
real traffic: run a gateway on this machine, wait for the bot to connect, send
it every recorded event that its intents ask for, wait until it has them all,
and say what was sent. Needs no token and no network.

FILE.1, FILE.2 and so on are played before FILE, oldest first; several
recordings, as of several shards, are played side by side. READY and RESUMED
are not played: the gateway brings its own, for the recorded bot. A line that
is broken is named and skipped.

The gateway needs an extra: pip install "vox-gateway[testing]"."""

_EPILOG = f"""\
examples:
  vox-gateway replay events.jsonl
  vox-gateway replay events.jsonl --speed 10
  vox-gateway replay events.jsonl --speed max --port 0
  vox-gateway replay shard0.jsonl shard1.jsonl --shards 2

{
    exit_codes(
        {
            Exit.OK: "all was played, and has arrived",
            Exit.FAILED: "lines were broken and skipped, a bot left or came again without having got all, or the "
            "output could not be written",
            Exit.UNUSABLE: "the command line or a FILE is not usable, the port is taken, or the extra is missing",
        }
    )
}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "replay", _HELP, _DESCRIPTION, _EPILOG)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="what vox-gateway record wrote")
    parser.add_argument(
        "--speed",
        type=arguments.speed,
        default=1.0,
        metavar="TIMES",
        help="how many times as fast as it was, or max for as fast as the bot takes it (default: 1)",
    )
    parser.add_argument(
        "--shards",
        type=arguments.at_least_one,
        default=1,
        metavar="N",
        help="how many shards to wait for (default: %(default)s)",
    )
    add_port(parser)
    parser.set_defaults(run=run, usual_log=SILENT)


def run(args: argparse.Namespace) -> int:
    """Play everything once; returns the exit code.

    Raises:
        CommandError: a file cannot be read, it cannot listen, or the clients left.
        MissingExtra: the gateway is not installed.
    """
    recordings, bot = _look_at(args.files)
    gateway = start_gateway(
        host="127.0.0.1",
        port=args.port,
        bot=bot,
        guilds=(),  # those that were recorded come with what is played
        shards=args.shards,
        max_concurrency=args.shards,
        identify_interval=0.0,
        replay_limit=_KEPT,
    )
    inbox = MainInbox["Record"]()
    with contextlib.closing(gateway), watched(sys.stdout, lambda: inbox.fail(BrokenPipeError())):
        progress = Progress()
        player = _player(gateway, inbox, args.speed, _size(recordings), progress)
        clients = "a client" if args.shards == 1 else f"{args.shards} shards"
        waiting = f"waiting for {clients} to connect; Ctrl-C ends it"
        print_lines(*how_to_connect(gateway, None), waiting, "")
        player.wait_for_clients(args.shards)
        began = time.monotonic()
        try:
            player.play(merged(recordings))
            player.wait_delivered()
        except OSError as error:
            raise _unreadable(error, Exit.FAILED) from None
        finally:
            progress.erase()
            _sum_up(player, time.monotonic() - began)
    return Exit.FAILED if player.broken or player.late else Exit.OK


def _player(gateway: LocalGateway, inbox: MainInbox[Record], speed: float, size: int, progress: Progress) -> Player:
    """The player, with what it says going where people look."""
    screen, visitors, began = Screen.of(sys.stdout), Visitors(), time.monotonic()

    def tell(record: Record) -> None:
        for line in visitors.lines(record):
            Progress.erase_current()
            at = time.monotonic() if line.at is None else line.at
            screen.line(at - began, line.mark, line.name, line.words)

    def look(words: str) -> None:
        progress.show(f"{player.size / max(size, 1):.0%} {words}")

    gateway.follow(inbox)
    player = Player(gateway, inbox, speed, tell=tell, complain=say, look=look)
    return player  # which `look` needs


def _look_at(given: Sequence[Path]) -> tuple[list[list[Path]], dict[str, Any] | None]:
    """The files of each recording in order, and the bot that was recorded, if their beginnings tell it.

    Raises:
        CommandError: one is no recording.
    """
    bot = None
    try:
        recordings = in_order(given)
        for path in itertools.chain.from_iterable(recordings):
            if path.exists() and not path.is_file():
                raise CommandError(f"{path} is no file of a disk: a recording is one", Exit.UNUSABLE)
            events = list(beginning(path))
            if path.stat().st_size and not events:
                raise CommandError(f"{path} is no recording: none of its first lines is an event", Exit.UNUSABLE)
            bot = bot or _bot(events)
    except OSError as error:
        raise _unreadable(error, Exit.UNUSABLE) from None
    return recordings, bot


def _bot(events: Iterable[Recorded]) -> dict[str, Any] | None:
    """The bot of a READY: whoever looks for their own id in what is played must find it."""
    for event in events:
        user = event.data.get("user") if event.name == "READY" and isinstance(event.data, dict) else None
        if isinstance(user, dict) and str(user.get("id", "")).isdecimal():
            filled = {"username": "replayed", "discriminator": "0", "avatar": None, "bot": True}
            return {**filled, **user, "id": str(user["id"])}
    return None


def _size(recordings: Iterable[Iterable[Path]]) -> int:
    return sum(path.stat().st_size for path in itertools.chain.from_iterable(recordings))


def _unreadable(error: OSError, code: Exit) -> CommandError:
    return CommandError(f"{error.filename} cannot be read: {error.strerror or error}", code)


def _sum_up(player: Player, seconds: float) -> None:
    names = ", ".join(f"{count:,} {sanitize_line(name)}" for name, count in player.sent.most_common())
    lines = [f"sent {player.sent.total():,} events in {seconds:.1f} s" + (f": {names}" if names else "")]
    if player.unwanted:
        lines.append(f"{player.unwanted:,} events went to nobody: the intents of no client ask for them")
    if player.broken:
        lines.append(f"{player.broken:,} lines were broken, and skipped")
    if player.late:
        lines.append(f"{player.late:,} sessions began too late to get all")
    print_lines(*lines)
