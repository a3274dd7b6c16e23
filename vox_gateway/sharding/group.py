"""The shards of a manager, as its callers use them: what `Lifecycle` is to a `Client` with one shard.

Any thread calls this. Commands and questions go to the shards; what begins and ends together is up to the coordinator
of the run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from ..concurrency.clock import deadline_after
from ..concurrency.fork import FORKED, ForkCheck
from ..concurrency.signals import SignalSafeEvent, defer_sigint, on_sigterm
from ..config import CALLER, Options
from ..coordination import Node
from ..diagnostics.stats import Stats, Status
from ..discovery.gateway_bot import GatewayBot
from ..dispatch.current_shard import CurrentShard
from ..dispatch.emitter import Emitter
from ..dispatch.executors import CallerQueue
from ..dispatch.guilds import AllGuilds, Guilds
from ..dispatch.heap import find_trim
from ..errors import AlreadyConnected, CommandTimeout, GatewayError, NotConnected, ReshardFailed
from ..log import ShardLog
from ..opcodes import Opcode, opcode_name
from ..protocol import payloads
from ..requests import Requester, Requests
from ..requests.pending import Timeout
from ..runs.lifecycle import join_run, run_until_closed
from ..runs.receiver import Receiver
from ..session.format import SavedSession
from ..session.store import SessionStore
from ..shard.threads import SharedThreads
from .coordinated import CHANGE_NUMBER, CoordinatedRun, Membership
from .coordinator import Coordinator
from .plan import ShardPlan, session_path
from .requests import ShardRequests
from .resharding import Reshard
from .shards import ManagedShard
from .streams import SharedSubscribers

__all__ = ["SessionFiles", "ShardGroup"]

#: where shards keep their sessions: a folder or a pattern, or a function of the shard's id and the number of shards
SessionFiles = str | Callable[[int, int], SessionStore] | None
#: the prefix of the names of the threads that the shards share
NAME = "vox_gateway-shards"
#: from the furthest from READY to READY
_ORDER = [Status.CLOSED, Status.WAITING, Status.CONNECTING, Status.IDENTIFYING, Status.RESUMING, Status.READY]


class ShardGroup:
    """The shards of a manager.

    Args:
        options: the checked arguments, for any shard.
        plan: which shards to run; None for as many as Discord recommends.
        session_files: where each shard keeps its session; see `ShardManager`.
        membership: how this process shares the shards with others; None if it does not.
        emitter: has the handlers.
        dispatchers: threads that dispatch the events.

    Attributes:
        receiver: the caller's side of the events.
        fork: refuses calls in a forked child until `start`.
        subscribers: receive the events of all shards.
        current: the shard whose event is handled on the calling thread.

    Raises:
        TypeError, ValueError: a session file cannot be used.
        OSError: a session file cannot be read.
    """

    def __init__(
        self,
        options: Options,
        plan: ShardPlan | None,
        session_files: SessionFiles,
        membership: Membership | None,
        emitter: Emitter,
        *,
        log: ShardLog,
        dispatchers: int,
    ) -> None:
        self._dispatchers = dispatchers
        self._options = options
        self._emitter = emitter
        self._log = log
        self._session_files = session_files
        self._membership = membership
        self._auto = plan is None
        self._finds_url = options.url is None
        self.fork: ForkCheck = ForkCheck(log)
        self.subscribers: SharedSubscribers = SharedSubscribers()
        self.current: CurrentShard = CurrentShard()
        self.receiver: Receiver = Receiver(options, self, log)
        self._guilds = Guilds(AllGuilds(lambda: [shard.lifecycle.guilds for shard in self.shards.values()]))
        #: the plan and the shards, by id; replaced whole
        self._shards: tuple[ShardPlan, dict[int, ManagedShard]] | None = None
        self._retired = Stats()  # the counts of shards that are not in use any more
        self._leaving: tuple[ManagedShard, ...] = ()  # shards that are on their way to another process
        find_trim()
        self._renew()
        if membership is not None:
            self._shards = ShardPlan((), membership.total), {}
        elif plan is not None:
            self._use(plan)

    def _renew(self) -> None:
        # Guards `_run`, as in `Lifecycle`.
        self._lock = threading.RLock()
        self._run: Coordinator | None = None  # the newest
        self._caller_queue = CallerQueue() if self._options.handlers == CALLER else None
        self._known = SignalSafeEvent()  # rings when the shards are known and can be waited for, or will not be
        if self.shards:
            self._known.set()

    # -- the shards ------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> ShardPlan:
        """Which shards run here.

        Raises:
            NotConnected: Discord has not been asked yet.
        """
        return self._known_shards()[0]

    @property
    def shards(self) -> Mapping[int, ManagedShard]:
        """The shards, by id; none while their number is not known."""
        return {} if self._shards is None else self._shards[1]

    def shard_for(self, guild_id: str | int, name: str = "guild_id") -> ManagedShard:
        """Return the shard of a guild.

        Raises:
            NotConnected: the number of shards is not known.
            TypeError, ValueError: `guild_id` is not an id, or of a shard that does not run here.
        """
        plan, shards = self._known_shards()
        try:
            return shards[plan.shard_of(guild_id, name)]
        except KeyError:
            raise ValueError(f"{name}={guild_id} is of a shard that has moved to another process") from None
        except ValueError as error:
            raise self._with_owner(error, guild_id, plan.total) from None

    def _with_owner(self, error: ValueError, guild_id: str | int, total: int) -> ValueError:
        """Add to the error of a shard that does not run here which process runs it."""
        node = self._node
        if node is None or (view := node.view) is None or not str(guild_id).isdecimal():
            return error
        lease = view.leases.get((int(guild_id) >> 22) % total)
        owner = None if lease is None else view.nodes.get(lease.owner)
        return error if owner is None or owner.id == node.info.id else ValueError(f"{error}: {owner.name} runs it")

    def shard_of(self, guild_id: str | int) -> int:
        """Return the id of the shard of a guild; see `shard_for`."""
        return self.shard_for(guild_id).id

    @property
    def _node(self) -> Node | None:
        """This process, while it shares the shards with others."""
        run = self._run
        return None if run is None else run.node

    def _known_shards(self) -> tuple[ShardPlan, dict[int, ManagedShard]]:
        if self._shards is None:
            raise NotConnected("Discord has not been asked for the number of shards: call connect() first")
        return self._shards

    def _use(self, plan: ShardPlan) -> None:
        """Make the shards of `plan`, unless they are there."""
        if self._shards is not None and self._shards[0] == plan:
            return
        shards = self._make_shards(plan)
        old, self._shards = self._shards, (plan, shards)
        if old is not None:
            self.subscribers.detach(shard.lifecycle.subscribers for shard in old[1].values())
        self.subscribers.attach(shard.lifecycle.subscribers for shard in shards.values())
        self._known.set()

    def _make_shards(self, plan: ShardPlan) -> dict[int, ManagedShard]:
        shards = {}
        for shard in plan.ids:
            options = self._options.for_shard((shard, plan.total), self._session_file(shard, plan.total))
            shards[shard] = ManagedShard(options, self._emitter, self.fork)
        return shards

    def _session_file(self, shard: int, total: int) -> str | SessionStore | None:
        files = self._session_files
        if files is None:
            return None
        return session_path(files, shard, total) if isinstance(files, str) else files(shard, total)

    # -- for the coordinator, on its thread ------------------------------------------------------------------------

    @property
    def needs_answer(self) -> bool:
        """Whether Get Gateway Bot has to be asked before the shards can be made."""
        return self._auto or self._finds_url

    @property
    def total(self) -> int | None:
        """The number of shards of the bot, if all of them run here."""
        return self._shards[0].total if self._shards is not None and self._shards[0].is_whole else None

    def learn(self, bot: GatewayBot, asked_at: float) -> None:
        """Note the gateway's URL and the session starts in an answer of Get Gateway Bot."""
        self._options.identify_gate.learn(self, bot.session_start_limit, asked_at, time.monotonic())
        if self._finds_url:
            self._options = dataclasses.replace(self._options, url=bot.url)

    def make(self, bot: GatewayBot | None, asked_at: float) -> tuple[ManagedShard, ...]:
        """Return the shards to run; `bot` is the answer of Get Gateway Bot."""
        if bot is not None:
            self.learn(bot, asked_at)
            self._use(ShardPlan.all_of(bot.shards) if self._auto else self.plan)
            for shard in self.shards.values():
                shard.lifecycle.use_url(self._options.url)
        return tuple(self.shards.values())

    def is_current(self, shard: ManagedShard) -> bool:
        """Whether a shard is of the generation that is in use."""
        return self.shards.get(shard.id) is shard

    def make_next(self, total: int) -> tuple[ManagedShard, ...]:
        """Return a new generation of shards, which is not in use yet.

        Raises:
            ReshardFailed: the shards in use have the same session files.
            TypeError, ValueError: a session file cannot be used.
            OSError: a session file cannot be read.
            Exception: any exception that the function for session stores raises.
        """
        self._check_next_files(total)
        shards = tuple(self._make_shards(ShardPlan.all_of(total)).values())
        self.subscribers.attach(shard.lifecycle.subscribers for shard in shards)
        return shards

    def _check_next_files(self, total: int) -> None:
        files, before = self._session_files, self.plan.total
        if not isinstance(files, str) or session_path(files, 0, total) != session_path(files, 0, before):
            return
        if total == before:
            raise ReshardFailed(f"{total} shards run already, and new ones would need the same session files")
        raise ReshardFailed(
            f"put {{total}} into session_file={files!r}: the new shards run beside the old, with files of their own"
        )

    def use_next(self, shards: tuple[ManagedShard, ...]) -> None:
        """Use a generation that `make_next` made."""
        old = self.shards
        self._retired = self.stats  # so that no count goes back
        self._shards = ShardPlan.all_of(len(shards)), {shard.id: shard for shard in shards}
        self.subscribers.detach(shard.lifecycle.subscribers for shard in old.values())

    def drop_next(self, shards: tuple[ManagedShard, ...]) -> None:
        """Forget a generation that `make_next` made."""
        self.subscribers.detach(shard.lifecycle.subscribers for shard in shards)

    def add(self, shard_id: int, node: Node, saved: str | None) -> ManagedShard:
        """Make a shard that was assigned, and bring its events; `saved` is its session."""
        plan, shards = self._known_shards()
        store = node.session_store(shard_id, SavedSession.from_json, saved)
        options = self._options.for_shard((shard_id, plan.total), store)
        options = dataclasses.replace(options, identify_gate=node.gate, may_connect=lambda: node.holds(shard_id))
        shard = ManagedShard(options, self._emitter, self.fork)
        self.subscribers.attach([shard.lifecycle.subscribers])
        self._replace(dict(sorted({**shards, shard_id: shard}.items())))
        return shard

    def remove(self, shard: ManagedShard) -> None:
        """A shard begins to move to another process: do not use it any more."""
        self._leaving = (*self._leaving, shard)
        self._replace({shard_id: other for shard_id, other in self.shards.items() if other is not shard})

    def retire(self, shard: ManagedShard) -> None:
        """Nothing is left of the run of a shard: keep its counts."""
        self.subscribers.detach([shard.lifecycle.subscribers])
        if self.is_current(shard):
            self.remove(shard)
        if shard in self._leaving:
            self._retired = _sum([self._retired, dataclasses.replace(shard.stats, events_waiting=0)])
            self._leaving = tuple(other for other in self._leaving if other is not shard)

    def _replace(self, shards: dict[int, ManagedShard]) -> None:
        """Use the shards that run in this process now."""
        self._shards = ShardPlan(tuple(shards), self.plan.total), shards
        if shards:
            self._known.set()
        elif self._run is not None and not self._run.is_closing:
            self._known.clear()

    def expect(self, shards: tuple[ManagedShard, ...], on_end: Callable[[GatewayError | None], None]) -> None:
        """Expect shards to run; call `on_end` when the last of them delivers no more events."""
        self.subscribers.open([shard.lifecycle.subscribers for shard in shards], on_end)

    def started(self) -> None:
        """The shards that were expected have been started: they can be waited for."""
        self._known.set()

    def end_streams(self, error: GatewayError | None) -> None:
        """End the streams of all shards, and the waits for the number of shards."""
        self.subscribers.end(error)
        self._known.set()

    # -- starting and ending ---------------------------------------------------------------------------------------

    def start(self) -> Coordinator:
        """Start a run and return it.

        Raises:
            AlreadyConnected: a run is connected.
            RuntimeError: a thread cannot be started; nothing was connected.
        """
        self._check_over()
        with contextlib.ExitStack() as undo:
            make_run = self._run_maker(undo)  # without the lock: it may wait for a file
            with self._lock:
                run = self._start(make_run)
            undo.pop_all()
            return run

    def _check_over(self) -> Coordinator | None:
        """Return the run before. Raises AlreadyConnected if it is connected."""
        previous = self._run
        if previous is not None and not previous.is_over:
            raise AlreadyConnected("the manager is connected already: call close() first")
        return previous

    def _run_maker(self, undo: contextlib.ExitStack) -> Callable[[SharedThreads], Coordinator]:
        """Return what makes a run; `undo` undoes what was opened for it."""
        membership, options, log = self._membership, self._options, self._log
        if membership is None:
            return lambda threads: Coordinator(options, self, threads, log)
        coordination, close = membership.open(options.token)
        undo.callback(close)
        return lambda threads: CoordinatedRun(
            options, self, threads, log, membership=membership, coordination=coordination, close_coordination=close
        )

    def _start(self, make_run: Callable[[SharedThreads], Coordinator]) -> Coordinator:
        """Start a run. The lock is held."""
        previous = self._check_over()
        options, log = self._options, self._log
        with defer_sigint():
            threads = SharedThreads(
                NAME,
                options,
                log,
                emitter=self._emitter,
                caller_queue=self._caller_queue,
                current=self.current,
                dispatchers=self._dispatchers,
            )
            run = self._run = make_run(threads)
            if run.node is not None:
                self._options = dataclasses.replace(options, identify_gate=run.node.gate)
            self._known.clear()  # a wait for a shard that is not started yet would end with the run before
            if self._caller_queue is not None:
                self._caller_queue.begin(lambda: run.closed.is_set())  # noqa: PLW0108  # a forked child replaces the event
            self.fork.mark_connected()
            try:
                run.start()
            except BaseException:
                self._run = previous
                if self.shards:
                    self._known.set()
                raise
        return run

    def run(self, on_interrupt: Callable[[], None]) -> None:
        """Start a run and wait until it has ended; see `run_until_closed`. SIGTERM hands over the shards."""
        if self._membership is None:
            run_until_closed(self.start, self._caller_queue, on_interrupt)
            return
        asked: list[None] = []

        def start() -> Coordinator:
            run = self.start()
            if asked:
                self._begin_to_drain()
            return run

        def hand_over() -> None:
            asked.append(None)
            self._begin_to_drain()

        with on_sigterm(hand_over):
            run_until_closed(start, self._caller_queue, on_interrupt)

    def _begin_to_drain(self) -> None:
        if isinstance(run := self._run, CoordinatedRun):
            run.drain()

    def drain(self, timeout: float | None) -> bool:
        """Hand over all shards, and end the run; see `ShardManager.drain`."""
        run = self._run
        if self._membership is None:
            raise RuntimeError("drain() hands shards over to other processes: make the manager with coordination=")
        self.fork.raise_if_forked("the shards were not handed over")
        if not isinstance(run, CoordinatedRun) or run.is_closing:
            raise NotConnected("the shards were not handed over: the manager is not connected")
        if timeout != 0 and run.threads.is_handler_thread():
            raise RuntimeError(
                "a handler must not wait until the shards are handed over, since that waits for the handler to return: "
                "use timeout=0, or another thread"
            )
        run.drain()
        return run.closed.wait(timeout) and run.is_handed_over

    def reshard(self, total: int, overlap: float, timeout: float | None) -> None:
        """Change the number of shards; see `ShardManager.reshard`."""
        run = self._run
        self.fork.raise_if_forked("the number of shards was not changed")
        if run is None or run.is_closing:
            raise NotConnected("the number of shards was not changed: the manager is not connected")
        if run.threads.is_handler_thread():
            raise RuntimeError("a handler must not wait for new shards, whose events it holds up: use another thread")
        if self._membership is not None:
            raise ReshardFailed(CHANGE_NUMBER)
        until = deadline_after(timeout)
        if not self._wait_started(timeout):
            raise ReshardFailed(f"the current shards were not started within timeout={timeout} seconds")
        if run.is_closing or self._shards is None:
            raise NotConnected("the number of shards was not changed: the manager was closed")
        if self.total is None:
            raise ReshardFailed("this process runs a part of the shards, so it cannot change their number")
        done, results = SignalSafeEvent(), []

        def reply(error: Exception | None) -> None:
            results.append(error)
            done.set()

        run.reshard(Reshard(total, overlap, until, reply))
        done.wait()
        if results[0] is not None:
            raise results[0]

    def close(self, code: int, reason: str, reconnect: bool) -> None:
        """Close all connections, and unless `reconnect` end the run."""
        with self._lock:
            run = self._run
        if run is None or run.closed.is_set():
            return
        if reconnect:
            for shard in self.shards.values():
                shard.lifecycle.close(code, reason, reconnect=True)
        else:
            run.stop(code, reason)

    def wait_closed(self, timeout: float | None) -> bool:
        """Wait until no shard is left, and return whether that is so.

        Raises:
            GatewayError: the error that ended the newest run.
            RuntimeError: called by a handler, for which the run would wait in turn; 0 as `timeout` is allowed.
        """
        run = self._run
        return run is None or join_run(run, timeout, run.threads.is_handler_thread())

    def after_fork(self) -> None:
        """Begin anew in a child process. A run that is under way belongs to the parent."""
        run = self._run
        forked = run is not None and not run.closed.is_set()
        if run is not None and forked:
            run.abandon()
            self.fork.mark_forked()
        if self._membership is not None:
            self._shards, self._leaving = (ShardPlan((), self._membership.total), {}), ()
            self.subscribers.detach(self.subscribers.tables)
        for shard in [*self.shards.values()]:
            shard.after_fork()
        self.subscribers.after_fork(FORKED if forked else None)
        self._renew()

    # -- sending ---------------------------------------------------------------------------------------------------

    def make_requester(self) -> Requests:
        """Make what sends requests and waits for their answers."""
        return ShardRequests(self._requester_of)

    def _requester_of(self, guild_id: str | int, name: str, timeout: float | None) -> Requester:
        self._require_started(timeout)
        return self.shard_for(guild_id, name).requester

    def _require_started(self, timeout: float | None) -> None:
        """Wait until the run has started its shards.

        Raises:
            CommandTimeout: `timeout` passed first.
        """
        if not self._wait_started(timeout):
            raise CommandTimeout(f"nothing was sent: the shards were not started within timeout={timeout} seconds")

    def _wait_started(self, timeout: float | None) -> bool:
        """Wait until the run has started its shards; return False after `timeout` seconds.

        Returns at once if no run is under way, or if shards are shared: which come here is not known beforehand.
        """
        run = self._run
        is_starting = run is not None and not run.is_closing and self._membership is None
        return not is_starting or self._known.wait(timeout)

    def send(self, op: int, data: Any, timeout: float | None) -> None:
        """Send a command to the shard of its guild; of several guilds, to the shard of each.

        Raises:
            CommandTimeout: it was not sent in time.
            NotConnected: no run is under way, or it was closed while this waited.
            PayloadTooLarge: it is larger than the gateway accepts.
            TypeError, ValueError: `data` has no guild, or holds a value that cannot be encoded.
        """
        limit = Timeout(timeout)
        self._require_started(timeout)
        for shard, part in self._parts(op, data).items():
            shard.send(op, part, limit.left)

    def _parts(self, op: int, data: Any) -> dict[ManagedShard, Any]:
        fields = data if isinstance(data, Mapping) else {}
        if "guild_id" in fields:
            return {self.shard_for(fields["guild_id"]): data}
        if "guild_ids" not in fields:
            raise ValueError(
                f"{opcode_name(op)} needs a guild_id in its data, which says which shard sends it; to send it on a "
                "shard of your choice, use ShardManager.shards[shard_id].send_packet()"
            )
        guilds: dict[ManagedShard, list[Any]] = {}
        for guild_id in payloads.request_soundboard_sounds(fields["guild_ids"])["guild_ids"]:
            guilds.setdefault(self.shard_for(guild_id, "guild_ids"), []).append(guild_id)
        return {shard: {**fields, "guild_ids": ids} for shard, ids in guilds.items()}

    def update_presence(
        self, presence: dict[str, Any], timeout: float | None, shards: Iterable[int] | None = None
    ) -> None:
        """Hand over the presence to all shards, or to some. Each sends it when it is ready and the limits allow.

        Args:
            presence: what the next IDENTIFY holds.
            timeout: not used: this does not wait.
            shards: ids; None for all, and for those that are added later.

        Raises:
            NotConnected: no run is under way.
            PayloadTooLarge: it is larger than the gateway accepts.
            TypeError, ValueError: `presence` holds a value that cannot be encoded, a shard does not run here, or
                `shards` is not a list.
        """
        if shards is not None and not isinstance(shards, Iterable):
            raise TypeError(f"shards must be a list of shard ids or None, not {shards!r}")
        encoded = self._options.encode(Opcode.PRESENCE_UPDATE, presence)
        self.fork.raise_if_forked("PRESENCE_UPDATE was not sent")
        self.check_running("PRESENCE_UPDATE")
        known = self.shards
        wanted = known.keys() if shards is None else [*shards]
        for shard in wanted:
            if shard not in known:
                raise ValueError(f"shards must hold ids of shards that run here, not {shard!r}")
        if shards is None:
            self._options = dataclasses.replace(self._options, presence=presence)
        for shard in wanted:
            known[shard].lifecycle.offer_presence(presence, encoded)

    # -- receiving -------------------------------------------------------------------------------------------------

    @property
    def caller_queue(self) -> CallerQueue | None:
        """Where handlers wait for the caller, with ``handlers="caller"``."""
        return self._caller_queue

    @property
    def delivers_here(self) -> bool:
        """Whether the caller is on the thread that brings events."""
        run = self._run
        return run is not None and run.threads.is_dispatcher()

    def check_running(self, what: str) -> None:
        """Raise NotConnected if no run is under way, which would bring `what`."""
        run = self._run
        if run is None or run.is_closing:
            raise NotConnected(f"{what} cannot come: the manager is not connected; call connect() first")

    def wait_until_ready(self, timeout: float | None) -> bool:
        """Wait for READY or RESUMED of every shard, and return whether all arrived; False at once in a forked child."""
        if self.fork.warn_if_forked():
            return False
        limit = Timeout(timeout)
        return self._wait_for_each(lambda shard: shard.lifecycle.wait_until_ready(limit.left), limit)

    def _wait_for_each(self, wait: Callable[[ManagedShard], bool], limit: Timeout) -> bool:
        """Wait for every shard, and return whether all waits succeeded. Shards that move to and fro are followed."""
        waited: dict[ManagedShard, bool] = {}
        while self._known.wait(limit.left):
            # All of them: a shard that has failed ends the wait for itself alone.
            new = [shard for shard in self.shards.values() if shard not in waited]
            waited.update((shard, wait(shard)) for shard in new)
            current = [shard for shard in self.shards.values() if shard in waited]
            run = self._run
            if not all(waited[shard] for shard in current) or run is None or run.is_closing or limit.left == 0.0:
                return bool(current) and len(current) == len(self.shards) and all(waited[shard] for shard in current)
            if current and len(current) == len(self.shards):
                return True
        return False

    def wait_until_guilds(self, timeout: float | None) -> bool:
        """Wait until the guilds of every shard have come, and return whether all did.

        Raises:
            ValueError: the intents bring no guilds.
            RuntimeError: called on the thread that brings them.
        """
        limit = Timeout(timeout)
        return self._wait_for_each(lambda shard: shard.lifecycle.wait_until_guilds(limit.left), limit)

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def guild_view(self) -> Guilds:
        """The states of the guilds of all shards, for the program."""
        return self._guilds

    @property
    def status(self) -> Status:
        """The state of the shard that is furthest from READY, of those that run."""
        run = self._run
        if run is None or run.closed.is_set():
            return Status.CLOSED
        if run.is_closing:
            return Status.CLOSING
        states = {shard.status for shard in self.shards.values()} - {Status.CLOSED, Status.CLOSING}
        without = Status.CONNECTING if self._membership is None else Status.WAITING
        return min(states, key=_ORDER.index, default=without)

    @property
    def latency(self) -> float:
        """The largest latency of a shard; infinity before the first heartbeat was acknowledged."""
        known = [shard.latency for shard in self.shards.values() if shard.latency != float("inf")]
        return max(known, default=float("inf"))

    @property
    def stats(self) -> Stats:
        """The counts of all shards together."""
        return _sum([self._retired, *(shard.stats for shard in (*self.shards.values(), *self._leaving))])

    @property
    def session(self) -> NoReturn:
        """Each shard has its own session."""
        raise AttributeError("a ShardManager has a session for each shard: use manager.shards[shard_id].session")

    @property
    def latencies(self) -> NoReturn:
        """Each shard has its own."""
        raise AttributeError("a ShardManager has latencies for each shard: use manager.shards[shard_id].latencies")

    @property
    def handled(self) -> NoReturn:
        """Each shard has its own session."""
        raise AttributeError("a ShardManager has a session for each shard: use manager.shards[shard_id].handled")

    def explain(self) -> str:
        """Return a line for the manager and a line for each shard."""
        shards = self.shards.values()
        lines = [f"shard {shard.id}/{shard.total}: {shard.lifecycle.snapshot().describe()}" for shard in shards]
        if (node := self._node) is not None:
            others = 0 if node.view is None else len(node.view.nodes.keys() - {node.info.id})
            beside = "not joined yet" if node.view is None else f"beside {others} other{'s' * (others != 1)}"
            reached = "" if node.is_reached or node.view is None else "; the coordination cannot be reached now"
            return "\n".join([f"process {node.info.name}, {beside}{reached}", self._summary(), *lines])
        return "\n".join([self._summary(), *lines])

    def health(self) -> dict[str, Any]:
        """See `ShardManager.health`."""
        shards = {str(shard.id): shard.health() for shard in self.shards.values()}
        is_well = all(health["ok"] for health in shards.values())
        node = self._health_of_node()
        return {
            "ok": is_well and (bool(shards) if node is None else node["reached"]),
            "status": self.status.value,
            "total": None if self._shards is None else self._shards[0].total,
            "shards": shards,
            **({} if self._membership is None else {"node": node}),
        }

    def _health_of_node(self) -> dict[str, Any] | None:
        node = self._node
        if node is None or self.status in (Status.CLOSED, Status.CLOSING):
            return None
        nodes = () if node.view is None else node.view.nodes.values()
        return {
            "name": node.info.name,
            "reached": node.is_reached,
            "shards": [shard for shard in range(self.plan.total) if node.holds(shard)],
            "others": sorted(other.name for other in nodes if other.id != node.info.id),
        }

    def in_short(self) -> str:
        """The shards and their states in a few words."""
        if self._shards is None:
            return f"shards=auto {self.status}"
        counts = " ".join(f"{status}={count}" for status, count in self._counts().items())
        return f"shards={len(self.shards)}/{self.plan.total} {counts}".rstrip()

    def _summary(self) -> str:
        if self._shards is None:
            return f"the number of shards is not known yet; {self.status}"
        counts = ", ".join(f"{count} {status}" for status, count in self._counts().items())
        return f"{len(self.shards)} of {self.plan.total} shards: {counts or 'none runs here'}"

    def _counts(self) -> dict[Status, int]:
        states = [shard.status for shard in self.shards.values()]
        return {status: states.count(status) for status in Status if status in states}


def _sum(counts: list[Stats]) -> Stats:
    return Stats(*map(sum, zip(*map(dataclasses.astuple, counts), strict=True)))
