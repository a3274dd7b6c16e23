"""A question under way: one set of commands and events, however many callers wait for the answer.

None of them owns it, and it has no thread: the dispatcher puts events in, and whichever caller is awake looks at them
and sends what is due. So one that gives up leaves the others with all that has come.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ..errors import CommandTimeout, GatewayError, NotConnected
from ..event import Event
from ..foreground import Bell
from ..logs import ShardLog
from ..opcodes import Opcode
from ..session import Session
from ..taps import Tap, Taps
from .question import Question, Request

__all__ = ["Inquiries", "Inquiry", "Line", "Patience"]


class Patience:
    """How long a caller waits.

    Args:
        timeout: seconds from now; None for as long as it takes.
    """

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.deadline = float("inf") if timeout is None else time.monotonic() + timeout

    @property
    def left(self) -> float | None:
        """Seconds that are left; None for any number."""
        return None if self.timeout is None else max(self.deadline - time.monotonic(), 0.0)


class Line(Protocol):
    """The way to the gateway, as a question needs it."""

    @property
    def session(self) -> Session:
        """The session now; a copy."""

    @property
    def error(self) -> GatewayError | None:
        """What ended the client."""

    def wait(self, timeout: float | None) -> None:
        """Wait until commands go out, or never will."""

    def send(self, op: Opcode, data: Request, timeout: float | None) -> None:
        """Send a command; raises as `Client.send_packet`."""


class Inquiry(Tap):
    """A question, its callers and what has come.

    Attributes:
        request: what is asked, to be compared.
        what: the same in words.
        callers: how many wait; guarded by the lock of `Inquiries`.
        left: rings when the last has gone.
    """

    def __init__(self, request: object, question: Question, line: Line) -> None:
        self.request = request
        self.what = question.what
        self.callers = 0
        self.left = Bell()
        self._question = question
        self._line = line
        self._arrived: deque[Event] = deque()
        self._to_send: deque[Request] = deque()
        self._begun_in: Session | None = None  # the session, and its seq then
        self._sending = False
        self._going_out = False  # the first command is on its way: what comes from now on may be of the answer
        self._asked = False
        self._ended = False
        self._error: GatewayError | None = None
        self._bells: list[Bell] = []  # of those who wait
        self._lock = threading.Lock()  # guards all of the above, the question included

    # -- for the dispatcher ----------------------------------------------------------------------------------------

    def show(self, event: Event) -> None:
        """Keep an event for the callers to look at."""
        with self._lock:
            if not self._going_out and event.name in self._question.events:
                return  # of an answer to somebody else
            self._arrived.append(event)
        self._ring()

    def end(self, error: GatewayError | None) -> None:
        """No more events come."""
        with self._lock:
            self._ended, self._error = True, error
        self._ring()

    # -- for the callers -------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        with self._lock:
            return self._ended or self._is_answered

    def wait(self, patience: Patience) -> Any:
        """Wait for the answer, and do what is due meanwhile.

        Raises:
            TimeoutError: it did not come in time.
            GatewayError: it will not come.
        """
        bell = Bell()
        with self._lock:
            self._bells.append(bell)
            begun = self._begun_in is not None
        try:
            if not begun:
                self._line.wait(patience.left)
            while True:
                bell.silence()
                with self._lock:
                    now = time.monotonic()
                    self._look(now)
                    if self._is_answered:
                        return self._question.answer()
                    self._raise_what_keeps_it(now, patience)
                    to_send = self._to_send
                    request = None if self._sending or not to_send else to_send.popleft()
                    self._sending = self._sending or request is not None
                    until = min(patience.deadline, self._question.wake_at or patience.deadline)
                if request is not None:
                    self._send(request, to_send, patience)
                else:
                    bell.wait(None if until == float("inf") else max(until - now, 0.0))
        finally:
            with self._lock:
                self._bells.remove(bell)
            self._ring()  # what this one would have done is for the others

    @property
    def _is_answered(self) -> bool:
        return self._asked and self._question.is_answered

    def _begin(self) -> None:
        self._begun_in = self._line.session
        self._to_send = deque(self._question.begin())
        self._going_out = False

    def _look(self, now: float) -> None:
        """Take in what has arrived."""
        if self._begun_in is None:
            self._begin()
        while self._arrived:
            event = self._arrived.popleft()
            if self._is_answered:
                continue  # this is of the answer to the next question
            if isinstance(event.data, dict):
                self._take(event, now)
        if self._question.wake_at is not None and self._question.wake_at <= now:
            self._to_send.extend(self._question.wake(now))

    def _take(self, event: Event, now: float) -> None:
        assert self._begun_in is not None
        if event.name == "READY":
            # Not the one that the commands waited for: they, or their answer, were lost with the session before.
            if event.data.get("session_id") != self._begun_in.id:
                self._begin()
        elif event.name == "RESUMED":
            # Not one of before, which comes late since handlers were slow.
            if event.seq is None or event.seq > (self._begun_in.seq or 0):
                self._to_send = deque(self._question.resume())
        else:
            self._question.take(event.name, event.data, now)

    def _raise_what_keeps_it(self, now: float, patience: Patience) -> None:
        if self._ended:
            raise self._ending(self._error)
        if error := self._question.in_vain(now, patience.deadline):
            raise error
        if now >= patience.deadline:
            raise self._late(patience)

    def _ending(self, error: GatewayError | None) -> GatewayError:
        return error or NotConnected(f"{self._question.what} did not come: the client was closed")

    def _late(self, patience: Patience) -> TimeoutError:
        question = self._question
        if not self._asked:
            return CommandTimeout(
                f"{question.op.name} was not sent within timeout={patience.timeout:g} seconds: the gateway was not "
                "ready, or the send limit left no room"
            )
        return TimeoutError(
            f"{question.what} did not come within timeout={patience.timeout:g} seconds: {question.missing()}"
        )

    def _send(self, request: Request, to_send: deque[Request], patience: Patience) -> None:
        """Send one command of those in `to_send`; when that fails it is left to another caller."""
        line = self._line
        sent = False
        try:
            with self._lock:
                self._going_out = True
            line.send(self._question.op, request, patience.left)
            sent = True
        except NotConnected as error:
            with self._lock:
                closed_meanwhile = self._asked or self._ended
            raise line.error or (self._ending(None) if closed_meanwhile else error) from None
        except CommandTimeout:
            with self._lock:
                raise self._late(patience) from None
        finally:
            with self._lock:
                self._sending = False
                if sent:
                    self._asked = True
                else:  # of no use where all was begun anew meanwhile
                    to_send.appendleft(request)

    def _ring(self) -> None:
        with self._lock:
            bells = list(self._bells)
        for bell in bells:
            bell.ring()


class Inquiries:
    """Those that are under way.

    Args:
        check: raises what keeps the client from getting any answer.
    """

    def __init__(self, taps: Taps, line: Line, check: Callable[[str], None], log: ShardLog) -> None:
        self._taps = taps
        self._line = line
        self._check = check
        self._log = log
        self._open: dict[object, Inquiry] = {}
        self._lock = threading.Lock()  # guards the table above, and the callers of those in it

    def ask(
        self, topic: object, request: object, make_question: Callable[[], Question], timeout: float | None
    ) -> Any:
        """Ask, or wait with those who ask the same already.

        Args:
            topic: of two questions of one topic the second is asked when the first is over, since their answers could
                not be told apart.
            request: what is asked; equal for questions that are the same.
        """
        patience = Patience(timeout)
        while True:
            inquiry, is_same = self._join(topic, request, make_question)
            if inquiry.callers > 1 or not is_same:
                self._log.debug("%s: this is being asked for already", inquiry.what)
            if is_same:
                try:
                    self._check(inquiry.what)  # after it was joined, so that an end in between is not missed
                    return inquiry.wait(patience)
                finally:
                    self._leave(topic, inquiry)
            if not inquiry.left.wait(patience.left):
                raise TimeoutError(
                    f"{inquiry.what} was still being asked for after timeout={timeout:g} seconds, and this must wait"
                )

    def _join(
        self, topic: object, request: object, make_question: Callable[[], Question]
    ) -> tuple[Inquiry, bool]:
        with self._lock:
            inquiry = self._open.get(topic)
            if inquiry is None or inquiry.is_over:
                question = make_question()
                inquiry = self._open[topic] = Inquiry(request, question, self._line)
                # Before the first command is sent, so that no answer is missed.
                self._taps.add(inquiry, (*question.events, "READY", "RESUMED"))
            is_same = inquiry.request == request
            inquiry.callers += int(is_same)
            return inquiry, is_same

    def _leave(self, topic: object, inquiry: Inquiry) -> None:
        with self._lock:
            inquiry.callers -= 1
            if inquiry.callers:
                return
            if self._open.get(topic) is inquiry:
                del self._open[topic]
        self._taps.remove(inquiry)
        inquiry.left.ring()
