"""A WebSocket connection: opened once, read by one thread at a time, written by any.

The reader thread opens it and reads runs of messages, which it inflates and decodes next. websocket-client performs the
opening handshake and builds outgoing frames. Incoming frames and control frames are handled here, because its `close`
reads concurrently with the reader, and its automatic reply to a close frame can lose the code.

See: https://www.rfc-editor.org/rfc/rfc6455
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

#: bytes of the longest response head that is accepted
MAX_HANDSHAKE = 65_536
SWITCHING_PROTOCOLS = 101
#: seconds of the longest ``Retry-After`` that a refusal may ask for; a longer value may be meant for other clients
MAX_RETRY_AFTER = 600.0

_ADVICE = {401: ": not authorised", 403: ": forbidden", 429: ": too many connections"}


class ClosedByServer(Exception):
    """The server sent a close frame. Internal to the reader."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class WebSocket:
    """An open WebSocket, made by `open`. The thread that opened it disposes of it."""

    def __init__(self, transport: Transport, max_message_size: int) -> None:
        self._transport = transport
        self._frames = FrameReader(max_message_size)

    @classmethod
    def open(cls, url: GatewayURL, network: Network, deadline: Deadline, wakeup: Wakeup) -> WebSocket:
        """Connect to `url`: DNS, TCP, proxy, TLS, upgrade.

        Args:
            deadline: of this call, and of every later wait; see `Transport`.
            wakeup: ends every wait.

        Raises:
            ConnectFailed: a step failed or took too long.
            Interrupted: `wakeup` was set.
        """
        transport = network.connect(url.host, url.port, url.secure, deadline, wakeup)
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
        """Bytes read from the socket, as they were on the wire."""
        return self._transport.bytes_in

    @property
    def waiting_since(self) -> float | None:
        """When the wait of `receive` began, in monotonic time; None while it does not wait."""
        return self._transport.waiting_since

    def receive(self) -> Iterator[Run]:
        """Wait for a single read, then yield the messages that it completes, in runs with the same opcode.

        Raises:
            ClosedByServer: a close frame came, and was answered.
            ConnectionLost: the stream ended or broke without a close frame.
            ProtocolViolation: the server broke RFC 6455.
            DeadlinePassed: nothing came in time.
            Interrupted: the connection was aborted.
        """
        return self._messages(self._transport.read())

    def receive_now(self) -> Iterator[Run]:
        """As `receive`, but does not wait, for a thread that waits for `fileno` itself; see `may_receive_now`."""
        data = self._transport.read_now()
        return iter(()) if data is None else self._messages(data)

    @property
    def may_receive_now(self) -> bool:
        """Whether nothing but the socket has to be waited for."""
        return self._transport.may_read_now

    def begin_to_wait(self) -> None:
        """What was received has been processed: from now on the reader waits."""
        self._transport.begin_to_wait()

    def fileno(self) -> int:
        """As `socket.fileno`."""
        return self._transport.fileno()

    def _messages(self, data: bytes) -> Iterator[Run]:
        if not data:
            raise ConnectionLost("the server ended the connection without a close frame")
        for opcode, payloads in self._frames.feed(data):
            if opcode <= frames.BINARY:
                yield opcode, payloads
            elif opcode == frames.PING:
                for payload in payloads:
                    with contextlib.suppress(ConnectionLost):  # the next read raises it, after what came before it
                        self._send(frames.PONG, payload)
            elif opcode == frames.CLOSE:
                code, reason = frames.parse_close(payloads[0])
                with contextlib.suppress(ConnectionLost):  # the code counts
                    self._send(frames.CLOSE, payloads[0][:2])
                raise ClosedByServer(code, reason)

    def drain(self) -> None:
        """Read and discard until the stream ends. Raises as `receive` does.

        A socket closed with unread bytes is reset, and the reset can overtake our close frame.
        """
        while self._transport.read():
            self._transport.time_left()  # a server that sends without pause must not outlast the deadline

    def send(self, data: bytes, text: bool) -> None:
        """Send a message. Never blocks.

        Raises:
            ConnectionLost: the connection is over; nothing was sent.
        """
        self._send(frames.TEXT if text else frames.BINARY, data)

    def send_close(self, code: int, reason: str = "") -> None:
        """Send a close frame. Never blocks; does nothing if the connection is over."""
        with contextlib.suppress(ConnectionLost):
            self._send(frames.CLOSE, code.to_bytes(2, "big") + reason.encode())

    def abort(self) -> None:
        """Shut the connection down now; `receive` ends. For any thread, at any time."""
        self._transport.abort()

    def dispose(self) -> None:
        """Close the socket. For the reading thread, after its last read."""
        self._transport.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        self._transport.send(websocket.ABNF.create_frame(payload, opcode).format())


def _upgrade(url: GatewayURL, transport: Transport) -> None:
    """Perform the opening handshake over `transport`; raise ConnectFailed if it fails."""
    handshake = websocket.WebSocket(enable_multithread=False)
    try:
        handshake.connect(
            str(url),
            socket=_HandshakeSocket(url.host, transport),
            header=[f"User-Agent: {USER_AGENT}"],
            redirect_limit=0,
            suppress_origin=True,
        )
    except UpgradeRefused:
        raise
    except GatewayError as error:
        raise ConnectFailed(f"{url.host} did not finish the websocket upgrade: {error}") from error
    except (websocket.WebSocketException, OSError, ValueError, IndexError) as error:
        # websocket-client up to 1.9.0 raises IndexError for a status line without a status.
        raise ConnectFailed(f"{url.host} did not answer as a websocket server: {error}") from error
    if handshake.status != SWITCHING_PROTOCOLS:
        raise ConnectFailed(f"{url.host} did not answer as a websocket server: HTTP {handshake.status}")


def _refusal(host: str, head: bytes) -> UpgradeRefused | None:
    """Return the error for a response head that refuses the upgrade; None if it accepts, or is not HTTP."""
    status_line, *lines = head.splitlines()
    found = re.match(rb"HTTP/\S+ +(\d{3})(?: |$)", status_line)
    if found is None or (status := int(found[1])) == SWITCHING_PROTOCOLS:
        return None
    message = f"{host} refused the websocket upgrade with HTTP {status}{_ADVICE.get(status, '')}"
    if 300 <= status < 400:
        message += ": redirects are not followed, check url"
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    retry_after = retry_after_of({name.lower(): value.strip() for name, _, value in pairs}, MAX_RETRY_AFTER)
    if retry_after is not None:
        message += f"; retry after {retry_after:g} seconds"
    return UpgradeRefused(message, status, retry_after)


class _HandshakeSocket:
    """The transport as websocket-client's handshake sees it: the response is bounded, and ends with its head.

    A status other than 101 raises here, because websocket-client's reaction depends on its version: it waits for the
    body, follows a redirect, or takes the response for a success.
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
        """Do nothing: the transport's owner closes it."""
