"""A TCP socket, with or without TLS, read by a single thread and written by any.

The reader thread reads; the bytes go to `frames` or to `http.client`. OpenSSL forbids reading and writing a
connection concurrently, so TLS runs over memory (`ssl.SSLObject` and `ssl.MemoryBIO`): a lock covers each call into
it and each write to the socket, and no lock is held while waiting. The same holds without TLS.

A write never blocks: what the kernel does not take at once stays in a buffer, which the reader flushes as the kernel
makes room. The buffer stays small, since the rate limit keeps commands few.

See: https://docs.python.org/3/library/ssl.html#memory-bio-support
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

from ..concurrency.wakeup import Deadline, Selector, Wakeup, seconds_left
from ..errors import CertificateInvalid, ConnectFailed, ConnectionLost

__all__ = ["READ_SIZE", "SMALL_READ_SIZE", "Transport"]

#: bytes of a read
READ_SIZE = 131_072
#: bytes of a read if all it brings is decoded before the first event is handled: of more, inflated and decoded, the
#: first would be out of the processor's cache by then
SMALL_READ_SIZE = 16_384
# glibc gives the unused top of a heap back to the system, and has it mapped again for the next read, a page fault for
# every 4 KiB. It does so beyond a threshold, which it raises to twice the size of a larger block that is freed; this
# block is never touched, so it takes up no memory. See mallopt(3), M_MMAP_THRESHOLD.
len(bytes(8 * READ_SIZE))
#: bytes of the largest TLS record, and so of what OpenSSL returns at once
RECORD_SIZE = 16_384
#: bytes that may be buffered beyond what the kernel takes: more than the rate limit lets through before a connection is
#: found dead, and less than the replies to a flood of pings
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

    Only the thread that made it calls `start_tls`, `recv` and `close`; one thread at a time calls `read` or `read_now`;
    any thread may call `send` and `abort`. `recv`, `send`, `sendall`, `gettimeout` and `settimeout` are those of a
    socket, for the handshakes of websocket-client and python-socks.

    Args:
        sock: connected and non-blocking; owned by the transport.
        wakeup: ends every wait.
        deadline: when the current wait ends. Called again after every wake, so that `Wakeup.wake` applies a change.
        read_size: bytes of a read.

    Attributes:
        bytes_in: bytes read from the socket.
        waiting_since: when the reader ran out of data, in monotonic time; None while it processes what it has read.
    """

    def __init__(self, sock: socket.socket, wakeup: Wakeup, deadline: Deadline, read_size: int = READ_SIZE) -> None:
        self.bytes_in: int = 0
        self.waiting_since: float | None = None
        self._deadline = deadline
        self._read_size = read_size
        self._sock = sock
        self._wakeup = wakeup
        self._unread = b""
        self._selector = Selector()
        self._selector.register(wakeup, selectors.EVENT_READ)
        self._selector.register(sock, selectors.EVENT_READ)
        self._waits_for_room = False
        self._is_drained = False  # whether to wait before the next read
        self._tls: ssl.SSLObject | None = None
        self._tls_in = ssl.MemoryBIO()
        self._tls_out = ssl.MemoryBIO()
        self._tls_end: ConnectionLost | bool = False  # True after an orderly end
        self._unencrypted = bytearray()
        self._unsent = bytearray()
        self._is_writing = self._has_more = False  # see `_write`
        self._closed = False
        self._write_failure = ""  # why nothing more can be written
        # Guards the ten fields above and every write to the socket; taken by the reader and by all threads that send.
        # Reentrant, since a signal handler may send in the middle of a call.
        self._lock = threading.RLock()
        for level, option, value in _KEEPALIVE:
            if hasattr(socket, option):
                # macOS refuses options of a connection that the peer has reset already; the first read reports that.
                with contextlib.suppress(OSError):
                    sock.setsockopt(getattr(socket, level), getattr(socket, option), value)

    # -- reading: one thread at a time -----------------------------------------------------------------------------

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Perform the TLS handshake; `context` verifies the certificate and its `host`.

        Raises:
            CertificateInvalid: the certificate or its host name does not verify.
            ConnectFailed: TLS failed otherwise.
            DeadlinePassed: the deadline passed.
            Interrupted: the wakeup was set.
        """
        tls = context.wrap_bio(self._tls_in, self._tls_out, server_hostname=host)
        try:
            while not self._handshake_step(tls):
                if data := self._wait_and_receive():
                    self._tls_in.write(data)
                else:
                    self._tls_in.write_eof()
        except ssl.SSLCertVerificationError as error:
            raise CertificateInvalid(
                f"the certificate of {host} does not verify: {error.verify_message}. "
                "Check url, the machine's clock, and the certificates it trusts (ssl_context)"
            ) from error
        except OSError as error:  # includes SSLError
            raise ConnectFailed(f"TLS with {host} failed: {_message(error)}") from error
        with self._lock:
            self._tls = tls

    def certificate(self) -> dict[str, Any] | None:
        """Return the server's certificate as `ssl.SSLSocket.getpeercert` does; None without TLS."""
        with self._lock:
            return None if self._tls is None else self._tls.getpeercert()

    def _handshake_step(self, tls: ssl.SSLObject) -> bool:
        """Continue as far as the received data allows; return whether the handshake is complete."""
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        except ssl.SSLError:
            with (
                contextlib.suppress(OSError),
                self._lock,
            ):  # the alert for the server; a failure must not hide the cause
                self._write()
            raise
        with self._lock:
            self._write()
        return done

    def read(self) -> bytes:
        """Wait for data and return the bytes of a single read of the socket; empty at the end of the stream.

        Raises:
            ConnectionLost: the connection broke.
            DeadlinePassed: the deadline passed.
            Interrupted: the connection was aborted.
        """
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        while (plain := self._take(self._wait_and_receive)) is None:
            pass
        return plain

    def read_now(self) -> bytes | None:
        """As `read`, but does not wait: None if there is nothing to read yet.

        For a thread that waits for `fileno` itself; `may_read_now` says when it may.

        Raises:
            ConnectionLost: the connection broke.
            Interrupted: the connection was aborted.
        """
        return self._take(self._receive_now)

    @property
    def may_read_now(self) -> bool:
        """Whether nothing but the socket has to be waited for: all that was read is taken, and all is written.

        Asked again after each `read_now`, which may have left the end of TLS to be reported, or a reply to be written.
        """
        return not (self._unread or self._unsent or self._tls_end)

    def fileno(self) -> int:
        """As `socket.fileno`."""
        return self._sock.fileno()

    def _take(self, receive: Callable[[], bytes | None]) -> bytes | None:
        """Return what `receive` brings, decrypted; empty at the end of the stream, None if there is nothing yet."""
        if not self._tls_end:
            try:
                data = receive()
            except OSError as error:
                raise ConnectionLost(f"the connection broke: {_message(error)}") from error
            if self._tls is None or not data:
                return data
            if (plain := self._decrypt(data)) or not self._tls_end:
                return plain or None
        if isinstance(self._tls_end, ConnectionLost):
            raise self._tls_end
        return b""

    def recv(self, size: int) -> bytes:
        """As `socket.recv`: at most `size` bytes. For handshakes, which read byte by byte."""
        if not self._unread:
            self._unread = self.read()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def settimeout(self, timeout: float | None) -> None:
        """Do nothing: the deadline bounds every wait."""

    def gettimeout(self) -> float | None:
        """As `socket.gettimeout`: the seconds until the deadline."""
        ends_at = self._deadline()
        return None if ends_at is None else max(ends_at - time.monotonic(), 0.001)

    def time_left(self) -> float | None:
        """Return the seconds until the deadline, or None without a deadline.

        Raises:
            DeadlinePassed: it has passed. Waits raise it themselves; a loop that never has to wait must call this.
        """
        return seconds_left(self._deadline)

    def _wait_and_receive(self) -> bytes:
        """Return the socket's next bytes; empty at its end."""
        while True:
            if self._is_drained:
                self._wakeup.check()
                self._is_drained = False
                self._wait()
            elif (data := self._receive_now()) is not None:
                return data

    def _receive_now(self) -> bytes | None:
        """Return the socket's next bytes, empty at its end; None if there are none."""
        self._wakeup.check()
        try:
            data = self._sock.recv(self._read_size)
        except BlockingIOError:
            self._is_drained = True
            return None
        self.waiting_since = None
        if not data:
            self._wakeup.check()
            if self._write_failure:  # the end is that of `_give_up`
                raise ConnectionLost(self._write_failure)
        # A read that is not full has most likely taken all there was, so the next begins with a wait.
        self._is_drained = 0 < len(data) < self._read_size
        self.bytes_in += len(data)
        return data

    def begin_to_wait(self) -> None:
        """What was read has been processed: from now on the reader waits."""
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()

    def _wait(self) -> None:
        """Wait until the socket can be read, there is room to write what is unsent, or the wakeup ends the wait."""
        self.begin_to_wait()
        unsent = bool(self._unsent)  # without the lock: a sender that leaves some wakes this thread afterwards
        if unsent is not self._waits_for_room:
            self._waits_for_room = unsent
            interest = selectors.EVENT_READ | selectors.EVENT_WRITE if unsent else selectors.EVENT_READ
            self._selector.modify(self._sock, interest)
        for key, events in self._selector.select(self.time_left()):
            if key.fileobj is self._wakeup:
                self._wakeup.drain()
            elif events & selectors.EVENT_WRITE:
                with self._lock:
                    self._write()

    def _decrypt(self, data: bytes) -> bytes:
        """Return the plaintext of all TLS records that `data` completes; empty if it completes none."""
        pieces: list[bytes] = []
        with self._lock:
            tls = self._tls
            assert tls is not None
            self._tls_in.write(data)
            try:
                while piece := tls.read(RECORD_SIZE):
                    pieces.append(piece)
                self._tls_end = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                self._tls_end = True
            except ssl.SSLError as error:
                self._tls_end = ConnectionLost(f"TLS failed: {_message(error)}")
            # Reading may produce a reply (key update), or unblock writing (renegotiation).
            with contextlib.suppress(OSError):
                self._write()
        return b"".join(pieces)

    # -- writing: any thread ---------------------------------------------------------------------------------------

    def sendall(self, data: bytes) -> None:
        """As `socket.sendall`; never blocks."""
        self.send(data)

    def send(self, data: bytes) -> int:
        """Pass all of `data` to the kernel or the buffer. Never blocks.

        Returns:
            The length of `data`.

        Raises:
            ConnectionLost: the connection is over, or the server has stopped reading. The data was not sent, and
                nothing will be: the reader takes what has arrived, and then raises the same.
        """
        with self._lock:
            if self._closed:
                raise ConnectionLost("the connection is closed")
            if len(self._unsent) > MAX_UNSENT:
                raise self._give_up("the server does not read what it is sent")
            buffer = self._unsent if self._tls is None else self._unencrypted
            buffer += data
            try:
                self._write()
            except OSError as error:
                raise self._give_up(f"the connection broke: {_message(error)}") from error
            except BaseException:  # Ctrl-C: some bytes may have been written that are still in the buffer
                self.abort()
                raise
            unsent = bool(self._unsent)
        if unsent:
            self._wakeup.wake()
        return len(data)

    def abort(self) -> None:
        """Shut the connection down now; the reader's wait raises Interrupted."""
        self._wakeup.cancel()  # first, so that the reader does not take the shutdown for the server's
        with self._lock:
            self._shut_down()

    def _give_up(self, reason: str) -> ConnectionLost:
        """End a connection that cannot be written to, and return the error. The lock is held.

        The kernel may have refused a single write, and the server would notice nothing. It does not interrupt the
        reader, which may still find the close frame that says why the connection broke.
        """
        self._write_failure = reason  # first: the shutdown wakes the reader
        self._shut_down()
        return ConnectionLost(reason)

    def _shut_down(self) -> None:
        """Send nothing more, and end the stream that the reader reads. The lock is held."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError):  # not connected any more
                self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket. For the reading thread, after its last read."""
        with self._lock:
            self._closed = True
            self._selector.close()
            self._sock.close()

    def _write(self) -> None:
        """Encrypt the buffered plaintext, and pass as much to the kernel as it takes. The lock is held.

        Called by a signal handler in the middle of a call, it leaves the work to that call, which knows how much it has
        written: no byte is written twice.
        """
        self._has_more = True
        while self._has_more and not (self._is_writing or self._closed):
            self._is_writing, self._has_more = True, False
            try:
                if self._tls is not None:
                    self._encrypt(self._tls)
                self._flush()
            finally:
                self._is_writing = False

    def _encrypt(self, tls: ssl.SSLObject) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            while self._unencrypted:
                written = tls.write(self._unencrypted)
                del self._unencrypted[:written]

    def _flush(self) -> None:
        if self._tls_out.pending:
            self._unsent += self._tls_out.read()
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                return
            del self._unsent[:sent]


def _message(error: OSError) -> str:
    """Return the message of a socket or TLS error without its number."""
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return error.strerror or str(error)
