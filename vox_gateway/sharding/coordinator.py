"""One run of a manager, from `connect` to `close`: starts the shards, and ends when all of them have ended.

Its thread waits on a mailbox. The shards connect, identify and reconnect by themselves, in the order that the identify
gate gives them.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..concurrency.fork import FORKED
from ..concurrency.signals import SignalSafeEvent
from ..concurrency.wakeup import Interrupted, Wakeup
from ..config import Options
from ..coordination import Event, Node
from ..diagnostics.stats import Status
from ..discovery.gateway_bot import GatewayBot, ask_gateway_bot
from ..errors import (
    AuthenticationFailed,
    CertificateInvalid,
    ConnectFailed,
    DisallowedIntents,
    GatewayError,
    InvalidIntents,
    InvalidShard,
    InvalidVersion,
    NotConnected,
    ReshardFailed,
    ShardingRequired,
    ThreadFailed,
)
from ..log import ShardLog
from ..shard.failure import log_failure
from ..shard.shard import MakeFilter, Shard, wait_stopped
from ..shard.threads import CLOSE_BOUND, SharedThreads
from .overlap import WINDOW, Overlap
from .shards import ManagedShard

__all__ = ["OVERLAP", "Coordinator", "Drain", "Failed", "Message", "Reshard", "Shards", "Stop"]

#: errors of the bot rather than of a shard: the other shards would get them too
OF_ALL = (AuthenticationFailed, CertificateInvalid, DisallowedIntents, InvalidIntents, InvalidVersion)
#: errors of a number of shards that Discord does not accept
OF_NUMBER = (InvalidShard, ShardingRequired)
#: seconds for which both generations are connected before the switch: events that the old shards got before the new
#: were ready, and that are still on their way, arrive in that time
OVERLAP = 5.0
#: seconds between two looks at an old shard that is too slow to switch, or that has events for handlers after it
SLOW_CHECK, DRAIN_CHECK = 0.2, 0.02
#: seconds before Get Gateway Bot is asked again: doubled after each failure, up to the second
FIRST_DELAY, MAX_DELAY = 1.0, 60.0


class Shards(Protocol):
    """What a coordinator asks of its group."""

    @property
    def needs_answer(self) -> bool:
        """Whether Get Gateway Bot has to be asked before the shards can be made."""

    def make(self, bot: GatewayBot | None, asked_at: float) -> tuple[ManagedShard, ...]:
        """Return the shards to run; `bot` is the answer of Get Gateway Bot."""

    def expect(self, shards: tuple[ManagedShard, ...], on_end: Callable[[GatewayError | None], None]) -> None:
        """Expect shards to run; call `on_end` when the last of them delivers no more events."""

    def end_streams(self, error: GatewayError | None) -> None:
        """End the streams of all shards."""

    @property
    def total(self) -> int | None:
        """The number of shards of the bot, if all of them run here."""

    def learn(self, bot: GatewayBot, asked_at: float) -> None:
        """Note the session starts in an answer of Get Gateway Bot."""

    def is_current(self, shard: ManagedShard) -> bool:
        """Whether a shard is of the generation that is in use."""

    def make_next(self, total: int) -> tuple[ManagedShard, ...]:
        """Return a new generation of shards, which is not in use yet.

        Raises:
            TypeError, ValueError: a session file cannot be used.
            OSError: a session file cannot be read.
        """

    def use_next(self, shards: tuple[ManagedShard, ...]) -> None:
        """Use a generation that `make_next` made."""

    def drop_next(self, shards: tuple[ManagedShard, ...]) -> None:
        """Forget a generation that `make_next` made."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Close all shards."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class ShardClosed:
    """A shard has ended."""

    shard: ManagedShard


@dataclass(frozen=True, slots=True)
class Answered:
    """Get Gateway Bot was answered, or failed."""

    answer: GatewayBot | GatewayError
    asked_at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A thread that the shards share has failed."""

    error: ThreadFailed


@dataclass(frozen=True, slots=True)
class ShardReady:
    """READY of a shard of the next generation has been taken."""

    shard_id: int


@dataclass(frozen=True, slots=True)
class Switched:
    """The events of the next generation are dispatched."""


@dataclass(frozen=True, slots=True)
class Reshard:
    """Change the number of shards.

    Attributes:
        total: the new number.
        overlap: seconds for which both generations are connected before the switch.
        timeout: seconds until the switch; None for no limit.
        reply: called with None, or with the reason why nothing was changed.
    """

    total: int
    overlap: float
    timeout: float | None
    reply: Callable[[Exception | None], None]


@dataclass(frozen=True, slots=True)
class Drain:
    """Hand over all shards to other processes."""


Message = Stop | ShardClosed | Answered | Failed | ShardReady | Switched | Reshard | Drain | Event


class Coordinator:
    """Runs the shards of a group.

    Args:
        options: of all shards.
        shards: the group.
        threads: what the shards have in common.

    Attributes:
        disconnected: no connection is left, and none will be made.
        closed: nothing is left of the run.
        error: what ended the run.
        node: this process, if it shares the shards with others.
        thread: the last to end, except for handlers that are left behind.
        is_closing: `stop` was called, or all shards have ended.
    """

    def __init__(self, options: Options, shards: Shards, threads: SharedThreads, log: ShardLog) -> None:
        self.disconnected: SignalSafeEvent = SignalSafeEvent()
        self.closed: SignalSafeEvent = SignalSafeEvent()
        self.error: GatewayError | None = None
        self.node: Node | None = None
        self.threads = threads
        self._options = options
        self._shards = shards
        self._log = log
        self._mailbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._stopping: Stop | None = None
        self._running: dict[ManagedShard, Shard] = {}
        self._wakeup: Wakeup | None = None  # of the request that is under way
        self._streams_ended = False
        self._is_resharding = False
        self._refused: GatewayError | None = None  # why the number of shards has to change
        #: a daemon, because a script that ends without `close` must not hang
        self.thread: threading.Thread = threading.Thread(target=self._run, name="vox_gateway-shards", daemon=True)

    # -- for the group, on any thread ------------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """Whether no shard will be started any more."""
        return self._stopping is not None or self.closed.is_set()

    @property
    def is_over(self) -> bool:
        """Whether another run may begin: no connection is left."""
        runs = [*self._running.values()]
        return self.closed.is_set() or (self.is_closing and all(run.disconnected.is_set() for run in runs))

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system has no more threads; nothing was connected.
        """
        self.threads.join(self)
        try:
            self.thread.start()
        except RuntimeError:
            self._finish()
            raise

    def stop(self, code: int, reason: str) -> None:
        """Close all shards in parallel; waits for that, `CLOSE_BOUND` seconds at most."""
        until = time.monotonic() + CLOSE_BOUND
        self._begin_to_stop(Stop(code, reason))
        wait_stopped([*self._running.values()], until)
        if not self.threads.is_handler_thread():
            self.closed.wait(max(until - time.monotonic(), 0.0))

    def reshard(self, request: Reshard) -> None:
        """Change the number of shards, after what is under way. Does not wait."""
        self._mailbox.put(request)
        if self.closed.is_set():  # and the thread may have ended before it could see the request
            self._refuse_rest()

    def abandon(self) -> None:
        """Leave this run to the parent, in a forked child."""
        self.error = NotConnected(FORKED)
        self.threads.abandon()
        self._running = {}
        self.disconnected = SignalSafeEvent()
        self.closed = SignalSafeEvent()
        self.disconnected.set()
        self.closed.set()

    # -- for the threads of the run --------------------------------------------------------------------------------

    def fail(self, failure: ThreadFailed) -> None:
        """See `Member`."""
        self._mailbox.put(Failed(failure))

    def close_at_exit(self) -> None:
        """See `Member`. The shards are members too."""
        self._stopping = self._stopping or Stop(1000, "")

    def _begin_to_stop(self, stop: Stop) -> None:
        self._stopping = self._stopping or stop
        for run in [*self._running.values()]:
            run.post_close(stop.code, stop.reason)
        if (wakeup := self._wakeup) is not None:
            wakeup.cancel()
        self._mailbox.put(stop)

    def _keep_error(self, error: GatewayError | None) -> None:
        """Note what ends the run; the first error counts."""
        self.error = self.error or error

    def _end_streams(self, error: GatewayError | None) -> None:
        """End the streams, once: those that come later wait for the next run."""
        ended, self._streams_ended = self._streams_ended, True
        if not ended:
            self._shards.end_streams(error)

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._run_shards()
        except BaseException as mistake:
            self.error = log_failure(self._log, mistake)
            self._begin_to_stop(Stop(4000, ""))
            self._wait_for_shards()
        finally:
            self._finish()

    def _run_shards(self) -> None:
        bot, asked_at = None, time.monotonic()
        if self._shards.needs_answer:
            bot, asked_at = self._ask()
        if self._stopping is None and self.error is None:
            shards = self._shards.make(bot, asked_at)
            self._shards.expect(shards, self._shards_silent)
            for shard in shards:
                self._start(shard)
        self._wait_for_shards()

    def _start(self, shard: ManagedShard, make_filter: MakeFilter | None = None) -> None:
        """Start a shard, unless the run is closing. A shard that cannot be started stops no other."""
        if self._stopping is None and (error := self._try_to_start(shard, make_filter)) is not None:
            self.error = self.error or error
            shard.lifecycle.subscribers.end(error)

    def _try_to_start(self, shard: ManagedShard, make_filter: MakeFilter | None = None) -> GatewayError | None:
        """Start a shard; return why it was not started."""
        try:
            run = shard.lifecycle.start(self.threads, lambda: self._mailbox.put(ShardClosed(shard)), make_filter)
        except (GatewayError, OSError, RuntimeError, ValueError) as error:
            shard.log.error("the shard was not started: %s", error)
            if not isinstance(error, GatewayError):
                error = ConnectFailed(f"shard {shard.id} was not started: {error}")
            return error
        self._running[shard] = run
        if (stop := self._stopping) is not None:  # which may have come too early to see this shard
            run.post_close(stop.code, stop.reason)
        return None

    def _shards_silent(self, error: GatewayError | None) -> None:
        """No shard delivers events any more. Called on the thread of the last."""
        if not (isinstance(error, OF_NUMBER) and self._stopping is None):  # then others may follow
            self._end_streams(self.error or error)

    def _wait_for_shards(self) -> None:
        while self._running:
            if isinstance(message := self._next(), Reshard) and self._stopping is None:
                self._reshard(message)
            if (refused := self._refused) is not None:
                self._refused = None
                self._reshard_as_recommended(refused)

    def _next(self, timeout: float | None = None) -> Message | None:
        """Take the next message, and do what it calls for at any time; None after `timeout` seconds."""
        try:
            message = self._mailbox.get(timeout=timeout)
        except queue.Empty:
            return None
        match message:
            case ShardClosed(shard):
                self._forget(shard)
            case Failed(error):  # which the shards have got too
                self.error = self.error or error
            case Reshard() if self._is_resharding or self._stopping is not None:
                message.reply(
                    ReshardFailed("another change of the number of shards is under way, or the manager closes")
                )
        return message

    def _forget(self, shard: ManagedShard) -> None:
        """A shard has ended: note its error. The others go on, unless they would get the same."""
        run = self._running.pop(shard, None)
        error = None if run is None else run.error
        if error is None or not self._shards.is_current(shard):
            return
        if self._stopping is not None:
            self.error = self.error or error
            return
        if isinstance(error, OF_NUMBER) and self._shards.total is not None:
            self._refused = error
            return
        if self.error is None or isinstance(error, OF_ALL):
            self.error = error
        if isinstance(error, OF_ALL):
            self._log.error("closing all shards: the others would get the same error")
            self._begin_to_stop(Stop(4000, ""))
        elif self._running:
            self._log.error("shard %d has ended; %d others go on", shard.id, len(self._running))

    def _refuse_rest(self) -> None:
        """Answer requests that nobody will see."""
        with contextlib.suppress(queue.Empty):
            while True:
                if isinstance(message := self._mailbox.get_nowait(), Reshard):
                    message.reply(NotConnected("the number of shards was not changed: the manager was closed"))

    # -- another number of shards ----------------------------------------------------------------------------------

    def _reshard_as_recommended(self, refused: GatewayError) -> None:
        """Discord does not accept the number of shards: ask for another, and change to that."""
        self._log.warning("%s; asking Discord for the number of shards", refused)
        results: list[Exception | None] = []
        bot, asked_at = self._ask()  # which ends at once if the manager closes
        if bot is not None and bot.shards != self._shards.total:
            self._shards.learn(bot, asked_at)
            is_used = any(shard.status is Status.READY for shard in self._running)
            self._reshard(Reshard(bot.shards, OVERLAP if is_used else 0.0, None, results.append))
        if results != [None]:
            self.error = self.error or refused
            self._log.error("%s", results[0] if results else refused)

    def _reshard(self, request: Reshard) -> None:
        self._is_resharding = True
        try:
            self._check_budget(request.total)
            shards = self._shards.make_next(request.total)
        except (GatewayError, OSError, ValueError) as error:
            request.reply(error)
        else:
            request.reply(self._change_to(shards, request))
        finally:
            self._is_resharding = False

    def _check_budget(self, total: int) -> None:
        if self._shards.needs_answer:
            bot, asked_at = self._ask()
            if bot is not None:
                self._shards.learn(bot, asked_at)
        gate, now = self._options.identify_gate, time.monotonic()
        if (remaining := gate.remaining(now)) < total:
            hours = gate.starts_in(now) / 3600
            when = f": they return in {hours:.1f} hours" if hours else ""
            raise ReshardFailed(f"{total} shards need as many session starts, and {remaining} remain{when}")

    def _change_to(self, shards: tuple[ManagedShard, ...], request: Reshard) -> ReshardFailed | None:
        """Run the next generation beside this one, and switch; return the reason why that was given up."""
        until = None if request.timeout is None else time.monotonic() + request.timeout
        old = {shard: run for shard, run in self._running.items() if self._shards.is_current(shard)}
        error_before = self.error
        overlap = Overlap(self._options.codec.decode, lambda shard_id: self._mailbox.put(ShardReady(shard_id)))
        for run in old.values():
            run.filter_events(overlap.old)
        self._shards.expect(shards, self._shards_silent)
        self._log.info("starting %d shards beside %d", len(shards), len(old))
        for shard in shards:
            self._start(shard, overlap.new)
        failure = self._await_ready(shards, until) or self._await_overlap(shards, old, request.overlap, until)
        if failure is not None:
            _unfilter(old.values())
            self._end(shards)
            self._shards.drop_next(shards)
            self.error = error_before
            self._log.warning("%s; the shards are as before", failure)
            return failure
        self._switch(overlap)
        self._shards.use_next(shards)
        self.error = error_before
        self._refused = None
        self._drain(old)
        self._end(tuple(old))
        new = [run for shard, run in self._running.items() if shard in shards]
        self.threads.timers.call_at(time.monotonic() + WINDOW, lambda: _unfilter(new))
        self._log.info("switched to %d shards", len(shards))
        return None

    def _await_ready(self, shards: tuple[ManagedShard, ...], until: float | None) -> ReshardFailed | None:
        waiting = {shard.id for shard in shards}
        while waiting:
            if (failure := self._why_give_up(shards, until)) is not None:
                return failure
            message = self._next(None if until is None else max(until - time.monotonic(), 0.0))
            if isinstance(message, ShardReady):
                waiting.discard(message.shard_id)
        return None

    def _await_overlap(
        self, shards: tuple[ManagedShard, ...], old: dict[ManagedShard, Shard], seconds: float, until: float | None
    ) -> ReshardFailed | None:
        switch_at = time.monotonic() + seconds
        while (now := time.monotonic()) < switch_at or any(run.is_paused for run in old.values()):
            if (failure := self._why_give_up(shards, until)) is not None:
                return failure
            self._next(max(switch_at - now, SLOW_CHECK))
        return self._why_give_up(shards, None)

    def _why_give_up(self, shards: tuple[ManagedShard, ...], until: float | None) -> ReshardFailed | None:
        if self._stopping is not None:
            return ReshardFailed("the manager closes")
        for shard in shards:
            if shard not in self._running:
                return ReshardFailed(
                    f"shard {shard.id} of {shard.total} has ended: {shard.lifecycle.error or self.error}"
                )
        if until is not None and time.monotonic() >= until:
            return ReshardFailed("the new shards were not ready, or handlers were not done, within timeout")
        return None

    def _switch(self, overlap: Overlap) -> None:
        def switch() -> None:
            try:
                overlap.switch()
            finally:
                self._mailbox.put(Switched())

        self.threads.dispatcher.call(switch)
        while not isinstance(self._next(), Switched):
            pass

    def _drain(self, old: dict[ManagedShard, Shard]) -> None:
        """Wait until the handlers of all events of the old shards have begun: closing a shard drops the others."""
        while self._stopping is None and any(
            run.events_waiting for shard, run in old.items() if shard in self._running
        ):
            self._next(DRAIN_CHECK)

    def _end(self, shards: tuple[ManagedShard, ...]) -> None:
        """Close shards, and wait until they are disconnected. Their handlers may run for longer."""
        runs = [run for shard in shards if (run := self._running.get(shard)) is not None]
        for run in runs:
            run.post_close(1000, "")
        ends = time.monotonic() + CLOSE_BOUND
        for run in runs:
            run.disconnected.wait(max(ends - time.monotonic(), 0.0))

    def _finish(self) -> None:
        self._end_streams(self.error)
        self.threads.leave(self)
        self.disconnected.set()
        self.closed.set()
        self._refuse_rest()
        if self.threads.caller_queue is not None:
            self.threads.caller_queue.wake()

    # -- Get Gateway Bot -------------------------------------------------------------------------------------------

    def _ask(self) -> tuple[GatewayBot | None, float]:
        """Ask Get Gateway Bot until it answers; return the answer, and when it was asked.

        Returns None if the run is closing, or when the token is refused.
        """
        delay = FIRST_DELAY
        while self._stopping is None:
            answered = self._ask_once()
            if answered is None:
                break
            if isinstance(answered.answer, GatewayBot):
                return answered.answer, answered.asked_at
            error = answered.answer
            if isinstance(error, OF_ALL):
                self.error = error
                self._log.error("%s", error)
                break
            wait = getattr(error, "retry_after", None) or delay * (0.5 + random.random() / 2)
            self._log.warning("the number of shards is not known: %s; asking again in %.1f seconds", error, wait)
            delay = min(2 * delay, MAX_DELAY)
            self._wait_for(Answered, wait)
        return None, 0.0

    def _ask_once(self) -> Answered | None:
        """Ask on another thread, as a name lookup cannot be interrupted; return None if the run is closing."""
        options, wakeup = self._options, Wakeup()
        self._wakeup = wakeup
        asked_at = time.monotonic()
        ends_at = asked_at + options.network.connect_timeout

        def ask() -> None:
            answer: GatewayBot | GatewayError
            try:
                with contextlib.closing(wakeup):
                    answer = ask_gateway_bot(options.api, options.token, options.network, lambda: ends_at, wakeup)
            except GatewayError as error:
                answer = error
            except Interrupted:
                return
            except Exception as error:
                answer = log_failure(self._log, error)
            self._mailbox.put(Answered(answer, asked_at))

        threading.Thread(target=ask, name="vox_gateway-shards-ask", daemon=True).start()
        answered = self._wait_for(Answered, options.network.connect_timeout + 0.5)
        self._wakeup = None
        if answered is None and self._stopping is None:
            wakeup.cancel()
            timeout = options.network.connect_timeout
            return Answered(ConnectFailed(f"no answer within connect_timeout={timeout:g} seconds"), asked_at)
        return answered

    def _wait_for(self, kind: type[Answered], seconds: float) -> Answered | None:
        """Take messages until there is one of this kind, for `seconds` at most, or until the run is closing."""
        until = time.monotonic() + seconds
        while self._stopping is None and (left := until - time.monotonic()) > 0:
            if isinstance(message := self._next(left), kind):
                return message
        return None


def _unfilter(runs: Iterable[Shard]) -> None:
    """Let runs dispatch all of their events."""
    for run in runs:
        run.filter_events(None)
