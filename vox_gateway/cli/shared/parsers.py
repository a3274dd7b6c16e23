"""The argument parser shared by all commands."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .stdout import print_lines

__all__ = ["Parser", "add_command"]


class Parser(argparse.ArgumentParser):
    """Reports a failure to print the help, which argparse ignores."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is sys.stdout:
            print_lines(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)


def add_command(
    commands: Any, parents: list[argparse.ArgumentParser], name: str, *, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a command whose description and epilog keep their line breaks.

    Args:
        commands: the result of `argparse.ArgumentParser.add_subparsers`.
        parents: parsers with the common options.
        name: the command's name.
        summary: a line for the list of commands.
        description, epilog: text before and after the options, in less than 80 columns.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=parents,
    )
    return parser
