"""Sends what is typed, what a script says, and chatter. Called on the main thread. Needs the extra ``testing``."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from ...concurrency.clock import seconds_until
from ...testing import LocalGateway
from ..shared.activity import Line
from ..shared.screen import Mark
from .chatter import chatter
from .script import Step
from .typed_lines import Typist

__all__ = ["Feed"]

Timeline = Iterator[tuple[float, Callable[[], None]]]


class Feed:
    """Sends events through a gateway, when they are due.

    Args:
        gateway: a listening gateway.
        script: the steps to play.
        rate: events of chatter in each second; 0 for none.
        show: called with a line for each event but chatter.
        show_chatter: called with a line for each event of chatter; `None` to show none.
    """

    def __init__(
        self,
        gateway: LocalGateway,
        script: Sequence[Step],
        rate: float,
        show: Callable[[Line], None],
        show_chatter: Callable[[Line], None] | None = None,
    ) -> None:
        self._gateway = gateway
        self._script = script
        self._rate = rate
        self._show = show
        self._show_chatter = show_chatter
        self._typist = Typist(gateway.guilds)
        self._timeline: Timeline | None = None
        self._next: tuple[float, Callable[[], None]] | None = None

    def start(self) -> None:
        """Begin the script and the chatter, as a client is ready to receive them. Later calls have no effect."""
        if self._timeline is None:
            now = time.monotonic()
            self._timeline = heapq.merge(self._script_from(now), self._chatter_from(now), key=itemgetter(0))
            self._next = next(self._timeline, None)

    @property
    def due_in(self) -> float | None:
        """Seconds until the next event is due, at least 0; None while no event waits."""
        return None if self._next is None else seconds_until(self._next[0])

    def send_next(self) -> None:
        """Send the next event."""
        assert self._next is not None
        assert self._timeline is not None
        self._next[1]()
        self._next = next(self._timeline, None)

    def say(self, line: str) -> None:
        """Send a message or a slash command as it was typed."""
        try:
            event = self._typist.event(line)
        except ValueError as error:
            self._show(Line(None, Mark.BAD, "not sent", str(error)))
            return
        self._dispatch(event.name, event.data, event.text)

    def _dispatch(self, name: str, data: Any, text: str) -> None:
        try:
            count = self._gateway.dispatch(name, data)
        except (TypeError, ValueError) as error:
            self._show(Line(None, Mark.BAD, "not sent", f"{name}: {error}"))
            return
        if not count:
            text += "; not sent: no client is connected, or none has the intents for it"
        self._show(Line(None, Mark.OUT if count else Mark.DOUBT, name, text))

    def _script_from(self, at: float) -> Timeline:
        for step in self._script:
            at += step.after
            yield at, partial(self._perform, step)
        if self._script:
            yield at, lambda: self._show(Line(None, Mark.NOTE, "script", "the end"))

    def _perform(self, step: Step) -> None:
        if step.kind == "say":
            self.say(step.value)
        elif step.kind == "event":
            self._dispatch(step.value, step.data, "from the script")
        elif step.kind == "drop":
            count = self._gateway.drop(step.value)
            self._show(Line(None, Mark.OUT, "drop", f"{step.value}: {_connections(count)}"))
        else:
            count = self._gateway.reconnect()
            self._show(Line(None, Mark.OUT, "RECONNECT", _connections(count)))

    def _chatter_from(self, start: float) -> Timeline:
        if self._rate:
            for number, (name, data) in enumerate(chatter(self._gateway.guilds)):
                yield start + number / self._rate, partial(self._chat, name, data)

    def _chat(self, name: str, data: Any) -> None:
        self._gateway.dispatch(name, data)
        if self._show_chatter is not None:
            self._show_chatter(Line(None, Mark.OUT, name, data.get("content", "chatter")))


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"
