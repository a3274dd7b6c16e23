"""pyee's emitter, made safe for handlers that fail.

Plain pyee lets a handler's exception escape and skips the handlers after it, and raises when nobody listens to `error`.
Here every handler of an event runs, and a failure is logged with its traceback and emitted as `error`. Only
KeyboardInterrupt on the main thread is raised to the caller.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Container
from typing import Any

from pyee import EventEmitter

from ..log import ShardLog

__all__ = ["Emitter"]


class Emitter(EventEmitter):
    """An `EventEmitter` whose handlers cannot harm each other or the thread they run on.

    pyee owns the attributes ``_lock`` and ``_events``; neither this class nor its own may use these names.
    """

    def __init__(self, log: ShardLog) -> None:
        super().__init__()
        self._handler_log = log
        # What pyee's table holds, as `emit` reads it: without a lock, and without copying. Changed under pyee's lock.
        self._snapshots: dict[str, tuple[Callable[..., Any], ...]] = {}
        #: the events that have a handler, now and from now on
        self.heard: Container[str] = self._snapshots

    def _add_event_handler(self, event: str, k: Callable[..., Any], v: Callable[..., Any]) -> None:
        if not callable(k):
            raise TypeError(f"a handler of {event} must be a function, not {k!r}")
        if inspect.iscoroutinefunction(k):
            raise TypeError(
                f"the handler {_name(k)} of {event} is an async function: handlers here are plain functions, "
                "which may block"
            )
        super()._add_event_handler(event, k, v)
        with self._lock:
            self._snap(event)

    def _remove_listener(self, event: str, f: Callable[..., Any]) -> None:
        super()._remove_listener(event, f)  # pyee holds the lock
        self._snap(event)

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove the handlers of `event`; None for all of all events."""
        super().remove_all_listeners(event)
        with self._lock:
            for name in list(self._snapshots) if event is None else [event]:
                self._snap(name)

    def _snap(self, event: str) -> None:
        """Bring the snapshot of `event` up to date. The lock is held."""
        if handlers := self._events.get(event):
            self._snapshots[event] = tuple(handlers.values())
        else:
            self._snapshots.pop(event, None)

    def emit(self, event: str, *args: Any, **kwargs: Any) -> bool:
        """Run every handler of `event` on this thread, and return whether there was any.

        What a handler raises is logged and emitted as `error`, SystemExit and its like included. Only Ctrl-C comes out,
        which interrupts the main thread wherever that is.
        """
        snapshots = self._snapshots
        handlers = snapshots.get(event)
        if handlers is None:
            return False
        for handler in handlers:
            try:
                if kwargs:
                    handler(*args, **kwargs)
                else:  # for dispatches; an empty dict to unpack costs time for each
                    handler(*args)
            except BaseException as error:  # what ends a program must not end a thread of ours unnoticed
                self._handler_failed(handler, event, error)
            if self._snapshots is not snapshots:
                break  # this is a child that the handler forked: the rest of the event is the parent's
        return True

    def _renew_handlers(self) -> None:
        """Keep the handlers in a child process, with a lock that no thread of the parent holds."""
        self._lock = threading.Lock()
        self.heard = self._snapshots = {}
        for event in self._events:
            self._snap(event)

    def heard_events(self) -> list[str]:
        """The events that have a handler, in order."""
        with self._lock:
            return sorted(event for event in self._snapshots if isinstance(event, str))

    def _handler_failed(self, handler: Callable[..., Any], event: str, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise error
        self._handler_log.error("the handler %s of %s raised %r", _name(handler), event, error, exc_info=error)
        if event != "error":  # a failing handler of error is logged, or it would be called again forever
            self.emit("error", error, event)


def _name(handler: Callable[..., Any]) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)
