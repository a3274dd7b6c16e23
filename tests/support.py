"""Background calls, waits, and raw sockets on loopback."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from vox_gateway.dispatch.event_queue import EventQueue, Item

TIMEOUT = 5.0
T = TypeVar("T")


def after(seconds: float) -> Callable[[], float]:
    """Return a deadline `seconds` from now."""
    end = time.monotonic() + seconds
    return lambda: end


def never() -> None:
    """Return no deadline."""
    return


def in_background(call: Callable[[], T]) -> Future[T]:
    """Run `call` on a daemon thread of its own."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = call()
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="test-background", daemon=True).start()
    return future


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Poll until `condition` is true.

    Raises:
        AssertionError: it was still false after `timeout` seconds.
    """
    deadline, pause = time.monotonic() + timeout, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        pause.wait(0.005)


def items(queue: EventQueue) -> Iterator[Item]:
    """Take the items of an event queue until its end, as the dispatcher's thread does."""
    while (entry := queue.inbox.get(timeout=TIMEOUT)) is not None and entry[1] is not None:
        yield entry[1]


@contextlib.contextmanager
def running(function: Callable[[], object]) -> Iterator[threading.Thread]:
    """Run `function` on a thread while the block runs; re-raise its exception at the end."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="test-running", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "the function is still running"
    if failures:
        raise failures[0]


@contextlib.contextmanager
def serving(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """Listen on a free port, which is yielded, and call `serve` with each connection on a thread of its own.

    An OSError in `serve` means that the peer went away and is ignored; other exceptions are re-raised at the end.
    """
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []
    failures: list[BaseException] = []
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        try:
            serve(connection)
        except OSError:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    def listen() -> None:
        while True:
            connection, _ = listener.accept()
            connections.append(connection)
            if over.is_set():
                connection.close()
                return
            connection.settimeout(TIMEOUT)
            threads.append(threading.Thread(target=talk, args=(connection,), name="test-talk", daemon=True))
            threads[-1].start()

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        listening = threading.Thread(target=listen, name="test-listen", daemon=True)
        listening.start()
        port = listener.getsockname()[1]
        try:
            yield port
        finally:
            over.set()
            with socket.socket(family) as waker:  # wakes the accept; not through a name lookup that a test has replaced
                waker.connect(listener.getsockname())
            listening.join(TIMEOUT)
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(TIMEOUT)
                assert not thread.is_alive(), "a connection is still being served"
    if failures:
        raise failures[0]


@contextlib.contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return the two ends of a TCP connection: ours, non-blocking, and the peer's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        with contextlib.closing(ours):
            theirs, _ = listener.accept()
            with contextlib.closing(theirs):
                ours.setblocking(False)
                theirs.settimeout(TIMEOUT)
                yield ours, theirs


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port where connecting neither succeeds nor fails: its backlog is full and nothing accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class RefusingSocket(socket.socket):
    """A connected socket whose next write fails as a kernel without memory makes it fail, once `refuse` is set."""

    refuse = False

    def send(self, *args: Any) -> int:
        if self.refuse:
            self.refuse = False
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return super().send(*args)


def refused_port() -> int:
    """Return a port that refuses connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def reset(sock: socket.socket) -> None:
    """Close with a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """Read `size` bytes.

    Raises:
        ConnectionError: the stream ended before.
    """
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionError("the stream ended")
        data += piece
    return data


def read_to_end(sock: socket.socket) -> bytes:
    """Read to the end of the stream."""
    data = bytearray()
    while piece := sock.recv(65536):
        data += piece
    return bytes(data)


def read_head(sock: socket.socket) -> str:
    """Read the head of an HTTP request or response."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += read_exactly(sock, 1)
    return data.decode()


def accept_upgrade(sock: socket.socket, then: bytes = b"") -> str:
    """Accept a websocket upgrade, and send `then` in the same segment; return the request."""
    request = read_head(sock)
    (key,) = [line.split(": ")[1] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key: ")]
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n" + then
    )
    return request


def server_frame(opcode: int, payload: bytes) -> bytes:
    """Encode a complete server frame."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, len(payload)]) + payload


def read_client_frame(sock: socket.socket) -> tuple[int, bytes]:
    """Return opcode and payload of the next client frame, which must be final and masked."""
    first, length = read_exactly(sock, 2)
    assert first & 0xF0 == 0x80
    assert length & 0x80
    length &= 0x7F
    if length == 126:
        length = int.from_bytes(read_exactly(sock, 2), "big")
    elif length == 127:
        length = int.from_bytes(read_exactly(sock, 8), "big")
    mask = read_exactly(sock, 4)
    masked = read_exactly(sock, length)
    return first & 0x0F, bytes(byte ^ mask[position % 4] for position, byte in enumerate(masked))
