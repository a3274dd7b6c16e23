"""The shared reader alone, with pairs of sockets in the place of connections."""

from __future__ import annotations

import contextlib
import gc
import queue
import selectors
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import TIMEOUT, in_background, wait_until

from vox_gateway.concurrency.gil import HAS_GIL
from vox_gateway.concurrency.wakeup import Wakeup
from vox_gateway.network import shared_reader
from vox_gateway.network.shared_reader import LOOK_EVERY, SharedReader


class Pair:
    """A connection whose other end is here.

    Attributes:
        taken: what was read, and on which thread.
        stays: what `read_now` returns.
        on_read: called by `read_now`.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.ours, self.theirs = (stack.enter_context(end) for end in socket.socketpair())
        self.wakeup = stack.enter_context(contextlib.closing(Wakeup()))
        self.taken: list[tuple[bytes, str]] = []
        self.stays = True
        self.on_read: Callable[[], object] = lambda: None

    def fileno(self) -> int:
        return self.ours.fileno()

    def read_now(self) -> bool:
        data = self.ours.recv(100)
        self.on_read()
        if data == b"broken":
            raise ConnectionError("broken")
        self.taken.append((data, threading.current_thread().name))
        return self.stays

    def comes(self, data: bytes, thread: str) -> None:
        """Send something, and wait until it was read on a thread."""
        self.theirs.send(data)
        wait_until(lambda: (data, thread) in self.taken)


class Dispatcher:
    """A thread that does what it is given, and reads in between."""

    def __init__(self, reader: SharedReader) -> None:
        self._reader = reader
        self._work: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name="test-dispatcher")
        self.thread.start()

    def do(self, work: Callable[[], object]) -> None:
        self._work.put(work)
        if self._reader.is_waited_in:
            self._reader.wake()

    def _run(self) -> None:
        while self._reader.wait(self._work.empty):
            with contextlib.suppress(queue.Empty):
                self._work.get_nowait()()


@pytest.fixture
def reader() -> Iterator[SharedReader]:
    reader = SharedReader("test-standby", pytest.fail)
    reader.start()
    yield reader
    reader.finish()
    reader.join(TIMEOUT)


@pytest.fixture
def dispatcher(reader: SharedReader) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(reader)
    wait_until(lambda: reader.is_waited_in)
    yield dispatcher
    reader.finish()
    dispatcher.thread.join(TIMEOUT)
    assert not dispatcher.thread.is_alive()


@pytest.fixture
def pairs(dispatcher: Dispatcher, reader: SharedReader) -> Iterator[list[Pair]]:
    with contextlib.ExitStack() as stack:
        yield [Pair(stack) for _ in range(3)]
        reader.finish()
        reader.join(TIMEOUT)


def test_a_connection_is_read_by_the_dispatcher_until_its_wakeup(reader: SharedReader, pairs: list[Pair]) -> None:
    pair = pairs[0]
    reading = in_background(lambda: reader.read(pair))
    for data in (b"one", b"two"):
        pair.comes(data, "test-dispatcher")
    pair.wakeup.wake()
    assert reading.result(TIMEOUT)
    pair.theirs.send(b"three")
    assert pair.ours.recv(100) == b"three"  # it is read there no more


def test_the_standby_reads_while_the_dispatcher_works(
    reader: SharedReader, dispatcher: Dispatcher, pairs: list[Pair]
) -> None:
    pair, other = pairs[:2]
    reading = [in_background(lambda pair=pair: reader.read(pair)) for pair in pairs]
    for number in range(3):
        begun, done = threading.Event(), threading.Event()
        pair.comes(b"%d" % number, "test-dispatcher")
        dispatcher.do(lambda begun=begun, done=done: (begun.set(), done.wait(TIMEOUT)))
        assert begun.wait(TIMEOUT)
        other.comes(b"a%d" % number, "test-standby")
        pair.comes(b"b%d" % number, "test-standby")
        done.set()
        wait_until(lambda: reader.is_waited_in)
    assert not any(future.done() for future in reading)


def test_the_standby_reads_after_a_read_that_took_long(
    reader: SharedReader, dispatcher: Dispatcher, pairs: list[Pair]
) -> None:
    pair, other = pairs[:2]
    for each in pairs:
        in_background(lambda each=each: reader.read(each))
    done = threading.Event()

    def take_long() -> None:
        threading.Event().wait(5 * LOOK_EVERY)
        dispatcher.do(lambda: done.wait(TIMEOUT))

    pair.on_read = take_long
    pair.theirs.send(b"slow")
    other.comes(b"data", "test-standby")
    done.set()


def test_the_standby_reads_if_the_dispatcher_has_never_waited(reader: SharedReader) -> None:
    with contextlib.ExitStack() as stack:
        pair = Pair(stack)
        reading = in_background(lambda: reader.read(pair))
        pair.comes(b"data", "test-standby")
        pair.wakeup.wake()
        assert reading.result(TIMEOUT)


def test_work_that_is_put_while_it_waits_is_done(reader: SharedReader, dispatcher: Dispatcher) -> None:
    for _ in range(100):
        done = threading.Event()
        dispatcher.do(done.set)
        assert done.wait(TIMEOUT)


def test_what_the_reading_raises_is_raised_on_the_own_thread(reader: SharedReader, pairs: list[Pair]) -> None:
    pair, other, _ = pairs
    reading, elsewhere = in_background(lambda: reader.read(pair)), in_background(lambda: reader.read(other))
    pair.theirs.send(b"broken")
    with pytest.raises(ConnectionError, match="broken"):
        reading.result(TIMEOUT)
    other.comes(b"well", "test-dispatcher")
    assert not elsewhere.done()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="counts references")
@pytest.mark.skipif(not HAS_GIL, reason="what another thread has made lives until that thread runs again")
def test_what_the_reading_raises_keeps_nothing_alive(reader: SharedReader, pairs: list[Pair]) -> None:
    class Broken(Exception):
        pass

    errors: list[weakref.ref[Broken]] = []

    def fail() -> None:
        error = Broken()
        errors.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    def lend() -> None:
        with contextlib.suppress(Broken):
            reader.read(pairs[0])

    pairs[0].on_read = fail
    gc.disable()
    try:
        lent = in_background(lend)
        pairs[0].theirs.send(b"data")
        lent.result(TIMEOUT)
        wait_until(lambda: errors[0]() is None)
    finally:
        gc.enable()


def test_a_connection_that_needs_its_own_thread_goes_back_and_may_come_again(
    reader: SharedReader, pairs: list[Pair]
) -> None:
    pair = pairs[0]
    pair.stays = False
    for number in range(3):
        reading = in_background(lambda: reader.read(pair))
        pair.theirs.send(b"data")
        assert reading.result(TIMEOUT)
        assert len(pair.taken) == number + 1


def test_a_connection_that_cannot_be_waited_for_is_left_to_its_own_thread(
    reader: SharedReader, pairs: list[Pair]
) -> None:
    pair, closed, _ = pairs
    reading = in_background(lambda: reader.read(pair))
    closed.ours.close()
    assert in_background(lambda: reader.read(closed)).result(TIMEOUT) is False
    pair.comes(b"data", "test-dispatcher")
    assert not reading.done()


def test_connections_beyond_what_the_system_waits_for_are_left_to_their_own_threads(
    reader: SharedReader, pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reader, "MAX_DESCRIPTORS", 5)  # as on Windows, where select() takes 512
    reading = [in_background(lambda pair=pair: reader.read(pair)) for pair in pairs]
    wait_until(lambda: any(future.done() for future in reading))
    (beyond,) = (number for number, future in enumerate(reading) if future.done())
    assert reading.pop(beyond).result() is False
    pairs.pop(beyond)
    for pair in pairs:
        pair.comes(b"data", "test-dispatcher")
    assert not any(future.done() for future in reading)


def test_the_end_gives_everything_back_and_nothing_is_taken_any_more(
    reader: SharedReader, dispatcher: Dispatcher, pairs: list[Pair]
) -> None:
    reading = [in_background(lambda pair=pair: reader.read(pair)) for pair in pairs]
    pairs[0].comes(b"data", "test-dispatcher")
    reader.finish()
    for future in reading:
        future.result(TIMEOUT)
    dispatcher.thread.join(TIMEOUT)
    assert in_background(lambda: reader.read(pairs[0])).result(TIMEOUT) is False
    assert not reader.wait(lambda: True)


def test_an_error_on_the_dispatcher_is_reported_and_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> Any:
            raise MemoryError

    monkeypatch.setattr(selectors, "DefaultSelector", Failing)
    monkeypatch.setattr(shared_reader, "LOOK_EVERY", TIMEOUT)
    errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    reader = SharedReader("test-standby", errors.put)
    with contextlib.ExitStack() as stack:
        pair = Pair(stack)
        stack.callback(reader.join, TIMEOUT)
        stack.callback(reader.finish)
        reader.start()
        reading = in_background(lambda: reader.read(pair))
        assert not in_background(lambda: reader.wait(lambda: True)).result(TIMEOUT)
        assert isinstance(errors.get(timeout=TIMEOUT), MemoryError)
        assert reading.result(TIMEOUT) is False


def test_without_descriptors_each_connection_is_read_by_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(24, "Too many open files")

    reader = SharedReader("test-standby", pytest.fail)
    monkeypatch.setattr(socket, "socketpair", refuse)
    reader.start()
    assert not reader.is_open
    assert not reader.wait(lambda: True)
    reader.finish()
    reader.join(TIMEOUT)
