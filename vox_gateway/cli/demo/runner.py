"""Runs and prints the steps of the demo on the main thread.

Everything that happens is put into a single inbox and printed when taken out; every wait has a timeout.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

from ...concurrency.clock import seconds_until
from ..shared.exits import CommandError, Exit
from ..shared.inbox import MainInbox
from ..shared.screen import Mark, Screen
from .gateway import GatewayProcess
from .messages import ClientEvent, Event, Message, ProcessExited, Reply
from .narration import Narrator
from .sample_events import NamedEvent
from .sequence_check import ReceivedEvents

__all__ = ["DemoTimeout", "Runner"]


class DemoTimeout(CommandError):
    """An expected message did not come in time."""


class Runner:
    """Waits for messages, prints them and counts events.

    Args:
        screen: the output.
        gateway: the started gateway process.
        inbox: receives every message.
        pace: factor for pauses.
        timeout: maximum seconds of any wait.
    """

    def __init__(
        self,
        screen: Screen,
        gateway: GatewayProcess,
        inbox: MainInbox[Message],
        pace: float = 1.0,
        timeout: float = 8.0,
    ) -> None:
        self.screen = screen
        self.received: ReceivedEvents = ReceivedEvents()
        self.timeout = timeout
        self._gateway = gateway
        self._inbox = inbox
        self._pace = pace
        self._started_at = time.monotonic()
        self._narrator = Narrator()
        self._act_messages: list[Message] = []  # messages printed in this act
        self._replayed = 0  # events since the connection was made

    # -- printing --------------------------------------------------------------------------------------------------

    def act(self, title: str) -> None:
        """Print pending messages, then begin an act."""
        self._print_pending()
        self._act_messages.clear()
        self.screen.title(title)

    def line(self, mark: Mark, name: str, text: str) -> None:
        """Print pending messages, then a line."""
        self._print_pending()
        self._show(time.monotonic(), mark, name, text)

    def _print_pending(self) -> None:
        while True:
            try:
                self._print(self._inbox.get(timeout=0.0))
            except queue.Empty:
                return

    def _show(self, at: float, mark: Mark, name: str, text: str) -> None:
        self.screen.line(at - self._started_at, mark, name, text)

    def _print(self, message: Message) -> None:
        self._act_messages.append(message)
        match message:
            case Event(at, name, data, seq):
                self.received.add(seq)
                text = self._narrator.describe(name, data)
                if name == "RESUMED":
                    text = f"{text}; {self._replayed} were missed"
                self._replayed += 1
                self._show(at, Mark.IN, name, text)
            case ClientEvent(at, name, data):
                self._print_client_event(at, name, data)
            case ProcessExited(status):
                how = f"by signal {-status}" if status < 0 else f"with exit code {status}"
                raise CommandError(f"the gateway process ended {how} before the end of the demo")
            case _:
                pass  # replies are not printed

    def _print_client_event(self, at: float, name: str, data: Any) -> None:
        match name:
            case "open":
                self._replayed = 0
                self._show(at, Mark.NOTE, "open", "the websocket is open")
            case "HELLO":
                interval, last = data["heartbeat_interval"] / 1000, self.received.highest
                self._show(at, Mark.IN, "HELLO", f"heartbeat interval: {interval:g} s")
                # The client has already replied when its handlers run.
                if last:
                    self._show(at, Mark.OUT, "RESUME", f"the session, after event {last}")
                else:
                    self._show(at, Mark.OUT, "IDENTIFY", "a new session, with all intents")
            case "close":
                mark = Mark.GOOD if data["code"] == 1000 else Mark.BAD
                self._show(at, mark, "close", f"{data['code']}: {data['reason']}")
            case "blocks":
                self._show(at, Mark.NOTE, "the handler blocks", "everything else continues")
            case "wakes":
                self._show(at, Mark.NOTE, "the handler returns", "queued events are handled")
            case _:  # "error"
                raise CommandError(f"the client failed: {data}")

    # -- waiting ---------------------------------------------------------------------------------------------------

    def linger(self, seconds: float) -> None:
        """Print messages for `seconds`, times the pace."""
        deadline = time.monotonic() + seconds * self._pace
        while True:
            try:
                self._print(self._inbox.get(timeout=seconds_until(deadline)))
            except queue.Empty:
                return

    def wait_for(self, matches: Callable[[Message], bool], what: str) -> Message:
        """Print messages until `matches` accepts a message of this act, and return that.

        Raises:
            DemoTimeout: `what` did not come in time.
            CommandError: the client failed or the gateway process exited.
        """
        for message in self._act_messages:
            if matches(message):
                return message
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                message = self._inbox.get(timeout=seconds_until(deadline))
            except queue.Empty:
                raise DemoTimeout(f"{what} did not come within {self.timeout:g} seconds") from None
            self._print(message)
            if matches(message):
                return message

    def wait_event(self, name: str, fits: Callable[[Any], bool] = lambda data: True) -> Event:
        """Wait for an event of this name whose data fits."""
        found = self.wait_for(lambda item: isinstance(item, Event) and item.name == name and fits(item.data), name)
        assert isinstance(found, Event)
        return found

    def wait_message(self, message: NamedEvent) -> None:
        """Wait for this message."""
        name, sent = message
        self.wait_event(name, lambda data: data["id"] == sent["id"])

    def wait_client_event(self, name: str) -> None:
        """Wait for a client event of this name."""
        self.wait_for(lambda item: isinstance(item, ClientEvent) and item.name == name, name)

    def wait_seq(self, last: int) -> None:
        """Wait for an event with a sequence number of at least `last`."""
        if self.received.highest < last:
            self.wait_for(lambda item: isinstance(item, Event) and item.seq >= last, f"event {last}")

    # -- the gateway process ---------------------------------------------------------------------------------------

    def run_command(self, name: str, **arguments: Any) -> Any:
        """Send a command to the gateway process, wait for it, and return its result."""
        return self.wait_reply(self._gateway.send_command(name, **arguments))

    def wait_reply(self, number: int) -> Any:
        """Wait for the reply to a command and return its value.

        Raises:
            CommandError: the command failed.
        """
        reply = self.wait_for(lambda item: isinstance(item, Reply) and item.number == number, "the gateway's reply")
        assert isinstance(reply, Reply)
        if reply.error is not None:
            raise CommandError(reply.error, Exit.UNUSABLE if number == GatewayProcess.START else Exit.FAILED)
        return reply.value

    def heartbeat_comes_before(self, name: str) -> bool:
        """Return whether the gateway receives a heartbeat before this client event. Waits for either."""
        number = self._gateway.send_command("next_heartbeat")

        def either(item: Message) -> bool:
            return (isinstance(item, Reply) and item.number == number) or (
                isinstance(item, ClientEvent) and item.name == name
            )

        if isinstance(self.wait_for(either, "the next heartbeat"), ClientEvent):
            return False
        self.wait_reply(number)
        return True
