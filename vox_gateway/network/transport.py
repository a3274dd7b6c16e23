"""A TCP socket, with or without TLS, that one thread reads and any thread writes.

OpenSSL forbids reading and writing one connection at the same time, so TLS runs over memory (`ssl.SSLObject` and
`ssl.MemoryBIO`): one lock covers each call into it and each write to the socket, and all waiting happens with no lock
held. The same shape serves without TLS.

A write never blocks: what the kernel does not take at once stays in a buffer, which the reader empties as the kernel
makes room. Commands are few and small (the send window sees to that), so the buffer stays small too.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from ..concurrency.wakeup import DeadlinePassed, Selector, Wakeup
from ..errors import CertificateInvalid, ConnectFailed, ConnectionLost

__all__ = ["Transport"]

#: bytes asked of the kernel at once
READ_SIZE = 65_536
#: bytes beyond what the kernel takes that may wait for the other side to read: more than the send window lets through
#: before a connection is found dead, and less than a flood of pings could ask for
MAX_UNSENT = 4 * 1024 * 1024

_KEEPALIVE = (
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_NODELAY", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 30),
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 10),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
)


class Transport:
    """One connected stream.

    Only the thread that made it calls `start_tls`, `read`, `recv` and `close`; any thread may call `send` and `abort`.
    It offers `recv`, `send`, `gettimeout` and `settimeout` as a socket does, so that websocket-client can shake hands
    on it.

    Args:
        sock: connected and non-blocking; owned from now on.
        interrupt: ends every wait.
        deadline: says when the wait under way ends; monotonic clock, None for never. Asked anew at every wake, so
            `Wakeup.nudge` makes a changed answer count.

    Attributes:
        bytes_in: bytes read from the socket so far.
        waiting_since: when the reader found nothing more to read, in monotonic time; None while it is busy with what it
            has read.
    """

    def __init__(self, sock: socket.socket, interrupt: Wakeup, deadline: Callable[[], float | None]) -> None:
        self.bytes_in = 0
        self.waiting_since: float | None = None
        self._deadline = deadline
        self._sock = sock
        self._interrupt = interrupt
        self._unread = b""
        self._selector = Selector()
        self._selector.register(interrupt, selectors.EVENT_READ)
        self._selector.register(sock, selectors.EVENT_READ)
        self._waits_for_room = False
        self._tls: ssl.SSLObject | None = None
        self._tls_in = ssl.MemoryBIO()
        self._tls_out = ssl.MemoryBIO()
        self._tls_end: ConnectionLost | bool = False  # how TLS ended, once it has
        self._unencrypted = bytearray()
        self._unsent = bytearray()
        self._closed = False
        self._lock = threading.Lock()  # guards the seven fields above and every write to the socket
        for level, option, value in _KEEPALIVE:
            if hasattr(socket, option):
                sock.setsockopt(getattr(socket, level), getattr(socket, option), value)

    # -- reading: the owner's thread only --------------------------------------------------------------------------

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands; the certificate and `host` in it are verified by `context`.

        Raises:
            CertificateInvalid: the certificate, or the name in it, does not verify.
            ConnectFailed: TLS failed otherwise.
            DeadlinePassed, Interrupted: see `read`.
        """
        tls = context.wrap_bio(self._tls_in, self._tls_out, server_hostname=host)
        try:
            while not self._handshake_step(tls):
                data = self._wait_and_receive()
                if data:
                    self._tls_in.write(data)
                else:
                    self._tls_in.write_eof()
        except ssl.SSLCertVerificationError as error:
            raise CertificateInvalid(
                f"the certificate of {host} does not verify: {error.verify_message}. "
                "Check url, the machine's clock, and the certificates it trusts (ssl_context)"
            ) from error
        except OSError as error:  # SSLError is one
            raise ConnectFailed(f"TLS with {host} failed: {_words(error)}") from error
        with self._lock:
            self._tls = tls

    def certificate(self) -> dict[str, Any] | None:
        """The server's certificate, as `ssl.SSLSocket.getpeercert` has it; None without TLS."""
        with self._lock:
            return None if self._tls is None else self._tls.getpeercert()

    def _handshake_step(self, tls: ssl.SSLObject) -> bool:
        """Go on as far as what has arrived allows; whether the handshake is done."""
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            done = False
        except ssl.SSLError:
            # There is an alert for the server; that it may not want to hear it must not hide why.
            with contextlib.suppress(OSError), self._lock:
                self._flush()
            raise
        else:
            done = True
        with self._lock:
            self._flush()
        return done

    def read(self) -> bytes:
        """What has arrived, in one big piece; waits for it. Empty at the end of the stream.

        Raises:
            ConnectionLost: the connection broke.
            DeadlinePassed: `deadline` passed.
            Interrupted: the connection was aborted.
        """
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        while not self._tls_end:
            try:
                data = self._wait_and_receive()
            except OSError as error:
                raise ConnectionLost(f"the connection broke: {_words(error)}") from error
            if self._tls is None or not data:
                return data
            plain = self._decrypt(data)
            if plain:
                return plain
        if isinstance(self._tls_end, ConnectionLost):
            raise self._tls_end
        return b""

    def recv(self, size: int) -> bytes:
        """As `socket.recv`: at most `size` bytes. For the handshakes, which read a byte at a time."""
        if not self._unread:
            self._unread = self.read()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def settimeout(self, timeout: float | None) -> None:
        """As on a socket; nothing to do, since `deadline` bounds every wait."""

    def gettimeout(self) -> float | None:
        """As on a socket: seconds left."""
        deadline = self._deadline()
        return None if deadline is None else max(deadline - time.monotonic(), 0.001)

    def time_left(self) -> float | None:
        """Seconds until the deadline, None where there is none.

        Raises:
            DeadlinePassed: there are none left. A wait sees that by itself; only who reads on without waiting must ask.
        """
        deadline = self._deadline()
        if deadline is None:
            return None
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return left

    def _wait_and_receive(self) -> bytes:
        """The socket's next bytes; empty at its end."""
        while True:
            self._interrupt.check()
            try:
                data = self._sock.recv(READ_SIZE)
            except BlockingIOError:
                if self.waiting_since is None:
                    self.waiting_since = time.monotonic()
                self._wait()
            else:
                self.waiting_since = None
                if not data:
                    self._interrupt.check()
                self.bytes_in += len(data)
                return data

    def _wait(self) -> None:
        with self._lock:
            unsent = bool(self._unsent)
        if unsent is not self._waits_for_room:
            self._waits_for_room = unsent
            interest = selectors.EVENT_READ | selectors.EVENT_WRITE if unsent else selectors.EVENT_READ
            self._selector.modify(self._sock, interest)
        for key, events in self._selector.select(self.time_left()):
            if key.fileobj is self._interrupt:
                self._interrupt.drain()
            elif events & selectors.EVENT_WRITE:
                with self._lock:
                    self._flush()

    def _decrypt(self, data: bytes) -> bytes:
        """Every whole record in `data`, in plain; empty while none is whole."""
        pieces: list[bytes] = []
        with self._lock:
            tls = self._tls
            assert tls is not None
            self._tls_in.write(data)
            try:
                while piece := tls.read(READ_SIZE):
                    pieces.append(piece)
                self._tls_end = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                self._tls_end = True  # the server closed TLS in order
            except ssl.SSLError as error:
                self._tls_end = ConnectionLost(f"TLS failed: {_words(error)}")
            # Reading may have made TLS answer (a key update), or let it go on writing (a renegotiation).
            with contextlib.suppress(OSError):
                self._encrypt()
        return b"".join(pieces)

    # -- writing: any thread ---------------------------------------------------------------------------------------

    def sendall(self, data: bytes) -> None:
        """As `socket.sendall`; see `send`."""
        self.send(data)

    def send(self, data: bytes) -> int:
        """Hand over `data` whole: to the kernel, or to the buffer before it. Never blocks.

        Raises:
            ConnectionLost: the connection is over, or the other side has read nothing for long; nothing of `data` was
                sent.
        """
        with self._lock:
            if self._closed:
                raise ConnectionLost("the connection is closed")
            if len(self._unsent) > MAX_UNSENT:
                raise ConnectionLost("the server does not read what it is sent")
            try:
                if self._tls is None:
                    self._unsent += data
                    self._flush()
                else:
                    self._unencrypted += data
                    self._encrypt()
            except OSError as error:
                raise ConnectionLost(f"the connection broke: {_words(error)}") from error
            unsent = bool(self._unsent)
        if unsent:
            self._interrupt.nudge()
        return len(data)

    def abort(self) -> None:
        """Cut the connection off now; the reader wakes and ends."""
        self._interrupt.set()  # first: the end of the stream that follows is ours, and not the server's
        with self._lock:
            if not self._closed:
                self._closed = True
                with contextlib.suppress(OSError):  # gone already
                    self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give back the socket; for the owner's thread, when it reads no more."""
        with self._lock:
            self._closed = True
            self._selector.close()
            self._sock.close()

    def _encrypt(self) -> None:
        """Put what waits through TLS. The lock is held."""
        assert self._tls is not None
        with contextlib.suppress(ssl.SSLWantReadError):
            while self._unencrypted:
                written = self._tls.write(self._unencrypted)
                del self._unencrypted[:written]
        self._flush()

    def _flush(self) -> None:
        """Give the kernel what it takes. The lock is held."""
        if self._tls_out.pending:
            self._unsent += self._tls_out.read()
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                return
            del self._unsent[:sent]


def _words(error: OSError) -> str:
    """What an error of the socket or of TLS says, in words."""
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return error.strerror or str(error)
