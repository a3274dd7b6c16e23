"""``python -m benchmarks``: this library, its peers and the limit, side by side in one run."""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from . import corpus
from .contest import EventsLost, Result, compete, ratios
from .contestants import CONTESTANTS, GOALS, Goal, of_every_python
from .environments import build

SMALL = ("latency", "memory", "idle", "start", "shards", "reshard", "import")


def main() -> int:
    """Run what was asked for; 1 when events were lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        default="contest",
        choices=["contest", "pythons", "cores", "formats", "processes", *SMALL],
        help="default: %(default)s",
    )
    parser.add_argument("--events", type=int, default=corpus.EVENT_COUNT, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
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
            "shards": lambda: shards.shards(args.events, args.rounds),
            "reshard": reshard.reshard,
            "import": imports.import_cost,
        }
        print((elsewhere.get(args.what) or getattr(small, args.what))())
        return 0
    if args.what == "cores":
        return run_cores(args)
    everyone = of_every_python() if args.what == "pythons" else CONTESTANTS
    chosen = [one for one in everyone if not args.only or one.name.startswith(tuple(args.only))]
    try:
        results = compete(chosen, args.events, args.rounds)
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
    print(f"{events} events, medians of {rounds} rounds, {build()}\n")
    print(f"{'':36}{'events/s':>10}{'CPU µs/event':>14}{'peak MB':>9}")
    for one in results:
        print(f"{one.name:36}{one.rate:>10,.0f}{one.cpu:>14.1f}{one.peak:>9.1f}")
    show_ratios(results, GOALS)


def show_ratios(results: list[Result], goals: list[Goal]) -> None:
    """The goals of which both sides have results."""
    by_name = {one.name: one for one in results}
    told = [goal for goal in goals if goal.ours in by_name and goal.theirs in by_name]
    width = max((len(f"{goal.ours} / {goal.theirs}") for goal in told), default=0) + 2
    if told:
        print(f"\n{'ratios, round by round':{width}}{'median':>8}{'least to most':>16}{'of CPU':>8}{'goal':>7}")
    for goal in told:
        us, them = by_name[goal.ours], by_name[goal.theirs]
        of_rates = ratios(us.rates, them.rates)
        of_cpu = statistics.median(ratios(them.cpus, us.cpus))  # the other way round: more is better here too
        median, spread = statistics.median(of_rates), f"{of_rates[0]:.2f} to {of_rates[-1]:.2f}"
        verdict = "reached" if median >= goal.ratio else "missed"
        pair = f"{goal.ours} / {goal.theirs}"
        print(f"{pair:{width}}{median:>8.2f}{spread:>16}{of_cpu:>8.2f}{goal.ratio:>7g}  {verdict}")


def run_cores(args: argparse.Namespace) -> int:
    """Events over shards and cores; 1 when events were lost."""
    from . import cores

    try:
        results = cores.cores(args.events, args.rounds, tuple(args.only or ("",)))
    except EventsLost as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.events} events, medians of {args.rounds} rounds\n\n{cores.table(results)}")
    show_ratios(results, cores.GOALS)
    if args.picture:
        from .picture import draw_cores

        draw_cores(results, args.picture)
    return 0


def show_formats(events: int, rounds: int) -> None:
    """Bytes and time of each format."""
    from .formats import table

    print(f"{'encoding':10}{'compression':14}{'bytes/event':>12}{'CPU µs/event':>14}")
    for encoding, compress, size, spent in table(events, rounds):
        print(f"{encoding:10}{compress:14}{size:>12.0f}{spent:>14.1f}")


if __name__ == "__main__":
    sys.exit(main())
