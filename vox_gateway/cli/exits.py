"""How the command ends: its exit codes, and the error that leads to them."""

from __future__ import annotations

import enum

__all__ = ["CommandError", "Exit"]


class Exit(enum.IntEnum):
    """The exit codes of every command; `--help` tells them."""

    OK = 0
    FAILED = 1
    UNUSABLE = 2
    INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


class CommandError(Exception):
    """A command cannot go on; the message is for the person who gave it.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
