"""``vox-gateway serve``: runs a local gateway until Ctrl-C, and sends it what is typed, scripted or made up."""

from __future__ import annotations

import argparse
import contextlib
import logging
import queue
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from ..shared import arguments
from ..shared.activity import ActivityLog, Line
from ..shared.exits import CommandError, Exit, exit_codes
from ..shared.inbox import MainInbox
from ..shared.local_gateway import add_port, check_host, how_to_connect, start_gateway
from ..shared.log import SILENT
from ..shared.parsers import add_command
from ..shared.screen import Screen
from ..shared.stdout import print_lines, watched
from .script import InvalidScript, Step, parse
from .stdin import read_lines

if TYPE_CHECKING:
    from ...testing import LocalGateway

__all__ = ["add_to", "run"]

_SENT = {"id": "1500000000000000001", "content": ""}
_MESSAGE = "/channels/{channel.id}/messages/{message.id}"
_WEBHOOK = "/webhooks/{application.id}/{interaction.token}"
#: the requests of most bots, and the statuses and bodies of their responses
_ACCEPTED: tuple[tuple[Literal["POST", "PUT", "PATCH", "DELETE"], str, int, Any], ...] = (
    ("POST", "/channels/{channel.id}/messages", 200, _SENT),
    ("PATCH", _MESSAGE, 200, _SENT),
    ("DELETE", _MESSAGE, 204, None),
    ("PUT", f"{_MESSAGE}/reactions/{{emoji}}/@me", 204, None),
    ("POST", "/interactions/{interaction.id}/{interaction.token}/callback", 204, None),
    ("POST", _WEBHOOK, 200, _SENT),
    ("PATCH", f"{_WEBHOOK}/messages/@original", 200, _SENT),
    ("PUT", "/applications/{application.id}/commands", 200, []),
    ("PUT", "/applications/{application.id}/guilds/{guild.id}/commands", 200, []),
    ("PATCH", "/guilds/{guild.id}/members/{user.id}", 200, {}),
    ("DELETE", "/guilds/{guild.id}/members/{user.id}", 204, None),
    ("PUT", "/guilds/{guild.id}/bans/{user.id}", 204, None),
)

_HINT = "type a message, as in: hello, ada #general: hello, or /roll sides=6"

_HELP = "run a local gateway: no token, no network"

_DESCRIPTION = """\
Run a local gateway to develop bots against. It behaves like Discord's, with
two made-up guilds, and answers commands. Prints a line for everything that
clients do; -v includes heartbeats and chatter. Needs no token and no network.

What you type is sent as a message, or as a slash command:

  hello
  ada #general: hello
  /roll sides=6

A script is a file with a line of JSON for each step. It begins when a client
is ready; "after" is the number of seconds since the step before:

  {"after": 1, "say": "ada #general: hello"}
  {"after": 0.5, "event": "CHANNEL_PINS_UPDATE", "data": {"channel_id": "1"}}
  {"drop": "reset"}            or "eof", "close", "silent"
  {"reconnect": true}

Requests to the HTTP API are shown. Those that send, edit or delete a message,
react, answer a slash command, register commands, or change, kick or ban a
member are accepted and change nothing; others get 404.

Only this machine can reach it. To listen on another --host, without TLS, add
--public.

The gateway needs an extra: pip install "vox-gateway[testing]"."""

_EPILOG = f"""\
examples:
  vox-gateway serve
  vox-gateway serve --port 0                  any free port
  vox-gateway serve --chatter 5               5 events a second
  vox-gateway serve --script evening.jsonl
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
    parser = add_command(commands, parents, "serve", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
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
    parser.add_argument(
        "--chatter",
        type=arguments.rate,
        default=0.0,
        metavar="N",
        help="send N made-up events a second, once a client is ready (default: none)",
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="play the steps in FILE, once a client is ready")
    parser.set_defaults(run=run, default_log_level=SILENT)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit code.

    Raises:
        CommandError: the gateway cannot listen, or the script is invalid.
        MissingExtra: the extra is not installed.
    """
    check_host(args.host, args.public)
    script = _read_script(args.script)
    is_verbose = getattr(args, "log", SILENT) <= logging.INFO
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
        _accept_http(gateway)
        gateway.follow(inbox)
        hint = (_HINT,) if read_lines(lambda line: inbox.put(_Typed(line))) else ()
        print_lines(*how_to_connect(gateway, args.token), *hint, "Ctrl-C to stop", "")
        _serve(gateway, inbox, script, args.chatter, is_verbose)
    print_lines("closed")
    return Exit.OK


class _Typed(NamedTuple):
    """A line that was typed on stdin."""

    text: str


def _serve(
    gateway: LocalGateway, inbox: MainInbox[Any], script: list[Step], chatter: float, is_verbose: bool
) -> NoReturn:
    """Show what clients do, and send events, until an exception ends it."""
    from ...testing import SessionView
    from .feed import Feed

    began = time.monotonic()
    screen = Screen.of(sys.stdout)
    activity = ActivityLog(beats=is_verbose)

    def show(line: Line) -> None:
        screen.line((time.monotonic() if line.at is None else line.at) - began, line.mark, line.name, line.text)

    feed = Feed(gateway, script, chatter, show, show if is_verbose else None)
    while True:
        try:
            item = inbox.get(feed.due_in)
        except queue.Empty:
            feed.send_next()
            continue
        if isinstance(item, _Typed):
            feed.say(item.text)
            continue
        for line in activity.lines(item):
            show(line)
        if isinstance(item, SessionView):
            feed.start()


def _accept_http(gateway: LocalGateway) -> None:
    for method, path, status, body in _ACCEPTED:
        gateway.http.expect(method, path, status=status, json=body, times=None)


def _read_script(path: Path | None) -> list[Step]:
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8") as file:
            return parse(file)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}", Exit.UNUSABLE) from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8", Exit.UNUSABLE) from None
    except InvalidScript as error:
        raise CommandError(f"{path}, {error}", Exit.UNUSABLE) from None
