"""An accepted TCP connection, plain or TLS, driven by the event loop.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable

from .event_loop import READ, WRITE, EventLoop

READ_SIZE = 65_536
LOW_WATER = 262_144  # bytes; with less unsent, `on_room` is called


class Transport:
    """Bytes to and from a socket, with faults.

    Args:
        sock: the accepted socket.
        event_loop: the loop that drives it.
        ssl_context: use TLS with this context.
        on_data: called with received bytes.
        on_end: called once, when the peer ended the connection or it broke.
        on_room: called whenever there is room for more data to send.
    """

    def __init__(
        self,
        sock: socket.socket,
        event_loop: EventLoop,
        ssl_context: ssl.SSLContext | None,
        *,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):  # some systems refuse it after the peer closed
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_shaking_hands = ssl_context is not None
        if ssl_context is not None:
            sock = ssl_context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._socket = sock
        self._event_loop = event_loop
        self._on_data, self._on_end, self._on_room = on_data, on_end, on_room
        self._unsent = bytearray()
        self._is_reading = True
        self._ends_after_write = False
        self._tls_wants_write = False
        self.write_size: int | None = None
        self.is_closed: bool = False
        self._watch()

    @property
    def has_room(self) -> bool:
        return len(self._unsent) < LOW_WATER and not self._ends_after_write

    @property
    def unsent(self) -> int:
        """Number of bytes that the kernel has not accepted."""
        return len(self._unsent)

    def write(self, data: bytes) -> None:
        """Queue bytes; `flush` sends them."""
        self._unsent += data

    def flush(self) -> None:
        """Send as much as the kernel accepts."""
        if self.is_closed or self._is_shaking_hands:
            return
        try:
            while self._unsent:
                with memoryview(self._unsent) as whole, whole[: self.write_size] as piece:
                    sent = self._socket.send(piece)
                del self._unsent[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self._end()
            return
        if self._ends_after_write and not self._unsent:
            self._shut_down_writing()
        self._watch()

    def write_eof(self) -> None:
        """Send FIN once everything queued is sent, without a TLS close_notify."""
        self._ends_after_write = True
        self.flush()

    def reset(self) -> None:
        """End the connection at once, with a TCP reset."""
        if not self.is_closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def close(self) -> None:
        """Close the socket without calling `on_end`."""
        if not self.is_closed:
            self._event_loop.watch(self._socket, 0, self._on_ready)
            self.is_closed = True
            self._socket.close()

    def forget_descriptor(self) -> None:
        """Close only the descriptor, in a forked child."""
        self.is_closed = True
        self._socket.close()

    def read(self, enabled: bool) -> None:
        """Start or stop reading. While stopped, data fills the kernel's buffers and the peer's FIN is not noticed."""
        self._is_reading = enabled
        self._watch()

    def _watch(self) -> None:
        if self.is_closed:
            return
        interest = READ if self._is_reading or self._is_shaking_hands else 0
        if (self._unsent and not self._is_shaking_hands) or self._tls_wants_write:
            interest |= WRITE
        self._event_loop.watch(self._socket, interest, self._on_ready)

    def _on_ready(self, mask: int) -> None:
        if self.is_closed:
            return
        if self._is_shaking_hands:
            self._shake_hands()
            return
        if mask & READ and self._is_reading:
            self._read()
        if mask & WRITE and not self.is_closed:
            self.flush()
            if self.has_room and not self.is_closed:
                self._on_room()

    def _shake_hands(self) -> None:
        assert isinstance(self._socket, ssl.SSLSocket)
        self._tls_wants_write = False
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._tls_wants_write = True
        except OSError:
            self._end()
            return
        else:
            self._is_shaking_hands = False
            self.flush()
        self._watch()

    def _read(self) -> None:
        while not self.is_closed and self._is_reading:
            try:
                data = self._socket.recv(READ_SIZE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                self._end()
                return
            if not data:
                self._end()
                return
            self._on_data(data)
            # Data that TLS has already decrypted does not make the socket readable: continue until it is consumed.
            if not isinstance(self._socket, ssl.SSLSocket):
                return

    def _shut_down_writing(self) -> None:
        self._ends_after_write = False
        try:
            # The plain socket's own method: an SSLSocket's would first forget its TLS state.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
        except OSError:
            self._end()

    def _end(self) -> None:
        if not self.is_closed:
            self.close()
            self._on_end()
