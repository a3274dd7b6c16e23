"""A gateway server that a test drives step by step, down to single bytes.

The test plays the server on its own thread: it accepts, reads and writes in any order, and can violate the protocol at
any moment. `websockets` parses and answers the websocket handshake; the test writes the gateway's payloads.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

TIMEOUT = 10.0
#: seconds until a client has reconnected
RECONNECT_TIMEOUT = 10.0
#: heartbeat interval in seconds; no heartbeat is due by itself within a test
NO_HEARTBEATS = 3600.0
SYNC_FLUSH = b"\x00\x00\xff\xff"


class ClientClosed(Exception):
    """The client sent a close frame."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass
class Peer:
    """The server's end of one client connection.

    Attributes:
        sock: the blocking socket; a TLS socket after `start_tls`.
        request: the upgrade request, or None before it has arrived.
        bytes_sent: the bytes written so far.
        payload_bytes: the size in bytes of the payloads written so far, before compression.
        seq: the sequence number of the last dispatched event.
        decode: parses the client's messages.
    """

    sock: socket.socket
    request: Request | None = None
    bytes_sent: int = 0
    payload_bytes: int = 0
    seq: int = 0
    decode: Callable[[bytes], Any] = json.loads
    _protocol: ServerProtocol = field(default_factory=lambda: ServerProtocol(max_size=None))
    _deflate: Any = None
    _inbox: list[Any] = field(default_factory=list)
    _fragments: list[bytes] = field(default_factory=list)

    # -- from TCP to READY

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Perform the TLS handshake."""
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def read_request(self) -> Request:
        """Wait for the upgrade request, without answering it."""
        while self.request is None:
            self._feed()
        return self.request

    def upgrade(self, *, then: bytes = b"") -> Peer:
        """Accept the upgrade, and send `then` in the same segment."""
        request = self.read_request()
        if self.query.get("compress") == "zlib-stream":
            self._deflate = zlib.compressobj()
        self._protocol.send_response(self._protocol.accept(request))
        self.write(b"".join(self._protocol.data_to_send()) + then)
        return self

    def refuse(self, status: str) -> None:
        """Answer the upgrade request with an HTTP status, such as "403 Forbidden", and close."""
        self.read_request()
        self.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        self.close()

    @property
    def path(self) -> str:
        """The path of the upgrade request."""
        return urlsplit(self.read_request().path).path

    @property
    def query(self) -> dict[str, str]:
        """The query parameters of the upgrade request."""
        return dict(parse_qsl(urlsplit(self.read_request().path).query, keep_blank_values=True))

    def hello(self, interval: float = 60.0) -> Peer:
        """Send HELLO, with the heartbeat interval in seconds."""
        self.send(10, {"heartbeat_interval": interval * 1000})
        return self

    def login(self, interval: float = 60.0, **ready: Any) -> Peer:
        """Send HELLO, expect IDENTIFY, send READY with the fields of `ready`."""
        self.hello(interval).expect(2)
        self.event("READY", {"session_id": "s1", **ready})
        return self

    def resume(self, interval: float = 60.0) -> dict[str, Any]:
        """Send HELLO; return the data of the RESUME that follows, without answering it."""
        data: dict[str, Any] = self.hello(interval).expect(6)
        return data

    # -- writing

    def write(self, data: bytes) -> None:
        """Write raw bytes, without framing."""
        self.sock.sendall(data)
        self.bytes_sent += len(data)

    def send(self, op: Any, d: Any = None, s: Any = None, t: Any = None) -> None:
        """Send one payload."""
        self.write(self.frame({"op": op, "d": d, "s": s, "t": t}))

    def event(self, name: str, data: Any = None) -> None:
        """Dispatch an event with the next sequence number."""
        self.seq += 1
        self.send(0, data, self.seq, name)

    def frame(self, payload: Any) -> bytes:
        """Encode one payload as one websocket message."""
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.payload_bytes += len(text)
        if self._deflate is None:
            return message(text, Opcode.TEXT)
        return message(self.compressed(text), Opcode.BINARY)

    def compressed(self, text: bytes) -> bytes:
        """Compress `text` as the next part of the connection's zlib-stream."""
        return bytes(self._deflate.compress(text) + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    def send_close(self, code: int | None = None, reason: bytes = b"") -> None:
        """Send a close frame."""
        body = b"" if code is None else code.to_bytes(2, "big") + reason
        self.write(message(body, Opcode.CLOSE))

    # -- reading

    def receive(self, timeout: float = TIMEOUT) -> Any:
        """Return the next payload, or the next ping or pong frame.

        Raises:
            ClientClosed: the client sent a close frame.
            EOFError: the client ended the connection.
            TimeoutError: nothing arrived within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._inbox:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            self._feed()
        item = self._inbox.pop(0)
        if isinstance(item, BaseException):
            self._inbox.insert(0, item)
            raise item
        return item

    def expect(self, op: int, timeout: float = TIMEOUT) -> Any:
        """Skip heartbeats; return the data of the next payload, which must have opcode `op`."""
        payload = self.receive(timeout)
        while op != 1 and isinstance(payload, dict) and payload["op"] == 1:
            payload = self.receive(timeout)
        assert isinstance(payload, dict)
        assert payload["op"] == op, f"op {payload['op']} arrived instead of {op}"
        return payload["d"]

    def expect_close(self, timeout: float = TIMEOUT) -> ClientClosed:
        """Return the client's close frame; ignore what precedes it."""
        while True:
            try:
                self.receive(timeout)
            except ClientClosed as closed:
                return closed

    def expect_end(self, timeout: float = TIMEOUT) -> None:
        """Wait until the client has closed the socket."""
        deadline = time.monotonic() + timeout
        with contextlib.suppress(ConnectionError):
            self.sock.settimeout(timeout)
            while self.sock.recv(65536):
                self.sock.settimeout(max(deadline - time.monotonic(), 0.001))

    def _feed(self) -> None:
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._inbox.append(EOFError("the client ended the connection"))
            return
        self._protocol.receive_data(data)
        if isinstance(self._protocol.parser_exc, ProtocolError):
            raise self._protocol.parser_exc
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self.request = event
            elif isinstance(event, Frame):
                self._take(event)

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            code = int.from_bytes(frame.data[:2], "big") if frame.data else None
            self._inbox.append(ClientClosed(code, bytes(frame.data[2:]).decode()))
        elif frame.opcode in (Opcode.PING, Opcode.PONG):
            self._inbox.append(frame)
        else:
            self._inbox.append(self.decode(bytes(frame.data)))

    # -- ending

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close without a close frame."""
        self.sock.close()


class ScriptedServer:
    """Listen on loopback; the test accepts each connection.

    Args:
        scheme: "ws" or "wss"; with "wss" the test calls `Peer.start_tls`.
        receive_buffer: the size of the kernel's receive buffer in bytes; None for the system's default.
    """

    def __init__(self, scheme: str = "ws", receive_buffer: int | None = None) -> None:
        self._listener = socket.socket()
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._peers: list[Peer] = []

    def accept(self, timeout: float = TIMEOUT) -> Peer:
        """Accept the next TCP connection; read and write nothing."""
        self._listener.settimeout(timeout)
        sock, _ = self._listener.accept()
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers.append(Peer(sock))
        return self._peers[-1]

    def open(self, timeout: float = TIMEOUT) -> Peer:
        """Accept the next connection and its websocket upgrade."""
        return self.accept(timeout).upgrade()

    def close(self) -> None:
        """Close the listener and all connections."""
        self._listener.close()
        for peer in self._peers:
            peer.close()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


def message(data: bytes, opcode: Opcode, *, final: bool = True) -> bytes:
    """Encode a server frame, valid or not."""
    length = len(data)
    head = bytes([(0x80 if final else 0) | opcode])
    if length < 126:
        head += bytes([length])
    elif length < 1 << 16:
        head += b"\x7e" + length.to_bytes(2, "big")
    else:
        head += b"\x7f" + length.to_bytes(8, "big")
    return head + data


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Split `data` into pieces of `size` bytes."""
    return (data[start : start + size] for start in range(0, len(data), size))
