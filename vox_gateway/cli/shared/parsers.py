"""The parser of one command, as all commands have theirs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .stdout import print_lines

__all__ = ["Parser", "add_command"]


class Parser(argparse.ArgumentParser):
    """Prints its help as the commands print their output: argparse itself ignores that it cannot be written."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is sys.stdout:
            print_lines(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)


def add_command(
    commands: Any, parents: list[argparse.ArgumentParser], name: str, words: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a command whose description and epilog are shown as they are written.

    Args:
        commands: what `argparse.ArgumentParser.add_subparsers` gave.
        parents: what brings the options of every command.
        name: what it is called by.
        words: a line for the list of all commands.
        description, epilog: before and after the options, in less than 80 columns.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=words,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=parents,
    )
    return parser
