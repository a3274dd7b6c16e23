"""Commands on their way out: written, or told."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from vox_gateway.errors import CommandTimeout, ConnectionLost, NotConnected
from vox_gateway.protocol.rate_limit import CommandRateLimiter
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


def test_a_command_waits_for_a_line(sender: CommandSender) -> None:
    line = FakeConnection()
    sender = threading.Thread(target=sender.send, args=("X", b"", 5))
    sender.start()
    sender.set_ready(line)
    sender.join(5)
    assert line.written.get(timeout=1) == "X"
    assert sender.wait_until_ready(0)


def test_a_command_whose_line_is_lost_takes_the_next(sender: CommandSender) -> None:
    sender.set_ready(FakeConnection(lost=True))
    sender = threading.Thread(target=sender.send, args=("X", b"", 5))
    sender.start()
    good = FakeConnection()
    while sender.wait_until_ready(0):  # until the sender has found out
        pass
    sender.set_ready(good)
    sender.join(5)
    assert good.written.get(timeout=1) == "X"


def test_a_command_waits_for_room_in_the_window(sender: CommandSender) -> None:
    line = FakeConnection(limit=1, period=0.2)
    sender.set_ready(line)
    began = time.monotonic()
    sender.send("X", b"", None)
    sender.send("Y", b"", 5)
    assert time.monotonic() - began >= 0.2
    assert [line.written.get(timeout=1) for _ in range(2)] == ["X", "Y"]


def test_a_new_line_has_a_window_of_its_own(sender: CommandSender) -> None:
    full, fresh = FakeConnection(limit=1), FakeConnection()
    sender.set_ready(full)
    sender.send("X", b"", 5)
    sender = threading.Thread(target=sender.send, args=("Y", b"", None))
    sender.start()
    sender.set_ready(fresh)
    sender.join(5)
    assert fresh.written.get(timeout=1) == "Y"


def test_a_wait_that_would_be_too_long_is_refused_at_once(sender: CommandSender) -> None:
    sender.set_ready(FakeConnection(limit=1))
    sender.send("X", b"", 5)
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"Y was not sent.*timeout=30"):
        sender.send("Y", b"", 30)
    assert time.monotonic() - began < 5


def test_without_a_line_the_timeout_ends_the_wait(sender: CommandSender) -> None:
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
    first, second = told.get(timeout=1), told.get(timeout=1)
    assert {type(first), type(second)} <= {NotConnected, bool}
    with pytest.raises(NotConnected, match="call connect"):
        sender.send("X", b"", None)


def test_trying_sends_at_once_or_says_when() -> None:
    sender = CommandSender()
    assert sender.try_send("X", b"") is None
    sender.open()
    line = FakeConnection(limit=1)
    sender.set_ready(line)
    assert sender.try_send("X", b"") == 0.0
    assert 59 < (sender.try_send("Y", b"") or 0) <= 60
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
