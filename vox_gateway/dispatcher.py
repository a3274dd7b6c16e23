"""The dispatcher loop: takes events from the backlog and runs their handlers, one after the other.

Handlers never run on the reader, so one that blocks costs nothing but its own time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .backlog import Backlog, Signal
from .emitter import Emitter
from .encoding import Payload, sealed
from .encoding.sealed import Sealed
from .errors import DecodeError
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
        decode: decodes what is sealed.
        on_unreadable: called, on the thread, when that failed; the backlog then passes over what follows.
        on_end: called at the very end, on the thread.
    """

    def __init__(
        self,
        name: str,
        emitter: Emitter,
        backlog_limit: int,
        slow_after: float,
        decode: Callable[[bytes], Any],
        on_unreadable: Callable[[DecodeError], None],
        timers: Timers,
        on_end: Callable[[], None],
        log: ShardLog,
    ) -> None:
        self.backlog = Backlog(backlog_limit, lambda: self._slow.backlog_is_stuck(backlog_limit))
        self._emitter = emitter
        self._decode = decode
        self._on_unreadable = on_unreadable
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
            if isinstance(item, bytes):
                self._open(item)
            elif isinstance(item, Signal):
                self._emit(item.name, *item.args)
            elif item["op"] == Opcode.DISPATCH:
                self._deliver(item)
            elif name := _RECEIVED.get(item["op"]):
                self._emit(name, item)
        self._on_end()

    def _open(self, piece: Sealed) -> None:
        """Decode and deliver a dispatch, if it has handlers by now."""
        heard = self._emitter.heard
        if "DISPATCH" not in heard and (name := sealed.name(piece)) is not None and name not in heard:
            return
        try:
            payload = sealed.opened(piece, self._decode)
        except DecodeError as error:
            self.backlog.take_back()
            self._on_unreadable(error)
            return
        self._deliver(payload)

    def _deliver(self, payload: Payload) -> None:
        """Run the handlers of a dispatch, if it has any."""
        emitter, name = self._emitter, payload["t"]
        whole = "DISPATCH" in emitter.heard
        if not whole and name not in emitter.heard:
            return
        self._work = (name, time.monotonic())
        self._slow.arm()
        if whole:
            emitter.emit("DISPATCH", payload)
        if name in emitter.heard:  # asked again: a handler of DISPATCH may have added one
            emitter.emit(name, payload.get("d"))
        self._work = None

    def _emit(self, event: str, *args: Any) -> None:
        if event not in self._emitter.heard:
            return
        self._work = (event, time.monotonic())
        self._slow.arm()
        self._emitter.emit(event, *args)
        self._work = None
