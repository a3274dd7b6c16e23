"""``vox-gateway replay``: sends recorded events to a bot through a local gateway."""

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
from ..shared.activity import ActivityLog
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

#: events kept for the RESUME of a disconnected client; bounds the memory
_REPLAY_LIMIT = 10_000

_HELP = "send recorded events to a bot: no token, no network"

_DESCRIPTION = """\
Test a bot on recorded traffic: run a local gateway, wait for the bot to
connect, send it every recorded event that its intents include, wait until it
has received them, and print a summary. Needs no token and no network.

FILE.1, FILE.2 and so on are played before FILE, oldest first; several
recordings, such as of several shards, are merged by time. READY and RESUMED
are not played: the gateway sends its own, for the recorded bot. Invalid lines
are reported and skipped.

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
            Exit.OK: "every event was played and received",
            Exit.FAILED: "lines were invalid, a bot left or began a new session too late, or the output could not be "
            "written",
            Exit.UNUSABLE: "the command line or a FILE is invalid, the port is taken, or the extra is missing",
        }
    )
}"""


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "replay", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a recording of vox-gateway record")
    parser.add_argument(
        "--speed",
        type=arguments.speed,
        default=1.0,
        metavar="TIMES",
        help="speed relative to the recording, or max for as fast as the bot can read (default: 1)",
    )
    parser.add_argument(
        "--shards",
        type=arguments.positive_count,
        default=1,
        metavar="N",
        help="number of shards to wait for (default: %(default)s)",
    )
    add_port(parser)
    parser.set_defaults(run=run, default_log_level=SILENT)


def run(args: argparse.Namespace) -> int:
    """Play the recordings; return the exit code.

    Raises:
        CommandError: a file cannot be read, the gateway cannot listen, or the clients left.
        MissingExtra: the extra is not installed.
    """
    recordings, bot = _open_recordings(args.files)
    gateway = start_gateway(
        host="127.0.0.1",
        port=args.port,
        bot=bot,
        guilds=(),  # the recorded GUILD_CREATEs are played
        shards=args.shards,
        max_concurrency=args.shards,
        identify_interval=0.0,
        replay_limit=_REPLAY_LIMIT,
    )
    inbox = MainInbox["Record"]()
    with contextlib.closing(gateway), watched(sys.stdout, lambda: inbox.fail(BrokenPipeError())):
        progress = Progress()
        player = _player(gateway, inbox, args.speed, _size(recordings), progress)
        clients = "a client" if args.shards == 1 else f"{args.shards} shards"
        waiting = f"waiting for {clients} to connect; Ctrl-C to stop"
        print_lines(*how_to_connect(gateway, None), waiting, "")
        player.wait_for_clients(args.shards)
        started_at = time.monotonic()
        try:
            player.play(merged(recordings))
            player.wait_delivered()
        except OSError as error:
            raise _unreadable(error, Exit.FAILED) from None
        finally:
            progress.erase()
            _sum_up(player, time.monotonic() - started_at)
    return Exit.FAILED if player.broken or player.late else Exit.OK


def _player(gateway: LocalGateway, inbox: MainInbox[Record], speed: float, size: int, progress: Progress) -> Player:
    """Return a player that reports to stdout and stderr."""
    screen, activity, started_at = Screen.of(sys.stdout), ActivityLog(), time.monotonic()

    def on_record(record: Record) -> None:
        for line in activity.lines(record):
            Progress.erase_current()
            at = time.monotonic() if line.at is None else line.at
            screen.line(at - started_at, line.mark, line.name, line.text)

    def on_progress(text: str) -> None:
        progress.show(f"{player.size / max(size, 1):.0%} {text}")

    gateway.follow(inbox)
    player = Player(gateway, inbox, speed, on_record=on_record, on_warning=say, on_progress=on_progress)
    return player  # on_progress reads it


def _open_recordings(paths: Sequence[Path]) -> tuple[list[list[Path]], dict[str, Any] | None]:
    """Return the files of each recording in order, and the recorded bot if a READY is near their start.

    Raises:
        CommandError: a file cannot be read or is not a recording.
    """
    bot = None
    try:
        recordings = in_order(paths)
        for path in itertools.chain.from_iterable(recordings):
            if path.exists() and not path.is_file():
                raise CommandError(f"{path} is not a regular file", Exit.UNUSABLE)
            events = list(beginning(path))
            if path.stat().st_size and not events:
                raise CommandError(f"{path} is not a recording: none of its first lines is an event", Exit.UNUSABLE)
            bot = bot or _bot(events)
    except OSError as error:
        raise _unreadable(error, Exit.UNUSABLE) from None
    return recordings, bot


def _bot(events: Iterable[Recorded]) -> dict[str, Any] | None:
    """Return the bot of a READY, so that the id in the new READY matches that in the events."""
    for event in events:
        user = event.data.get("user") if event.name == "READY" and isinstance(event.data, dict) else None
        if isinstance(user, dict) and str(user.get("id", "")).isdecimal():
            defaults = {"username": "replayed", "discriminator": "0", "avatar": None, "bot": True}
            return {**defaults, **user, "id": str(user["id"])}
    return None


def _size(recordings: Iterable[Iterable[Path]]) -> int:
    return sum(path.stat().st_size for path in itertools.chain.from_iterable(recordings))


def _unreadable(error: OSError, code: Exit) -> CommandError:
    return CommandError(f"{error.filename} cannot be read: {error.strerror or error}", code)


def _sum_up(player: Player, seconds: float) -> None:
    names = ", ".join(f"{count:,} {sanitize_line(name)}" for name, count in player.sent.most_common())
    lines = [f"sent {player.sent.total():,} events in {seconds:.1f} s" + (f": {names}" if names else "")]
    if player.unwanted:
        lines.append(f"{player.unwanted:,} events not sent: no client has the intents for them")
    if player.broken:
        lines.append(f"{player.broken:,} invalid lines skipped")
    if player.late:
        lines.append(f"{player.late:,} sessions began too late to receive everything")
    print_lines(*lines)
