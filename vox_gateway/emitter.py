"""pyee's emitter, made safe for handlers that fail.

Plain pyee lets a handler's exception escape and skips the handlers after it, and raises when nobody listens to `error`.
Here every handler of an event runs, a failure is logged with its traceback and emitted as `error`, and nothing escapes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pyee import EventEmitter

from .logs import ShardLog

__all__ = ["Emitter"]


class Emitter(EventEmitter):
    """An `EventEmitter` whose handlers cannot harm each other or the thread they run on.

    pyee owns the attributes ``_lock`` and ``_events``; neither this class nor its own may use these names.
    """

    def __init__(self, log: ShardLog) -> None:
        super().__init__()
        self._handler_log = log

    def _add_event_handler(self, event: str, k: Callable[..., Any], v: Callable[..., Any]) -> None:
        if not callable(k):
            raise TypeError(f"a handler of {event} must be a function, not {k!r}")
        if inspect.iscoroutinefunction(k):
            raise TypeError(
                f"the handler {_name(k)} of {event} is an async function: handlers here are plain functions, "
                "which may block"
            )
        super()._add_event_handler(event, k, v)

    def emit(self, event: str, *args: Any, **kwargs: Any) -> bool:
        """Run every handler of `event` on this thread; whether there was one. Raises nothing that a handler raised."""
        handled = False
        with self._lock:
            handlers = list(self._events.get(event, {}).values())
        for handler in handlers:
            handled = True
            try:
                handler(*args, **kwargs)
            except (Exception, SystemExit) as error:  # sys.exit() must not end the dispatcher in silence either
                self._handler_failed(handler, event, error)
        return handled

    def heard_events(self) -> list[str]:
        """The events that have a handler, in order."""
        with self._lock:
            return sorted(event for event, handlers in self._events.items() if handlers and isinstance(event, str))

    def _handler_failed(self, handler: Callable[..., Any], event: str, error: BaseException) -> None:
        self._handler_log.error("the handler %s of %s raised %r", _name(handler), event, error, exc_info=error)
        if event != "error":  # a failing handler of error is logged, or it would be called again for ever
            self.emit("error", error, event)


def _name(handler: Callable[..., Any]) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)
