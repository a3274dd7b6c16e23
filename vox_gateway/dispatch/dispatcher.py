"""Takes events from the event queue, decodes them, and has their handlers run, on a thread that shards may share.

No connection waits for a handler: while handlers run another thread reads, so one that blocks delays only the events
behind it.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .. import events
from ..concurrency.signals import SignalSafeEvent
from ..encoding import Payload, raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..errors import DecodeError, GatewayError
from ..extension import compiled
from ..opcodes import Opcode
from ..session.state import Session
from .current_shard import CurrentShard
from .emitter import Emitter
from .event_queue import CHECK_GUILDS, RESTART, EventQueue, Item, Milestone, Signal, is_dispatch
from .executors import HandlerExecutor, Runner
from .guilds import GUILD_EVENTS, GuildTracker
from .heap import give_back
from .progress import Progress
from .subscriptions import NoRoom, Subscribers

__all__ = ["Dispatcher", "DispatcherConfig", "EventFilter"]

#: the opcodes that are emitted under their name; the others are only sent
_RECEIVED = {
    int(op): op.name
    for op in (
        Opcode.HEARTBEAT,
        Opcode.RECONNECT,
        Opcode.INVALID_SESSION,
        Opcode.HELLO,
        Opcode.HEARTBEAT_ACK,
    )
}


#: dispatches the events of an iterator up to one that is left to Python, which it returns; None if C is not in use
_dispatch_usual = compiled("dispatch_usual")
#: seconds that READY and RESUMED wait for the supervisor, which has nothing else to do then
PUBLISHED_WITHIN = 1.0
#: seconds that the supervisor waits for an event that is being decoded, and published to subscribers that have ended
SETTLED_WITHIN = 0.5


@dataclass(frozen=True, kw_only=True)
class DispatcherConfig:
    """What a dispatcher is made from.

    Attributes:
        shard: whose events these are.
        current: is told whose events are dispatched.
        emitter: has the handlers.
        subscribers: receive events before the handlers.
        guilds: is shown the events about guilds before both.
        decode: decodes the bytes of a raw dispatch.
        on_undecodable: called when an event cannot be decoded; it and the events behind it are rejected until
            `EventQueue.restart`.
        on_failure: called with any other error; the events behind it are rejected.
        on_drained: called after the last event, while handlers on threads of the executor may still run.
        on_end: called last of all.
        before_ready: called before READY is dispatched, which waits until it returns.
    """

    shard: int
    current: CurrentShard
    emitter: Emitter
    subscribers: Subscribers
    guilds: GuildTracker
    decode: Callable[[bytes], Any]
    on_undecodable: Callable[[DecodeError], None]
    on_failure: Callable[[BaseException], object]
    on_drained: Callable[[], None]
    on_end: Callable[[], None]
    before_ready: Callable[[], None] | None = None


class EventFilter(Protocol):
    """Decides which events of a shard are dispatched while another generation of shards gets the same."""

    def select(self, batch: list[Any]) -> list[Any]:
        """Return the events to dispatch now. Of the others, `Dispatcher.discard` or `dispatch` is called later."""


class Dispatcher:
    """Takes the events of a shard from `queue` and hands them to subscribers and to `executor`.

    It calls all callbacks of its config. Its owner ends it with `EventQueue.finish`.

    Attributes:
        filter: selects the events to dispatch; None for all. Any thread may replace it.

    """

    def __init__(self, config: DispatcherConfig, queue: EventQueue, executor: HandlerExecutor) -> None:
        self.queue = queue
        queue.consume = self._consume
        self.executor = executor
        self.progress: Progress = executor.progress
        self._config = config
        self._emitter = config.emitter
        self._subscribers = config.subscribers
        self._guilds = config.guilds
        self._decode = config.decode
        self.filter: EventFilter | None = None
        self._subscribers_ended = False
        # While an event is passed on (`queue.is_passing_on`), subscribers may have it and `progress` does not count
        # it yet; `settle` waits for the end of that. This is not a lock, which would cost each event 0.2 µs: the
        # dispatcher sets it and then asks whether events are dropped, the supervisor drops events and then asks for it,
        # so one sees the other.
        self._passed_on = threading.Event()  # set at the end of that, once events are dropped
        self._ended = SignalSafeEvent()
        self._parts = self._prepare(executor.direct_runner)

    def start(self, session: Session) -> None:
        """Begin to run handlers, which have seen all of `session`."""
        self.progress.begin(session)

    def join(self, timeout: float) -> bool:
        """Wait until the queue has ended and all handlers have returned; return false after `timeout` seconds."""
        return self._ended.wait(timeout)

    def drop_events(self) -> None:
        """Deliver no more dispatches to handlers; the connection's own events still are."""
        self.progress.drop()
        self.queue.wake()

    def abandon(self) -> None:
        """Leave all events to the parent, in a forked child; a handler that runs there is the last."""
        self.queue.abandon()
        self.progress.abandon()
        self.executor.abandon()

    @property
    def undelivered(self) -> int:
        """Events that arrived and whose handlers have not begun. An event that is just being taken may count twice."""
        return self.queue.untaken + self.progress.undelivered

    @property
    def shard(self) -> int:
        """The id of the shard."""
        return self._config.shard

    # The three below are for filters, on the dispatcher's thread.

    def observe(self, payload: Payload) -> None:
        """Note what an event that is not dispatched says about guilds."""
        if payload["t"] in GUILD_EVENTS:
            self._guilds.observe(payload)

    def discard(self, count: int) -> None:
        """Count events as taken that are not dispatched."""
        self.queue.discard(count)

    def dispatch(self, batch: list[Any]) -> None:
        """Dispatch events that `filter` has held back."""
        self._config.current.id = self._config.shard
        if batch:
            self.progress.event_size = 0  # it was released when the filter took it
            self._guard(self._dispatch_all, batch)
            self.queue.made_room()
        self._complete_guilds()

    # The three below are for the supervisor's thread, and for the thread that starts the run before it.

    def keep_subscribers(self) -> None:
        """Do not end the subscribers: the run has not begun."""
        self._subscribers_ended = True

    def end_subscribers(self, error: GatewayError | None) -> None:
        """End the subscribers, once: those that come later wait for the next run."""
        ended, self._subscribers_ended = self._subscribers_ended, True
        if not ended:
            self._subscribers.end(error)

    def settle(self) -> None:
        """Make `progress` final, after `drop_events` and `end_subscribers`: wait until no event is being passed on."""
        if self.queue.is_passing_on:
            self._passed_on.wait(SETTLED_WITHIN)
        self.progress.settle()

    def _consume(self, item: Item | None) -> None:
        """Dispatch what arrived; None is the end. Raises nothing."""
        self._config.current.id = self._config.shard
        try:
            if item is None:
                self._config.on_drained()
                self.executor.finish(self._end)
            elif isinstance(item, list):
                self._take(item)
            else:
                self._control(item)
        except BaseException as error:
            self._config.on_failure(error)
            if item is None:
                self._end()

    def _take(self, batch: list[Any]) -> None:
        """Dispatch a batch, then free its memory."""
        size = self.queue.next_size()
        self.progress.event_size = size // len(batch)
        try:
            if not is_dispatch(batch[0]):
                for payload in batch:
                    self.queue.took_other()
                    self._guard(self._emit_opcode, payload)
            elif selected := batch if self.filter is None else self.filter.select(batch):
                self._dispatch_all(selected)
        finally:
            self.queue.release(size)
            if self.queue.is_swollen and not self.queue.waiting_bytes:
                self._give_back_memory()

    def _give_back_memory(self) -> None:
        if give_back():
            self.queue.is_swollen = False

    def _end(self) -> None:
        self._config.on_end()
        self._ended.set()

    def _prepare(self, runner: Runner | None) -> tuple[Any, ...] | None:
        """Return what `_dispatch_usual` works with, in its order; None if the loop in Python has to do all."""
        if _dispatch_usual is None or runner is None:
            return None
        return (
            self.queue,
            self.progress,
            self._emitter,
            self._subscribers,
            runner,
            runner.slow,
            time,
            GUILD_EVENTS,
            self._decode,
            functools.partial(raw_dispatch.decode, read=_as_read),
            self._reject,
            self._passed_on.set,
            self.queue.made_room,
            runner.slow.arm,
            self._emitter._handler_failed,
            self.progress.complete if self.progress.reports_each else None,
        )

    def _dispatch_all(self, batch: list[Any]) -> None:  # noqa: C901, PLR0912  # a call for each step costs every event
        """Dispatch a batch of events. After an event that fails, the others are rejected."""
        queue, progress, emitter, subscribers = self.queue, self.progress, self._emitter, self._subscribers
        decode, is_heard, run_handlers = self._decode, self._is_heard, self.executor.dispatch
        decode_raw, reports_each = raw_dispatch.decode, progress.reports_each
        unheard: Any = None  # the last event that nothing listened to
        rest = queue.take(batch)
        if _dispatch_usual is not None and self._parts is not None and len(batch) > 1:  # for one, it takes longer
            # Usual events are dispatched in C, and the others returned.
            rest = iter(functools.partial(_dispatch_usual, self._parts, rest), None)
        queue.is_passing_on = True
        try:
            for event in rest:
                is_raw = type(event) is bytes
                if is_raw and "DISPATCH" not in emitter.heard and not is_heard(event):
                    unheard = event
                else:
                    table = subscribers.table  # first: once events are dropped, `end_subscribers` empties it
                    if progress.is_dropping or progress.is_rejecting:
                        progress.reject()
                        continue
                    try:
                        payload: Payload = decode_raw(event, decode) if is_raw else event
                        if payload["t"] in GUILD_EVENTS:
                            self._guilds.observe(payload)
                        if table:
                            subscribers.publish(payload, table)
                        progress.pass_on(payload)
                    except BaseException as error:
                        self._reject(error)
                        continue
                    queue.is_passing_on = False
                    if progress.is_dropping:
                        self._passed_on.set()
                    if queue.reader_waits:
                        queue.made_room()
                    run_handlers(payload)
                    if reports_each:
                        progress.complete()
                    queue.is_passing_on = True
        finally:
            queue.is_passing_on = False
            if progress.is_dropping:
                self._passed_on.set()
        if unheard is batch[-1] and not (progress.is_dropping or progress.is_rejecting):
            progress.skip(unheard)  # unheard events move the cursor only here: a RESUME may bring them again
        else:
            progress.complete()
        if self._guilds.is_due:
            self._complete_guilds()

    def _complete_guilds(self) -> None:
        """Report that the guilds have come, if the last event or check has completed them."""
        if self._guilds.is_due and not (self.progress.is_dropping or self.progress.is_rejecting):
            self._guilds.complete()
            self._emit(events.GUILDS_READY)

    def _reject(self, error: BaseException) -> None:
        """Leave the event that raised `error` undelivered, and those behind it."""
        self.progress.reject()
        if isinstance(error, DecodeError):
            self._config.on_undecodable(error)
        elif not isinstance(error, NoRoom):  # which leaves the event to the next run
            self._config.on_failure(error)

    def _is_heard(self, event: RawDispatch) -> bool:
        """Whether an event has handlers of its name, or subscribers, by now, or must be decoded for a guild's state."""
        name = raw_dispatch.name(event)
        if name is None or name in self._emitter.heard:
            return True
        if (table := self._subscribers.table) and (name in table or "DISPATCH" in table):
            return True
        return name in GUILD_EVENTS and not self._skim(name, event)

    def _skim(self, name: str, event: RawDispatch) -> bool:
        """Whether the guild's state is up to date without decoding an event that nobody else wants."""
        return self.progress.is_dropping or self.progress.is_rejecting or self._guilds.skim(name, event)

    def _guard(self, call: Callable[[Any], None], item: object) -> None:
        """Report an error, which is ours, and go on to the end of the queue."""
        try:
            call(item)
        except BaseException as error:
            self._config.on_failure(error)

    def _control(self, item: Signal | Milestone) -> None:
        if isinstance(item, Milestone):
            self._await_published(item)
        elif item is RESTART:
            self.progress.restart()
        elif item is CHECK_GUILDS:
            self._guilds.check()
            self._complete_guilds()
        else:
            self._emit(item.name, *item.args)

    def _await_published(self, milestone: Milestone) -> None:
        """Hold READY and RESUMED until the run's state says so, and READY until the session is saved."""
        milestone.published.wait(PUBLISHED_WITHIN)
        if not milestone.resumed:
            self.progress.enter(milestone.session.id)
            if self._config.before_ready is not None:
                self._config.before_ready()

    def _emit_opcode(self, payload: Payload) -> None:
        name = _RECEIVED.get(payload["op"])
        if name is not None and not self.progress.is_dropping and not self.progress.is_rejecting:
            self._emit(name, payload)

    def _emit(self, name: str, *args: Any) -> None:
        self._subscribers.publish_signal(name, *args)
        self.executor.signal(name, *args)


def _as_read(payload: Any) -> Any:
    """Return a payload that has been read already: the reader for `raw_dispatch.decode` to check it with."""
    return payload
