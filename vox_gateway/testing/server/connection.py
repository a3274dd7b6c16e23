"""A client's connection: HTTP requests, and a websocket with an outbox and a close handshake once it is upgraded.

The connection's `Handler` decides what requests and payloads mean.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from ..faults import Faults
from ..protocol.wire import JsonEncoding, Wire
from ..records import Closed, HttpRequest
from .event_loop import EventLoop
from .http_messages import HttpResponse, phrase
from .http_stream import HttpStream
from .transport import Transport

PAYLOADS_PER_TURN = 64  # so that a busy connection does not monopolise the lock
LINGER = 2.0  # seconds that a peer has to finish a close
MAX_MESSAGE = 1 << 20  # bytes; above it websockets closes with 1009. `peer` enforces Discord's lower limit

# Its DEBUG messages show whole frames including tokens: keep them out of every log.
_websocket_logger = logging.getLogger(f"{__name__}.websocket")
_websocket_logger.setLevel(logging.WARNING)


class Handler(Protocol):
    """Decides what happens on a connection. Called on the event loop's thread."""

    def on_handshake(self, request: Request) -> None:
        """Accept, refuse or ignore a websocket handshake."""

    def on_http_request(self, request: HttpRequest) -> HttpResponse | None:
        """Return the response to an HTTP request; `None` to leave it unanswered."""

    def on_message(self, message: bytes) -> None:
        """Handle a complete websocket message."""

    def on_invalidate(self, resumable: bool) -> None:
        """Send op 9 in the middle of a session."""

    def on_closed(self, closed: Closed) -> None:
        """Handle the end of the websocket connection."""

    def on_gone(self) -> None:
        """Handle the closing of the socket."""


class Connection:
    """A client's connection. Guarded by the gateway's lock.

    Attributes:
        number: its number among the websocket connections, `None` for plain HTTP.
        shard_id: shard id of its session.
        is_ending: whether the gateway or the client began to end it; nothing more is read or sent.
        is_muted: whether it is a zombie: input is ignored, nothing is sent but what was queued before.
        acknowledges: whether heartbeats are answered.
        was_cut: whether a requested cut has been carried out.
    """

    def __init__(
        self,
        sock: socket.socket,
        event_loop: EventLoop,
        ssl_context: ssl.SSLContext | None,
        faults: Faults,
    ) -> None:
        self.number: int | None = None
        self.shard_id: int | None = None
        self.is_ending: bool = False
        self.is_muted: bool = False
        self.acknowledges = True
        self.was_cut: bool = False
        self.wire: Wire = Wire("json", JsonEncoding(), None)
        self.handler: Handler
        self._event_loop = event_loop
        self._faults = faults
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE, logger=_websocket_logger)
        self._transport = Transport(
            sock, event_loop, ssl_context, on_data=self._on_data, on_end=self._on_end, on_room=self._pump
        )
        self._receive = HttpStream(
            respond=self._respond, upgrade=self._upgrade, write=self._transport.write, end=self._end_http
        ).receive
        self._outbox: deque[bytes | Callable[[], None]] = deque()
        self._pump_is_due = False
        self._message: list[bytes] = []
        self._is_recorded = False

    @property
    def is_open(self) -> bool:
        """Whether the websocket is open and neither side began to end it."""
        return self._protocol.state is State.OPEN and not self.is_ending

    @property
    def has_unsent(self) -> bool:
        """Whether there is data that the kernel has not accepted."""
        return bool(self._outbox) or self._transport.unsent > 0

    # The handshake.

    def accept(self, request: Request) -> int:
        """Open the websocket; return the HTTP status, 400 for an invalid handshake."""
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        return response.status_code

    def refuse(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse the websocket and end the connection."""
        self.is_ending = True
        fields = Headers([*headers, ("Connection", "close"), ("Content-Length", "0")])
        self._protocol.send_response(Response(status, phrase(status), fields))
        self._linger()

    # Sending. From any thread that holds the lock.

    def send(self, payload: bytes) -> None:
        """Queue an encoded payload."""
        if self.is_open and not self.is_muted:
            self._outbox.append(payload)
            self._schedule_pump()

    def encode(self, op: int, data: Any, seq: int | None, name: str | None) -> bytes:
        """Encode a payload; raise TypeError or ValueError if the encoding cannot represent it."""
        encoding = self.wire.encoding
        return encoding.payload(op, encoding.encode(data), seq, name)

    def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Queue a payload as encoded pieces; only its compressed form is held as a whole."""
        if self.is_open and not self.is_muted:
            self._outbox.append(partial(self._frame_pieces, pieces))
            self._schedule_pump()

    def send_raw(self, data: bytes) -> None:
        """Queue bytes to send without framing."""
        if not self.is_muted:
            self._outbox.append(partial(self._transport.write, data))
            self._schedule_pump()

    # Ending. From any thread that holds the lock.

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame after the queued payloads."""
        if self.is_ending:
            return
        self.is_ending = True
        self._outbox.append(partial(self._send_close, code, reason))
        self._schedule_pump()

    def cut(self, how: str, code: int = 4000, reason: str = "") -> None:
        """End the connection in a style of `LocalGateway.drop`, after the queued payloads."""
        if how == "close":
            self.close(code, reason)
        elif how == "silent":
            self.is_muted = True
        else:
            self.is_ending = True
        self._event_loop.submit(partial(self._cut_now, how))

    def read(self, enabled: bool) -> None:
        """Start or stop reading from the socket."""
        self._event_loop.submit(partial(self._transport.read, enabled))

    def forget_descriptor(self) -> None:
        """Close only the descriptor, in a forked child."""
        self._transport.forget_descriptor()

    def abandon(self) -> None:
        """Close the socket without notifying the handler."""
        self._transport.close()

    # The rest runs on the event loop's thread.

    def _cut_now(self, how: str) -> None:
        self._fill_transport(limit=None)
        if how == "reset":
            self._transport.reset()
            self._record(code=None, reason="", by="gateway")
        elif how == "eof":
            self._transport.write_eof()
            self._record(code=None, reason="", by="gateway")
            self._linger()
        self.was_cut = True
        self._event_loop.changed.notify_all()
        if self._transport.is_closed:
            self.handler.on_gone()

    def _schedule_pump(self) -> None:
        if not self._pump_is_due:
            self._pump_is_due = True
            self._event_loop.submit(self._pump)

    def _pump(self) -> None:
        self._pump_is_due = False
        self._fill_transport(limit=PAYLOADS_PER_TURN)
        if self._outbox and self._transport.has_room:
            self._schedule_pump()

    def _fill_transport(self, limit: int | None) -> None:
        """Frame queued payloads while the transport has room."""
        self._transport.write_size = self._faults.write_size
        count = 0
        while self._outbox and self._transport.has_room and (limit is None or count < limit):
            item = self._outbox.popleft()
            if isinstance(item, bytes):
                self._frame(item)
            else:
                item()
            self._write_frames()
            count += 1
            if not self._outbox or not self._transport.has_room:
                self._transport.flush()
        self._transport.flush()
        if not self.has_unsent:
            self._event_loop.changed.notify_all()  # wakes `wait_sent`

    def _frame(self, payload: bytes) -> None:
        if self._protocol.state is not State.OPEN:
            return
        message, is_text = self.wire.pack(payload)
        self._frame_message(message, is_text)

    def _frame_pieces(self, pieces: Iterable[bytes]) -> None:
        if self._protocol.state is State.OPEN:
            self._frame_message(self.wire.pack_pieces(pieces), is_text=False)

    def _frame_message(self, message: bytes, is_text: bool) -> None:
        for part in _split(message, self._faults.message_size if self.wire.is_stream else None):
            pieces = _split(part, self._faults.fragment_size)
            send_first = self._protocol.send_text if is_text else self._protocol.send_binary
            send_first(pieces[0], fin=len(pieces) == 1)
            for index, piece in enumerate(pieces[1:], start=2):
                self._protocol.send_continuation(piece, fin=index == len(pieces))

    def _send_close(self, code: int, reason: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, _truncate_reason(reason))
        self._linger()

    def _write_frames(self) -> None:
        for data in self._protocol.data_to_send():
            if self.is_muted and self.was_cut:  # until the cut has been made, this is what was queued before it
                continue
            if data:
                self._transport.write(data)
            else:
                self._transport.write_eof()

    def _on_data(self, data: bytes) -> None:
        self._receive(data)
        self._transport.flush()

    def _upgrade(self, data: bytes) -> None:
        self._receive = self._receive_websocket
        self._receive(data)

    def _respond(self, request: HttpRequest) -> HttpResponse | None:
        return self.handler.on_http_request(request)

    def _end_http(self) -> None:
        self.is_ending = True
        self._transport.write_eof()
        self._linger()

    def _receive_websocket(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self.handler.on_handshake(event)
            elif isinstance(event, Frame):
                self._on_frame(event)
        if self._protocol.parser_exc is not None and not self.is_ending:
            self.is_ending = True  # websockets has sent a close code for the malformed frame
            self._linger()
        self._write_frames()

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._on_close_frame()
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._message.append(bytes(frame.data))
            if frame.fin:
                message, self._message = b"".join(self._message), []
                if not self.is_ending and not self.is_muted:
                    self.handler.on_message(message)

    def _on_close_frame(self) -> None:
        received = self._protocol.close_rcvd
        assert received is not None
        by = "gateway" if self.is_ending else "client"
        self.is_ending = True
        self._record(received.code, received.reason, by)
        self._linger()

    def _on_end(self) -> None:
        by = "gateway" if self.is_ending else "client"
        self.is_ending = True
        self._record(code=None, reason="", by=by)
        self.handler.on_gone()

    def _linger(self) -> None:
        """Close the socket after `LINGER` seconds, unless the peer does it first."""
        self._event_loop.call_later(LINGER, self._end_linger)

    def _end_linger(self) -> None:
        if not self._transport.is_closed:
            self._transport.close()
            self._on_end()

    def _record(self, code: int | None, reason: str, by: str) -> None:
        if self.number is None or self._is_recorded:
            return
        self._is_recorded = True
        sent = self._protocol.close_sent
        self.handler.on_closed(
            Closed(
                connection=self.number,
                shard=self.shard_id,
                code=code,
                reason=reason,
                clean=code is not None and sent is not None and not self.is_muted,
                by=by,
                sent_code=sent.code if sent is not None and not self.is_muted else None,
                at=time.monotonic(),
            )
        )


def _split(data: bytes, size: int | None) -> list[bytes]:
    if size is None or len(data) <= size:
        return [data]
    return [data[start : start + size] for start in range(0, len(data), size)]


def _truncate_reason(reason: str) -> str:
    """Truncate a reason to the 123 bytes that fit into a close frame."""
    return reason.encode()[:123].decode(errors="ignore")
