"""The demo's last words: the figures, and whether all is as it should be."""

from __future__ import annotations

import math

from ..shared.exits import Exit
from ..shared.screen import Mark, Screen
from .scenario import Outcome
from .sequence_check import Tally, complaints

__all__ = ["sum_up"]


def sum_up(screen: Screen, tally: Tally, outcome: Outcome) -> int:
    """Show the figures and the verdict; returns the exit code."""

    def nothing(name: str, count: int) -> None:
        screen.row(name, str(count), mark=Mark.BAD if count else Mark.GOOD)

    screen.title("Summary")
    screen.row("events sent", str(outcome.sent), "as the gateway has counted them")
    screen.row("events received", str(tally.received), "as the handlers have counted them")
    nothing("lost", tally.lost(outcome.sent))
    nothing("handled twice", tally.repeated)
    nothing("out of order", tally.misplaced)
    screen.row("connections", str(outcome.connections), f"resumed: {outcome.resumes}, after {outcome.downtime:.2f} s")
    screen.row("commands", str(outcome.commands), "each was answered")
    screen.row("heartbeats", str(outcome.beats), f"{outcome.beats_while_blocked} while the handler blocked")
    latency = "none" if math.isinf(outcome.latency) else f"{outcome.latency * 1000:.1f} ms"
    screen.row("latency", latency, "from the last heartbeat to its answer")
    problems = complaints(
        tally, sent=outcome.sent, resumes=outcome.resumes, beats_while_blocked=outcome.beats_while_blocked
    )
    if words := ", ".join(problems):
        screen.verdict(Mark.BAD, f"Not as it should be: {words}.")
        return Exit.FAILED
    screen.verdict(Mark.GOOD, "Nothing was lost.")
    screen.text("To watch the real thing: set DISCORD_TOKEN, and run vox-gateway tail")
    return Exit.OK
