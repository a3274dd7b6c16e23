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

from ..concurrency.signals import SignalSafeEvent
from ..dispatch.subscriptions import Subscriber, Subscribers
from ..errors import CommandTimeout, GatewayError, NotConnected
from ..event import Event
from ..log import ShardLog
from ..opcodes import Opcode
from ..sanitize import sanitize_line
from ..session.state import Session
from .base import CommandData, Request

__all__ = ["Inquiries", "Line", "Patience", "PendingRequest"]

#: times that a command may be followed by the end of the connection instead of an answer
MAX_DROPS = 3


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

    def send(self, op: Opcode, data: CommandData, timeout: float | None) -> None:
        """Send a command; raises as `Client.send_packet`."""


class PendingRequest(Subscriber):
    """A question, its callers and what has come.

    `show` and `end` only post, and do not take the lock of the callers: `end` may be called by a signal handler, on a
    thread that holds it.

    Attributes:
        request: what is asked, to be compared.
        what: the same in words.
        callers: how many wait; guarded by the lock of `Inquiries`.
        left: rings when the last has gone.
    """

    def __init__(self, request: object, question: Request, line: Line) -> None:
        self.request = request
        self.what = question.what
        self.callers = 0
        self.left = SignalSafeEvent()
        self._question = question
        self._line = line
        # Posted to; each is read and replaced as a whole.
        self._arrived: deque[Event] = deque()
        self._going_out = False  # the first command is on its way: what comes from now on may be of the answer
        self._over: tuple[GatewayError | None] | None = None  # no more events come, with what ended the client
        self._bells: tuple[SignalSafeEvent, ...] = ()  # of those who wait
        # Guards the bells, so that who posts finds each that did not see what was posted. Any thread takes it, for a
        # moment, and a signal handler may take it again.
        self._bells_lock = threading.RLock()
        # Guarded by the lock, the question included.
        self._to_send: deque[CommandData] = deque()
        self._begun_in: Session | None = None  # the session, and its seq then
        self._sending = False
        self._asked = False
        self._awaited = False  # a command was sent on the connection that there is, or was last
        self._drops = 0  # connections that ended so, in a row
        self._close = ""  # how the last of them ended, in words
        self._given_up = False
        self._lock = threading.Lock()  # taken by callers only

    # -- for the dispatcher ----------------------------------------------------------------------------------------

    def show(self, event: Event) -> None:
        """Keep an event for the callers to look at."""
        if self._going_out or event.name not in self._question.events:  # else of an answer to somebody else
            self._arrived.append(event)
            self._ring()

    def end(self, error: GatewayError | None) -> None:
        """No more events come. Any thread, and any signal handler."""
        self._over = (error,)
        self._ring()

    # -- for the callers -------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        with self._lock:
            return self._over is not None or self._given_up or self._is_answered

    def wait(self, patience: Patience) -> Any:
        """Wait for the answer, and do what is due meanwhile.

        Raises:
            TimeoutError: it did not come in time.
            GatewayError: it will not come.
        """
        bell = SignalSafeEvent()
        with self._bells_lock:
            self._bells = (*self._bells, bell)
        with self._lock:
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
            with self._bells_lock:
                self._bells = tuple(one for one in self._bells if one is not bell)
            self._ring()  # what this one would have done is for the others

    @property
    def _is_answered(self) -> bool:
        return self._asked and self._question.is_answered

    def _begin(self) -> None:
        session = self._line.session
        self._to_send = self._unless_in_vain(self._question.begin())
        self._going_out = False
        self._begun_in = session

    def _unless_in_vain(self, requests: list[CommandData]) -> deque[CommandData]:
        """What to send again, unless each connection ended when it was sent."""
        self._given_up = bool(requests) and self._drops >= MAX_DROPS
        return deque(() if self._given_up else requests)

    def _look(self, now: float) -> None:
        """Take in what has arrived."""
        if self._begun_in is None:
            self._begin()
        while self._arrived:
            event = self._arrived.popleft()
            if self._is_answered or self._given_up:
                continue  # this is of the answer to the next question
            self._take(event, event.data if isinstance(event.data, dict) else {}, now)
        if self._question.wake_at is not None and self._question.wake_at <= now:
            self._to_send.extend(self._question.wake(now))

    def _take(self, event: Event, data: dict[str, Any], now: float) -> None:
        assert self._begun_in is not None
        if event.name == "close":
            if self._awaited:
                self._awaited = False
                self._drops += 1
                self._close = _in_words(data)
        elif event.name == "READY":
            # Not the one that the commands waited for: they, or their answer, were lost with the session before.
            if data.get("session_id") != self._begun_in.id:
                self._begin()
        elif event.name == "RESUMED":
            # Not one of before, which comes late since handlers were slow.
            if event.seq is None or event.seq > (self._begun_in.seq or 0):
                self._to_send = self._unless_in_vain(self._question.resume())
        elif self._question.take(event.name, data, now):
            self._drops = 0

    def _raise_what_keeps_it(self, now: float, patience: Patience) -> None:
        if self._over is not None:
            raise self._ending(self._over[0])
        if self._given_up:
            raise TimeoutError(
                f"{self._question.what} did not come: {self._question.op.name} was sent {self._drops} times, and each "
                f"time the connection dropped before the answer, last with {self._close}; check that this gateway "
                "supports the command"
            )
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
        words = f"{question.what} did not come within timeout={patience.timeout:g} seconds: {question.missing()}"
        if self._drops:
            times = "once" if self._drops == 1 else f"{self._drops} times"
            words += f"; the connection dropped {times} after the command was sent, most recently with {self._close}"
        return TimeoutError(words)

    def _send(self, request: CommandData, to_send: deque[CommandData], patience: Patience) -> None:
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
                closed_meanwhile = self._asked or self._over is not None
            raise line.error or (self._ending(None) if closed_meanwhile else error) from None
        except CommandTimeout:
            with self._lock:
                raise self._late(patience) from None
        finally:
            with self._lock:
                self._sending = False
                if sent:
                    self._asked = self._awaited = True
                else:  # of no use where all was begun anew meanwhile
                    to_send.appendleft(request)

    def _ring(self) -> None:
        with self._bells_lock:
            bells = self._bells
        for bell in bells:
            bell.ring()


def _in_words(close: dict[str, Any]) -> str:
    """How a connection ended, from what the ``close`` event holds."""
    reason = close.get("reason")
    said = f" ({sanitize_line(reason)})" if isinstance(reason, str) and reason else ""
    return f"close code {close.get('code')}{said}"


class Inquiries:
    """Those that are under way.

    Args:
        check: raises what keeps the client from getting any answer.
    """

    def __init__(self, taps: Subscribers, line: Line, check: Callable[[str], None], log: ShardLog) -> None:
        self._taps = taps
        self._line = line
        self._check = check
        self._log = log
        self._open: dict[object, PendingRequest] = {}
        self._lock = threading.Lock()  # guards the table above, and the callers of those in it

    def ask(self, topic: object, request: object, make_question: Callable[[], Request], timeout: float | None) -> Any:
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
        self, topic: object, request: object, make_question: Callable[[], Request]
    ) -> tuple[PendingRequest, bool]:
        with self._lock:
            inquiry = self._open.get(topic)
            if inquiry is None or inquiry.is_over:
                question = make_question()
                inquiry = self._open[topic] = PendingRequest(request, question, self._line)
                # Before the first command is sent, so that no answer is missed.
                self._taps.add(inquiry, (*question.events, "READY", "RESUMED", "close"))
            is_same = inquiry.request == request
            inquiry.callers += int(is_same)
            return inquiry, is_same

    def _leave(self, topic: object, inquiry: PendingRequest) -> None:
        with self._lock:
            inquiry.callers -= 1
            if inquiry.callers:
                return
            if self._open.get(topic) is inquiry:
                del self._open[topic]
        self._taps.remove(inquiry)
        inquiry.left.ring()
