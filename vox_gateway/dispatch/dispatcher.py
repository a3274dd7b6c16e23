"""The dispatcher loop: takes events from the backlog, opens them, and has their handlers run.

Handlers never run on the reader, so one that blocks costs nothing but its own time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..encoding import Payload, raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..errors import DecodeError, GatewayError
from ..opcodes import Opcode
from ..session.state import Session
from .emitter import Emitter
from .event_queue import EventQueue, Milestone, Signal, is_dispatch
from .executors import HandlerExecutor
from .subscriptions import Subscribers

__all__ = ["Dispatcher"]

#: the opcodes that are emitted under their name; those that only go out would be mistaken for the events of that name
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


#: seconds that READY and RESUMED wait for the supervisor, which has nothing else to do then
PUBLISHED_WITHIN = 1.0


class Dispatcher:
    """The thread that brings events to their handlers.

    It is a daemon because a handler that never returns must not keep a script from ending. Its owner ends it with
    `EventQueue.finish`.

    Args:
        name: of the thread.
        emitter: has the handlers.
        subscribers: are shown events before that.
        backlog_limit: events that may wait.
        make_executor: makes what runs the handlers; it is given this dispatcher's thread and `EventQueue.made_room`.
        decode: decodes a raw dispatch.
        on_stuck: called, by the reader, when the backlog has been full for long.
        on_unreadable: called, on the thread, when decoding failed; the backlog then passes over what follows.
        on_failure: called, on the thread, with any other error. The event counts as not delivered, those behind it are
            passed over, and the connection's own events are delivered still.
        on_end: called at the very end, on the thread.
        before_ready: called, on the thread, before READY is handed on; what it waits for, READY waits for.
        on_completed: called, on the thread, when an event is done with.
    """

    def __init__(
        self,
        name: str,
        emitter: Emitter,
        subscribers: Subscribers,
        backlog_limit: int,
        make_executor: Callable[[threading.Thread, Callable[[], None]], HandlerExecutor],
        decode: Callable[[bytes], Any],
        on_stuck: Callable[[], None],
        on_unreadable: Callable[[DecodeError], None],
        on_failure: Callable[[BaseException], object],
        on_end: Callable[[], None],
        before_ready: Callable[[], None] | None = None,
        on_completed: Callable[[], None] | None = None,
    ) -> None:
        self.queue = EventQueue(backlog_limit, on_stuck, lambda: self.executor.waiting, on_completed)
        self._emitter = emitter
        self._subscribers = subscribers
        self._decode = decode
        self._on_unreadable = on_unreadable
        self._on_failure = on_failure
        self._on_end = on_end
        self._before_ready = before_ready
        self._subscribers_ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.executor = make_executor(self._thread, self.queue.made_room)

    def start(self, session: Session) -> None:
        """Begin to run handlers; of `session` they have seen all.

        Raises RuntimeError, and leaves no thread behind, if one cannot be started.
        """
        self.queue.begin(session)
        self.executor.begin(session)
        try:
            self._thread.start()
        except RuntimeError:
            self.executor.finish()
            raise

    def join(self, timeout: float | None) -> bool:
        """Wait until the loop has ended; False when `timeout` seconds passed first."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def drop_events(self) -> None:
        """From now on no dispatch is given to handlers any more; the connection's own events still are."""
        self.queue.drop_events()
        self.executor.drop()

    def abandon(self) -> None:
        """What has arrived is the parent's, in a child process: what is handled there now is the last."""
        self.queue.abandon()
        self.executor.abandon()

    @property
    def delivered(self) -> Session:
        """The session up to which every dispatch was given to its handlers."""
        return self.executor.delivered or self.queue.delivered

    @property
    def completed(self) -> Session:
        """The session up to which the handlers of every dispatch have returned."""
        passed = self.queue.completed  # read first: what has passed by now is with the handling, or has no handler
        return self.executor.completed or passed

    @property
    def is_idle(self) -> bool:
        """Whether every handler that has begun has returned."""
        return self.executor.is_idle and self.queue.completed == self.queue.delivered

    @property
    def undelivered(self) -> int:
        """Events that arrived and were not given to their handlers, whether they wait or were dropped."""
        return self.queue.undelivered + self.executor.waiting + self.executor.dropped

    # The three below are for the supervisor's thread, and for the one that starts the run before it.

    def keep_subscribers(self) -> None:
        """Do not end the subscribers: the run has not begun."""
        self._subscribers_ended = True

    def end_subscribers(self, error: GatewayError | None) -> None:
        """Tell subscribers that no event comes any more; once, as others may begin to wait for the next run's."""
        ended, self._subscribers_ended = self._subscribers_ended, True
        if not ended:
            self._subscribers.end(error)

    def is_current_thread(self) -> bool:
        """Whether the caller is on the thread that brings events; what waits for one here waits for ever."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            self._on_failure(error)
        finally:
            self._on_end()

    def _loop(self) -> None:
        opened = self._open
        for item in self.queue:
            try:
                if type(item) is bytes:
                    opened(item)
                elif isinstance(item, Signal):
                    self._subscribers.publish_signal(item.name, *item.args)
                    self.executor.signal(item.name, *item.args)
                elif isinstance(item, Milestone):
                    self._reach(item)
                elif isinstance(item, dict):
                    self._take(item)
            except BaseException as error:
                if not isinstance(item, (Signal, Milestone)) and is_dispatch(item):
                    self.queue.reject()
                self._on_failure(error)
        self.executor.finish()

    def _reach(self, milestone: Milestone) -> None:
        """Let READY and RESUMED wait until the run's state says so, and READY until the session is saved."""
        milestone.published.wait(PUBLISHED_WITHIN)
        if self._before_ready is not None and not milestone.resumed:
            self._before_ready()

    def _take(self, payload: Payload) -> None:
        if payload["op"] == Opcode.DISPATCH:
            self._deliver(payload)
        elif name := _RECEIVED.get(payload["op"]):
            self._subscribers.publish_signal(name, payload)
            self.executor.signal(name, payload)

    def _open(self, piece: RawDispatch) -> None:
        """Decode and deliver a dispatch, if it has handlers or subscribers by now."""
        heard, tapped = self._emitter.heard, self._subscribers.heard
        if "DISPATCH" not in heard and "DISPATCH" not in tapped:
            name = raw_dispatch.name(piece)
            if name is not None and name not in heard and name not in tapped:
                return
        try:
            payload = raw_dispatch.decode(piece, self._decode)
        except DecodeError as error:
            self.queue.reject()
            self._on_unreadable(error)
            return
        self._deliver(payload)

    def _deliver(self, payload: Payload) -> None:
        if self._subscribers.heard:
            self._subscribers.publish(payload)
        self.executor.dispatch(payload)
