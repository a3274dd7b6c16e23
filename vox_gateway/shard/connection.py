"""One connection: the reader thread, from the first packet to the last, and what it needs.

Every connection is new. Socket, inflate context, send window, heartbeat and acknowledgements belong to one
`Connection`, made whole and thrown away whole; only the session outlives it. ::

    socket ──▶ frames ──▶ inflate ──▶ decode ──▶ protocol ──▶ backlog
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..compression import INFLATERS, Block, NoCompression
from ..concurrency.wakeup import Deadline, DeadlinePassed, Interrupted, Wakeup
from ..diagnostics.stats import Counters
from ..dispatch.event_queue import Batch, EventQueue, is_dispatch
from ..encoding import Codec, Payload, sealed
from ..encoding.sealed import RawDispatch
from ..errors import ConnectFailed, ConnectionLost, GatewayError, ProtocolViolation
from ..log import ShardLog
from ..network.connector import Network
from ..network.frames import TEXT
from ..network.urls import GatewayURL
from ..network.websocket import ClosedByServer, WebSocket
from ..opcodes import OPCODES, Opcode
from ..protocol.machine import (
    KEEP_SESSION,
    Acknowledged,
    Action,
    AnswerHeartbeat,
    GoLive,
    HangUp,
    Protocol,
    StartHeartbeat,
    Transmit,
)
from ..protocol.rate_limit import CommandRateLimiter
from ..protocol.reconnect_policy import Cause, ConnectPlan, Disconnect, Stage
from ..session.state import Session
from .heartbeat import Heartbeat

__all__ = ["Connection", "ConnectionConfig", "ConnectionReport", "FindURL", "Observer"]

#: says where to connect to; it may ask the network, within the deadline
FindURL = Callable[[Deadline, Wakeup], GatewayURL]

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


@dataclass(frozen=True)
class ConnectionConfig:
    """What all connections of a client are made from.

    Attributes:
        name: of the client's threads, before their role.
        identify: builds the data of an IDENTIFY.
        compress: the name of the compression, or None.
    """

    name: str
    token: str = field(repr=False)
    session: Session
    network: Network
    codec: Codec
    compress: str | None
    identify: Callable[[], dict[str, Any]]
    backlog: EventQueue
    counters: Counters
    log: ShardLog


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """What a connection reports when it has ended.

    Attributes:
        generation: of the connection.
        stage: how far it had come.
        lived: seconds since READY or RESUMED; 0.0 before.
    """

    generation: int
    ending: Disconnect
    stage: Stage
    lived: float


class Observer:
    """Whom a connection tells what happens to it; called on its threads, so its methods are short and do not block."""

    def opened(self, connection: Connection) -> None:
        """The websocket is open."""

    def introduced(self, connection: Connection, op: Opcode) -> None:
        """IDENTIFY or RESUME was written."""

    def live(self, connection: Connection, resumed: bool) -> None:
        """READY or RESUMED came."""

    def acknowledged(self, connection: Connection, latency: float) -> None:
        """A heartbeat was acknowledged after `latency` seconds."""

    def received(self, connection: Connection) -> None:
        """Something arrived, and has been handed over."""

    def ended(self, connection: Connection, report: ConnectionReport) -> None:
        """The connection is over, and all that it held is given back."""

    def failed(self, error: BaseException) -> None:
        """The calling thread ends because of an error of ours. Raises nothing."""


class Connection:
    """One connection and its reader thread.

    The thread is a daemon because a script that ends without `close` must not hang. The reconnect loop owns it, and
    ends it with `hang_up` or `abort`.

    Args:
        find_url: called by the reader, before it connects; raises ConnectFailed or another GatewayError.
        generation: tells this connection's report from an older one's.
    """

    def __init__(
        self, blueprint: ConnectionConfig, attempt: ConnectPlan, find_url: FindURL, generation: int, observer: Observer
    ) -> None:
        self.generation = generation
        self.window = CommandRateLimiter()
        self.stage = Stage.CONNECTING
        self._heard_at = 0.0
        self._blueprint = blueprint
        self._find_url = find_url
        self._observer = observer
        self._protocol = Protocol(blueprint.session, blueprint.identify, blueprint.token, attempt.resume)
        self._inflater = INFLATERS[blueprint.compress](blueprint.network.max_message_size)
        self._interrupt = Wakeup()
        self._websocket: WebSocket | None = None
        self._heartbeat: Heartbeat | None = None
        self._opened_at = time.monotonic()
        self._resuming = False  # RESUME was written rather than IDENTIFY
        self._dispatched_at = 0.0  # when the last event came, or RESUME was written
        self._live_at: float | None = None
        self._counted_bytes = 0
        self._events_before = 0
        self._batches: list[Batch] = []  # what the read under way has brought
        self._ending: Disconnect | None = None
        self._close_code: int | None = None
        self._end_by = 0.0
        self._lock = threading.Lock()  # guards the three fields above: the first who hangs up says why
        self._thread = threading.Thread(target=self._run, name=f"{blueprint.name}-reader", daemon=True)

    def start(self) -> None:
        """Begin to connect. Raises RuntimeError, and gives everything back, if the thread cannot be started."""
        try:
            self._thread.start()
        except RuntimeError:
            self._interrupt.close()
            raise

    # -- for other threads -----------------------------------------------------------------------------------------

    def hang_up(self, code: int, ending: Disconnect, reason: str = "", patience: float = CLOSE_WITHIN) -> None:
        """Close with `code`; the connection reports `ending`, unless it was ending already.

        Args:
            patience: seconds that the server has to answer before the socket is shut down hard.
        """
        with self._lock:
            if self._ending is not None:
                return
            self._ending = ending
            self._close_code = code
            self._end_by = time.monotonic() + patience
        websocket = self._websocket
        if websocket is not None:
            websocket.send_close(code, reason)
        if websocket is None or patience <= 0:
            self.abort()
        else:
            self._interrupt.nudge()
        self._blueprint.backlog.nudge()

    def abort(self) -> None:
        """Cut the connection off now."""
        self._interrupt.set()
        if (websocket := self._websocket) is not None:
            websocket.abort()

    def join(self, timeout: float) -> bool:
        """Wait until the reader has ended; False when `timeout` seconds passed first."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def write(self, name: str, data: bytes) -> None:
        """Write one encoded payload. Never blocks.

        Raises:
            ConnectionLost: the connection is over; nothing was sent.
        """
        websocket = self._websocket
        if websocket is None or self._ending is not None:
            raise ConnectionLost("the connection is closing")
        self._blueprint.log.debug("> %s (%d bytes)", name, len(data))
        websocket.send(data, self._blueprint.codec.text)

    @property
    def events(self) -> int:
        """Dispatches that this connection has brought, what its reader holds included. For the reader."""
        held = sum(len(batch) for batch in self._batches if is_dispatch(batch[0]))
        return self._blueprint.counters.events - self._events_before + held

    @property
    def next_beat(self) -> float | None:
        """When the next heartbeat is due, in monotonic time; None before HELLO."""
        heartbeat = self._heartbeat
        return None if heartbeat is None else heartbeat.due

    # -- for the heartbeat loop ------------------------------------------------------------------------------------

    @property
    def waiting_since(self) -> float | None:
        """Since when the reader waits for the server, in monotonic time; None while it is busy or paused."""
        return None if self._websocket is None else self._websocket.waiting_since

    def beat(self) -> None:
        """Send a heartbeat, whatever the send limit says."""
        data = self._blueprint.codec.encode({"op": int(Opcode.HEARTBEAT), "d": self._blueprint.session.seq})
        self.window.take_for_heartbeat(time.monotonic())
        with contextlib.suppress(ConnectionLost):  # the reader knows, and says so
            self.write("HEARTBEAT", data)
            self._blueprint.counters.count(beats=1)

    def measured(self, latency: float) -> None:
        """A beat was acknowledged after `latency` seconds."""
        self._blueprint.counters.latency = latency
        self._observer.acknowledged(self, latency)

    def zombie(self) -> None:
        """The server answers no more: close if that can be done at once, and resume."""
        ending = Disconnect(Cause.LOST, reason="a heartbeat was not acknowledged, and nothing else arrived since")
        self.hang_up(KEEP_SESSION, ending, patience=0)

    def slept(self) -> None:
        """The machine slept, and the server gave us up meanwhile."""
        self.hang_up(KEEP_SESSION, Disconnect(Cause.SYSTEM_SUSPENDED), patience=0)

    def failed(self, error: BaseException) -> None:
        """The heartbeat loop has ended because of an error of ours."""
        self._observer.failed(error)

    # -- the reader ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        ending = Disconnect(Cause.LOST, reason="the reader failed")
        try:
            ending = self._converse()
        except BaseException as error:
            self._observer.failed(error)
        finally:
            self._finish(ending)

    def _finish(self, ending: Disconnect) -> None:
        """Give back what the connection holds, and report how it ended."""
        with contextlib.ExitStack() as stack:  # whatever becomes of one of these, the others are done: the last first
            stack.callback(self._report, ending)
            stack.callback(self._interrupt.close)
            if self._websocket is not None:
                stack.callback(self._websocket.dispose)
            if self._heartbeat is not None:
                stack.callback(self._heartbeat.stop)

    def _report(self, ending: Disconnect) -> None:
        with self._lock:
            code = self._close_code
            self._ending = ending = self._ending or ending
        if self.stage > Stage.CONNECTING:
            if ending.cause is Cause.CLOSED:
                code = NO_CLOSE_CODE if ending.code is None else ending.code
            elif code is None:
                code = NO_CLOSE_FRAME
            self._blueprint.backlog.signal("close", {"code": code, "reason": ending.reason or ending.cause.value})
        lived = 0.0 if self._live_at is None else time.monotonic() - self._live_at
        self._observer.ended(self, ConnectionReport(self.generation, ending, self.stage, lived))

    def _converse(self) -> Disconnect:
        """Connect and read until the connection is over; says why."""
        try:
            self._open()
            try:
                while self._ending is None:
                    self._check_deadline()
                    self._receive()
            except ProtocolViolation as error:
                self.hang_up(error.close_code, Disconnect(Cause.PROTOCOL_ERROR, reason=str(error), error=error))
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
            self._blueprint.log.exception("the reader failed")
            return Disconnect(Cause.LOST, reason=f"the reader failed: {error!r}")

    def _open(self) -> None:
        network = self._blueprint.network
        url = self._find_url(self._deadline, self._interrupt)
        websocket = WebSocket.open(url, network, self._deadline, self._interrupt)
        self._websocket = websocket
        self._interrupt.check()  # a hang-up that found no websocket yet
        self._opened_at = self._heard_at = time.monotonic()
        self.stage = Stage.CONNECTED
        self._blueprint.backlog.signal("open")
        self._observer.opened(self)

    def _receive(self) -> None:
        """Take what one read brings."""
        blueprint = self._blueprint
        assert self._websocket is not None
        self._batches = []
        try:
            for opcode, run in self._websocket.receive():
                for block, count in self._blocks(opcode, run):
                    blueprint.counters.bytes_inflated += len(block)
                    if pieces := sealed.cut(block, count):
                        self._take_sealed(pieces, len(block))
                    else:
                        self._take_all(blueprint.codec.decode_all(block, count), len(block))
                    if self._ending is not None:
                        return
        finally:
            self._count()
            self._heard_at = time.monotonic()
            if any(is_dispatch(batch[0]) for batch in self._batches):
                self._dispatched_at = self._heard_at
            for batch in self._batches:
                self._hand_over(batch)
            self._observer.received(self)

    def _blocks(self, opcode: int, run: list[bytes]) -> Iterator[Block]:
        """The gateway messages in `run`, inflated."""
        inflater = NoCompression() if opcode == TEXT else self._inflater
        if self._blueprint.log.isEnabledFor(logging.DEBUG):  # each payload's size is wanted
            messages = map(inflater.feed, run)
            return ((message, 1) for message in messages if message is not None)
        return inflater.feed_all(run)

    def _take_sealed(self, pieces: list[RawDispatch], size: int) -> None:
        """Add dispatches that mean nothing to the protocol but their sequence number."""
        if self._blueprint.log.isEnabledFor(logging.DEBUG):
            self._blueprint.log.debug(
                "< DISPATCH %s s=%s (%d bytes)", sealed.name(pieces[-1]), sealed.seq(pieces[-1]), size
            )
        self._protocol.receive_sealed(sealed.seq(pieces[-1]) or 0)
        self._batches.append(pieces)

    def _take_all(self, decoded: Iterator[Any], size: int) -> None:
        """Do what payloads call for, and add them to the batches: all dispatches in one, anything else by itself."""
        payloads: list[Any] = []
        try:
            payloads.extend(decoded)
        finally:  # what came before a broken payload counts
            position = 0
            while position < len(payloads) and self._ending is None:
                start, position = position, self._protocol.receive_events(payloads, position)
                actions: tuple[Action, ...] = ()
                if position == start:
                    actions = self._protocol.receive(payloads[position])
                    position += 1
                self._batches.append(payloads[start:position])
                self._log_all(payloads[start:position], size)
                for action in actions:
                    self._perform(action)

    def _log_all(self, payloads: list[Payload], size: int) -> None:
        if self._blueprint.log.isEnabledFor(logging.DEBUG):
            for payload in payloads:
                self._blueprint.log.debug("< %s (%d bytes)", _describe(payload), size)

    def _count(self) -> None:
        assert self._websocket is not None
        bytes_in = self._websocket.bytes_in
        self._blueprint.counters.bytes_in += bytes_in - self._counted_bytes
        self._counted_bytes = bytes_in

    def _hand_over(self, batch: Batch) -> None:
        backlog = self._blueprint.backlog
        if is_dispatch(batch[0]):
            self._blueprint.counters.events += len(batch)
            self._blueprint.counters.event_at = self._heard_at
        backlog.put(batch, self._may_pause)

    def _may_pause(self) -> bool:
        # A replay is taken in whole: a handler that waits for RESUMED in order to send must not keep RESUMED out.
        return self.stage is Stage.LIVE and self._ending is None

    def _perform(self, action: Action) -> None:
        match action:
            case Acknowledged():
                if self._heartbeat is not None:
                    self._heartbeat.acknowledged(time.monotonic())
            case AnswerHeartbeat():
                self.beat()
            case Transmit(op, data):
                self._introduce(op, data)
            case StartHeartbeat(interval):
                self.window.reserve_for_heartbeats(interval)
                name = f"{self._blueprint.name}-heartbeat"
                self._heartbeat = Heartbeat(name, interval, self, random.random)
            case GoLive(resumed):
                self.stage = Stage.LIVE
                self._live_at = time.monotonic()
                self._observer.live(self, resumed)
            case HangUp(code, ending):
                self.hang_up(code, ending)

    def _introduce(self, op: Opcode, data: dict[str, Any]) -> None:
        self._dispatched_at = time.monotonic()
        self._resuming = op is Opcode.RESUME
        self.stage = Stage.GREETED  # first: an introduction that cannot be written counts as a failed attempt
        self.window.take_always(self._dispatched_at)
        try:
            encoded = self._blueprint.codec.encode({"op": int(op), "d": data})
        except ValueError as error:
            if not self._resuming:  # an IDENTIFY was encoded once when the client was made
                raise
            reason = f"it cannot be written as RESUME: {error}"
            self.hang_up(KEEP_SESSION, Disconnect(Cause.INVALID_SESSION, reason=reason, resumable=False))
            return
        self.write(op.name, encoded)
        self._events_before = self._blueprint.counters.events
        self._observer.introduced(self, op)

    def _deadline(self) -> float | None:
        """When the reader's wait ends, whatever it waits for."""
        if self._ending is not None:
            return self._end_by
        match self.stage:
            case Stage.CONNECTING:
                return self._opened_at + self._blueprint.network.connect_timeout
            case Stage.CONNECTED:
                return self._opened_at + HELLO_WITHIN
            case Stage.GREETED:
                return (self._dispatched_at if self._resuming else self._heard_at) + SILENCE_WITHIN
            case _:
                return None

    def _check_deadline(self) -> None:
        """A wait ends at the deadline by itself; a server that talks all the time leaves nothing to wait for."""
        deadline = self._deadline()
        if deadline is not None and time.monotonic() >= deadline:
            raise DeadlinePassed

    def _what_was_late(self) -> str:
        if self.stage is Stage.CONNECTED:
            return f"HELLO did not come within {HELLO_WITHIN:g} seconds"
        if self._resuming:
            return f"no event came for {SILENCE_WITHIN:g} seconds after RESUME"
        return f"nothing came for {SILENCE_WITHIN:g} seconds after IDENTIFY"


def _describe(payload: dict[str, Any]) -> str:
    op = payload["op"]
    name = OPCODES.get(op, f"op {op}")
    return f"{name} {payload.get('t')} s={payload.get('s')}" if op == Opcode.DISPATCH else str(name)
