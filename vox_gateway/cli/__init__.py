"""The command ``vox-gateway``: one module for each of its commands."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import GatewayError
from . import demo, tail

__all__ = ["main"]

_EPILOG = """\
exit codes:
  0    all went well
  1    something was lost, or the gateway refused for good
  2    the command line, the environment or the installation is not right
  130  interrupted

examples:
  vox-gateway demo
  DISCORD_TOKEN=... vox-gateway tail --events MESSAGE_CREATE
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. `argv` without the program's name, None for the process's own."""
    parser = argparse.ArgumentParser(
        prog="vox-gateway",
        description="Watch the Discord Gateway, or a local one, from the command line.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vox-gateway {__version__}")
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="show the log on stderr; twice: every payload"
    )
    commands = parser.add_subparsers(metavar="command", required=True)
    for command in (demo, tail):
        command.add_to(commands)
    args = parser.parse_args(argv)
    logging.basicConfig(
        level=(logging.CRITICAL, logging.INFO, logging.DEBUG)[min(args.verbose, 2)],
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except (ImportError, ValueError) as error:  # an extra that is missing, an option that cannot be
        return _fail(error, 2)
    except GatewayError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has had enough. The interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _fail(error: Exception, code: int) -> int:
    print(f"vox-gateway: {error}", file=sys.stderr)
    return code
