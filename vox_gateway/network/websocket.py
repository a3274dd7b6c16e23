"""One websocket connection: opened once, read by one thread, written by any.

websocket-client shakes hands and builds the frames that go out. The read side and the control frames are ours: its own
`close` reads beside the reader, and its answer to a close frame can lose the code.

Rests on RFC 6455; pings are answered, a close is answered with its own code.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import websocket

from ..concurrency.wakeup import Deadline, DeadlinePassed, Wakeup
from ..errors import ConnectFailed, ConnectionLost, GatewayError, UpgradeRefused
from . import frames
from .connector import USER_AGENT, Network
from .frames import FrameReader, Run
from .http import retry_after_of
from .transport import Transport
from .urls import GatewayURL

__all__ = ["ClosedByServer", "WebSocket"]

#: bytes that the head of the upgrade's answer may have
MAX_HANDSHAKE = 65_536
SWITCHING_PROTOCOLS = 101
#: seconds that a refusal may put off the next attempt: what it says may be meant for others
MAX_RETRY_AFTER = 600.0

_ADVICE = {401: ": not authorised", 403: ": forbidden", 429: ": too many connections"}


class ClosedByServer(Exception):
    """The server sent a close frame; internal to the reader."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class WebSocket:
    """An open websocket. Made by `open`; the thread that opened it reads and disposes of it."""

    def __init__(self, transport: Transport, max_message_size: int) -> None:
        self._transport = transport
        self._frames = FrameReader(max_message_size)

    @classmethod
    def open(cls, url: GatewayURL, network: Network, deadline: Deadline, interrupt: Wakeup) -> WebSocket:
        """Connect to `url`: DNS, TCP, proxy, TLS, upgrade.

        Args:
            deadline: says when the wait under way ends, then and for the websocket's whole life; see `Transport`.
            interrupt: ends every wait.

        Raises:
            ConnectFailed: with the reason in words.
            Interrupted: `interrupt` was set.
        """
        transport = network.connect(url.host, url.port, url.secure, deadline, interrupt)
        try:
            _upgrade(url, transport)
        except DeadlinePassed:
            transport.close()
            raise network.too_slow(f"the websocket upgrade with {url.host}") from None
        except BaseException:
            transport.close()
            raise
        return cls(transport, network.max_message_size)

    @property
    def bytes_in(self) -> int:
        """Bytes read from the socket so far, as they were on the wire."""
        return self._transport.bytes_in

    @property
    def waiting_since(self) -> float | None:
        """Since when `receive` waits, in monotonic time; None while it does not."""
        return self._transport.waiting_since

    def receive(self) -> Iterator[Run]:
        """Wait for the next read, then yield the text and binary messages that it completes, in runs of one kind.

        Raises:
            ClosedByServer: a close frame came; it has been answered.
            ConnectionLost: the stream ended, or broke, without one.
            ProtocolViolation: the server broke RFC 6455.
            DeadlinePassed: nothing came in time.
            Interrupted: the connection was aborted.
        """
        data = self._transport.read()
        if not data:
            raise ConnectionLost("the server ended the connection without a close frame")
        for opcode, payloads in self._frames.feed(data):
            if opcode <= frames.BINARY:
                yield opcode, payloads
            elif opcode == frames.PING:
                for payload in payloads:
                    with contextlib.suppress(ConnectionLost):  # the next read says so, with what still came before it
                        self._send(frames.PONG, payload)
            elif opcode == frames.CLOSE:
                code, reason = frames.parse_close(payloads[0])
                with contextlib.suppress(ConnectionLost):  # gone already, and the code is what counts
                    self._send(frames.CLOSE, payloads[0][:2])
                raise ClosedByServer(code, reason)

    def drain(self) -> None:
        """Read and forget until the stream ends, once nothing that comes is wanted; raises as `receive` does.

        A socket closed with unread bytes in it is reset, and a reset can overtake our close frame.
        """
        while self._transport.read():
            self._transport.time_left()  # a server that never pauses must not keep us here

    def send(self, data: bytes, text: bool) -> None:
        """Send one message. Never blocks.

        Raises:
            ConnectionLost: the connection is over; nothing was sent.
        """
        self._send(frames.TEXT if text else frames.BINARY, data)

    def send_close(self, code: int, reason: str = "") -> None:
        """Send a close frame, as far as that can be done at once."""
        with contextlib.suppress(ConnectionLost):  # what is over needs no closing
            self._send(frames.CLOSE, code.to_bytes(2, "big") + reason.encode())

    def abort(self) -> None:
        """Cut the connection off now; `receive` ends. Any thread may call it, at any time."""
        self._transport.abort()

    def dispose(self) -> None:
        """Give back the socket; for the thread that reads, when it reads no more."""
        self._transport.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        self._transport.send(websocket.ABNF.create_frame(payload, opcode).format())


def _upgrade(url: GatewayURL, transport: Transport) -> None:
    """Shake hands over `transport`; raises ConnectFailed."""
    handshake = websocket.WebSocket(enable_multithread=False)
    try:
        handshake.connect(
            str(url),
            socket=_Answer(url.host, transport),
            header=[f"User-Agent: {USER_AGENT}"],
            redirect_limit=0,
            suppress_origin=True,
        )
    except UpgradeRefused:
        raise
    except GatewayError as error:
        raise ConnectFailed(f"{url.host} did not finish the websocket upgrade: {error}") from error
    except (websocket.WebSocketException, OSError, ValueError) as error:
        raise ConnectFailed(f"{url.host} did not answer as a websocket server: {error}") from error
    if handshake.status != SWITCHING_PROTOCOLS:
        raise ConnectFailed(f"{url.host} did not answer as a websocket server: HTTP {handshake.status}")


def _refusal(host: str, head: bytes) -> UpgradeRefused | None:
    """Return what the head of an answer refuses the upgrade with; None if it accepts, or is not HTTP."""
    status_line, *lines = head.splitlines()
    found = re.match(rb"HTTP/\S+ +(\d{3})(?: |$)", status_line)
    if found is None or (status := int(found[1])) == SWITCHING_PROTOCOLS:
        return None
    words = f"{host} refused the websocket upgrade with HTTP {status}{_ADVICE.get(status, '')}"
    if 300 <= status < 400:
        words += ": redirects are not followed, check url"
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    retry_after = retry_after_of({name.lower(): value.strip() for name, _, value in pairs}, MAX_RETRY_AFTER)
    if retry_after is not None:
        words += f"; retry after {retry_after:g} seconds"
    return UpgradeRefused(words, status, retry_after)


class _Answer:
    """The transport, as websocket-client's handshake sees it: the answer is bounded, and ends with its head.

    A status other than 101 is raised here. What websocket-client does with one depends on its version: it waits for the
    body, follows a redirect, or takes it for a success.
    """

    def __init__(self, host: str, transport: Transport) -> None:
        self._host = host
        self._transport = transport
        self._head = bytearray()
        self.send = transport.send
        self.settimeout = transport.settimeout
        self.gettimeout = transport.gettimeout

    def recv(self, size: int) -> bytes:
        if len(self._head) + size > MAX_HANDSHAKE:
            raise ConnectFailed(f"an answer of more than {MAX_HANDSHAKE} bytes")
        data = self._transport.recv(size)
        self._head += data
        if self._head.endswith((b"\n\r\n", b"\n\n")) and (refusal := _refusal(self._host, bytes(self._head))):
            raise refusal
        return data

    def close(self) -> None:
        """Nothing: the transport's owner closes it."""
