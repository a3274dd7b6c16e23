"""One process's part in running a bot: which shards it may run, until when, and when they may IDENTIFY.

The thread ``vox_gateway-coordination`` owns the node's state and never does I/O, so that it gives up its shards in time
whatever the network does. It asks `node_requests` for that, and `node_watch` for changes that other nodes make. What
the shards' owner has to do is posted to it as `Assigned` and `Revoked`.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from ..arguments.validation import check_count
from ..concurrency.clock import seconds_until
from ..concurrency.fork import in_child
from ..errors import ThreadFailed
from .capacity import Capacity
from .events import Assigned, CoordinationEnded, Drained, Event, Revoked
from .gate import NodeGate, Said
from .interface import Change, Coordination, CoordinationFailed, NodeInfo, Turns, View
from .leases import Leases
from .node_requests import Answer, Beat, Beaten, Mistake, NodeRequests, Turned
from .node_watch import NodeWatch
from .reports import Reports
from .sessions import SavedText, SharedSessionStore
from .share import ShardShare

__all__ = ["Node"]

_LOG = logging.getLogger("vox_gateway.coordination")
_NAME = "vox_gateway-coordination"
#: seconds that `close` waits for the node to leave and for its threads, and the part of it that is kept for the threads
CLOSE_WITHIN, JOIN_PART = 1.5, 1 / 3


@dataclass(frozen=True, slots=True)
class _GateAsked:
    pass


@dataclass(frozen=True, slots=True)
class _Changed:
    change: Change


@dataclass(frozen=True, slots=True)
class _Released:
    shards: frozenset[int]
    failed: bool


@dataclass(frozen=True, slots=True)
class _Drain:
    pass


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


_Message = Answer | _GateAsked | _Changed | _Released | _Drain | _Stop


class Node:
    """A process that runs some of a bot's shards.

    Args:
        coordination: what it shares with the other nodes. It is not closed with the node.
        shards: the number of shards of the bot.
        post: called with what the shards' owner has to do, on the node's thread; must not block.
        capacity: how many shards this node may run; None for all.
        name: for people; the machine's name and the process id by default.

    Attributes:
        info: the node, as others see it.
        gate: the identify gate for the shards.
        view: all nodes and leases at the last heartbeat; None before.
        drained: set once `drain` was called and no shard is left; `Drained` is posted too.

    Raises:
        TypeError, ValueError: an argument cannot be used.
    """

    def __init__(
        self,
        coordination: Coordination,
        *,
        shards: int,
        post: Callable[[Event], None],
        capacity: int | None = None,
        name: str | None = None,
    ) -> None:
        total = check_count("shards", shards, 1)
        capacity = total if capacity is None else check_count("capacity", capacity, 1)
        name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.info: NodeInfo = NodeInfo(secrets.token_hex(8), name, total, capacity)
        self.view: View | None = None
        self.drained: threading.Event = threading.Event()
        self._coordination = coordination
        self._times = coordination.times
        self._post = post
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self.gate: NodeGate = NodeGate(coordination.gate, lambda: self._inbox.put(_GateAsked()))
        self._requests = NodeRequests(coordination, self._inbox.put, f"{_NAME}-io")
        self._watch = NodeWatch(
            coordination,
            lambda change: self._inbox.put(_Changed(change)),
            lambda error: self._inbox.put(Mistake(error)),
            f"{_NAME}-watch",
        )
        self._threads = [
            threading.Thread(target=self._run, name=_NAME, daemon=True),
            self._requests.thread,
            self._watch.thread,
        ]
        # The thread's own; `_leases` is read by any.
        self._leases = Leases()
        self._closing: set[int] = set()  # shards that are not released yet; their leases are kept while possible
        self._gone: set[int] = set()  # of these, the shards of which another node has the lease
        self._reports = Reports()
        self._capacity = Capacity(capacity)
        self._share = ShardShare(self.info.id, total, self._times)
        self._take: frozenset[int] = frozenset()  # with the next heartbeat
        self._beat_at = 0.0
        self._ask_at: float | None = None
        self._is_busy = self._is_failing = False
        self._is_stopped = False  # set by any thread
        in_child(self, Node._abandon)

    # -- for the shards' owner, on any thread ------------------------------------------------------------------------

    def start(self) -> None:
        """Join the other nodes. Does not wait."""
        for thread in self._threads:
            thread.start()

    def holds(self, shard: int) -> bool:
        """Return whether a shard may connect now. To be asked before each attempt, also to RESUME. Does no I/O."""
        return self._leases.holds(shard, time.monotonic())

    @property
    def is_reached(self) -> bool:
        """Whether the last heartbeat was answered."""
        return self.view is not None and not self._is_failing

    def report(self, shard: int, load: float, state: Mapping[str, Any] | None = None) -> None:
        """Note how a shard is. It goes with the next heartbeat; does no I/O.

        Args:
            shard: its id.
            load: how busy it is, such as its events per second; shards are shared out by that. 1.0 until reported.
            state: what operators see of the shard, such as ``{"status": "ready", "latency": 0.04}``: values that JSON
                can hold, of at most 4,096 characters together; infinity and NaN become None. By default it is left as
                it was.

        Raises:
            TypeError, ValueError: JSON cannot hold `state`, or it is too long.
        """
        self._reports.note(shard, load, state)

    def session_store(
        self, shard: int, decode: Callable[[str], SavedText], saved: str | None = None
    ) -> SharedSessionStore[SavedText]:
        """Return the session store of a shard. It saves in the coordination, and loads what `Assigned` brought.

        Args:
            shard: its id.
            decode: makes of a text what ``to_json`` made a text of, such as ``SavedSession.from_json``.
            saved: the shard's session in `Assigned.sessions`, if any.
        """
        return SharedSessionStore(self._coordination, self.info, shard, decode, saved)

    def release(self, *shards: int, failed: bool = False) -> None:
        """Let others run shards: they are closed, and their sessions are saved. Does not wait.

        Args:
            failed: whether they ended by themselves, with an error. This node takes no more shards for some seconds,
                longer with each failure, so that others try them.
        """
        self._inbox.put(_Released(frozenset(shards), failed))

    def drain(self) -> None:
        """Hand over all shards: each is revoked, and others take it once it is released. Does not wait."""
        self._inbox.put(_Drain())

    def close(self, within: float = CLOSE_WITHIN) -> None:
        """Leave the other nodes. Idempotent. The shards must be closed before: others may take them at once.

        Args:
            within: seconds after which it returns even if the network hangs.
        """
        self._inbox.put(_Stop())
        if self._threads[0].ident is not None and threading.current_thread() not in self._threads:
            until = time.monotonic() + within
            self._requests.wait_until_left(within * (1 - JOIN_PART))
            self._requests.end()
            for thread in self._threads:
                thread.join(seconds_until(until))
        self._stop()

    def _abandon(self) -> None:
        """In a forked child: the shards are the parent's, and so are the threads."""
        self._stop()
        self.drained = threading.Event()
        self._inbox = queue.SimpleQueue()

    def _stop(self) -> None:
        self._is_stopped = True
        self._watch.stop()
        self._leases = Leases()

    # -- the thread that owns the state ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._is_stopped:
                self._do_what_is_due(time.monotonic())
                try:
                    message = self._inbox.get(timeout=self._next_due(time.monotonic()))
                except queue.Empty:
                    continue
                if isinstance(message, _Stop):
                    break
                self._apply(message)
        except BaseException as mistake:
            _LOG.critical("a mistake in vox_gateway has ended the coordination of shards", exc_info=mistake)
            self._revoke(self._leases.shards, lost=True)
            self._post(CoordinationEnded(ThreadFailed(_NAME, mistake)))
        finally:
            self._stop()  # before the others hear that this node leaves, as its own watch does too
            self._requests.leave(self.info, self.gate.said(self.holds), is_known=self.view is not None)

    def _next_due(self, now: float) -> float:
        due = [self._leases.until] if self._leases.shards else []
        if not self._is_busy:
            due.append(self._beat_at)
            due += [] if self._ask_at is None else [self._ask_at]
        due += [] if self._capacity.rests_until is None else [self._capacity.rests_until]
        return max(min(due, default=now + self._times.renew) - now, 0.0)

    def _do_what_is_due(self, now: float) -> None:
        if self._leases.expired(now):
            _LOG.warning(
                "the last heartbeat that the other processes could see was sent %.1f seconds ago",
                now - self._leases.until + self._times.give_up,
            )
            self._revoke(self._leases.shards, lost=True)
        if self._capacity.recover(now):
            self._offer_capacity()
            self._beat_at = now
        if self._is_busy:
            return
        if now >= self._beat_at:
            self._beat()
        elif self._ask_at is not None and now >= self._ask_at:
            self._ask()

    def _apply(self, message: _Message) -> None:
        match message:
            case Beaten():
                self._is_busy = False
                self._note_beat(message)
            case Turned(said, answer):
                self._is_busy = False
                self._note_turns(said, answer)
            case _GateAsked():
                self._ask_at = time.monotonic()
            case _Changed(change):
                if Change.LEASES in change:
                    self._beat_at = time.monotonic()
                if Change.GATE in change and self.gate.is_waiting:
                    self._ask_at = time.monotonic()
            case _Released(shards, failed):
                self._leases = replace(self._leases, shards=self._leases.shards - shards)
                self._closing -= shards
                self._beat_at = time.monotonic()
                if failed:  # run no more shards than now for some time
                    self._take = frozenset()
                    self._capacity.fail(len(self._leases.shards), self._beat_at)
                    self._offer_capacity()
            case _Drain():
                self._capacity.drain()
                self._offer_capacity()
                self._take = frozenset()
                self._revoke(self._leases.shards, lost=False)
                self._beat_at = time.monotonic()
            case Mistake(error):
                raise error
            case _Stop():
                pass

    def _offer_capacity(self) -> None:
        self.info = replace(self.info, capacity=self._capacity.number)

    # -- heartbeats --------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        shards = self._leases.shards | self._take | (self._closing - self._gone)
        hold = self._reports.loads(sorted(shards))
        states = self._reports.take_states(hold)
        self._is_busy = True
        self._requests.beat(Beat(self.info, hold, states, self._take))

    def _note_beat(self, beaten: Beaten) -> None:
        asked_at, answer = beaten.asked_at, beaten.answer
        now = time.monotonic()
        if not isinstance(answer, View):
            self._reports.give_back(beaten.beat.states)
            self._note_failure(answer, now)
            self._beat_at = now + self._times.retry
            return
        if self._is_failing:
            self._is_failing = False
            _LOG.info("the other processes are reached again")
        mine = {shard for shard, lease in answer.leases.items() if lease.owner == self.info.id}
        self._revoke(self._leases.shards - mine, lost=True)
        self._gone = self._closing - mine
        if asked_at + self._times.give_up <= now:  # this process was paused
            self._take = frozenset()
            self._beat_at = now
            self.view = answer
            return
        # Not those that were given up while this answer was under way: they are closing.
        new = (self._take & mine) - self._closing - self._leases.shards
        self._leases = Leases(self._leases.shards | new, asked_at + self._times.give_up)
        if new:
            _LOG.info("this process runs %d more shard%s: %s", len(new), "s" * (len(new) != 1), _ranges(new))
            kept = {shard: text for shard, text in beaten.sessions.items() if shard in new}
            self._post(Assigned(frozenset(new), kept))
        if new or self.gate.is_waiting:  # again, since the server may have lost it
            self._ask_at = now
        self._plan_next_beat(answer, asked_at, now)
        self.view = answer
        if answer.is_to_drain and not self._capacity.is_draining:
            _LOG.info("this process was ordered to hand over its shards")
            self.drain()

    def _plan_next_beat(self, view: View, asked_at: float, now: float) -> None:
        self._share.note(view, now, is_first=self.view is None)
        self._beat_at = asked_at + self._times.renew
        if view.expires_in is not None:
            self._beat_at = min(self._beat_at, max(now + view.expires_in, now))
        self._take = frozenset()
        if self._capacity.is_draining:
            if not (self._leases.shards or self._closing or self.drained.is_set()):
                self.drained.set()
                self._post(Drained())
            return
        moves = self._share.plan(view, self._leases.shards, self._closing, now)
        self._take = moves.take
        self._revoke(moves.hand_over, lost=False)
        self._beat_at = min(self._beat_at, moves.beat_by)

    def _revoke(self, shards: AbstractSet[int], *, lost: bool) -> None:
        if not shards:
            return
        self._leases = replace(self._leases, shards=self._leases.shards - shards)
        self._closing |= shards
        if lost:
            words = "s were lost, and are" if len(shards) != 1 else " was lost, and is"
            _LOG.warning("%d shard%s closed: %s", len(shards), words, _ranges(shards))
        else:
            _LOG.info("handing over %d shard%s: %s", len(shards), "s" * (len(shards) != 1), _ranges(shards))
        self._post(Revoked(frozenset(shards), lost))

    def _note_failure(self, error: CoordinationFailed, now: float) -> None:
        if not self._is_failing:
            self._is_failing = True
            then = f"shards are closed unless it works within {self._times.give_up:g} seconds"
            _LOG.warning("%s; %s", error, then if self._leases.shards else "no shard runs here until it works")

    # -- the identify gate -------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        said, node = self.gate.said(self.holds), self.info
        self._ask_at = None
        self._is_busy = True
        self._requests.turns(node, said)

    def _note_turns(self, said: Said, answer: Turns | CoordinationFailed) -> None:
        now = time.monotonic()
        if not isinstance(answer, Turns):
            self._note_failure(answer, now)
            ask_in: float | None = self._times.retry
        elif self.gate.apply(said, answer, self.holds):
            ask_in = 0.0
        else:
            ask_in = answer.ask_in
        if ask_in is not None:
            self._ask_at = min(now + ask_in, now + ask_in if self._ask_at is None else self._ask_at)


def _ranges(shards: Any) -> str:
    """Return shard ids as in ``0-3, 7``."""
    parts: list[list[int]] = []
    for shard in sorted(shards):
        if parts and parts[-1][-1] == shard - 1:
            parts[-1][1:] = [shard]
        else:
            parts.append([shard])
    return ", ".join("-".join(map(str, part)) for part in parts)
