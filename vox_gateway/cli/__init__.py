"""The command ``vox-gateway``, with a module per subcommand.

The function `add_to` of each adds a parser with the defaults ``run`` (the function to call) and ``default_log_level``
(the log level without -v).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import GatewayError, MissingExtra
from . import demo, doctor, record, replay, serve, simulate, tail
from .cluster import drain, gate, move, shards
from .shared.exits import CommandError, Exit, exit_codes
from .shared.log import log_on_stderr
from .shared.parsers import Parser
from .shared.stderr import say
from .shared.stdout import OutputFailed, abandon, flush

__all__ = ["main"]

_COMMANDS = (demo, doctor, tail, record, replay, serve, simulate, shards, drain, move, gate)

_EPILOG = f"""\
examples:
  vox-gateway demo
  vox-gateway doctor
  vox-gateway tail --events READY,INTERACTION_CREATE
  vox-gateway tail --intents default,MESSAGE_CONTENT | jq .t
  vox-gateway record events.jsonl
  vox-gateway replay events.jsonl --speed 10
  vox-gateway serve
  vox-gateway simulate --shards 128
  vox-gateway shards sqlite:///bot.db

environment:
  DISCORD_TOKEN             the bot's token, where a command needs it
  VOX_GATEWAY_COORDINATION  what the processes of a bot share, as a URL
  HTTPS_PROXY, NO_PROXY     the proxy, and hosts reached without it
  NO_COLOR                  disables colours if set

Each command has its own --help.

{exit_codes()}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments without the program's name; None for those of the process.

    Returns:
        The exit code.

    Raises:
        SystemExit: after --help, --version, or invalid arguments.
    """
    try:
        code = _run(argv)
    except MissingExtra as error:
        code = _say(error, Exit.UNUSABLE)
    except GatewayError as error:
        code = _say(error, Exit.FAILED)
    except OutputFailed as error:
        abandon(sys.stdout)
        code = _say(error, error.code)
    except CommandError as error:
        code = _say(error, error.code)
    except BrokenPipeError:
        abandon(sys.stdout)
        code = Exit.FAILED
    except KeyboardInterrupt:
        code = _say("interrupted", Exit.INTERRUPTED)
    return int(code)


def _run(argv: Sequence[str] | None) -> int:
    if sys.stdout is None:
        raise CommandError("stdout cannot be written to: it is closed")
    args = _parser().parse_args(argv)
    with log_on_stderr(getattr(args, "log", args.default_log_level)):
        code: int = args.run(args)
        flush()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="vox-gateway",
        description="Watch, record and replay Discord Gateway events, diagnose connection problems, run a local "
        "gateway, and direct the processes that share a bot's shards.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vox-gateway {__version__}")
    # Accepted before and after the command's name. No default, which would override the first occurrence.
    logging_options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for flags, level, text in (
        (("-v", "--verbose"), logging.INFO, "show the library's log on stderr"),
        (("--debug",), logging.DEBUG, "like -v, with the direction, name and size of every payload"),
    ):
        for target in (parser, logging_options):
            target.add_argument(
                *flags, dest="log", action="store_const", const=level, default=argparse.SUPPRESS, help=text
            )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands, [logging_options])
    return parser


def _say(message: object, code: Exit) -> Exit:
    say(message)
    return code
