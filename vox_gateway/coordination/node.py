"""One process's part in running a bot: which shards it may run, until when, and when they may IDENTIFY.

Three threads, with an inbox each or a watch: ``vox_gateway-coordination`` owns the node's state and never does I/O, so
that it gives up its shards in time whatever the network does; ``vox_gateway-coordination-io`` makes one request at a
time; ``vox_gateway-coordination-watch`` waits for changes that other nodes make. What the shards' owner has to do is
posted to it as `Assigned` and `Revoked`.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..concurrency.fork import in_child
from ..errors import ThreadFailed
from ..validation import check_count
from .assignment import assign
from .gate import NodeGate, Said
from .interface import Change, Coordination, CoordinationFailed, NodeInfo, Turns, View
from .leases import Leases
from .reports import Reports
from .sessions import SavedText, SharedSessionStore

__all__ = ["Assigned", "CoordinationEnded", "Drained", "Event", "Node", "Revoked"]

_LOG = logging.getLogger("vox_gateway.coordination")
_NAME = "vox_gateway-coordination"
#: seconds between two looks of the watch thread at whether it should stop
WATCH_INTERVAL = 0.25
#: seconds that `close` waits for the node to leave and for its threads, and the part of it that is kept for the threads
CLOSE_WITHIN, JOIN_PART = 1.5, 1 / 3
#: seconds for which a node whose shard has failed takes no more shards, so that others try: doubled with each failure
#: in a row, up to the second; failures are in a row within `FAILURES_WITHIN` seconds
FIRST_REST, MAX_REST, FAILURES_WITHIN = 5.0, 60.0, 300.0
#: how much busier than another a node may be before shards move; loads other than 1 change all the time
SLACK = 0.2


@dataclass(frozen=True, slots=True)
class Assigned:
    """These shards are this node's: run them.

    Attributes:
        shards: the shards.
        sessions: what was saved of their sessions; see `Node.session_store`.
    """

    shards: frozenset[int]
    sessions: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Revoked:
    """These shards are not this node's any more: close each so that it can be resumed, then call `Node.release`.

    Attributes:
        shards: the shards.
        lost: another process may run them already. Otherwise it waits, and their sessions can still be saved.
    """

    shards: frozenset[int]
    lost: bool


@dataclass(frozen=True, slots=True)
class CoordinationEnded:
    """The node's thread has failed. All its shards are revoked, and no others will come.

    Attributes:
        error: why.
    """

    error: ThreadFailed


@dataclass(frozen=True, slots=True)
class Drained:
    """The node was drained, and no shard is left: close it."""


Event = Assigned | Revoked | CoordinationEnded | Drained


@dataclass(frozen=True, slots=True)
class _Beaten:
    asked_at: float
    answer: View | CoordinationFailed
    sessions: Mapping[int, str] = field(default_factory=dict)  # of shards that the node has taken


@dataclass(frozen=True, slots=True)
class _Turned:
    said: Said
    answer: Turns | CoordinationFailed


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


@dataclass(frozen=True, slots=True)
class _Failed:
    mistake: Exception


_Message = _Beaten | _Turned | _GateAsked | _Changed | _Released | _Drain | _Stop | _Failed


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
        self._requests: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.gate: NodeGate = NodeGate(coordination.gate, lambda: self._inbox.put(_GateAsked()))
        # The thread's own; `_leases` is read by any.
        self._leases = Leases()
        self._closing: set[int] = set()  # shards that are not released yet; their leases are kept while possible
        self._gone: set[int] = set()  # of these, the shards of which another node has the lease
        self._reports = Reports()
        self._take: frozenset[int] = frozenset()
        self._take_from = 0.0  # when it may take shards, or hand over some
        self._members: frozenset[NodeInfo] = frozenset()
        self._members_since = 0.0
        self._beat_at = 0.0
        self._ask_at: float | None = None
        self._failures = 0  # of shards, in a row
        self._failed_at = 0.0
        self._rest_until: float | None = None
        self._capacity = capacity  # outside of rests
        self._is_busy = self._is_draining = self._is_failing = False
        self._stopped = threading.Event()
        self._left = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in (
                (self._run, _NAME),
                (self._make_requests, f"{_NAME}-io"),
                (self._watch, f"{_NAME}-watch"),
            )
        ]
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
            self._left.wait(within * (1 - JOIN_PART))
            self._requests.put(None)
            for thread in self._threads:
                thread.join(max(until - time.monotonic(), 0.0))
        self._stopped.set()
        self._leases = Leases()

    def _abandon(self) -> None:
        """In a forked child: the shards are the parent's, and so are the threads."""
        self._leases = Leases()
        self._stopped, self._left = threading.Event(), threading.Event()
        self.drained = threading.Event()
        self._stopped.set()
        self._left.set()
        self._inbox, self._requests = queue.SimpleQueue(), queue.SimpleQueue()

    # -- the thread that owns the state ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
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
            self._leases = Leases()
            self._stopped.set()  # before the others hear that this node leaves, as its own watch does too
            self._requests.put(self._leave)

    def _leave(self) -> None:
        try:
            self._coordination.leave(self.info)
        except CoordinationFailed as error:
            if self.view is not None:  # otherwise they have not seen it
                _LOG.info(
                    "the other processes will notice in %g seconds that this one left: %s", self._times.ttl, error
                )
        finally:
            self._left.set()

    def _next_due(self, now: float) -> float:
        due = [self._leases.until] if self._leases.shards else []
        if not self._is_busy:
            due.append(self._beat_at)
            due += [] if self._ask_at is None else [self._ask_at]
        due += [] if self._rest_until is None else [self._rest_until]
        return max(min(due, default=now + self._times.renew) - now, 0.0)

    def _do_what_is_due(self, now: float) -> None:
        if self._leases.expired(now):
            _LOG.warning(
                "the last heartbeat that the other processes could see was sent %.1f seconds ago",
                now - self._leases.until + self._times.give_up,
            )
            self._revoke(self._leases.shards, lost=True)
        if self._rest_until is not None and now >= self._rest_until:
            self._rest_until = None
            self.info = replace(self.info, capacity=0 if self._is_draining else self._capacity)
            self._beat_at = now
        if self._is_busy:
            return
        if now >= self._beat_at:
            self._beat()
        elif self._ask_at is not None and now >= self._ask_at:
            self._ask()

    def _apply(self, message: _Message) -> None:
        match message:
            case _Beaten(asked_at, answer, sessions):
                self._is_busy = False
                self._note_beat(asked_at, answer, sessions)
            case _Turned(said, answer):
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
                if failed:
                    self._rest(self._beat_at)
            case _Drain():
                self._is_draining = True
                self.info = replace(self.info, capacity=0)
                self._take = frozenset()
                self._revoke(self._leases.shards, lost=False)
                self._beat_at = time.monotonic()
            case _Failed(mistake):
                raise mistake
            case _Stop():
                pass

    def _rest(self, now: float) -> None:
        """A shard has failed here: run no more shards than now for some time."""
        in_a_row = now - self._failed_at < FAILURES_WITHIN
        self._failures = self._failures + 1 if in_a_row else 1
        self._failed_at = now
        self._rest_until = now + min(FIRST_REST * 2.0 ** (self._failures - 1), MAX_REST)
        self._take = frozenset()
        self.info = replace(self.info, capacity=len(self._leases.shards))

    # -- heartbeats --------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        shards = self._leases.shards | self._take | (self._closing - self._gone)
        hold = self._reports.loads(sorted(shards))
        states = self._reports.take_states(hold)
        node, take = self.info, self._take
        self._is_busy = True
        self._requests.put(lambda: self._request_beat(node, hold, states, take))

    def _request_beat(
        self, node: NodeInfo, hold: Mapping[int, float], states: Mapping[int, str], take: frozenset[int]
    ) -> None:
        asked_at = time.monotonic()
        try:
            view = self._coordination.beat(node, hold, states)
            mine = [shard for shard in sorted(take) if shard in view.leases and view.leases[shard].owner == node.id]
            # From now on nobody else can change the sessions.
            sessions = self._coordination.load(node.total, mine) if mine else {}
            self._inbox.put(_Beaten(asked_at, view, sessions))
        except CoordinationFailed as error:
            self._reports.give_back(states)
            self._inbox.put(_Beaten(asked_at, error))

    def _note_beat(self, asked_at: float, answer: View | CoordinationFailed, sessions: Mapping[int, str]) -> None:
        now = time.monotonic()
        if not isinstance(answer, View):
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
            kept = {shard: text for shard, text in sessions.items() if shard in new}
            self._post(Assigned(frozenset(new), kept))
        if new or self.gate.is_waiting:  # again, since the server may have lost it
            self._ask_at = now
        self._plan_next_beat(answer, asked_at, now)
        self.view = answer
        if answer.is_to_drain and not self._is_draining:
            _LOG.info("this process was ordered to hand over its shards")
            self.drain()

    def _plan_next_beat(self, view: View, asked_at: float, now: float) -> None:
        if view.is_new:
            # A server that has forgotten this node has forgotten the others too: they need time to come back.
            self._take_from = now + (self._times.join if self.view is None else self._times.give_up)
        members = frozenset(view.nodes.values())
        if members != self._members:
            self._members, self._members_since = members, now
        self._beat_at = asked_at + self._times.renew
        if view.expires_in is not None:
            self._beat_at = min(self._beat_at, max(now + view.expires_in, now))
        self._take = frozenset()
        if self._is_draining:
            if not (self._leases.shards or self._closing or self.drained.is_set()):
                self.drained.set()
                self._post(Drained())
            return
        if now < self._take_from:
            self._beat_at = min(self._beat_at, self._take_from)
            return
        rebalance_at = self._members_since + self._times.rebalance
        if now < rebalance_at:
            self._beat_at = min(self._beat_at, rebalance_at)
        self._choose(view, now >= rebalance_at)
        if self._take:
            self._beat_at = now

    def _choose(self, view: View, may_move: bool) -> None:
        """Choose the shards to take, and revoke those that another node should have; pinned shards at any time."""
        known = {shard: lease.load for shard, lease in view.leases.items() if lease.load != 1.0}
        # What is not reported yet counts as the mean: a shard that has just moved should not look idle, and move again.
        usual = math.fsum(known.values()) / len(known) if known else 1.0
        loads = dict.fromkeys(range(self.info.total), usual) | known
        planned = assign(
            self.info.total,
            {node.id: node.capacity for node in view.nodes.values()},
            {shard: lease.owner for shard, lease in view.leases.items()},
            loads,
            view.pins,
            may_move=may_move,
            slack=SLACK if known else 0.0,
        )
        mine = {shard for shard, node in planned.items() if node == self.info.id}
        self._take = frozenset(mine - view.leases.keys() - self._closing)
        others = self._leases.shards - mine
        self._revoke(others if may_move else others & view.pins.keys(), lost=False)

    def _revoke(self, shards: frozenset[int] | set[int], *, lost: bool) -> None:
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
        self._requests.put(lambda: self._request_turns(node, said))

    def _request_turns(self, node: NodeInfo, said: Said) -> None:
        try:
            self._inbox.put(_Turned(said, self._coordination.turns(node, said.request(time.monotonic()))))
        except CoordinationFailed as error:
            self._inbox.put(_Turned(said, error))

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

    # -- the other threads -------------------------------------------------------------------------------------------

    def _make_requests(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                request()
            except Exception as mistake:
                self._inbox.put(_Failed(mistake))

    def _watch(self) -> None:
        watch = self._coordination.watch()
        try:
            while not self._stopped.is_set():
                if change := watch.wait(WATCH_INTERVAL):
                    self._inbox.put(_Changed(change))
        except Exception as mistake:
            self._inbox.put(_Failed(mistake))
        finally:
            watch.close()


def _ranges(shards: Any) -> str:
    """Return shard ids as in ``0-3, 7``."""
    parts: list[list[int]] = []
    for shard in sorted(shards):
        if parts and parts[-1][-1] == shard - 1:
            parts[-1][1:] = [shard]
        else:
            parts.append([shard])
    return ", ".join("-".join(map(str, part)) for part in parts)
