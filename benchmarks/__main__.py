"""``python -m benchmarks``: this library, its peers and the limit, side by side in one run."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from . import corpus
from .contest import EventsLost, Result, compete
from .contestants import CONTESTANTS, GOALS, of_every_python

SMALL = ("latency", "idle", "start", "shards", "reshard", "import")


def main() -> int:
    """Run what was asked for; 1 when events were lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        default="contest",
        choices=["contest", "pythons", "formats", "processes", *SMALL],
        help="default: %(default)s",
    )
    parser.add_argument("--events", type=int, default=corpus.EVENT_COUNT, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contestants whose names begin so")
    parser.add_argument("--list", action="store_true", help="list the contestants")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw them here, as an SVG (needs pygal)")
    args = parser.parse_args()
    if args.list:
        print(*(one.name for one in CONTESTANTS), sep="\n")
        return 0
    if args.what == "formats":
        show_formats(args.events, args.rounds)
        return 0
    if args.what == "processes":
        from .processes import processes

        for row in processes():
            print(row, flush=True)
        return 0
    if args.what in SMALL:
        from . import imports, reshard, shards, small

        elsewhere: dict[str, Callable[[], str]] = {
            "shards": shards.shards,
            "reshard": reshard.reshard,
            "import": imports.import_cost,
        }
        print((elsewhere.get(args.what) or getattr(small, args.what))())
        return 0
    everyone = of_every_python() if args.what == "pythons" else CONTESTANTS
    chosen = [one for one in everyone if not args.only or one.name.startswith(tuple(args.only))]
    try:
        results = list(compete(chosen, args.events, args.rounds))
    except EventsLost as error:
        print(error, file=sys.stderr)
        return 1
    show(results, args.events, args.rounds)
    if args.json:
        told = json.dumps([dataclasses.asdict(one) for one in results], indent=1)
        args.json.write_text(told + "\n", encoding="utf-8")
    if args.picture:
        from .picture import draw

        draw(results, args.picture)
    return 0


def show(results: list[Result], events: int, rounds: int) -> None:
    """The table, and the goals that can be told from it."""
    print(f"{events} events, medians of {rounds} rounds, Python {platform.python_version()}\n")
    print(f"{'':36}{'events/s':>10}{'CPU µs/event':>14}{'peak MB':>9}")
    for one in results:
        print(f"{one.name:36}{one.rate:>10,.0f}{one.cpu:>14.1f}{one.peak:>9.1f}")
    rates = {one.name: one.rate for one in results}
    told = [goal for goal in GOALS if goal.ours in rates and goal.theirs in rates]
    if told:
        print("\nratios of this run")
    for goal in told:
        ratio = rates[goal.ours] / rates[goal.theirs]
        verdict = "reached" if ratio >= goal.ratio else "missed"
        print(f"{ratio:6.2f} x {goal.theirs:34}{goal.ours:34}goal {goal.ratio:<5g}{verdict}")


def show_formats(events: int, rounds: int) -> None:
    """Bytes and time of each format."""
    from .formats import table

    print(f"{'encoding':10}{'compression':14}{'bytes/event':>12}{'CPU µs/event':>14}")
    for encoding, compress, size, spent in table(events, rounds):
        print(f"{encoding:10}{compress:14}{size:>12.0f}{spent:>14.1f}")


if __name__ == "__main__":
    sys.exit(main())
