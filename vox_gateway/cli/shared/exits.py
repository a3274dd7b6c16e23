"""How the command ends: its exit codes, what they mean, and the error that leads to them."""

from __future__ import annotations

import enum
import textwrap
from collections.abc import Mapping

__all__ = ["CommandError", "Exit", "exit_codes"]


class Exit(enum.IntEnum):
    """The exit codes of every command; `exit_codes` puts them into words."""

    OK = 0
    FAILED = 1
    UNUSABLE = 2
    INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


#: what they mean, whatever the command
_MEANINGS = {
    Exit.OK: "all went well",
    Exit.FAILED: "something was lost, failed, or was refused by the gateway",
    Exit.UNUSABLE: "the command line, the environment or the installation is not usable",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}


def exit_codes(meanings: Mapping[Exit, str] | None = None) -> str:
    """The section of ``--help`` that tells them.

    Args:
        meanings: where a command can say more than what holds for all.
    """
    told = {**_MEANINGS, **(meanings or {})}
    lines = ["exit codes:"]
    for code, meaning in told.items():
        lines += textwrap.wrap(meaning, 79, initial_indent=f"  {code.value:<6}", subsequent_indent=" " * 8)
    return "\n".join(lines)


class CommandError(Exception):
    """A command cannot go on; the message is for the person who gave it.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
