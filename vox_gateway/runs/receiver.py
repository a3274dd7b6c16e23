"""Gives the events of a client to its callers: streams, waits for an event, and handlers that the caller runs.

`Client` calls this on its callers' threads. Events come from subscribers, on the dispatcher's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ..concurrency.fork import ForkCheck
from ..config import Options
from ..dispatch.executors import CallerQueue
from ..dispatch.stream import EventStream, StreamTable
from ..errors import NotConnected, StreamEnded
from ..intents import missing_intent_warning
from ..log import ShardLog

__all__ = ["Receiver", "Source"]


class Source(Protocol):
    """Where a client's events come from."""

    @property
    def fork(self) -> ForkCheck:
        """Refuses calls in a forked child."""

    @property
    def subscribers(self) -> StreamTable:
        """Receive the events of every run."""

    @property
    def caller_queue(self) -> CallerQueue | None:
        """Where handlers wait for the caller, with ``handlers="caller"``."""

    @property
    def delivers_here(self) -> bool:
        """Whether the caller is on the thread that brings events."""

    def check_running(self, what: str) -> None:
        """Raise NotConnected if no run can bring `what`."""


class Receiver:
    """The caller's side of a client's events.

    Args:
        options: the client's checked arguments.
        source: brings the events.
    """

    def __init__(self, options: Options, source: Source, log: ShardLog) -> None:
        self._intents = options.intents
        self._source = source
        self._log = log
        self._warned: set[str] = set()  # the names of streams whose missing intents were logged

    def open_stream(self, names: tuple[str, ...], maxsize: int, overflow: str) -> EventStream[Any]:
        """Return a stream that collects the events of `names`."""
        new = [name for name in dict.fromkeys(names) if name not in self._warned]
        self.warn_of_missing_intents(new)
        self._warned.update(new)
        return EventStream(
            names,
            maxsize=maxsize,
            overflow=overflow,
            subscribers=self._source.subscribers,
            check_thread=self._check_taking,
            log=self._log,
        )

    def wait_for(self, name: str, check: Callable[[Any], object] | None, timeout: float | None) -> Any:
        """Return the data of the next event `name` for which `check` is true.

        Raises:
            TimeoutError: it did not arrive within `timeout` seconds.
            NotConnected: no run is under way, or it was closed while this waited.
            GatewayError: the error that ended the run.
            RuntimeError: called on the thread that brings the event.
        """
        self.check_thread()
        with self.open_stream((name,), 0, "drop") as events:
            self._check_running(name)
            try:
                return events.wait(check, timeout)
            except StreamEnded:
                raise NotConnected(f"{name} did not come: the client was closed") from None

    def dispatch_pending(self, limit: int | None, timeout: float | None) -> int:
        """Run the handlers of events that have arrived, and return for how many events.

        Args:
            limit: number of events; None for all.
            timeout: seconds to wait for the first; None to wait without a limit.

        Raises:
            RuntimeError: the client runs handlers on threads of its own.
        """
        pending = self._source.caller_queue
        if pending is None:
            raise RuntimeError("the client runs handlers on its own thread: make it with handlers='caller'")
        self._source.fork.warn_if_forked()
        return pending.run(limit, timeout)

    def check_waiting(self, what: str) -> None:
        """Check that the caller may wait for an answer, and that it can arrive.

        Args:
            what: a description of the answer.

        Raises:
            RuntimeError: called on the thread that brings the answer.
            NotConnected: no run is under way.
        """
        self.check_thread()
        self._check_running(what)

    def warn_of_missing_intents(self, events: Iterable[str]) -> None:
        """Log which of the events do not come without an intent that is missing."""
        for event in events:
            if warning := missing_intent_warning(event, self._intents):
                self._log.warning("%s", warning)

    def _check_taking(self) -> None:
        self.check_thread()
        self._source.fork.raise_if_forked("no event can come")

    def check_thread(self) -> None:
        """Raise RuntimeError on the thread that brings events."""
        if self._source.delivers_here:
            raise RuntimeError(
                "a handler must not wait for events on the thread that would bring them: wait on another thread, or "
                "make the client with workers="
            )

    def _check_running(self, what: str) -> None:
        self._source.fork.raise_if_forked(f"{what} cannot come")
        self._source.check_running(what)
