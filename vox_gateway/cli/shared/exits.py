"""Exit codes, and the error that carries them."""

from __future__ import annotations

import enum
import textwrap
from collections.abc import Mapping

__all__ = ["CommandError", "Exit", "exit_codes"]


class Exit(enum.IntEnum):
    """The exit codes of every command; `exit_codes` describes them."""

    OK = 0
    FAILED = 1
    UNUSABLE = 2
    INTERRUPTED = 130  # 128 + SIGINT, as in shells


#: meanings that hold for every command
_MEANINGS = {
    Exit.OK: "all went well",
    Exit.FAILED: "something was lost, failed, or was refused by the gateway",
    Exit.UNUSABLE: "the command line, the environment or the installation is invalid",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}


def exit_codes(meanings: Mapping[Exit, str] | None = None) -> str:
    """Return the exit code section of ``--help``.

    Args:
        meanings: more specific meanings for a command.
    """
    combined = {**_MEANINGS, **(meanings or {})}
    lines = ["exit codes:"]
    for code, meaning in combined.items():
        lines += textwrap.wrap(meaning, 79, initial_indent=f"  {code.value:<6}", subsequent_indent=" " * 8)
    return "\n".join(lines)


class CommandError(Exception):
    """A command has failed; the message is shown to the user.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
