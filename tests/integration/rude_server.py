"""A gateway that does only what a test tells it to, byte by byte if need be.

The test plays the server's part itself, on its own thread: it accepts, reads and writes in the order that it likes, and
so can break every rule at a chosen moment. The websocket is spoken by `websockets`, the gateway's payloads by the test.
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
SYNC_FLUSH = b"\x00\x00\xff\xff"


class ClientClosed(Exception):
    """The client sent a close frame."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass
class Peer:
    """One connection that a client made, as the server holds it.

    Attributes:
        sock: blocking; with TLS once `start_tls` was called.
        request: the upgrade request, once there was one.
        sent: bytes written so far.
        said: payloads written so far, as they are before compression, in bytes.
        decode: turns what the client sends into payloads.
    """

    sock: socket.socket
    request: Request | None = None
    sent: int = 0
    said: int = 0
    seq: int = 0
    decode: Callable[[bytes], Any] = json.loads
    _protocol: ServerProtocol = field(default_factory=lambda: ServerProtocol(max_size=None))
    _deflate: Any = None
    _inbox: list[Any] = field(default_factory=list)
    _fragments: list[bytes] = field(default_factory=list)

    # -- from TCP to READY

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands."""
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def read_request(self) -> Request:
        """Wait for the upgrade request; it is not answered yet."""
        while self.request is None:
            self._feed()
        return self.request

    def upgrade(self, *, then: bytes = b"") -> Peer:
        """Answer the upgrade, with `then` in the same segment."""
        request = self.read_request()
        if self.query.get("compress") == "zlib-stream":
            self._deflate = zlib.compressobj()
        self._protocol.send_response(self._protocol.accept(request))
        self.write(b"".join(self._protocol.data_to_send()) + then)
        return self

    @property
    def path(self) -> str:
        """The path that the client asked for."""
        return urlsplit(self.read_request().path).path

    @property
    def query(self) -> dict[str, str]:
        """The query that the client asked with."""
        return dict(parse_qsl(urlsplit(self.read_request().path).query, keep_blank_values=True))

    def hello(self, interval: float = 60.0) -> Peer:
        """Say HELLO; `interval` in seconds."""
        self.send(10, {"heartbeat_interval": interval * 1000})
        return self

    def login(self, interval: float = 60.0, **ready: Any) -> Peer:
        """From HELLO to READY."""
        self.hello(interval).expect(2)
        self.event("READY", {"session_id": "s1", **ready})
        return self

    def resume(self, interval: float = 60.0) -> dict[str, Any]:
        """From HELLO to RESUME, which is given back and not answered."""
        return self.hello(interval).expect(6)

    # -- writing

    def write(self, data: bytes) -> None:
        """Write bytes past all framing."""
        self.sock.sendall(data)
        self.sent += len(data)

    def send(self, op: Any, d: Any = None, s: Any = None, t: Any = None) -> None:
        """Send one payload."""
        self.write(self.frame({"op": op, "d": d, "s": s, "t": t}))

    def event(self, name: str, data: Any = None) -> None:
        """Dispatch an event, with the next sequence number."""
        self.seq += 1
        self.send(0, data, self.seq, name)

    def frame(self, payload: Any) -> bytes:
        """The bytes of one payload, in one websocket message."""
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.said += len(text)
        if self._deflate is None:
            return message(text, Opcode.TEXT)
        return message(self.compressed(text), Opcode.BINARY)

    def compressed(self, text: bytes) -> bytes:
        """`text` as the next piece of the connection's zlib-stream."""
        return bytes(self._deflate.compress(text) + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    def send_close(self, code: int | None = None, reason: bytes = b"") -> None:
        """Send a close frame."""
        body = b"" if code is None else code.to_bytes(2, "big") + reason
        self.write(message(body, Opcode.CLOSE))

    # -- reading

    def receive(self, timeout: float = TIMEOUT) -> Any:
        """The next payload, or the next control frame.

        Raises:
            ClientClosed: the client sent a close frame.
            EOFError: the connection is over.
            TimeoutError: nothing came in time.
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
        """Wait for this opcode and give its data; heartbeats in between are passed over."""
        payload = self.receive(timeout)
        while op != 1 and isinstance(payload, dict) and payload["op"] == 1:
            payload = self.receive(timeout)
        assert isinstance(payload, dict)
        assert payload["op"] == op, f"op {payload['op']} came instead of {op}"
        return payload["d"]

    def expect_close(self, timeout: float = TIMEOUT) -> ClientClosed:
        """Wait for the client's close frame, whatever comes before it."""
        while True:
            try:
                self.receive(timeout)
            except ClientClosed as closed:
                return closed

    def expect_end(self, timeout: float = TIMEOUT) -> None:
        """Wait until the client has given up the socket."""
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
            self._inbox.append(EOFError("the client has ended the connection"))
            return
        self._protocol.receive_data(data)
        if isinstance(self._protocol.parser_exc, ProtocolError):
            raise self._protocol.parser_exc
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self.request = event
            else:
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
        """End with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End without a word."""
        self.sock.close()


class RudeServer:
    """Listens on loopback; the test accepts.

    Args:
        receive_buffer: bytes that the kernel takes from a client before the test reads; None for its own choice.
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
        """The next TCP connection, before anything was said on it."""
        self._listener.settimeout(timeout)
        sock, _ = self._listener.accept()
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers.append(Peer(sock))
        return self._peers[-1]

    def open(self, timeout: float = TIMEOUT) -> Peer:
        """The next websocket."""
        return self.accept(timeout).upgrade()

    def close(self) -> None:
        """Give back everything."""
        self._listener.close()
        for peer in self._peers:
            peer.close()

    def __enter__(self) -> RudeServer:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


def message(data: bytes, opcode: Opcode, *, final: bool = True) -> bytes:
    """A frame as a server sends it, whatever is in it."""
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
    """`data` in pieces of `size`."""
    return (data[start : start + size] for start in range(0, len(data), size))
