"""Changes the number of shards: starts a new generation beside the old, switches, and ends the old.

It runs on the coordinator's thread, which gives it the messages of the run while it waits. Which generation dispatches
an event is decided in `overlap`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..concurrency.clock import seconds_until
from ..config import Options
from ..diagnostics.stats import Status
from ..discovery.gateway_bot import GatewayBot
from ..errors import GatewayError, ReshardFailed
from ..log import ShardLog
from ..shard.shard import MakeFilter, Shard
from ..shard.threads import CLOSE_BOUND, SharedThreads
from .overlap import WINDOW, Overlap
from .shards import ManagedShard

__all__ = ["OVERLAP", "Generations", "Reshard", "Resharder", "Run", "ShardReady", "Switched"]

#: seconds for which both generations are connected before the switch: events that the old shards got before the new
#: were ready, and that are still on their way, arrive in that time
OVERLAP = 5.0
#: seconds between two looks at an old shard that is too slow to switch, or that has events for handlers after it
SLOW_CHECK, DRAIN_CHECK = 0.2, 0.02


class Generations(Protocol):
    """The shards in use, and those that follow them."""

    @property
    def needs_answer(self) -> bool:
        """Whether Get Gateway Bot has to be asked before the shards can be made."""

    @property
    def total(self) -> int | None:
        """The number of shards of the bot, if all of them run here."""

    def learn(self, bot: GatewayBot, asked_at: float) -> None:
        """Note the gateway's URL and the session starts in an answer of Get Gateway Bot."""

    def is_current(self, shard: ManagedShard) -> bool:
        """Whether a shard is of the generation that is in use."""

    def make_next(self, total: int) -> tuple[ManagedShard, ...]:
        """Return a new generation of shards, which is not in use yet.

        Raises:
            ReshardFailed: the shards in use have the same session files.
            TypeError, ValueError: a session file cannot be used.
            OSError: a session file cannot be read.
            Exception: any exception that the function for session stores raises.
        """

    def use_next(self, shards: tuple[ManagedShard, ...]) -> None:
        """Use a generation that `make_next` made."""

    def drop_next(self, shards: tuple[ManagedShard, ...]) -> None:
        """Forget a generation that `make_next` made."""


class Run(Protocol):
    """The run whose shards are changed."""

    error: GatewayError | None
    threads: SharedThreads

    @property
    def running(self) -> Mapping[ManagedShard, Shard]:
        """The shards that have not ended."""

    @property
    def is_closing(self) -> bool:
        """Whether no shard will be started any more."""

    def start_shards(self, shards: tuple[ManagedShard, ...], make_filter: MakeFilter | None) -> None:
        """Start shards, unless the run is closing. A shard that cannot be started stops no other."""

    def post(self, message: ShardReady | Switched) -> None:
        """Put a message into the mailbox. Any thread."""

    def next(self, timeout: float | None = None) -> object:
        """Take the next message, and do what it calls for at any time; None after `timeout` seconds."""

    def ask(self, until: float | None = None) -> tuple[GatewayBot, float] | None:
        """Ask Get Gateway Bot until it answers; return the answer and when it was asked.

        Returns None at `until` (monotonic, seconds), or if the run is closing or has failed.

        Raises:
            AuthenticationFailed, CertificateInvalid: asking again does not help.
            ThreadFailed: an error of ours.
        """


@dataclass(frozen=True, slots=True)
class Reshard:
    """Change the number of shards.

    Attributes:
        total: the new number.
        overlap: seconds for which both generations are connected before the switch.
        until: the latest time of the switch, monotonic, in seconds; None for no limit.
        reply: called with None, or with the reason why nothing was changed.
    """

    total: int
    overlap: float
    until: float | None
    reply: Callable[[Exception | None], None]


@dataclass(frozen=True, slots=True)
class ShardReady:
    """READY of a shard of the next generation has been taken."""

    shard_id: int


@dataclass(frozen=True, slots=True)
class Switched:
    """The events of the next generation are dispatched."""


class Resharder:
    """Changes the number of shards of a run. All of it is called on the coordinator's thread.

    Attributes:
        is_busy: a change is under way.
    """

    def __init__(self, options: Options, shards: Generations, run: Run, log: ShardLog) -> None:
        self.is_busy: bool = False
        self._options = options
        self._shards = shards
        self._run = run
        self._log = log

    def change(self, request: Reshard) -> None:
        """Do what is asked, or nothing, and reply."""
        result: Exception | None = ReshardFailed("the manager has failed: see the log")
        self.is_busy = True
        try:
            result = self._change(request.total, request.overlap, request.until)
        finally:
            self.is_busy = False
            request.reply(result)  # to a caller that waits for nothing else

    def change_as_recommended(self, refused: GatewayError) -> None:
        """Discord does not accept the number of shards: ask for another, and change to that."""
        self._log.warning("%s; asking Discord for the number of shards", refused)
        self.is_busy = True
        try:
            failure = self._change_as_recommended(refused)
        finally:
            self.is_busy = False
        if failure is not None:
            self._run.error = self._run.error or refused
            self._log.error("%s", failure)

    def _change_as_recommended(self, refused: GatewayError) -> Exception | None:
        run, shards = self._run, self._shards
        try:
            answered = run.ask()  # which ends at once if the manager closes
        except GatewayError as error:
            return error
        if answered is None or (bot := answered[0]).shards == shards.total:
            return refused
        shards.learn(*answered)
        is_used = any(shard.status is Status.READY for shard in run.running)
        return self._change(bot.shards, OVERLAP if is_used else 0.0, None)

    def _change(self, total: int, overlap: float, until: float | None) -> Exception | None:
        """Do what is asked; return the reason why nothing was changed."""
        try:
            self._check_dispatchers()
            self._check_budget(total, until)
            shards = self._shards.make_next(total)
        except Exception as error:  # of the program's function for session stores, too
            return error
        return self._change_to(shards, overlap, until)

    def _check_dispatchers(self) -> None:
        # The switch falls between two events of a single thread.
        if (count := len(self._run.threads.dispatchers)) > 1:
            raise ReshardFailed(
                f"the number of shards cannot change with dispatchers={count}: make the manager with dispatchers=1, or "
                "restart it with the new number"
            )

    def _check_budget(self, total: int, until: float | None) -> None:
        if self._shards.needs_answer:
            answered = self._run.ask(until)
            if answered is None:
                late = "Discord did not say within timeout how many session starts remain"
                raise ReshardFailed(late if seconds_until(until) == 0 else "the manager closes")
            self._shards.learn(*answered)
        gate, now = self._options.identify_gate, time.monotonic()
        if (remaining := gate.remaining(now)) < total:
            hours = gate.starts_in(now) / 3600
            when = f": they return in {hours:.1f} hours" if hours else ""
            raise ReshardFailed(f"{total} shards need as many session starts, and {remaining} remain{when}")

    def _change_to(self, shards: tuple[ManagedShard, ...], seconds: float, until: float | None) -> ReshardFailed | None:
        """Run the next generation beside the current, and switch; return the reason why that was given up."""
        run = self._run
        old = {shard: old_run for shard, old_run in run.running.items() if self._shards.is_current(shard)}
        error_before = run.error
        overlap = Overlap(self._options.codec.decode, lambda shard_id: run.post(ShardReady(shard_id)))
        for old_run in old.values():
            old_run.filter_events(overlap.old)
        self._log.info("starting %d shards beside %d", len(shards), len(old))
        run.start_shards(shards, overlap.new)
        failure = self._await_ready(shards, until)
        failure = failure or self._await_overlap(shards, old, seconds, until)
        if failure is not None:
            _unfilter(old.values())
            self._end(shards)
            self._shards.drop_next(shards)
            run.error = error_before
            self._log.warning("%s; the shards are as before", failure)
            return failure
        self._switch(overlap)
        self._shards.use_next(shards)
        run.error = error_before
        self._drain(old)
        self._end(tuple(old))
        new = [new_run for shard, new_run in run.running.items() if shard in shards]
        run.threads.timers.call_at(time.monotonic() + WINDOW, lambda: _unfilter(new))
        self._log.info("switched to %d shards", len(shards))
        return None

    def _await_ready(self, shards: tuple[ManagedShard, ...], until: float | None) -> ReshardFailed | None:
        waiting = {shard.id for shard in shards}
        while waiting:
            if (failure := self._why_give_up(shards, until)) is not None:
                return failure
            message = self._run.next(seconds_until(until))
            if isinstance(message, ShardReady):
                waiting.discard(message.shard_id)
        return None

    def _await_overlap(
        self, shards: tuple[ManagedShard, ...], old: dict[ManagedShard, Shard], seconds: float, until: float | None
    ) -> ReshardFailed | None:
        switch_at = time.monotonic() + seconds
        while (now := time.monotonic()) < switch_at or any(old_run.is_paused for old_run in old.values()):
            if (failure := self._why_give_up(shards, until)) is not None:
                return failure
            self._run.next(max(switch_at - now, SLOW_CHECK))
        return self._why_give_up(shards, None)

    def _why_give_up(self, shards: tuple[ManagedShard, ...], until: float | None) -> ReshardFailed | None:
        run = self._run
        if run.is_closing:
            return ReshardFailed("the manager closes")
        for shard in shards:
            if shard not in run.running:
                return ReshardFailed(
                    f"shard {shard.id} of {shard.total} has ended: {shard.lifecycle.error or run.error}"
                )
        if seconds_until(until) == 0:
            return ReshardFailed("the new shards were not ready, or handlers were not done, within timeout")
        return None

    def _switch(self, overlap: Overlap) -> None:
        def switch() -> None:
            try:
                overlap.switch()
            finally:
                self._run.post(Switched())

        self._run.threads.dispatchers[0].call(switch)  # the only dispatcher
        while not isinstance(self._run.next(), Switched):
            pass

    def _drain(self, old: dict[ManagedShard, Shard]) -> None:
        """Wait until the handlers of all events that the old shards dispatched have begun: closing a shard drops them.

        What goes on arriving there is discarded, and not waited for.
        """
        run = self._run
        while not run.is_closing and any(
            old_run.events_submitted for shard, old_run in old.items() if shard in run.running
        ):
            run.next(DRAIN_CHECK)

    def _end(self, shards: tuple[ManagedShard, ...]) -> None:
        """Close shards, and wait until they are disconnected. Their handlers may run for longer."""
        runs = [run for shard in shards if (run := self._run.running.get(shard)) is not None]
        for run in runs:
            run.post_close(1000, "")
        ends = time.monotonic() + CLOSE_BOUND
        for run in runs:
            run.disconnected.wait(seconds_until(ends))


def _unfilter(runs: Iterable[Shard]) -> None:
    """Let shards dispatch all of their events."""
    for run in runs:
        run.filter_events(None)
