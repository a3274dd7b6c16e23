"""One run of a manager that shares the shards of a bot with other processes.

The node says which shards are this process's, on threads of its own; its messages come to the mailbox of the run. A
shard that is revoked is closed so that another process can resume it, and released once its session is saved. Nothing
here waits for the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..arguments.validation import check_count
from ..concurrency.clock import seconds_until
from ..config import Options
from ..coordination import (
    Assigned,
    Coordination,
    CoordinationEnded,
    Drained,
    Node,
    Revoked,
    bot_id,
    check_coordination,
    open_coordination,
)
from ..discovery.gateway_bot import GatewayBot
from ..errors import GatewayError, ReshardFailed
from ..log import ShardLog
from ..opcodes import KEEP_SESSION
from ..shard.shard import HANDLER_GRACE
from ..shard.threads import CLOSE_BOUND, SharedThreads
from .asking import Answered
from .coordinator import OF_ALL, OF_NUMBER, Coordinator, Drain, Failed, Message, Shards, Stop
from .resharding import Reshard
from .shards import ManagedShard

__all__ = ["CHANGE_NUMBER", "CoordinatedRun", "Membership"]

#: seconds between two reports of how the shards are doing
REPORT_EVERY = 5.0
#: the part of a new load in the reported load, so that a short burst moves no shard
NEW_PART = 0.2
#: seconds that handlers of a shard that is handed over have to return; then the shard moves, and its next owner gets
#: their events again
HANDOVER_GRACE = 1.0
#: seconds from the start of a drain until it ends although the others cannot be reached, if all sessions are saved:
#: well within the 10 seconds after which Docker kills
UNREACHED_GRACE = 5.0
#: seconds between two looks at whether a session is saved, if that takes longer than the shard's end
SAVE_CHECK = 0.02
#: seconds of `CLOSE_BOUND` that are kept for the node to leave, and for the last steps of the run
LEAVE_PART, END_PART = 0.6, 0.2
#: what to do instead of `reshard`
CHANGE_NUMBER = (
    "the number of shards changes with a deploy: end all processes of the bot, and start them with the new number in "
    "shards="
)


@dataclass(frozen=True)
class Membership:
    """How a manager takes part in the coordination of a bot's shards.

    Args:
        coordination: its URL, or itself.
        total: the number of shards of the bot.
        capacity: how many shards this process may run; None for all.
        name: of this process, for people; None for the machine's name and the process id.

    Raises:
        TypeError, ValueError: an argument cannot be used.
        CoordinationFailed: the folder of the SQLite file does not exist.
        MissingExtra: Redis needs the extra ``cluster``.
    """

    coordination: str | Coordination
    total: int
    capacity: int | None
    name: str | None

    def __post_init__(self) -> None:
        check_coordination(self.coordination)
        if self.capacity is not None:
            check_count("capacity", self.capacity, 1)
        if self.name is not None and not (isinstance(self.name, str) and self.name.isprintable() and self.name):
            raise (TypeError if not isinstance(self.name, str) else ValueError)(
                f"node_name must be a printable name or None, not {self.name!r}"
            )

    def open(self, token: str) -> tuple[Coordination, Callable[[], None]]:
        """Return the coordination, and what closes it: nothing if the program has made it.

        Raises:
            CoordinationFailed: it cannot be used.
        """
        if not isinstance(self.coordination, str):
            return self.coordination, lambda: None
        opened = open_coordination(self.coordination, bot=bot_id(token))
        return opened, opened.close


class AssignedShards(Shards, Protocol):
    """What a coordinated run asks of its group."""

    def add(self, shard_id: int, node: Node, saved: str | None) -> ManagedShard:
        """Make a shard that was assigned, and bring its events; `saved` is its session."""

    def remove(self, shard: ManagedShard) -> None:
        """A shard begins to move to another process: do not use it any more."""

    def retire(self, shard: ManagedShard) -> None:
        """Nothing is left of the run of a shard."""


class CoordinatedRun(Coordinator):
    """Runs the shards that a node is assigned.

    Args:
        membership: the part of this process.
        coordination: what it shares with others.
        close_coordination: called when the run is over.

    Attributes:
        node: this process, as the others see it.
        is_handed_over: whether all shards were handed over by `drain`.
    """

    node: Node

    def __init__(
        self,
        options: Options,
        shards: AssignedShards,
        threads: SharedThreads,
        log: ShardLog,
        *,
        membership: Membership,
        coordination: Coordination,
        close_coordination: Callable[[], None],
    ) -> None:
        super().__init__(options, shards, threads, log)
        self.node = Node(
            coordination,
            shards=membership.total,
            post=self._mailbox.put,
            capacity=membership.capacity,
            name=membership.name,
        )
        self.is_handed_over: bool = False
        self._group = shards
        self._unreached_grace = min(UNREACHED_GRACE, coordination.times.ttl)
        self._close_coordination = close_coordination
        self._shards_by_id: dict[int, ManagedShard] = {}  # that are this node's, or were and are not released yet
        self._revoked: dict[ManagedShard, float | None] = {}  # and until when handlers have time; None for no longer
        self._saving: dict[ManagedShard, bool] = {}  # shards that have ended, and whether with an error of their own
        self._report_at = 0.0
        self._reported: dict[ManagedShard, tuple[float, int, float | None]] = {}  # when, events, load
        self._drain_until: float | None = None  # set once it drains
        self._stopped_at: float | None = None

    # -- for the group, on any thread --------------------------------------------------------------------------------

    def drain(self) -> None:
        """Hand over all shards, then end the run. Does not wait, and takes no lock."""
        self._mailbox.put(Drain())

    def close_at_exit(self) -> None:
        """See `Member`."""
        self._begin_to_stop(Stop(KEEP_SESSION, ""))

    def _begin_to_stop(self, stop: Stop) -> None:
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            self.node.drain()  # so that it takes none of the shards again that it releases
        super()._begin_to_stop(stop)

    def _shards_silent(self, error: GatewayError | None) -> None:
        """No shard delivers events now. Others may come, unless the run ends."""
        if self._stopping is not None:
            self._end_streams(self.error or error)

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run_shards(self) -> None:
        if self._shards.needs_answer:  # only what an IDENTIFY needs, for which shards ask too until this is answered
            self._begin_to_ask()
        if self._stopping is None:
            self.node.start()
        self._report_at = time.monotonic() + REPORT_EVERY
        while self._stopping is None or self._running:
            self._take(self.next(self._due_in(time.monotonic())))
            self._do_what_is_due(time.monotonic())

    def _take(self, message: Message | None) -> None:
        match message:
            case Assigned(shards, sessions):
                for shard_id in sorted(shards):
                    self._run_assigned(shard_id, sessions.get(shard_id))
            case Revoked(shards):
                for shard_id in sorted(shards):
                    self._close_revoked(shard_id)
            case Drain() if self._drain_until is None:
                self._drain_until = time.monotonic() + self._unreached_grace
                self._log.info("handing over all shards before closing")
                self.node.drain()
            case Drained() if self._stopping is None:
                self.is_handed_over = True
                self._begin_to_stop(Stop(KEEP_SESSION, ""))
            case Answered(_, GatewayBot() as bot, asked_at):
                self._shards.learn(bot, asked_at)
            case Answered(_, GatewayError() as error):
                self._log.error("closing all shards: %s", error)
                self._keep_error(error)
                self._begin_to_stop(Stop(KEEP_SESSION, ""))
            case CoordinationEnded(error) | Failed(error):
                self._keep_error(error)
                self._begin_to_stop(Stop(KEEP_SESSION, ""))
            case Reshard() if self._stopping is None:
                message.reply(ReshardFailed(CHANGE_NUMBER))
            case _:
                pass

    def _run_assigned(self, shard_id: int, saved: str | None) -> None:
        if self._stopping is not None:
            return
        shard = self._shards_by_id[shard_id] = self._group.add(shard_id, self.node, saved)
        self._shards.expect((shard,), self._shards_silent)
        if (error := self._try_to_start(shard, None)) is not None:
            shard.lifecycle.subscribers.end(error)
            self._note_failure(shard, error)

    def _close_revoked(self, shard_id: int) -> None:
        shard = self._shards_by_id.get(shard_id)
        if shard is None:
            self.node.release(shard_id)
        elif (run := self._running.get(shard)) is not None and shard not in self._revoked:
            self._revoked[shard] = time.monotonic() + HANDOVER_GRACE
            self._group.remove(shard)
            run.post_close(KEEP_SESSION, "")

    def _forget(self, shard: ManagedShard) -> None:
        """A shard has ended: let another process run it. An error that every shard would get ends the run."""
        run = self._running.pop(shard, None)
        if run is None:
            return
        is_ours = shard in self._revoked or self._stopping is not None
        if is_ours:
            self._saving[shard] = False
        else:
            self._note_failure(shard, run.error)

    def _note_failure(self, shard: ManagedShard, error: GatewayError | None) -> None:
        """A shard has ended without being told to."""
        self._saving[shard] = True
        self._group.remove(shard)
        if isinstance(error, (*OF_ALL, *OF_NUMBER)):
            self._keep_error(error)
            if isinstance(error, OF_NUMBER):
                self._log.error("Discord does not accept %d shards: %s", shard.total, CHANGE_NUMBER)
            self._log.error("closing all shards: the others would get the same error")
            self._begin_to_stop(Stop(KEEP_SESSION, ""))
        else:
            self._log.error("shard %d has ended; another process may run it now: %s", shard.id, error)

    # -- what is due -------------------------------------------------------------------------------------------------

    def _due_in(self, now: float) -> float:
        due = [self._report_at, *(until for until in self._revoked.values() if until is not None)]
        due += [now + SAVE_CHECK] if self._saving else []
        due += [] if self._drain_until is None or self._running or self._saving else [self._drain_until]
        return max(min(due) - now, 0.0)

    def _do_what_is_due(self, now: float) -> None:
        for shard, until in self._revoked.items():
            if until is not None and now >= until and (run := self._running.get(shard)) is not None:
                self._revoked[shard] = None
                run.stop_waiting()
        self._release_saved()
        is_late = self._drain_until is not None and now >= self._drain_until
        if is_late and self._stopping is None and not (self._running or self._saving):
            self._log.warning("the other processes cannot be reached: they take over when the leases have expired")
            self._begin_to_stop(Stop(KEEP_SESSION, ""))
        if now >= self._report_at:
            self._report_at = now + REPORT_EVERY
            for shard in self._running:
                self._report(shard, now)

    def _release_saved(self) -> None:
        """Let others run the shards that have ended, once their sessions are saved."""
        for shard, failed in list(self._saving.items()):
            if shard.lifecycle.is_saving:
                continue
            del self._saving[shard]
            self._revoked.pop(shard, None)
            self._reported.pop(shard, None)
            if self._shards_by_id.get(shard.id) is shard:
                del self._shards_by_id[shard.id]
            self._group.retire(shard)
            self.node.release(shard.id, failed=failed)

    def _report(self, shard: ManagedShard, now: float) -> None:
        health = shard.health()
        events = int(health["events"])
        before, events_before, load = self._reported.get(shard, (now, events, None))
        if now > before:
            rate = (events - events_before) / (now - before)
            load = rate if load is None else load + NEW_PART * (rate - load)
        self._reported[shard] = now, events, load
        state: dict[str, Any] = {
            "status": health["status"],
            "latency": health["latency"],
            "events": events,
            "rate": load,
            "guilds": len(shard.guilds) if shard.lifecycle.guilds.is_listed else None,
            "resumes": health["resumes"],
            "reason": health["last_error"],
        }
        self.node.report(shard.id, 1.0 if load is None else load, state)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        ends = (self._stopped_at or time.monotonic()) + CLOSE_BOUND - END_PART
        try:
            self._release_saved()
            while self._saving and time.monotonic() < ends - LEAVE_PART:
                self.next(SAVE_CHECK)
                self._release_saved()
            for shard in [*self._saving, *self._revoked]:
                self._group.retire(shard)
            self.node.close(max(seconds_until(ends), HANDLER_GRACE))
        finally:
            super()._finish()
            self._close_coordination()
