"""Bytes over real sockets, with and without TLS; every wait ends when it should."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import trustme
from support import (
    TIMEOUT,
    RefusingSocket,
    after,
    in_background,
    never,
    read_exactly,
    read_to_end,
    reset,
    running,
    tcp_pair,
    wait_until,
)

from vox_gateway.concurrency.wakeup import DeadlinePassed, Interrupted, Wakeup
from vox_gateway.errors import CertificateInvalid, ConnectFailed, ConnectionLost
from vox_gateway.network.dial import dial
from vox_gateway.network.transport import Transport

AUTHORITY = trustme.CA()


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    with contextlib.closing(Wakeup()) as wakeup:
        yield wakeup


class Pair:
    """A transport and the plain socket at its other end."""

    def __init__(self, wakeup: Wakeup) -> None:
        self.deadline: float | None = time.monotonic() + 10
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = dial("127.0.0.1", listener.getsockname()[1], lambda: self.deadline, wakeup)
            self.other, _ = listener.accept()
        self.other.settimeout(5)
        self.transport = Transport(ours, wakeup, lambda: self.deadline)


@pytest.fixture
def pair(wakeup: Wakeup) -> Iterator[Pair]:
    pair = Pair(wakeup)
    with contextlib.closing(pair.transport), pair.other:
        yield pair


def test_bytes_are_read_and_written(pair: Pair) -> None:
    pair.other.sendall(b"hello")
    assert pair.transport.recv(2) == b"he"
    assert pair.transport.read() == b"llo"
    pair.transport.send(b"there")
    assert pair.other.recv(10) == b"there"
    pair.other.close()
    assert pair.transport.read() == b""
    assert pair.transport.bytes_in == 5


def test_a_read_that_was_not_full_is_followed_by_a_wait(wakeup: Wakeup) -> None:
    """Reading again would cost a call and an exception for each event of a quiet connection."""

    class Counting(socket.socket):
        reads = 0

        def recv(self, *args: int) -> bytes:
            Counting.reads += 1
            return super().recv(*args)

    with tcp_pair() as (ours, other):
        counting = Counting(fileno=ours.detach())
        counting.setblocking(False)
        with contextlib.closing(Transport(counting, wakeup, after(TIMEOUT))) as transport:
            other.sendall(b"a")
            assert transport.read() == b"a"
            before = Counting.reads
            read = in_background(transport.read)
            wait_until(lambda: transport.waiting_since is not None)
            other.sendall(b"b")
            assert read.result(TIMEOUT) == b"b"
            assert Counting.reads == before + 1


def test_a_read_returns_no_more_than_it_is_told(wakeup: Wakeup) -> None:
    with tcp_pair() as (ours, other), contextlib.closing(Transport(ours, wakeup, after(TIMEOUT), 4)) as transport:
        other.sendall(b"abcdefg")
        assert transport.read() == b"abcd"
        assert transport.read() == b"efg"


def test_a_wait_ends_at_the_deadline(pair: Pair) -> None:
    pair.deadline = time.monotonic() + 0.05
    with pytest.raises(DeadlinePassed):
        pair.transport.read()


def test_a_changed_deadline_applies_after_a_nudge(pair: Pair, wakeup: Wakeup) -> None:
    pair.deadline = None

    def hurry() -> None:
        pair.deadline = time.monotonic()
        wakeup.wake()

    hurrier = threading.Timer(0.05, hurry)
    hurrier.start()
    with pytest.raises(DeadlinePassed):
        pair.transport.read()
    hurrier.join()


@pytest.mark.parametrize("before", [True, False])
def test_an_abort_is_not_lost_whether_it_comes_before_the_wait_or_during_it(pair: Pair, before: bool) -> None:
    aborter = threading.Timer(0.05, pair.transport.abort)
    if before:
        pair.transport.abort()
    else:
        aborter.start()
    with pytest.raises(Interrupted):
        pair.transport.read()
    if not before:
        aborter.join()
    with pytest.raises(ConnectionLost):
        pair.transport.send(b"x")
    pair.transport.abort()  # harmless


def test_an_abort_is_never_taken_for_the_end_of_the_stream() -> None:
    """The abort's own shutdown ends the stream, and wakes the reader before the abort has returned."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(50):
            with tcp_pair() as (ours, _theirs), contextlib.closing(Wakeup()) as wakeup:
                transport = Transport(ours, wakeup, never)
                with contextlib.closing(transport), running(transport.abort), pytest.raises(Interrupted):
                    transport.read()
    finally:
        sys.setswitchinterval(interval)


def test_a_write_never_blocks_and_arrives_whole_when_the_other_side_reads(pair: Pair) -> None:
    data = bytes(range(256)) * 40_000  # ten megabytes: more than the kernel takes
    pair.transport.send(data)  # nothing reads yet: a write that blocks would never return
    got = bytearray()

    def read_slowly() -> None:
        while len(got) < len(data):
            got.extend(pair.other.recv(65536))
        pair.other.sendall(b"enough")

    reader = threading.Thread(target=read_slowly)
    reader.start()
    assert pair.transport.read() == b"enough"  # and while it waited, it wrote
    reader.join(5)
    assert bytes(got) == data


class InterruptedSocket:
    """Calls `handler` right after the first write, as a signal may come between two bytecodes."""

    def __init__(self, sock: socket.socket, handler: Callable[[], object]) -> None:
        self._sock = sock
        self._handlers = [handler]

    def send(self, data: bytes) -> int:
        sent = self._sock.send(data)
        if self._handlers:
            self._handlers.pop()()
        return sent

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def interrupt(transport: Transport, handler: Callable[[], object]) -> None:
    transport._sock = InterruptedSocket(transport._sock, handler)  # type: ignore[assignment]


def test_a_signal_handler_sends_behind_the_send_that_it_interrupts(pair: Pair) -> None:
    transport = pair.transport
    interrupt(transport, lambda: transport.send(b"second"))
    in_background(lambda: transport.send(b"first ")).result(TIMEOUT)
    transport.send(b" third")
    transport.abort()
    assert read_to_end(pair.other) == b"first second third"


def test_over_tls_too(wakeup: Wakeup) -> None:
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with (
        tls_server("localhost", lambda server: received.put(read_exactly(server, 18))) as port,
        tls_transport(port, wakeup, trusting(), "localhost") as transport,
    ):
        interrupt(transport, lambda: transport.send(b"second"))
        in_background(lambda: transport.send(b"first ")).result(TIMEOUT)
        transport.send(b" third")
        assert received.get(timeout=TIMEOUT) == b"first second third"


def test_ctrl_c_in_the_middle_of_a_write_ends_the_connection(pair: Pair) -> None:
    """Nobody knows how much was written, and no byte may be written twice."""

    def handler() -> None:
        raise KeyboardInterrupt

    interrupt(pair.transport, handler)
    with pytest.raises(KeyboardInterrupt):
        pair.transport.send(b"first")
    with pytest.raises(ConnectionLost):
        pair.transport.send(b"second")
    with pytest.raises(Interrupted):
        pair.transport.read()
    assert read_to_end(pair.other) == b"first"


def test_the_buffer_for_a_peer_that_does_not_read_is_bounded(pair: Pair) -> None:
    pong = bytes(1 << 20)
    with pytest.raises(ConnectionLost, match="does not read"):
        for _ in range(50):
            pair.transport.send(pong)
    with pytest.raises(ConnectionLost, match="does not read"):
        pair.transport.read()


def test_a_refused_write_ends_the_connection_after_what_has_arrived(wakeup: Wakeup) -> None:
    """The error may pass, but nobody would send over the connection again; the server's last words say why it broke."""
    with tcp_pair() as (ours, other):
        refusing = RefusingSocket(fileno=ours.detach())
        refusing.setblocking(False)
        with contextlib.closing(Transport(refusing, wakeup, after(TIMEOUT))) as transport:
            other.sendall(b"last words")
            refusing.refuse = True
            with pytest.raises(ConnectionLost, match=os.strerror(errno.ENOBUFS)):
                transport.send(b"first")
            with pytest.raises(ConnectionLost):
                transport.send(b"second")
            assert transport.read() == b"last words"
            with pytest.raises(ConnectionLost, match=os.strerror(errno.ENOBUFS)):
                transport.read()
            assert read_to_end(other) == b""


def test_a_reset_is_reported(wakeup: Wakeup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = dial("127.0.0.1", listener.getsockname()[1], lambda: time.monotonic() + 5, wakeup)
        with contextlib.closing(Transport(sock, wakeup, lambda: time.monotonic() + 5)) as transport:
            other, _ = listener.accept()
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            other.close()
            with pytest.raises(ConnectionLost, match="reset"):
                transport.read()


def test_a_reset_before_the_options_are_set_is_reported_by_the_first_read(wakeup: Wakeup) -> None:
    """On macOS, setting an option then fails."""

    class WithoutOptions(socket.socket):
        def setsockopt(self, *args: object) -> None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    with tcp_pair() as (ours, other):
        reset(other)
        sock = WithoutOptions(fileno=ours.detach())
        sock.setblocking(False)
        with (
            contextlib.closing(Transport(sock, wakeup, after(TIMEOUT))) as transport,
            pytest.raises(ConnectionLost, match="reset"),
        ):
            transport.read()


# -- TLS -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tls_server(host: str, behave: object) -> Iterator[int]:
    """A server that shakes hands and then does `behave(connection)`, once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(host).configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            plain.settimeout(10)
            with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                behave(secure)  # type: ignore[operator]

        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1]
        server.join(10)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@contextlib.contextmanager
def tls_transport(port: int, wakeup: Wakeup, context: ssl.SSLContext, host: str) -> Iterator[Transport]:
    deadline = time.monotonic() + 10
    sock = dial("127.0.0.1", port, lambda: deadline, wakeup)
    with contextlib.closing(Transport(sock, wakeup, lambda: deadline)) as transport:
        transport.start_tls(context, host)
        yield transport


def test_tls_reads_and_writes_megabytes_at_once(wakeup: Wakeup) -> None:
    count, size = 400, 10_000

    def behave(server: ssl.SSLSocket) -> None:
        # One thread on this side: it writes a piece for each piece that it reads.
        for _ in range(count):
            got = b""
            while len(got) < size:
                got += server.recv(size - len(got))
            server.sendall(got)

    with tls_server("localhost", behave) as port, tls_transport(port, wakeup, trusting(), "localhost") as transport:
        pieces = [bytes([number % 256]) * size for number in range(count)]

        def write(mine: list[bytes]) -> None:
            for piece in mine:
                transport.send(piece)

        writers = [threading.Thread(target=write, args=(pieces[half::2],)) for half in (0, 1)]
        for writer in writers:
            writer.start()
        got = b""
        while len(got) < count * size:
            got += transport.read()
        for writer in writers:
            writer.join(5)
        back = [got[start : start + size] for start in range(0, len(got), size)]
        assert sorted(back) == sorted(pieces)  # each whole, whichever came first


def test_data_before_the_end_of_tls_is_read_first(wakeup: Wakeup) -> None:
    def behave(server: ssl.SSLSocket) -> None:
        server.sendall(b"last words")
        server.unwrap()

    with tls_server("localhost", behave) as port, tls_transport(port, wakeup, trusting(), "localhost") as transport:
        assert transport.read() == b"last words"
        assert transport.read() == b""
        transport.abort()


@pytest.mark.parametrize(("host", "trusted"), [("example.org", True), ("localhost", False)])
def test_a_certificate_that_does_not_verify_is_refused(wakeup: Wakeup, host: str, trusted: bool) -> None:
    context = trusting() if trusted else ssl.create_default_context()
    with tls_server(host, lambda server: server.recv(1)) as port:
        with pytest.raises(CertificateInvalid, match="localhost"), tls_transport(port, wakeup, context, "localhost"):
            pass


def test_a_server_without_tls_is_reported(pair: Pair) -> None:
    pair.other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ConnectFailed, match="TLS with localhost failed"):
        pair.transport.start_tls(trusting(), "localhost")


def test_a_server_that_ends_the_tls_handshake_is_reported(pair: Pair) -> None:
    pair.other.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectFailed, match="TLS with localhost failed"):
        pair.transport.start_tls(trusting(), "localhost")
