"""The newest presence: what is sent, when, and what an IDENTIFY carries. No socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from vox_gateway.concurrency.scheduler import Scheduler
from vox_gateway.log import ShardLog
from vox_gateway.protocol.rate_limit import CommandRateLimiter
from vox_gateway.shard.messages import Mailbox, PresenceDue, PresenceUpdate
from vox_gateway.shard.presence import LIMIT, Presence
from vox_gateway.shard.sender import CommandSender


class Connection:
    rate_limiter = CommandRateLimiter()

    def write(self, name: str, data: bytes) -> None:
        raise AssertionError("not reached")


class RecordingSender(CommandSender):
    """Sends while `delay` is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.delay: float | None = 0.0
        self.set_ready(Connection())
        self.sent: list[bytes] = []

    def try_send(self, name: str, data: bytes) -> float | None:
        if self.delay == 0.0:
            self.sent.append(data)
        return self.delay


class RecordingScheduler(Scheduler):
    """Keeps what it is to call."""

    def __init__(self) -> None:
        super().__init__("test-timers", ShardLog((0, 1)), pytest.fail)
        self.calls: list[Callable[[], None]] = []

    def call_at(self, when: float, call: Callable[[], None]) -> bool:
        self.calls.append(call)
        return True


class Run:
    def __init__(self) -> None:
        self.sender, self.scheduler, self.mailbox = RecordingSender(), RecordingScheduler(), Mailbox()
        self.presence = Presence({"status": "online"}, self.sender, self.scheduler, self.mailbox)

    def update(self, number: int) -> dict[str, Any]:
        data = {"status": "idle", "since": number}
        self.presence.update(data, b"%d" % number)
        return data

    def supervise(self) -> None:
        """Do what the supervisor does with what was posted."""
        while not self.mailbox.empty():
            match self.mailbox.get_nowait():
                case PresenceUpdate() as update:
                    self.presence.send(update)
                case PresenceDue():
                    self.presence.flush()


@pytest.fixture
def run() -> Run:
    return Run()


def test_an_update_is_sent_once(run: Run) -> None:
    data = run.update(1)
    run.supervise()
    run.presence.flush()
    assert run.sender.sent == [b"1"]
    assert run.presence.newest == data


def test_each_of_several_is_sent_in_order(run: Run) -> None:
    for number in range(1, 4):
        run.update(number)
    run.supervise()
    assert run.sender.sent == [b"1", b"2", b"3"]


def test_updates_that_wait_for_a_connection_are_one(run: Run) -> None:
    run.sender.delay = None
    for number in range(1, 4):
        run.update(number)
    run.supervise()
    run.sender.delay = 0.0
    run.presence.flush()
    assert run.sender.sent == [b"3"]


def test_an_update_without_a_connection_is_part_of_the_identify(run: Run) -> None:
    run.sender.delay = None
    data = run.update(1)
    run.supervise()
    assert run.presence.for_identify() == data
    run.sender.delay = 0.0
    run.presence.flush()
    assert run.sender.sent == []
    assert run.scheduler.calls == []


def test_an_update_is_sent_again_after_each_resume(run: Run) -> None:
    for number in (1, 2):
        run.update(number)
        run.supervise()
    for _ in range(2):
        run.presence.on_ready(resumed=True)
    assert run.sender.sent == [b"1", b"2", b"2", b"2"]


def test_a_presence_of_the_identify_is_not_sent_again(run: Run) -> None:
    run.presence.on_ready(resumed=True)  # the first connection of a client may resume
    run.update(1)
    run.supervise()
    run.presence.for_identify()
    run.presence.on_ready(resumed=False)
    run.presence.on_ready(resumed=True)
    assert run.sender.sent == [b"1"]


def test_an_update_that_the_server_has_is_not_sent_again(run: Run) -> None:
    run.update(1)
    run.supervise()
    run.presence.acknowledged(time.monotonic() + 1)
    run.presence.on_ready(resumed=True)
    assert run.sender.sent == [b"1"]


def test_a_heartbeat_that_was_sent_before_an_update_says_nothing_about_it(run: Run) -> None:
    before = time.monotonic()
    run.update(1)
    run.supervise()
    run.presence.acknowledged(before)
    run.presence.on_ready(resumed=True)
    assert run.sender.sent == [b"1", b"1"]


def test_a_heartbeat_of_a_connection_that_is_not_ready_says_nothing_about_an_earlier_one(run: Run) -> None:
    run.update(1)
    run.supervise()
    run.sender.close()
    run.presence.acknowledged(time.monotonic() + 1)
    run.presence.on_ready(resumed=True)
    assert run.sender.sent == [b"1", b"1"]


def test_the_limit_on_presences_holds_after_a_resume(run: Run) -> None:
    for number in range(LIMIT):
        run.update(number)
        run.supervise()
    run.presence.on_ready(resumed=True)
    assert len(run.sender.sent) == LIMIT
    assert len(run.scheduler.calls) == 1


def test_the_limit_on_presences_delays_the_newest(run: Run) -> None:
    for number in range(LIMIT + 3):
        run.update(number)
        run.supervise()
    assert run.sender.sent == [b"%d" % number for number in range(LIMIT)]
    (call,) = run.scheduler.calls  # one time for all that wait
    call()
    assert run.mailbox.qsize() == 1, "the supervisor is told; nothing is sent on another thread"
    run.supervise()
    assert len(run.scheduler.calls) == 2, "it came too early, and waits again"


def test_an_older_update_in_the_mailbox_does_not_replace_the_newest(run: Run) -> None:
    """At the end of a run one may be stored and not yet posted: the next run identifies with it."""
    old = PresenceUpdate({"status": "idle"}, b"old")
    run.mailbox.put(old)
    run.presence._newest = newest = PresenceUpdate({"status": "dnd"}, b"newest")
    run.sender.delay = None
    run.supervise()
    assert run.presence.newest == newest.presence
    run.sender.delay = 0.0
    run.mailbox.put(newest)
    run.mailbox.put(old)
    run.supervise()
    assert run.sender.sent == [b"newest"]


def test_the_send_limit_delays_the_newest(run: Run) -> None:
    run.sender.delay = 3.0
    run.update(1)
    run.supervise()
    run.sender.delay = 0.0
    (call,) = run.scheduler.calls
    call()
    run.supervise()
    assert run.sender.sent == [b"1"]


def test_an_update_takes_no_lock_that_the_supervisor_holds(run: Run) -> None:
    """A signal handler may update the presence at any moment."""
    entered, updated = threading.Event(), threading.Event()
    flushing = threading.Thread(target=run.presence.flush)

    def try_send(name: str, data: bytes) -> float:
        entered.set()
        assert updated.wait(5)
        run.sender.sent.append(data)
        return 0.0

    run.sender.try_send = try_send  # type: ignore[method-assign]
    run.update(1)
    flushing.start()
    assert entered.wait(5)
    run.update(2)
    updated.set()
    flushing.join(5)
    run.supervise()
    assert run.sender.sent == [b"1", b"2"]
