"""Requests that are under way, each with any number of callers that wait for the same answer.

None of the callers owns a request, and it has no thread: the dispatcher posts events, and whichever caller is awake
processes them and sends the next command. A caller that gives up leaves everything received to the others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..concurrency.clock import seconds_until
from ..concurrency.signals import SignalSafeEvent
from ..dispatch.subscriptions import Subscriber, Subscribers
from ..errors import CommandTimeout, GatewayError, NotConnected
from ..event import Event
from ..log import ShardLog
from ..opcodes import Opcode
from ..sanitize import sanitize_line
from ..session.state import Session
from .base import CommandData, Request

__all__ = ["PendingRequest", "PendingRequests", "RequestContext", "Timeout"]

#: connections in a row that may end after a command was sent and before any answer
MAX_DROPS = 3


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """What requests use of the client.

    Attributes:
        subscribers: bring the events.
        session: returns the session as last published. Called under the lock of a `PendingRequest`: takes no lock.
        wait_until_ready: takes a command's name and a timeout in seconds or None; returns once commands can be sent and
            the session of that connection is published. Raises CommandTimeout and NotConnected.
        try_send: sends a command without waiting; returns 0.0 when it was sent, the seconds until the rate limit has
            room, or None when the gateway is not ready. Raises PayloadTooLarge.
        check_waiting: takes what is waited for; raises if this thread must not wait or the client does not run.
        error: returns the error that ended the client, or None.
        log: of the shard.
    """

    subscribers: Subscribers
    session: Callable[[], Session]
    wait_until_ready: Callable[[str, float | None], None]
    try_send: Callable[[Opcode, CommandData], float | None]
    check_waiting: Callable[[str], None]
    error: Callable[[], GatewayError | None]
    log: ShardLog


class Timeout:
    """How long a caller waits.

    Args:
        seconds: from now; None to wait forever.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.deadline: float = float("inf") if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float | None:
        """Seconds that are left; None for no limit."""
        return None if self.seconds is None else seconds_until(self.deadline)


class PendingRequest(Subscriber):
    """A request under way.

    Attributes:
        key: what is requested, to be compared.
        description: as the request's.
        callers: how many use it; guarded by the lock of `PendingRequests`.
        closed: set when the last of them has left.
    """

    def __init__(self, key: object, request: Request, context: RequestContext) -> None:
        self.key = key
        self.description: str = request.description
        self.callers = 0
        self.closed: SignalSafeEvent = SignalSafeEvent()
        self._request = request
        self._context = context
        # The two below are posted without a lock, by the dispatcher and by the thread that ends the client: the caller
        # that holds it may be in a signal handler, which waits for the client to end.
        self._arrived: deque[Event[Any]] = deque()
        self._ended: tuple[GatewayError | None] | None = None  # no more events come: the error that ended the client
        # Guards all below, and the request. Taken by the callers alone; reentrant, since a signal handler in a
        # caller may call too. Under it nothing is called but the request, which is pure, and reads of the published
        # session and the voice cache, which take no lock.
        self._lock = threading.RLock()
        self._wakeups: tuple[SignalSafeEvent, ...] = ()  # an event for each caller that waits
        self._session: Session | None = None  # the session that the commands were made for, as it was then
        self._sessions = 1  # READYs so far, plus 1 for the initial session
        self._compared = 0  # how many of them have been compared with the published session
        self._to_send: deque[CommandData] = deque()
        self._send_at = 0.0  # when the rate limit has room, on the monotonic clock
        self._sending = False  # a caller has its turn to send
        self._collecting = False  # a first command goes out: events from now on may be part of the answer
        self._was_sent = False  # some command was sent, in any session
        self._is_unanswered = False  # a command was sent on the last connection
        self._drops = 0  # connections in a row that ended in that state
        self._last_close = ""  # how the last of them ended
        self._answered = False
        self._given_up = False

    # -- on the dispatcher's thread --------------------------------------------------------------------------------

    def receive(self, event: Event[Any]) -> None:
        """Post an event for the callers to process."""
        if self._collecting or event.name not in self._request.events:  # or it is the answer to another request
            self._arrived.append(event)
            self._wake()

    def end(self, error: GatewayError | None) -> None:
        """Post that no more events come. Never waits."""
        self._ended = (error,)
        self._wake()

    # -- on the callers' threads -----------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether the result is known, and nothing changes any more. Takes no lock."""
        return self._answered or self._given_up or self._ended is not None

    def wait(self, timeout: Timeout) -> Any:
        """Wait for the answer; process events and send commands while waiting.

        Raises:
            TimeoutError: the answer did not come in time, or `MAX_DROPS` connections in a row ended before it.
            CommandTimeout: no command was sent in time; a TimeoutError too.
            GatewayError: it cannot come any more.
            PayloadTooLarge: a command is larger than the gateway takes.
        """
        wakeup = SignalSafeEvent()
        has_turn = False
        with self._lock:
            self._wakeups = (*self._wakeups, wakeup)
        try:
            while True:
                wakeup.clear()
                with self._lock:
                    now = time.monotonic()
                    self._process(now)
                    answered = self._answered
                    if not answered:
                        self._raise_failure(now, timeout)
                        has_turn = not self._sending and self._has_work(now)
                        self._sending = self._sending or has_turn
                    wait_until = self._next_step_at(timeout)
                if answered:
                    return self._request.answer()  # which nothing changes any more
                if has_turn:
                    self._send_next(timeout)
                    with self._lock:
                        self._sending = has_turn = False
                else:
                    wakeup.wait(None if wait_until == float("inf") else max(wait_until - now, 0.0))
        finally:
            with self._lock:
                if has_turn:
                    self._sending = False
                self._wakeups = tuple(other for other in self._wakeups if other is not wakeup)
            self._wake()  # another caller takes over

    # -- with the lock held ----------------------------------------------------------------------------------------

    def _process(self, now: float) -> None:
        while not self._settle() and self._arrived:
            self._take(self._arrived.popleft(), now)
        timer_at = self._request.timer_at
        if timer_at is not None and timer_at <= now and not self._settle():
            self._to_send.extend(self._request.on_timer(now))
            self._settle()

    def _settle(self) -> bool:
        self._answered = self._answered or (self._was_sent and self._request.is_answered)
        return self._answered or self._given_up

    def _take(self, event: Event[Any], now: float) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if event.name == "close":
            if self._is_unanswered:
                self._is_unanswered = False
                self._drops += 1
                self._last_close = _describe_close(data)
        elif event.name == "READY":
            self._sessions += 1
        elif event.name == "RESUMED":
            # Ignore a RESUMED from before the request, delivered late because handlers are slow.
            if self._session is not None and (event.seq is None or event.seq > (self._session.seq or 0)):
                self._replace_commands(self._request.resume())
        elif self._request.on_event(event.name, data, now):
            self._drops = 0

    def _compare_session(self, sessions: int) -> None:
        """Keep commands, and so their nonces, from being sent in a session other than the intended session.

        Args:
            sessions: how many had come when the gateway was last found ready, so that they are published.
        """
        session = self._context.session()
        if self._session is None or session.id != self._session.id:
            if self._sessions > self._compared:
                self._replace_commands(self._request.start())
                self._collecting = False
                self._session = session
            else:
                self._to_send.clear()  # the new session's READY, which is on its way, starts the request anew
        self._compared = sessions

    def _replace_commands(self, commands: list[CommandData]) -> None:
        self._given_up = bool(commands) and self._drops >= MAX_DROPS
        self._to_send = deque(() if self._given_up else commands)
        self._send_at = 0.0

    def _has_work(self, now: float) -> bool:
        return self._sessions > self._compared or (bool(self._to_send) and self._send_at <= now)

    def _next_step_at(self, timeout: Timeout) -> float:
        timer_at = self._request.timer_at
        steps = [timeout.deadline, timeout.deadline if timer_at is None else timer_at]
        if self._to_send and not self._sending:
            steps.append(self._send_at)
        return min(steps)

    def _raise_failure(self, now: float, timeout: Timeout) -> None:
        if self._ended is not None:
            raise self._ended[0] or self._closed_error()
        if self._given_up:
            raise TimeoutError(
                f"{self.description} did not come: {self._request.op.name} was sent {self._drops} times, and each time "
                f"the connection dropped before the answer, last with {self._last_close}; check that this gateway "
                "supports the command"
            )
        if error := self._request.failure(now, timeout.deadline):
            raise error
        if now >= timeout.deadline:
            raise self._timeout_error(timeout)

    def _closed_error(self) -> NotConnected:
        return NotConnected(f"{self.description} did not come: the client was closed")

    def _timeout_error(self, timeout: Timeout) -> TimeoutError:
        if not self._was_sent:
            return CommandTimeout(
                f"{self._request.op.name} was not sent within timeout={timeout.seconds:g} seconds: the gateway was not "
                "ready, or the send limit left no room"
            )
        message = (
            f"{self.description} did not come within timeout={timeout.seconds:g} seconds: {self._request.progress()}"
        )
        if self._drops:
            times = "once" if self._drops == 1 else f"{self._drops} times"
            message += (
                f"; the connection dropped {times} after the command was sent, most recently with {self._last_close}"
            )
        return TimeoutError(message)

    # -- without the lock ------------------------------------------------------------------------------------------

    def _send_next(self, timeout: Timeout) -> None:
        """Send the next command, if any. For the caller whose turn it is."""
        context, op = self._context, self._request.op
        with self._lock:
            sessions = self._sessions
        try:
            context.wait_until_ready(op.name, timeout.left)
        except CommandTimeout:
            return  # `wait` raises, unless the answer has come since
        except NotConnected as error:
            with self._lock:
                was_begun = self._was_sent or self._ended is not None
            raise context.error() or (self._closed_error() if was_begun else error) from None
        with self._lock:
            self._compare_session(sessions)
            to_send = self._to_send
            command = to_send[0] if to_send else None
            self._collecting = self._collecting or command is not None
        if command is None:
            return
        delay = context.try_send(op, command)
        with self._lock:
            if delay == 0:
                to_send.popleft()
                self._was_sent = self._is_unanswered = True
            elif delay is not None:
                send_at = time.monotonic() + delay
                if self._to_send is to_send:
                    self._send_at = send_at
                if send_at > timeout.deadline:
                    raise self._timeout_error(timeout)

    def _wake(self) -> None:
        for wakeup in self._wakeups:
            wakeup.set()


def _describe_close(close: dict[str, Any]) -> str:
    """Describe how a connection ended, from the data of the ``close`` event."""
    reason = close.get("reason")
    quoted = f" ({sanitize_line(reason)})" if isinstance(reason, str) and reason else ""
    return f"close code {close.get('code')}{quoted}"


class PendingRequests:
    """The requests under way, by topic."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        # Guards the table, and `callers` of the requests in it. Taken by callers' threads only, for a look-up: nothing
        # is called under it. Reentrant, since a signal handler may request something in the middle of a look-up.
        self._lock = threading.RLock()
        self._by_topic: dict[object, PendingRequest] = {}

    def request(self, topic: object, key: object, make_request: Callable[[], Request], timeout: Timeout) -> Any:
        """Make a request, or join an equal request under way, and wait for the answer.

        Args:
            topic: of two requests with the same topic the second waits for the first, since their answers look alike.
            key: what is requested; equal for requests that have the same answer.
            make_request: makes the request, if it is to be sent.
            timeout: for all of it.

        Raises:
            TimeoutError: the answer did not come in time, or another request of the topic took too long.
            GatewayError, PayloadTooLarge: as `PendingRequest.wait`; and whatever `check_waiting` raises.
        """
        while True:
            pending, is_new = self._join(topic, key, make_request)
            try:
                is_same = pending.key == key
                if not is_new:
                    verb = "joined" if is_same else "queued behind"
                    self._context.log.debug("%s: %s the request under way", pending.description, verb)
                if is_same:
                    # Only now that it is subscribed: it hears of an end that comes after the check.
                    self._context.check_waiting(pending.description)
                    return pending.wait(timeout)
            finally:
                self._leave(topic, pending)
            if not pending.closed.wait(timeout.left):
                raise TimeoutError(
                    f"{pending.description} was still under way after timeout={timeout.seconds:g} seconds, and this "
                    "request waits for it"
                )

    def _join(self, topic: object, key: object, make_request: Callable[[], Request]) -> tuple[PendingRequest, bool]:
        request = make_request()
        new = PendingRequest(key, request, self._context)
        # Before others find it in the table and send its first command.
        self._context.subscribers.add(new, (*request.events, "READY", "RESUMED", "close"))
        with self._lock:
            pending = self._by_topic.get(topic)
            if pending is None or pending.is_over:
                pending = self._by_topic[topic] = new
            pending.callers += 1
        if pending is not new:
            self._context.subscribers.remove(new)
        return pending, pending is new

    def _leave(self, topic: object, pending: PendingRequest) -> None:
        with self._lock:
            pending.callers -= 1
            if pending.callers:
                return
            if self._by_topic.get(topic) is pending:
                del self._by_topic[topic]
        self._context.subscribers.remove(pending)
        pending.closed.set()
