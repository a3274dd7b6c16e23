"""One connection, from the first packet to the last: its reader thread, and what that needs.

Every connection is new. Socket, inflate context, rate limit, heartbeat and acknowledgements belong to one
`Connection`, made whole and thrown away whole; only the session outlives it. ::

    socket ──▶ frames ──▶ inflate ──▶ decode ──▶ protocol ──▶ event queue
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..compression import INFLATERS, Block, NoCompression
from ..concurrency.scheduler import Scheduler
from ..concurrency.wakeup import Deadline, DeadlinePassed, Interrupted, Wakeup
from ..config import Options
from ..diagnostics.stats import Traffic
from ..dispatch.event_queue import Batch, EventQueue, Milestone, is_dispatch
from ..encoding import raw_dispatch
from ..encoding.raw_dispatch import RawDispatch
from ..errors import ConnectFailed, ConnectionLost, GatewayError, ProtocolViolation
from ..log import ShardLog
from ..network.frames import TEXT, Run
from ..network.shared_reader import SharedReader
from ..network.urls import GatewayURL
from ..network.websocket import ClosedByServer, WebSocket
from ..opcodes import KEEP_SESSION, OPCODES, Opcode
from ..protocol.machine import (
    Action,
    AnswerHeartbeat,
    BecomeReady,
    CloseConnection,
    HeartbeatAcknowledged,
    Protocol,
    StartHeartbeat,
    Transmit,
)
from ..protocol.rate_limit import CommandRateLimiter
from ..protocol.reconnect_policy import Cause, ConnectPlan, Disconnect
from ..protocol.state import State
from .heartbeat import Heartbeat
from .messages import (
    Acknowledged,
    Connecting,
    Disconnected,
    HeartbeatSent,
    IdentifySent,
    Mailbox,
    Message,
    Opened,
    ReadingPaused,
    ReadingResumed,
    Ready,
    ResumeSent,
)

__all__ = ["Connection", "ConnectionConfig", "FindURL"]

#: says where to connect to; it may ask the network, within the deadline
FindURL = Callable[[ConnectPlan, Deadline, Wakeup], GatewayURL]

#: seconds from the open websocket to HELLO
HELLO_WITHIN = 20.0
#: seconds without progress before READY or RESUMED. After IDENTIFY any byte is progress: in an outage the session comes
#: late, and heartbeats are acknowledged until then. After RESUME only events are, since a server that lost the RESUME
#: acknowledges heartbeats forever; a replay may be long, so the time between two events is bounded and not the whole.
SILENCE_WITHIN = 60.0
#: seconds that the server has to answer our close frame, before the socket is shut down hard
CLOSE_WITHIN = 1.0
#: what a `close` event says when a close frame had no code, and when no close frame came (RFC 6455 section 7.4.1)
NO_CLOSE_CODE, NO_CLOSE_FRAME = 1005, 1006


@dataclass(frozen=True, kw_only=True)
class ConnectionConfig:
    """What all connections of a run have in common.

    Attributes:
        options: the client's.
        identify: builds the data of an IDENTIFY.
        find_url: called by the reader before it connects; raises ConnectFailed or another GatewayError.
        queue: where the reader puts what arrives.
        mailbox: the supervisor's.
        on_failure: called by a thread that ends because of an error of ours, with that error.
        heartbeats: calls what is due; shared with other shards.
        shared_reader: reads connections that are ready; None if each reads on its own thread all the time.
    """

    options: Options
    identify: Callable[[], dict[str, Any]]
    find_url: FindURL
    queue: EventQueue
    mailbox: Mailbox
    on_failure: Callable[[BaseException], None]
    heartbeats: Scheduler
    log: ShardLog
    shared_reader: SharedReader | None = None


@dataclass(frozen=True, slots=True)
class _Closing:
    """Why a connection is being closed, with which code, and until when the server has to answer (monotonic)."""

    disconnect: Disconnect
    code: int
    end_by: float


class Connection:
    """One connection and its reader thread, which lends it to the shared reader while it is ready.

    The thread is a daemon because a script that ends without `close` must not hang. The supervisor owns it, and ends it
    with `close` or `abort`.

    Attributes:
        traffic: what has arrived and was handed over; replaced by the reader after each read.
        wakeup: ends the reader's wait.
    """

    def __init__(self, config: ConnectionConfig, plan: ConnectPlan, connection_id: int) -> None:
        options = config.options
        self.id = connection_id
        self.rate_limiter: CommandRateLimiter = CommandRateLimiter()
        self.traffic: Traffic = Traffic(plan.session)
        self._config = config
        self._plan = plan
        self._codec = options.codec
        self._queue = config.queue
        self._log = config.log
        self._protocol = Protocol(plan.session, config.identify, options.token)
        self._inflater = INFLATERS[options.compress](options.network.max_message_size)
        self.wakeup: Wakeup = Wakeup()
        self._websocket: WebSocket | None = None
        self._heartbeat: Heartbeat | None = None
        self._opened_at = time.monotonic()
        self._heard_at = 0.0
        self._dispatched_at = 0.0  # when the last event came, or RESUME was written
        self._ready_at: float | None = None
        self._is_caught_up = False  # whether READY or RESUMED is in the event queue
        # What the read under way has brought, each batch with its size in bytes before it was decoded.
        self._batches: list[tuple[Batch, int] | Milestone] = []
        self._inflated = 0
        self._is_open = False  # whether `open` was signalled
        self._closing: _Closing | None = None
        # Guards the field above and the order of what is written: nothing follows a close frame. Reentrant, since a
        # signal handler may send a command while the code that it interrupted does.
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=f"{options.name}-reader", daemon=True)

    def start(self) -> None:
        """Begin to connect. Raises RuntimeError, and gives everything back, if the thread cannot be started."""
        try:
            self._thread.start()
        except RuntimeError:
            self.wakeup.close()
            raise

    # -- for any thread --------------------------------------------------------------------------------------------

    @property
    def reached(self) -> State:
        """How far the connection has come, CONNECTING to READY."""
        return State.CONNECTING if self._websocket is None else self._protocol.state

    @property
    def next_beat(self) -> float | None:
        """When the next heartbeat is due, in monotonic time; None before HELLO."""
        heartbeat = self._heartbeat
        return None if heartbeat is None else heartbeat.due

    def close(self, code: int, disconnect: Disconnect, reason: str = "", patience: float = CLOSE_WITHIN) -> None:
        """Close with `code`; the connection reports `disconnect`, unless it was closing already.

        Args:
            patience: seconds that the server has to answer before the socket is shut down hard.
        """
        with self._lock:
            if self._closing is not None:
                return
            self._closing = _Closing(disconnect, code, time.monotonic() + patience)
            websocket = self._websocket
            if websocket is not None:
                websocket.send_close(code, reason)  # never blocks
        if websocket is None or patience <= 0:
            self.abort()
        else:
            self.wakeup.wake()
        self._queue.wake()

    def abort(self) -> None:
        """Cut the connection off now."""
        self.wakeup.cancel()
        if (websocket := self._websocket) is not None:
            websocket.abort()

    def join(self, timeout: float) -> bool:
        """Wait until the reader has ended; False when `timeout` seconds passed first."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def write(self, name: str, data: bytes) -> None:
        """Write an encoded payload. Never blocks.

        Raises:
            ConnectionLost: the connection is over; nothing was sent.
        """
        self._log.debug("> %s (%d bytes)", name, len(data))
        self._write(data)

    def _write(self, data: bytes) -> None:
        with self._lock:
            websocket = self._websocket
            if websocket is None or self._closing is not None:
                raise ConnectionLost("the connection is closing")
            websocket.send(data, self._codec.text)  # never blocks

    # -- for the heartbeat loop ------------------------------------------------------------------------------------

    @property
    def waiting_since(self) -> float | None:
        """Since when the reader waits for the server, in monotonic time; None while it is busy or paused."""
        return None if self._websocket is None else self._websocket.waiting_since

    def beat(self) -> None:
        """Send a heartbeat, whatever the send limit says. The supervisor logs it: no beat waits for a log handler."""
        data = self._codec.encode({"op": int(Opcode.HEARTBEAT), "d": self._protocol.seq})
        self.rate_limiter.take_for_heartbeat(time.monotonic())
        with contextlib.suppress(ConnectionLost):  # the reader notices, and reports it
            self._write(data)
            self._post(HeartbeatSent(self.id, len(data)))

    def on_latency(self, at: float, latency: float) -> None:
        """A heartbeat was acknowledged at `at` (monotonic), after `latency` seconds."""
        self._post(Acknowledged(self.id, at, latency))

    def zombie(self, reason: str) -> None:
        """The server does not answer any more: close if that can be done at once, and resume."""
        self.close(KEEP_SESSION, Disconnect(Cause.LOST, reason=reason), patience=0)

    def slept(self) -> None:
        """The machine slept, and the server gave us up in the meantime."""
        self.close(KEEP_SESSION, Disconnect(Cause.SYSTEM_SUSPENDED), patience=0)

    def failed(self, error: BaseException) -> None:
        """The calling thread ends because of an error of ours."""
        self._config.on_failure(error)

    # -- the reader ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        disconnect = Disconnect(Cause.LOST, reason="the reader failed")
        try:
            disconnect = self._read_until_closed()
        except BaseException as error:
            self.failed(error)
        finally:
            self._finish(disconnect)

    def _finish(self, disconnect: Disconnect) -> None:
        """Give back what the connection holds, and report how it ended."""
        with contextlib.ExitStack() as stack:  # each is done even if another fails: the last first
            stack.callback(self._report, disconnect)
            stack.callback(self.wakeup.close)
            if self._websocket is not None:
                stack.callback(self._websocket.dispose)
            if self._heartbeat is not None:
                stack.callback(self._heartbeat.stop)

    def _report(self, disconnect: Disconnect) -> None:
        now = time.monotonic()
        with self._lock:
            closing = self._closing = self._closing or _Closing(disconnect, NO_CLOSE_FRAME, now)
        disconnect, code = closing.disconnect, closing.code
        if self._is_open:
            if disconnect.cause is Cause.CLOSED:
                code = NO_CLOSE_CODE if disconnect.code is None else disconnect.code
            self._queue.signal("close", {"code": code, "reason": disconnect.reason or disconnect.cause.value})
        lived = 0.0 if self._ready_at is None else now - self._ready_at
        self._post(Disconnected(self.id, disconnect, self.reached, lived))

    def _post(self, message: Message) -> None:
        self._config.mailbox.put(message)

    def _read_until_closed(self) -> Disconnect:
        """Connect and read until the connection is over; returns why it is."""
        try:
            self._open()
            try:
                while self._closing is None:
                    self._check_deadline()
                    if (shared := self._config.shared_reader) is not None and shared.is_open and self._may_be_lent:
                        self._lend(shared)
                    else:
                        self._receive()
            except ProtocolViolation as error:
                self.close(error.close_code, Disconnect(Cause.PROTOCOL_ERROR, reason=str(error), error=error))
            if self._websocket is not None:
                self._websocket.drain()
            return Disconnect(Cause.LOST)
        except ClosedByServer as closed:
            return Disconnect(Cause.CLOSED, closed.code, closed.reason)
        except ConnectFailed as error:
            return Disconnect(Cause.UNREACHABLE, reason=str(error), error=error)
        except GatewayError as error:
            return Disconnect(Cause.LOST, reason=str(error), error=error)
        except DeadlinePassed:
            return Disconnect(Cause.LOST, reason=self._what_was_late())
        except Interrupted:
            return Disconnect(Cause.LOST, reason="it was cut off")
        except Exception as error:  # a mistake of ours costs the connection, not the client
            self._log.exception("the reader failed")
            return Disconnect(Cause.LOST, reason=f"the reader failed: {error!r}")

    def _open(self) -> None:
        url = self._config.find_url(self._plan, self._deadline, self.wakeup)
        self._post(Connecting(self.id, time.monotonic(), url.host))
        websocket = WebSocket.open(url, self._config.options.network, self._deadline, self.wakeup)
        with self._lock:
            self._websocket = websocket
        self.wakeup.check()  # a hang-up that found no websocket yet
        self._opened_at = self._heard_at = time.monotonic()
        self._post(Opened(self.id, self._opened_at))
        self._is_open = True
        self._queue.signal("open")

    def _receive(self) -> None:
        """Read once, and hand over what that brings."""
        assert self._websocket is not None
        try:
            self._take_in(self._websocket.receive())
        finally:
            self._hand_over()

    def _take_in(self, runs: Iterator[Run]) -> None:
        """Add what has been read to the batches."""
        is_logged = self._log.isEnabledFor(logging.DEBUG)
        for opcode, run in runs:
            for block, count in self._blocks(opcode, run, one_by_one=is_logged):
                self._inflated += len(block)
                if pieces := raw_dispatch.cut(block, count):
                    self._take_raw(pieces, len(block), is_logged)
                else:
                    self._take_all(self._codec.decode_all(block, count), len(block), is_logged)
                if self._closing is not None:
                    return

    # -- while the shared reader reads -----------------------------------------------------------------------------

    @property
    def _may_be_lent(self) -> bool:
        """Whether nothing but data is waited for."""
        return self._is_caught_up and self._websocket is not None and self._websocket.may_receive_now

    def _lend(self, shared: SharedReader) -> None:
        """Let the shared reader read until this thread has to act."""
        assert self._websocket is not None
        self._websocket.begin_to_wait()
        was_read = True
        try:
            was_read = shared.read(self)
        finally:
            self._hand_over()  # what it has read last, and not handed over
            self.wakeup.drain()  # first: what woke is looked at next
        self.wakeup.check()
        if not was_read:
            self._receive()

    def fileno(self) -> int:
        """The socket's descriptor, while the connection is open."""
        assert self._websocket is not None
        return self._websocket.fileno()

    def read_now(self) -> bool:
        """Read once without waiting; return whether the next read needs no other thread. For the shared reader."""
        assert self._websocket is not None
        self._take_in(self._websocket.receive_now())
        if not self._queue.has_room(self._batches):
            return False
        self._hand_over(may_wait=False)
        self._websocket.begin_to_wait()
        return self._closing is None and self._websocket.may_receive_now

    def _hand_over(self, *, may_wait: bool = True) -> None:
        """Put what the read has brought into the queue, then publish how far the session has got."""
        assert self._websocket is not None
        self._heard_at = time.monotonic()
        may_pause = self._may_pause if may_wait else _never
        events, paused, caught_up = 0, False, self._is_caught_up
        batches, self._batches = self._batches, []
        for arrival in batches:
            if isinstance(arrival, Milestone):
                self._queue.put_milestone(arrival)
                caught_up = True
                continue
            batch, size = arrival
            if is_dispatch(batch[0]):
                events += len(batch)
                self._dispatched_at = self._heard_at
            paused |= self._queue.put(batch, size, may_pause, self._report_pause)
            self._is_caught_up = caught_up
        self.traffic = self.traffic.after(
            self._protocol.session, events, self._websocket.bytes_in, self._inflated, self._heard_at
        )
        if paused:
            self._post(ReadingResumed(self.id, time.monotonic()))

    def _blocks(self, opcode: int, run: list[bytes], *, one_by_one: bool) -> Iterator[Block]:
        """The gateway messages in `run`, inflated; each in a block of its own for the log, which has its size."""
        inflater = NoCompression() if opcode == TEXT else self._inflater
        if one_by_one:
            messages = map(inflater.feed, run)
            return ((message, 1) for message in messages if message is not None)
        return inflater.feed_all(run)

    def _take_raw(self, pieces: list[RawDispatch], size: int, is_logged: bool) -> None:
        """Add dispatches that mean nothing to the protocol but their sequence number."""
        last = raw_dispatch.seq(pieces[-1])
        if is_logged:  # the name costs time, for each block
            self._log.debug("< DISPATCH %s s=%s (%d bytes)", raw_dispatch.name(pieces[-1]), last, size)
        self._protocol.receive_raw(last or 0)
        self._batches.append((pieces, size))

    def _take_all(self, decoded: Iterator[Any], size: int, is_logged: bool) -> None:
        """Perform what payloads call for, and append them to the batches: dispatches together, others alone."""
        payloads: list[Any] = []
        try:
            payloads.extend(decoded)
        finally:  # what came before a broken payload counts
            position = 0
            while position < len(payloads) and self._closing is None:
                start, position = position, self._protocol.receive_events(payloads, position)
                actions: tuple[Action, ...] = ()
                if position == start:
                    actions = self._protocol.receive(payloads[position])
                    position += 1
                batch = payloads[start:position]
                self._batches.append((batch, size * len(batch) // len(payloads)))
                if is_logged:
                    for payload in batch:
                        self._log.debug("< %s (%d bytes)", _describe(payload), size)
                for action in actions:
                    self._perform(action)

    def _may_pause(self) -> bool:
        # A replay is taken in whole: a handler that waits for RESUMED in order to send must not keep RESUMED out.
        return self._is_caught_up and self._closing is None

    def _report_pause(self) -> None:
        self._post(ReadingPaused(self.id, time.monotonic(), self._queue.describe_full()))

    def _perform(self, action: Action) -> None:
        match action:
            case HeartbeatAcknowledged():
                if self._heartbeat is not None:
                    self._heartbeat.acknowledged(time.monotonic())
            case AnswerHeartbeat():
                if self._heartbeat is not None:
                    self._heartbeat.answered(time.monotonic())
                self.beat()
            case Transmit(op, data):
                self._send_identify_or_resume(op, data)
            case StartHeartbeat(interval):
                self.rate_limiter.reserve_for_heartbeats(interval)
                self._heartbeat = Heartbeat(self._config.heartbeats, interval, self, random.random)
            case BecomeReady(resumed):
                self._become_ready(resumed)
            case CloseConnection(code, disconnect):
                self.close(code, disconnect)

    def _become_ready(self, resumed: bool) -> None:
        self._ready_at = time.monotonic()
        session = self._protocol.session
        batches = [arrival[0] for arrival in self._batches if not isinstance(arrival, Milestone)]
        held = sum(len(batch) for batch in batches if is_dispatch(batch[0]))
        milestone = Milestone(session, resumed)
        self._batches.insert(-1, milestone)  # before the event itself
        replayed = self.traffic.events + held - 1 if resumed else None  # RESUMED was missed by nobody
        self._post(Ready(self.id, self._ready_at, session, replayed, milestone.published))

    def _send_identify_or_resume(self, op: Opcode, data: dict[str, Any]) -> None:
        if not self._config.options.may_connect():  # any more: connecting took long, or the process was paused
            self.close(KEEP_SESSION, Disconnect(Cause.NOT_OURS, reason=f"{op.name} was not sent"))
            return
        now = self._dispatched_at = time.monotonic()
        self.rate_limiter.take_always(now)
        try:
            encoded = self._codec.encode({"op": int(op), "d": data})
        except ValueError as error:
            if op is Opcode.IDENTIFY:  # which was encoded once when the client was made
                raise
            reason = f"it cannot be written as RESUME: {error}"
            self.close(KEEP_SESSION, Disconnect(Cause.INVALID_SESSION, reason=reason, resumable=False))
            return
        self.write(op.name, encoded)
        if op is Opcode.IDENTIFY:
            self._post(IdentifySent(self.id, now))
        else:
            self._post(ResumeSent(self.id, now, self._protocol.session))

    def _deadline(self) -> float | None:
        """When the reader's wait ends, whatever it waits for."""
        if (closing := self._closing) is not None:
            return closing.end_by
        match self.reached:
            case State.CONNECTING:
                return self._opened_at + self._config.options.network.connect_timeout
            case State.AWAITING_HELLO:
                return self._opened_at + HELLO_WITHIN
            case State.IDENTIFYING:
                return self._heard_at + SILENCE_WITHIN
            case State.RESUMING:
                return self._dispatched_at + SILENCE_WITHIN
            case _:
                return None

    def _check_deadline(self) -> None:
        """A wait ends at the deadline by itself; a server that talks all the time leaves nothing to wait for."""
        deadline = self._deadline()
        if deadline is not None and time.monotonic() >= deadline:
            raise DeadlinePassed

    def _what_was_late(self) -> str:
        match self.reached:
            case State.AWAITING_HELLO:
                return f"HELLO did not come within {HELLO_WITHIN:g} seconds"
            case State.RESUMING:
                return f"no event came for {SILENCE_WITHIN:g} seconds after RESUME"
            case _:
                return f"nothing came for {SILENCE_WITHIN:g} seconds after IDENTIFY"


def _never() -> bool:
    return False


def _describe(payload: dict[str, Any]) -> str:
    op = payload["op"]
    name = OPCODES.get(op, f"op {op}")
    return f"{name} {payload.get('t')} s={payload.get('s')}" if op == Opcode.DISPATCH else str(name)
