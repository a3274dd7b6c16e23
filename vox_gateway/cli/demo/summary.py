"""Prints the summary of the demo."""

from __future__ import annotations

import math

from ..shared.exits import Exit
from ..shared.screen import Mark, Screen
from .scenario import Outcome
from .sequence_check import ReceivedEvents, problems

__all__ = ["print_summary"]


def print_summary(screen: Screen, events: ReceivedEvents, outcome: Outcome) -> int:
    """Print the counts and the verdict; return the exit code."""

    def expect_zero(name: str, count: int) -> None:
        screen.row(name, str(count), mark=Mark.BAD if count else Mark.GOOD)

    screen.title("Summary")
    screen.row("events sent", str(outcome.sent), "counted by the gateway")
    screen.row("events received", str(events.received), "counted by the handlers")
    expect_zero("lost", events.lost(outcome.sent))
    expect_zero("handled twice", events.repeated)
    expect_zero("out of order", events.misplaced)
    screen.row("connections", str(outcome.connections), f"resumed: {outcome.resumes}, after {outcome.downtime:.2f} s")
    screen.row("commands", str(outcome.commands), "all answered")
    screen.row("heartbeats", str(outcome.heartbeats), f"{outcome.heartbeats_while_blocked} while the handler blocked")
    latency = "none" if math.isinf(outcome.latency) else f"{outcome.latency * 1000:.1f} ms"
    screen.row("latency", latency, "from the last heartbeat to its acknowledgement")
    found = problems(
        events, sent=outcome.sent, resumes=outcome.resumes, heartbeats_while_blocked=outcome.heartbeats_while_blocked
    )
    if text := ", ".join(found):
        screen.verdict(Mark.BAD, f"Something went wrong: {text}.")
        return Exit.FAILED
    screen.verdict(Mark.GOOD, "Nothing was lost.")
    screen.text("To watch Discord itself, set DISCORD_TOKEN and run vox-gateway tail")
    return Exit.OK
