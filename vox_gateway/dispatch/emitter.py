"""pyee's emitter, made safe for handlers that fail.

Plain pyee lets a handler's exception escape and skips the handlers after it, and raises when nobody listens to `error`.
Here every handler of an event runs, and a failure is logged with its traceback and emitted as `error`. Only
KeyboardInterrupt on the main thread is raised to the caller. `on` and `once` know the types of the constants of
`events`, and take a check that decides which events a handler gets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container
from typing import Any, ParamSpec, TypeVar, overload

from pyee import EventEmitter

from ..arguments.validation import check_predicate, is_async
from ..events import EventName, PlainName, SignalName
from ..log import ShardLog

__all__ = ["Emitter"]

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")
Handler = TypeVar("Handler", bound=Callable[..., object])


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

    @overload
    def on(
        self, event: EventName[T], f: None = None, *, check: Callable[[T], object] | None = None
    ) -> Callable[[Callable[[T], R]], Callable[[T], R]]: ...
    @overload
    def on(
        self, event: EventName[T], f: Callable[[T], R], *, check: Callable[[T], object] | None = None
    ) -> Callable[[T], R]: ...
    @overload
    def on(
        self, event: SignalName[P], f: None = None, *, check: Callable[P, object] | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    @overload
    def on(
        self, event: SignalName[P], f: Callable[P, R], *, check: Callable[P, object] | None = None
    ) -> Callable[P, R]: ...
    @overload
    def on(
        self, event: PlainName, f: None = None, *, check: Callable[..., object] | None = None
    ) -> Callable[[Handler], Handler]: ...
    @overload
    def on(self, event: PlainName, f: Handler, *, check: Callable[..., object] | None = None) -> Handler: ...
    def on(self, event: Any, f: Any = None, *, check: Callable[..., object] | None = None) -> Any:
        """Call a function with the data of each event from now on. ::

            @client.on(events.MESSAGE_CREATE, check=lambda message: not message["author"].get("bot"))
            def greet(message: MessageCreate) -> None:
                print(message["content"])

        Args:
            event: a name of `vox_gateway.events`, or the same as text.
            f: the handler; None to use the result as a decorator.
            check: called before the handler with the same arguments, on the same thread; the handler is called if it
                returns a true value. What it raises counts as raised by the handler. A handler is
                registered once for an event: registering it again, with `once` too, replaces the earlier registration.

        Returns:
            The handler, unchanged; or a decorator that returns it.

        Raises:
            TypeError: `event` is not a name, or `f` or `check` is not a plain function.
        """
        return self._register(event, f, check, once=False)

    @overload  # type: ignore[override]  # pyee's has no overloads
    def once(
        self, event: EventName[T], f: None = None, *, check: Callable[[T], object] | None = None
    ) -> Callable[[Callable[[T], R]], Callable[[T], R]]: ...
    @overload
    def once(
        self, event: EventName[T], f: Callable[[T], R], *, check: Callable[[T], object] | None = None
    ) -> Callable[[T], R]: ...
    @overload
    def once(
        self, event: SignalName[P], f: None = None, *, check: Callable[P, object] | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    @overload
    def once(
        self, event: SignalName[P], f: Callable[P, R], *, check: Callable[P, object] | None = None
    ) -> Callable[P, R]: ...
    @overload
    def once(
        self, event: PlainName, f: None = None, *, check: Callable[..., object] | None = None
    ) -> Callable[[Handler], Handler]: ...
    @overload
    def once(self, event: PlainName, f: Handler, *, check: Callable[..., object] | None = None) -> Handler: ...
    def once(self, event: Any, f: Any = None, *, check: Callable[..., object] | None = None) -> Any:
        """Call a function with the data of the next event, then remove it; with `check`, of the next that it accepts.

        Args:
            event: a name of `vox_gateway.events`, or the same as text.
            f: the handler; None to use the result as a decorator.
            check: as for `on`.

        Returns:
            The handler, unchanged; or a decorator that returns it.

        Raises:
            TypeError: `event` is not a name, or `f` or `check` is not a plain function.
        """
        return self._register(event, f, check, once=True)

    @overload
    def remove_listener(self, event: EventName[T], f: Callable[[T], object]) -> None: ...
    @overload
    def remove_listener(self, event: SignalName[P], f: Callable[P, object]) -> None: ...
    @overload
    def remove_listener(self, event: PlainName, f: Callable[..., object]) -> None: ...
    def remove_listener(self, event: Any, f: Callable[..., object]) -> None:
        """Remove a handler of an event. Has no effect if it is not registered.

        Args:
            event: the name that the handler was registered under.
            f: the handler, as it was given to `on` or `once`.
        """
        super().remove_listener(event, f)

    def _register(self, event: Any, f: Any, check: Callable[..., object] | None, *, once: bool) -> Any:
        if callable(event) and f is None:
            raise TypeError(f"the name of an event is missing: write @client.on(events.READY) above {_name(event)}")
        if not isinstance(event, str) or not event:
            raise TypeError(f"event must be the name of an event, not {event!r}")
        check_predicate(check)

        def register(handler: Any) -> Any:
            conditional = once or check is not None
            call = _Conditional(self, event, handler, check, once) if conditional else handler
            self._add_event_handler(event, handler, call)
            return handler

        return register if f is None else register(f)

    def copy_handlers(self, source: Emitter) -> None:
        """Register the handlers of another emitter here too, each with its check."""
        for event, handlers in source._events.items():
            for handler, call in handlers.items():
                if isinstance(call, _Conditional):
                    self._register(event, handler, call.check, once=call.once)
                else:
                    self._register(event, handler, None, once=False)

    def _take_once(self, event: str, call: _Conditional) -> bool:
        """Remove a one-time handler; return false if it has been removed. Several workers may ask at the same time."""
        handler = call.handler
        with self._lock:
            handlers = self._events.get(event)
            if handlers is None or handlers.get(handler) is not call:
                return False
            self._remove_listener(event, handler)
            return True

    def _add_event_handler(self, event: str, k: Callable[..., Any], v: Callable[..., Any]) -> None:
        if not callable(k):
            raise TypeError(f"a handler of {event} must be a function, not {k!r}")
        if is_async(k):
            raise TypeError(
                f"the handler {_name(k)} of {event} is an async function or a generator: handlers here are plain "
                "functions, which may block"
            )
        event = _plain(event)
        super()._add_event_handler(event, k, v)
        with self._lock:
            self._snap(event)

    def _remove_listener(self, event: str, f: Callable[..., Any]) -> None:
        if f in self._events.get(event, ()):  # the lock is held; pyee raises KeyError for others
            super()._remove_listener(event, f)
            self._snap(event)

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove the handlers of `event`; None for all of all events."""
        event = None if event is None else _plain(event)
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

    def _log_of_handler(self) -> ShardLog:
        """Return the log of the shard whose event is handled on this thread."""
        return self._handler_log

    def _handler_failed(self, handler: Callable[..., Any], event: str, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise error
        self._log_of_handler().error("the handler %s of %s raised %r", _name(handler), event, error, exc_info=error)
        if event != "error":  # a failing handler of error is logged, or it would be called again forever
            self.emit("error", error, event)


class _Conditional:
    """Calls a handler for the events that its check accepts; with `once`, for the first of them."""

    def __init__(
        self,
        emitter: Emitter,
        event: str,
        handler: Callable[..., object],
        check: Callable[..., object] | None,
        once: bool,
    ) -> None:
        self.handler = handler
        self.check = check
        self.once = once
        self._emitter = emitter
        self._event = event

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        if self.check is not None and not self.check(*args, **kwargs):
            return
        if not self.once or self._emitter._take_once(self._event, self):
            self.handler(*args, **kwargs)


def _plain(event: str) -> str:
    """Return the name as a `str` itself: looking it up in a table with other keys is slower for every event."""
    return str.__str__(event) if isinstance(event, str) else event


def _name(handler: Any) -> str:
    handler = handler.handler if isinstance(handler, _Conditional) else handler
    return getattr(handler, "__qualname__", None) or repr(handler)
