"""``vox-gateway simulate``: how long the shards of a large bot take until all are ready. Connects to nothing."""

from __future__ import annotations

import argparse
import heapq
import logging
import random
import xml.sax.saxutils
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

from ..sharding.plan import MAX_SHARDS
from .shared import arguments
from .shared.exits import CommandError, Exit, exit_codes
from .shared.parsers import add_command
from .shared.stdout import print_lines

__all__ = ["Scenario", "add_to", "identify", "resume", "run"]

#: seconds, with the median and the spread of a log-normal distribution: until a connection may IDENTIFY or RESUME;
#: from IDENTIFY to READY; from RESUME to RESUMED
_CONNECT, _READY, _RESUMED = (0.2, 0.3), (0.5, 0.4), (0.3, 0.4)
_DAY = 86_400.0
#: characters of the plot
_WIDTH, _HEIGHT = 60, 6
_BLOCKS = " ▁▂▃▄▅▆▇█"

_HELP = "estimate how long many shards take to start"

_DESCRIPTION = """\
Estimate how long all shards of a bot take until they are ready: with new
sessions, which Discord allows one IDENTIFY every 5 seconds for each rate limit
key, and with sessions that are resumed, which it does not limit. Connects to
nothing; times of connections and answers are made up."""

_EPILOG = f"""\
examples:
  vox-gateway simulate --shards 128
  vox-gateway simulate --shards 16000 --max-concurrency 16
  vox-gateway simulate --shards 1024 --max-concurrency 16 --output start.svg

{exit_codes({Exit.FAILED: "the output could not be written"})}"""


@dataclass(frozen=True)
class Scenario:
    """A bot that starts.

    Attributes:
        shards: their number.
        max_concurrency: shards that may IDENTIFY within an interval.
        interval: seconds.
        processes: over which the shards are shared out.
        at_once: shards of a process that RESUME at the same time.
        starts: session starts in 24 hours.
    """

    shards: int
    max_concurrency: int = 1
    _: KW_ONLY
    interval: float = 5.0
    processes: int = 16
    at_once: int = 8
    starts: int | None = None

    @property
    def floor(self) -> float:
        """Seconds from the first IDENTIFY to the last, if no session starts are missing."""
        return (-(-self.shards // self.max_concurrency) - 1) * self.interval


def identify(scenario: Scenario, seed: int = 0) -> list[float]:
    """Return after how many seconds each shard is ready with a new session, in ascending order.

    A shard connects when it is its turn, so a turn takes the interval and the time to connect.
    """
    rng = random.Random(seed)
    starts = scenario.starts or scenario.shards
    turn_at = [0.0] * scenario.max_concurrency
    sent: list[float] = []
    ready = []
    for shard in range(scenario.shards):
        key = shard % scenario.max_concurrency
        if shard >= starts:  # a day after the session start that is used again
            turn_at[key] = max(turn_at[key], sent[shard - starts] + _DAY)
        sent.append(turn_at[key] + _seconds(rng, _CONNECT))
        turn_at[key] = sent[-1] + scenario.interval
        ready.append(sent[-1] + _seconds(rng, _READY))
    return sorted(ready)


def resume(scenario: Scenario, seed: int = 0) -> list[float]:
    """Return after how many seconds each shard is ready with its old session, in ascending order."""
    rng = random.Random(seed)
    ready = []
    for process in range(scenario.processes):
        free = [0.0] * scenario.at_once
        for _ in range(process, scenario.shards, scenario.processes):
            done = heapq.heappop(free) + _seconds(rng, _CONNECT) + _seconds(rng, _RESUMED)
            heapq.heappush(free, done)
            ready.append(done)
    return sorted(ready)


def _seconds(rng: random.Random, distribution: tuple[float, float]) -> float:
    median, spread = distribution
    return median * rng.lognormvariate(0.0, spread)


def _count(text: str) -> int:
    """Parse an integer from 1 to `MAX_SHARDS`: more would fill the memory.

    Raises:
        ArgumentTypeError: the value is invalid.
    """
    if (number := arguments.positive_count(text)) > MAX_SHARDS:
        raise argparse.ArgumentTypeError(f"invalid count {text!r}: expected at most {MAX_SHARDS:,}")
    return number


def add_to(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Add this command to the parser."""
    parser = add_command(commands, parents, "simulate", summary=_HELP, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--shards", type=_count, required=True, metavar="N", help="number of shards")
    parser.add_argument(
        "--max-concurrency",
        type=_count,
        default=1,
        metavar="N",
        help="from Get Gateway Bot; vox-gateway doctor shows it (default: %(default)s)",
    )
    parser.add_argument(
        "--processes", type=_count, default=16, metavar="N", help="processes with shards (default: %(default)s)"
    )
    parser.add_argument(
        "--at-once",
        type=_count,
        default=8,
        metavar="N",
        help="shards of a process that resume at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--session-starts",
        type=arguments.positive_count,
        metavar="N",
        help="session starts in 24 hours, from Get Gateway Bot (default: enough)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the plot to an SVG file too")
    parser.set_defaults(run=run, default_log_level=logging.WARNING)


def run(args: argparse.Namespace) -> int:
    """Print what was simulated.

    Returns:
        The exit code.

    Raises:
        CommandError: the file could not be written.
    """
    scenario = Scenario(
        args.shards,
        args.max_concurrency,
        processes=args.processes,
        at_once=args.at_once,
        starts=args.session_starts,
    )
    processes = _counted(scenario.processes, "process", "processes")
    results = {
        f"IDENTIFY, {scenario.max_concurrency:,} every {scenario.interval:g} seconds": identify(scenario),
        f"RESUME, {processes} with {scenario.at_once:,} at once": resume(scenario),
    }
    print_lines(f"{_counted(scenario.shards, 'shard')}; the last IDENTIFY comes after {_words(scenario.floor)} or more")
    for name, ready in results.items():
        print_lines("", f"{name}: all are ready after {_words(ready[-1])}", *_plot(ready))
    if args.output is not None:
        try:
            args.output.write_text(_svg(results), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{args.output} cannot be written to: {error.strerror or error}") from None
        print_lines("", f"the plot is in {args.output}")
    return Exit.OK


def _counted(count: int, singular: str, plural: str | None = None) -> str:
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def _words(seconds: float) -> str:
    if seconds < 600:
        return _counted(round(seconds), "second")
    minutes = round(seconds / 60)
    text = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours {minutes % 60} minutes"
    return f"{seconds:,.0f} seconds ({text})"


def _shares(ready: Sequence[float], count: int) -> list[float]:
    """Return the parts of the shards that are ready at `count` times, up to the last."""
    shares, index = [], 0
    for column in range(1, count + 1):
        at = ready[-1] * column / count
        while index < len(ready) and ready[index] <= at:
            index += 1
        shares.append(index / len(ready))
    shares[-1] = 1.0
    return shares


def _plot(ready: Sequence[float]) -> list[str]:
    """Return lines with the part of the shards that is ready, over the time."""
    heights = [share * _HEIGHT * (len(_BLOCKS) - 1) for share in _shares(ready, _WIDTH)]
    lines = []
    for row in reversed(range(_HEIGHT)):
        bottom = row * (len(_BLOCKS) - 1)
        cells = (min(max(round(height - bottom), 0), len(_BLOCKS) - 1) for height in heights)
        label = {_HEIGHT - 1: "100 %", 0: "0 %"}.get(row, "")
        lines.append(f"  {label:>5} |{''.join(_BLOCKS[cell] for cell in cells)}".rstrip())
    return [*lines, f"        0 s{f'{ready[-1]:,.0f} s':>{_WIDTH - 2}}"]


def _svg(results: dict[str, list[float]]) -> str:
    """Return a picture of the same plots, one below the other."""
    width, height, left, top = 720, 220, 60, 40
    parts = []
    for number, (name, ready) in enumerate(results.items()):
        base = number * height
        inner = height - top - 30
        shares = [0.0, *_shares(ready, 240)]
        points = " ".join(
            f"{left + index * (width - left - 20) / 240:.1f},{base + top + inner * (1 - share):.1f}"
            for index, share in enumerate(shares)
        )
        title = xml.sax.saxutils.escape(f"{name}: {_words(ready[-1])}")
        bottom = base + top + inner
        parts += [
            f'<text x="{left}" y="{base + top - 14}" font-weight="bold">{title}</text>',
            f'<path d="M{left},{base + top} V{bottom} H{width - 20}" fill="none" stroke="#7d8590"/>',
            f'<polyline points="{points}" fill="none" stroke="#4a78b5" stroke-width="2"/>',
            f'<text x="{left - 8}" y="{base + top + 10}" text-anchor="end">100 %</text>',
            f'<text x="{left - 8}" y="{bottom}" text-anchor="end">0 %</text>',
            f'<text x="{left}" y="{bottom + 18}">0 s</text>',
            f'<text x="{width - 20}" y="{bottom + 18}" text-anchor="end">{ready[-1]:,.0f} s</text>',
        ]
    size = f'width="{width}" height="{height * len(results)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Helvetica,Arial,sans-serif" font-size="13">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])
