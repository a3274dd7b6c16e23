"""What a check comes to: a verdict, and words that say what to do where something is to be done."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..shared.screen import Mark

__all__ = ["Finding", "Verdict", "failed", "ok", "skipped", "warning"]


class Verdict(enum.Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def mark(self) -> Mark:
        """How it looks."""
        return {"ok": Mark.GOOD, "warning": Mark.DOUBT, "failed": Mark.BAD, "skipped": Mark.NOTE}[self.value]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        name: of the check.
        verdict: how it came out.
        words: what was found, and what to do.
    """

    name: str
    verdict: Verdict
    words: str


def ok(name: str, words: str) -> Finding:
    """All is well."""
    return Finding(name, Verdict.OK, words)


def warning(name: str, words: str) -> Finding:
    """It works, and something should be looked at."""
    return Finding(name, Verdict.WARNING, words)


def failed(name: str, words: str) -> Finding:
    """A bot cannot work like this."""
    return Finding(name, Verdict.FAILED, words)


def skipped(name: str, words: str) -> Finding:
    """It was not looked at, for a reason."""
    return Finding(name, Verdict.SKIPPED, words)
