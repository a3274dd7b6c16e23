"""One run of a manager, from `connect` to `close`: starts the shards, and ends when all of them have ended.

Its thread waits on a mailbox. The shards connect, identify and reconnect by themselves, in the order that the identify
gate gives them.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..concurrency.clock import seconds_until
from ..concurrency.fork import FORKED
from ..concurrency.signals import SignalSafeEvent
from ..config import Options
from ..coordination import Event, Node
from ..discovery.gateway_bot import GatewayBot
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
from .asking import Answered, GatewayBotRequest
from .resharding import Generations, Reshard, Resharder, ShardReady, Switched
from .shards import ManagedShard

__all__ = ["Coordinator", "Drain", "Failed", "Message", "Shards", "Stop"]

#: errors of the bot rather than of a shard: the other shards would get them too
OF_ALL = (AuthenticationFailed, CertificateInvalid, DisallowedIntents, InvalidIntents, InvalidVersion)
#: errors of a number of shards that Discord does not accept
OF_NUMBER = (InvalidShard, ShardingRequired)


class Shards(Generations, Protocol):
    """What a coordinator asks of its group."""

    def make(self, bot: GatewayBot | None, asked_at: float) -> tuple[ManagedShard, ...]:
        """Return the shards to run; `bot` is the answer of Get Gateway Bot."""

    def expect(self, shards: tuple[ManagedShard, ...], on_end: Callable[[GatewayError | None], None]) -> None:
        """Expect shards to run; call `on_end` when the last of them delivers no more events."""

    def started(self) -> None:
        """The shards that were expected have been started."""

    def end_streams(self, error: GatewayError | None) -> None:
        """End the streams of all shards."""


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
class Failed:
    """A thread that the shards share has failed."""

    error: ThreadFailed


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
        self._request: GatewayBotRequest | None = None  # the newest
        self._streams_ended = False
        self._resharder = Resharder(options, shards, self, log)
        self._refused: tuple[ManagedShard, GatewayError] | None = None  # why the number of shards has to change
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
            self.closed.wait(seconds_until(until))

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
        if (request := self._request) is not None:
            request.cancel()
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
            try:
                answered = self.ask()
            except GatewayError as error:
                self._keep_error(error)
                self._log.error("%s", error)
                return
            if answered is None:
                return
            bot, asked_at = answered
        self.start_shards(self._shards.make(bot, asked_at), None)
        self._wait_for_shards()

    def _start(self, shard: ManagedShard, make_filter: MakeFilter | None) -> None:
        """Start a shard, unless the run is closing. A shard that cannot be started stops no other."""
        if self._stopping is None and (error := self._try_to_start(shard, make_filter)) is not None:
            self.error = self.error or error
            shard.lifecycle.subscribers.end(error)

    def _try_to_start(self, shard: ManagedShard, make_filter: MakeFilter | None) -> GatewayError | None:
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
            if isinstance(message := self.next(), Reshard) and self._stopping is None:
                self._resharder.change(message)
            refused, self._refused = self._refused, None
            if refused is not None and self._shards.is_current(refused[0]):
                self._resharder.change_as_recommended(refused[1])

    # -- for the resharder, on the thread --------------------------------------------------------------------------

    @property
    def running(self) -> Mapping[ManagedShard, Shard]:
        """The shards that have not ended."""
        return self._running

    def start_shards(self, shards: tuple[ManagedShard, ...], make_filter: MakeFilter | None) -> None:
        """Start shards, unless the run is closing. A shard that cannot be started stops no other."""
        self._shards.expect(shards, self._shards_silent)
        for shard in shards:
            self._start(shard, make_filter)
        self._shards.started()

    def ask(self, until: float | None = None) -> tuple[GatewayBot, float] | None:
        """Ask Get Gateway Bot until it answers; return the answer and when it was asked.

        Returns None at `until` (monotonic, seconds), or if the run is closing or has failed.

        Raises:
            AuthenticationFailed, CertificateInvalid: asking again does not help.
            ThreadFailed: an error of ours.
        """
        request = self._begin_to_ask()
        try:
            while self._stopping is None and (left := seconds_until(until)) != 0:
                match self.next(left):
                    case Answered(asked, answer, asked_at) if asked is request:
                        if isinstance(answer, GatewayError):
                            raise answer
                        return answer, asked_at
                    case Failed():
                        break
        finally:
            request.cancel()
        return None

    def _begin_to_ask(self) -> GatewayBotRequest:
        """Ask Get Gateway Bot; `Answered` comes to the mailbox, unless the run closes before that."""
        request = self._request = GatewayBotRequest(self._options, self._mailbox.put, self._log)
        request.start()
        if self._stopping is not None:  # which may have come too early to see this request
            request.cancel()
        return request

    def post(self, message: Message) -> None:
        """Put a message into the mailbox. Any thread."""
        self._mailbox.put(message)

    def next(self, timeout: float | None = None) -> Message | None:
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
            case Reshard() if self._resharder.is_busy or self._stopping is not None:
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
            self._refused = shard, error
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

    def _finish(self) -> None:
        self._end_streams(self.error)
        self.threads.leave(self)
        self.disconnected.set()
        self.closed.set()
        self._refuse_rest()
        if self.threads.caller_queue is not None:
            self.threads.caller_queue.wake()
