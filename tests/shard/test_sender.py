"""Commands on their way out: written, or told."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from vox_gateway.errors import CommandTimeout, ConnectionLost, NotConnected
from vox_gateway.protocol.rate_limit import CommandRateLimiter
from vox_gateway.shard.sender import CommandSender


class Line:
    """A connection that takes commands, or is lost when one comes."""

    def __init__(self, limit: int = 120, period: float = 60.0, lost: bool = False) -> None:
        self.window = CommandRateLimiter(limit, period)
        self.written: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lost = lost

    def write(self, name: str, data: bytes) -> None:
        if self._lost:
            raise ConnectionLost("gone")
        self.written.put(name)


@pytest.fixture
def outbox() -> CommandSender:
    outbox = CommandSender()
    outbox.open()
    return outbox


def test_a_command_waits_for_a_line(outbox: CommandSender) -> None:
    line = Line()
    sender = threading.Thread(target=outbox.send, args=("X", b"", 5))
    sender.start()
    outbox.live(line)
    sender.join(5)
    assert line.written.get(timeout=1) == "X"
    assert outbox.wait_until_live(0)


def test_a_command_whose_line_is_lost_takes_the_next(outbox: CommandSender) -> None:
    outbox.live(Line(lost=True))
    sender = threading.Thread(target=outbox.send, args=("X", b"", 5))
    sender.start()
    good = Line()
    while outbox.wait_until_live(0):  # until the sender has found out
        pass
    outbox.live(good)
    sender.join(5)
    assert good.written.get(timeout=1) == "X"


def test_a_command_waits_for_room_in_the_window(outbox: CommandSender) -> None:
    line = Line(limit=1, period=0.2)
    outbox.live(line)
    began = time.monotonic()
    outbox.send("X", b"", None)
    outbox.send("Y", b"", 5)
    assert time.monotonic() - began >= 0.2
    assert [line.written.get(timeout=1) for _ in range(2)] == ["X", "Y"]


def test_a_new_line_has_a_window_of_its_own(outbox: CommandSender) -> None:
    full, fresh = Line(limit=1), Line()
    outbox.live(full)
    outbox.send("X", b"", 5)
    sender = threading.Thread(target=outbox.send, args=("Y", b"", None))
    sender.start()
    outbox.live(fresh)
    sender.join(5)
    assert fresh.written.get(timeout=1) == "Y"


def test_a_wait_that_would_be_too_long_is_refused_at_once(outbox: CommandSender) -> None:
    outbox.live(Line(limit=1))
    outbox.send("X", b"", 5)
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"Y was not sent.*timeout=30"):
        outbox.send("Y", b"", 30)
    assert time.monotonic() - began < 5


def test_without_a_line_the_timeout_ends_the_wait(outbox: CommandSender) -> None:
    with pytest.raises(CommandTimeout, match="not ready"):
        outbox.send("X", b"", 0.05)
    assert not outbox.wait_until_live(0.05)


def test_whoever_waits_is_told_when_the_client_closes(outbox: CommandSender) -> None:
    told: queue.SimpleQueue[object] = queue.SimpleQueue()

    def send() -> None:
        try:
            outbox.send("X", b"", None)
        except NotConnected as error:
            told.put(error)

    threads = [threading.Thread(target=send), threading.Thread(target=lambda: told.put(outbox.wait_until_live(None)))]
    for thread in threads:
        thread.start()
    outbox.close()
    for thread in threads:
        thread.join(5)
    first, second = told.get(timeout=1), told.get(timeout=1)
    assert {type(first), type(second)} <= {NotConnected, bool}
    with pytest.raises(NotConnected, match="call connect"):
        outbox.send("X", b"", None)


def test_trying_sends_at_once_or_says_when() -> None:
    outbox = CommandSender()
    assert outbox.try_send("X", b"") is None
    outbox.open()
    line = Line(limit=1)
    outbox.live(line)
    assert outbox.try_send("X", b"") == 0.0
    assert 59 < (outbox.try_send("Y", b"") or 0) <= 60
    outbox.live(Line(lost=True))
    assert outbox.try_send("Z", b"") is None
    assert not outbox.is_live


def test_an_old_line_that_goes_down_does_not_take_the_new_one_along(outbox: CommandSender) -> None:
    old, new = Line(), Line()
    outbox.live(old)
    outbox.live(new)
    outbox.down(old)
    assert outbox.is_live
    outbox.down(new)
    assert not outbox.is_live
