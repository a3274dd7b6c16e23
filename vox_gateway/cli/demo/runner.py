"""Where the demo is told: everything that happens comes to one inbox, and is told as it is taken out.

So a wait for anything tells what comes before it, one thread alone prints, and every wait is bounded.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

from ..shared.exits import CommandError, Exit
from ..shared.inbox import MainInbox
from ..shared.screen import Mark, Screen
from .gateway import GatewayProcess
from .messages import Answer, Died, Event, Moment, Occurrence
from .narration import Narrator
from .sample_events import NamedEvent
from .sequence_check import Tally

__all__ = ["Stage", "TooLate"]


class TooLate(CommandError):
    """Something did not come in time."""


class Stage:
    """Waits, tells, and counts.

    Args:
        screen: where it is told.
        gateway: the gateway's process, started.
        inbox: where everything that happens is put.
        pace: what every pause for the eye is multiplied with.
        patience: seconds that anything may take.
    """

    def __init__(
        self,
        screen: Screen,
        gateway: GatewayProcess,
        inbox: MainInbox[Occurrence],
        pace: float = 1.0,
        patience: float = 8.0,
    ) -> None:
        self.screen = screen
        self.tally = Tally()
        self.patience = patience
        self._gateway = gateway
        self._inbox = inbox
        self._pace = pace
        self._began = time.monotonic()
        self._narrator = Narrator()
        self._scene: list[Occurrence] = []  # what was told in this act
        self._replayed = 0  # events since the connection was made

    # -- telling ---------------------------------------------------------------------------------------------------

    def act(self, title: str) -> None:
        """Begin an act; what happened before is told, and then forgotten."""
        self._catch_up()
        self._scene.clear()
        self.screen.title(title)

    def line(self, mark: Mark, name: str, words: str) -> None:
        """Tell one thing that happens now, after everything that has happened so far."""
        self._catch_up()
        self._show(time.monotonic(), mark, name, words)

    def _catch_up(self) -> None:
        while True:
            try:
                self._tell(self._inbox.get(timeout=0.0))
            except queue.Empty:
                return

    def _show(self, at: float, mark: Mark, name: str, words: str) -> None:
        self.screen.line(at - self._began, mark, name, words)

    def _tell(self, occurrence: Occurrence) -> None:
        self._scene.append(occurrence)
        match occurrence:
            case Event(at, name, data, seq):
                self.tally.arrived(seq)
                words = self._narrator.words(name, data)
                if name == "RESUMED":
                    words = f"{words}; {self._replayed} were missed"
                self._replayed += 1
                self._show(at, Mark.IN, name, words)
            case Moment(at, name, data):
                self._tell_moment(at, name, data)
            case Died(status):
                how = f"by signal {-status}" if status < 0 else f"with exit code {status}"
                raise CommandError(f"the gateway's process was ended {how} before the demo was over")
            case _:
                pass  # an answer is for who gave the order

    def _tell_moment(self, at: float, name: str, data: Any) -> None:
        match name:
            case "open":
                self._replayed = 0
                self._show(at, Mark.NOTE, "open", "the websocket is open")
            case "HELLO":
                interval, last = data["heartbeat_interval"] / 1000, self.tally.highest
                self._show(at, Mark.IN, "HELLO", f"a heartbeat every {interval:g} s, please")
                # The client answers by itself, before its handlers hear of it.
                if last:
                    self._show(at, Mark.OUT, "RESUME", f"the session, after event {last}")
                else:
                    self._show(at, Mark.OUT, "IDENTIFY", "a new session, with all intents")
            case "close":
                mark = Mark.GOOD if data["code"] == 1000 else Mark.BAD
                self._show(at, mark, "close", f"{data['code']}: {data['reason']}")
            case "blocks":
                self._show(at, Mark.NOTE, "the handler blocks", "and nothing else does")
            case "wakes":
                self._show(at, Mark.NOTE, "the handler returns", "and those that waited have their turn")
            case _:  # "error"
                raise CommandError(f"the client has failed: {data}")

    # -- waiting ---------------------------------------------------------------------------------------------------

    def linger(self, seconds: float) -> None:
        """Tell what happens in the next `seconds`."""
        deadline = time.monotonic() + seconds * self._pace
        while True:
            try:
                self._tell(self._inbox.get(timeout=max(deadline - time.monotonic(), 0.0)))
            except queue.Empty:
                return

    def hear(self, is_it: Callable[[Occurrence], bool], what: str) -> Occurrence:
        """Tell what happens until `is_it` is true of it, or was of something in this act.

        Raises:
            TooLate: `what` did not come.
            CommandError: it cannot come any more.
        """
        for told in self._scene:
            if is_it(told):
                return told
        deadline = time.monotonic() + self.patience
        while True:
            try:
                occurrence = self._inbox.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                raise TooLate(f"{what} did not come within {self.patience:g} seconds") from None
            self._tell(occurrence)
            if is_it(occurrence):
                return occurrence

    def hear_event(self, name: str, fits: Callable[[Any], bool] = lambda data: True) -> Event:
        """Wait for an event of this name whose data fits."""
        found = self.hear(lambda it: isinstance(it, Event) and it.name == name and fits(it.data), name)
        assert isinstance(found, Event)
        return found

    def hear_message(self, message: NamedEvent) -> None:
        """Wait until this message has arrived."""
        name, sent = message
        self.hear_event(name, lambda data: data["id"] == sent["id"])

    def hear_moment(self, name: str) -> None:
        """Wait for a moment of this name."""
        self.hear(lambda it: isinstance(it, Moment) and it.name == name, name)

    def hear_all(self, last: int) -> None:
        """Wait until the event with the number `last`, or a later one, has arrived."""
        if self.tally.highest < last:
            self.hear(lambda it: isinstance(it, Event) and it.seq >= last, f"event {last}")

    # -- the gateway's process -------------------------------------------------------------------------------------

    def do(self, order: str, **details: Any) -> Any:
        """Have the gateway's process do something, and wait until it has; returns what that came to."""
        return self.answer_to(self._gateway.order(order, **details))

    def answer_to(self, order: int) -> Any:
        """What an order came to.

        Raises:
            CommandError: it could not be carried out.
        """
        answer = self.hear(lambda it: isinstance(it, Answer) and it.order == order, "the gateway's answer")
        assert isinstance(answer, Answer)
        if answer.problem is not None:
            raise CommandError(answer.problem, Exit.UNUSABLE if order == GatewayProcess.START else Exit.FAILED)
        return answer.value

    def next_beat_comes_before(self, moment: str) -> bool:
        """Wait for the next heartbeat to reach the gateway, or for a moment of this name; whether it was the former."""
        order = self._gateway.order("next_beat")

        def either(it: Occurrence) -> bool:
            return (isinstance(it, Answer) and it.order == order) or (isinstance(it, Moment) and it.name == moment)

        if isinstance(self.hear(either, "the next heartbeat"), Moment):
            return False
        self.answer_to(order)
        return True
