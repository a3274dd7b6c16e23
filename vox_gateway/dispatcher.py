"""The dispatcher loop: takes events from the backlog and runs their handlers, one after the other.

Handlers never run on the reader, so one that blocks costs nothing but its own time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .backlog import Backlog, Item, Signal
from .emitter import Emitter
from .logs import ShardLog
from .opcodes import Opcode
from .slow_handlers import SlowHandlers, Work
from .timers import Timers

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


class Dispatcher:
    """The thread that runs handlers.

    It is a daemon because a handler that never returns must not keep a script from ending. Its owner ends it with
    `Backlog.finish`.

    Args:
        name: of the thread.
        emitter: whose handlers are run.
        backlog_limit: events that may wait.
        slow_after: seconds after which a handler is warned of.
        on_end: called at the very end, on the thread.
    """

    def __init__(
        self,
        name: str,
        emitter: Emitter,
        backlog_limit: int,
        slow_after: float,
        timers: Timers,
        on_end: Callable[[], None],
        log: ShardLog,
    ) -> None:
        self.backlog = Backlog(backlog_limit, lambda: self._slow.backlog_is_stuck(backlog_limit))
        self._emitter = emitter
        self._on_end = on_end
        self._work: Work = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._slow = SlowHandlers(slow_after, timers, lambda: self._work, self._thread, log)

    def start(self) -> None:
        """Begin to run handlers."""
        self._thread.start()

    def join(self, timeout: float | None) -> bool:
        """Wait until the loop has ended; False when `timeout` seconds passed first."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def current_event(self) -> str | None:
        """The event whose handlers run now."""
        work = self._work
        return work[0] if work else None

    def is_current_thread(self) -> bool:
        """Whether the caller is a handler."""
        return threading.current_thread() is self._thread

    def _run(self) -> None:
        for item in self.backlog:
            self._work = (_name(item), time.monotonic())
            self._slow.arm()
            self._deliver(item)
            self._work = None
        self._on_end()

    def _deliver(self, item: Item) -> None:
        emit = self._emitter.emit
        if isinstance(item, Signal):
            emit(item.name, *item.args)
        elif item["op"] == Opcode.DISPATCH:
            emit("DISPATCH", item)
            emit(item["t"], item.get("d"))
        elif name := _RECEIVED.get(item["op"]):
            emit(name, item)


def _name(item: Item) -> str:
    if isinstance(item, Signal):
        return item.name
    name = item.get("t")
    return name if isinstance(name, str) else _RECEIVED.get(item["op"], "an unknown opcode")
