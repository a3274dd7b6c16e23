"""A gateway client on top of `websockets`, independent of `vox_gateway.Client`, to test the local gateway."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from foreign_formats import Inflater, decode, encode
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

TIMEOUT = 5.0
EVERY_INTENT = 0b11001100011111111111111111
PROPERTIES = {"os": "linux", "browser": "foreign", "device": "foreign"}

Payload = dict[str, Any]


class Websocket(Protocol):
    """The part of `websockets.sync.client.ClientConnection` that tests use."""

    @property
    def socket(self) -> socket.socket: ...

    def recv(self, timeout: float | None = None) -> str | bytes: ...

    def send(self, message: str | bytes) -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...


class OneThreadWebsocket:
    """A websocket over TLS that reads and writes on one thread.

    `websockets.sync.client` reads on one thread and writes on another, which OpenSSL forbids and which can lose data.
    """

    def __init__(self, url: str, ssl_context: ssl.SSLContext) -> None:
        address = urlsplit(url)
        plain = socket.create_connection((address.hostname or "", address.port or 443), TIMEOUT)
        try:
            self.socket = ssl_context.wrap_socket(plain, server_hostname=address.hostname)
        except BaseException:
            plain.close()
            raise
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self._messages: deque[str | bytes] = deque()
        self._parts: list[Frame] = []
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state is State.CONNECTING:
            self._read(TIMEOUT)

    def recv(self, timeout: float | None = None) -> str | bytes:
        while not self._messages:
            if self._protocol.state is State.CLOSED:
                raise self._protocol.close_exc
            self._read(timeout)
        return self._messages.popleft()

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            with contextlib.suppress(OSError):
                self._flush()
        self.socket.close()

    def _read(self, timeout: float | None) -> None:
        self.socket.settimeout(timeout)
        try:
            data = self.socket.recv(65_536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(event)
                if event.fin:
                    whole = b"".join(part.data for part in self._parts)
                    self._messages.append(whole.decode() if self._parts[0].opcode is Opcode.TEXT else whole)
                    self._parts.clear()
        with contextlib.suppress(OSError):
            self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.socket.sendall(data)


class Client:
    """Sends and receives gateway payloads."""

    def __init__(self, websocket: Websocket, encoding: str = "json", compress: str | None = None) -> None:
        self.websocket = websocket
        self._encoding = encoding
        self._inflate = Inflater(compress)
        self.session_id = ""
        self.seq: int | None = None

    def recv(self, timeout: float = TIMEOUT) -> Payload:
        """Return the next payload."""
        message = self._inflate(self.websocket.recv(timeout), lambda: self.websocket.recv(timeout))
        payload: Payload = decode(self._encoding, message)
        if payload["s"] is not None:
            self.seq = payload["s"]
        if payload["t"] == "READY":
            self.session_id = payload["d"]["session_id"]
        return payload

    def recv_until(self, name: str) -> Payload:
        """Return the next event of this name; skip other payloads."""
        while True:
            payload = self.recv()
            if payload["t"] == name:
                return payload

    def recv_op(self, op: int) -> Payload:
        """Return the next payload with this opcode; skip others."""
        while True:
            payload = self.recv()
            if payload["op"] == op:
                return payload

    def send(self, op: int, d: Any) -> None:
        self.websocket.send(encode(self._encoding, {"op": op, "d": d}))

    def identify(self, **fields: Any) -> None:
        given = {"token": "secret", "intents": EVERY_INTENT, "properties": PROPERTIES, **fields}
        self.send(2, {key: value for key, value in given.items() if value is not ...})

    def login(self, **fields: Any) -> Payload:
        """Send IDENTIFY; receive READY, which is returned, and every GUILD_CREATE."""
        self.identify(**fields)
        ready = self.recv_until("READY")
        if fields.get("intents", EVERY_INTENT) & 1:
            for _guild in ready["d"]["guilds"]:
                assert self.recv()["t"] == "GUILD_CREATE"
        return ready

    def resume(self, old: Client, seq: int | None = None, token: str = "secret") -> None:
        self.session_id = old.session_id
        self.send(6, {"token": token, "session_id": old.session_id, "seq": old.seq if seq is None else seq})

    def closed(self) -> tuple[int | None, str]:
        """Read until the gateway ends the connection; return code and reason, with code None without a close frame."""
        while True:
            try:
                self.websocket.recv(TIMEOUT)
            except ConnectionClosed as error:
                return (None, "") if error.rcvd is None else (error.rcvd.code, error.rcvd.reason)

    def close(self, code: int = 1000) -> None:
        self.websocket.close(code)


OpenClient = Callable[..., Client]
