"""Commands are written, or their callers get an exception."""

from __future__ import annotations

import contextlib
import queue
import re
import signal
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from vox_gateway.concurrency import clock, signals
from vox_gateway.errors import CommandTimeout, ConnectionLost, NotConnected
from vox_gateway.protocol.rate_limit import CommandRateLimiter
from vox_gateway.shard import sender as sender_module
from vox_gateway.shard.sender import CommandSender


class FakeConnection:
    """A connection that takes commands, or is lost when one comes."""

    def __init__(self, limit: int = 120, period: float = 60.0, lost: bool = False) -> None:
        self.rate_limiter = CommandRateLimiter(limit, period)
        self.written: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lost = lost

    def write(self, name: str, data: bytes) -> None:
        if self._lost:
            raise ConnectionLost("gone")
        self.written.put(name)


@pytest.fixture
def sender() -> CommandSender:
    sender = CommandSender()
    sender.open()
    return sender


def test_a_command_waits_for_a_connection(sender: CommandSender) -> None:
    connection = FakeConnection()
    thread = threading.Thread(target=sender.send, args=("X", b"", 5))
    thread.start()
    sender.set_ready(connection)
    thread.join(5)
    assert connection.written.get(timeout=5) == "X"
    assert sender.wait_until_ready(0)


def test_a_command_whose_connection_is_lost_takes_the_next(sender: CommandSender) -> None:
    sender.set_ready(FakeConnection(lost=True))
    thread = threading.Thread(target=sender.send, args=("X", b"", 5))
    thread.start()
    good = FakeConnection()
    while sender.wait_until_ready(0):  # until the thread has found out
        pass
    sender.set_ready(good)
    thread.join(5)
    assert good.written.get(timeout=5) == "X"


def test_a_command_waits_for_room_in_the_rate_limit(sender: CommandSender, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    refused: queue.SimpleQueue[float] = queue.SimpleQueue()

    class ObservedLimiter(CommandRateLimiter):
        """Reports each refusal."""

        def take(self, now: float) -> float:
            delay = super().take(now)
            if delay:
                refused.put(delay)
            return delay

    for module in (sender_module, signals, clock):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    connection = FakeConnection()
    connection.rate_limiter = ObservedLimiter(limit=1, period=0.05)
    sender.set_ready(connection)
    sender.send("X", b"", None)
    thread = threading.Thread(target=sender.send, args=("Y", b"", 5))
    thread.start()
    for _ in range(2):  # it waits for as long as the clock stands still
        assert refused.get(timeout=5) == pytest.approx(0.05)
    assert connection.written.get(timeout=5) == "X"
    assert connection.written.empty()
    now += 0.06
    assert connection.written.get(timeout=5) == "Y"
    thread.join(5)


def test_a_new_connection_has_a_rate_limit_of_its_own(sender: CommandSender) -> None:
    full, fresh = FakeConnection(limit=1), FakeConnection()
    sender.set_ready(full)
    sender.send("X", b"", 5)
    thread = threading.Thread(target=sender.send, args=("Y", b"", None))
    thread.start()
    sender.set_ready(fresh)
    thread.join(5)
    assert fresh.written.get(timeout=5) == "Y"


def test_a_wait_that_would_be_too_long_is_refused_at_once(sender: CommandSender) -> None:
    sender.set_ready(FakeConnection(limit=1))
    sender.send("X", b"", 5)
    refused: queue.SimpleQueue[CommandTimeout] = queue.SimpleQueue()

    def send() -> None:
        try:
            sender.send("Y", b"", 30)
        except CommandTimeout as error:
            refused.put(error)

    thread = threading.Thread(target=send)
    thread.start()
    assert re.search(r"Y was not sent.*timeout=30", str(refused.get(timeout=5)))  # long before the 30 seconds
    thread.join(5)


def test_without_a_connection_the_timeout_ends_the_wait(sender: CommandSender) -> None:
    with pytest.raises(CommandTimeout, match="not ready"):
        sender.send("X", b"", 0.05)
    assert not sender.wait_until_ready(0.05)


def test_whoever_waits_is_told_when_the_client_closes(sender: CommandSender) -> None:
    told: queue.SimpleQueue[object] = queue.SimpleQueue()

    def send() -> None:
        try:
            sender.send("X", b"", None)
        except NotConnected as error:
            told.put(error)

    threads = [threading.Thread(target=send), threading.Thread(target=lambda: told.put(sender.wait_until_ready(None)))]
    for thread in threads:
        thread.start()
    sender.close()
    for thread in threads:
        thread.join(5)
    first, second = told.get(timeout=5), told.get(timeout=5)
    assert {type(first), type(second)} <= {NotConnected, bool}
    with pytest.raises(NotConnected, match="call connect"):
        sender.send("X", b"", None)


def test_trying_sends_at_once_or_says_when() -> None:
    sender = CommandSender()
    assert sender.try_send("X", b"") is None
    sender.open()
    connection = FakeConnection(limit=1)
    sender.set_ready(connection)
    assert sender.try_send("X", b"") == 0.0
    assert 50 < (sender.try_send("Y", b"") or 0) <= 60
    sender.set_ready(FakeConnection(lost=True))
    assert sender.try_send("Z", b"") is None
    assert not sender.is_ready


def test_an_old_line_that_goes_down_does_not_take_the_new_one_along(sender: CommandSender) -> None:
    old, new = FakeConnection(), FakeConnection()
    sender.set_ready(old)
    sender.set_ready(new)
    sender.unset_ready(old)
    assert sender.is_ready
    sender.unset_ready(new)
    assert not sender.is_ready


WAITS: dict[str, Callable[[CommandSender], object]] = {
    "for READY": lambda sender: sender.wait_until_ready(10),
    "to send": lambda sender: sender.send("X", b"", None),
    "for room": lambda sender: (sender.set_ready(FakeConnection(limit=1)), [sender.send("X", b"", None) for _ in "12"]),
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_signal_is_handled_at_once_whichever_thread_receives_it(sender: CommandSender, wait: str) -> None:
    handled, in_time = threading.Event(), queue.SimpleQueue[bool]()

    def receive() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        in_time.put(handled.wait(3))
        sender.close()

    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())
    receiver = threading.Timer(0.1, receive)
    receiver.start()
    try:
        with contextlib.suppress(NotConnected):
            WAITS[wait](sender)
    finally:
        receiver.join()
        signal.signal(signal.SIGUSR1, before)
    assert in_time.get()


def test_a_connection_that_is_lost_as_another_becomes_ready_does_not_take_it_along(sender: CommandSender) -> None:
    old, new = FakeConnection(), FakeConnection()

    class Interrupted:
        """A signal, or another thread, comes as the sender looks at the connection."""

        @property
        def connection(self) -> FakeConnection:
            sender.set_ready(new)
            return old

        @connection.setter
        def connection(self, _: None) -> None:
            """Forget the old one."""

    sender._link = Interrupted()  # type: ignore[assignment]
    sender.unset_ready(old)
    assert sender.try_send("X", b"") == 0.0
    assert new.written.get(timeout=5) == "X"
