"""The result of a check: a verdict, and a text that says what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..shared.screen import Mark

__all__ = ["Finding", "Verdict", "failed", "ok", "skipped", "warning"]


class Verdict(enum.Enum):
    """The verdict of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def mark(self) -> Mark:
        """The mark shown before the line."""
        return {"ok": Mark.GOOD, "warning": Mark.DOUBT, "failed": Mark.BAD, "skipped": Mark.NOTE}[self.value]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        name: the name of the check.
        verdict: its verdict.
        text: what was found, and what to do.
    """

    name: str
    verdict: Verdict
    text: str


def ok(name: str, text: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(name, Verdict.OK, text)


def warning(name: str, text: str) -> Finding:
    """Return a finding that needs attention but prevents nothing."""
    return Finding(name, Verdict.WARNING, text)


def failed(name: str, text: str) -> Finding:
    """Return a finding that keeps a bot from connecting."""
    return Finding(name, Verdict.FAILED, text)


def skipped(name: str, text: str) -> Finding:
    """Return a finding for a check that was not made."""
    return Finding(name, Verdict.SKIPPED, text)
