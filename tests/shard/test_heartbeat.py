"""The rules of the heartbeat on a clock that stands still, and its loop."""

from __future__ import annotations

import queue
import time

import pytest

from vox_gateway.concurrency.scheduler import Scheduler
from vox_gateway.shard import heartbeat
from vox_gateway.shard.heartbeat import Heartbeat, HeartbeatSchedule


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.999])
def test_the_first_beat_comes_within_an_interval(jitter: float) -> None:
    assert HeartbeatSchedule(40, 100, jitter).due == 100 + 40 * jitter


def test_beats_do_not_drift() -> None:
    pulse = HeartbeatSchedule(40, 0, 0.5)
    for number in range(1, 50):
        pulse.beaten(pulse.due + 0.01)  # always a little late
        assert pulse.due == pytest.approx(20 + 40 * number)


def test_beats_that_were_missed_are_not_made_up_for() -> None:
    pulse = HeartbeatSchedule(40, 0, 0)
    pulse.beaten(500)
    assert pulse.due == 540


def test_latency_is_from_beat_to_acknowledgement() -> None:
    pulse = HeartbeatSchedule(40, 0, 0)
    assert pulse.acknowledged(1) is None
    pulse.beaten(10)
    assert pulse.acknowledged(10.25) == 0.25
    assert pulse.acknowledged(20) is None


def test_a_beat_that_the_server_asked_for_counts_for_the_latency_only() -> None:
    pulse = HeartbeatSchedule(40, 0, 0.5)
    pulse.answered(10)
    assert pulse.due == 20
    assert pulse.acknowledged(10.25) == 0.25
    pulse.answered(11)  # never acknowledged
    assert pulse.why_zombie(100, 0) is None
    pulse.beaten(20)
    assert pulse.acknowledged(20.5) == 9.5  # the acknowledgement of the older one


@pytest.mark.parametrize(
    ("now", "waiting_since", "zombie"),
    [
        (40, -1, True),
        (40, 0, True),
        (36, 0, True),
        (30, 0, False),
        (40, 1, False),  # something arrived since the beat
        (40, None, False),  # the reader is busy or paused
        (60, 20, False),  # the reader was busy or paused when the beat went out
    ],
)
def test_a_zombie_is_silent_for_an_interval_in_which_the_reader_waits(
    now: float, waiting_since: float | None, zombie: bool
) -> None:
    pulse = HeartbeatSchedule(40, 0, 0)
    pulse.beaten(0)
    assert (pulse.why_zombie(now, waiting_since) is not None) is zombie


def test_a_late_beat_gives_the_other_side_an_interval_more() -> None:
    """The process did not run, so the acknowledgement may lie unread in the kernel."""
    pulse = HeartbeatSchedule(40, 0, 0)
    pulse.beaten(0)
    assert pulse.why_zombie(60, 0) is None  # due at 40
    pulse.beaten(60)
    assert pulse.why_zombie(80, 0) is None  # in time, but too soon after the last
    pulse.beaten(80)
    assert pulse.why_zombie(120, 0) is not None
    assert pulse.why_zombie(140, 0) is not None  # late, but three beats are enough


@pytest.mark.parametrize("waiting_since", [119.0, None])
def test_three_beats_without_acknowledgement_make_a_zombie_whatever_else_arrives(waiting_since: float | None) -> None:
    pulse = HeartbeatSchedule(40, 0, 0)
    for now in (0, 40, 80):
        assert pulse.why_zombie(now, now - 1) is None
        pulse.beaten(now)
    assert pulse.why_zombie(100, 99) is None  # not yet for three intervals
    reason = "3 heartbeats in a row were not acknowledged"
    assert pulse.why_zombie(120, waiting_since) == (None if waiting_since is None else reason)
    pulse.acknowledged(120)
    pulse.beaten(120)
    assert pulse.why_zombie(160, 159) is None


def test_a_beat_that_was_acknowledged_makes_no_zombie() -> None:
    pulse = HeartbeatSchedule(40, 0, 0)
    assert pulse.why_zombie(1000, 0) is None
    pulse.beaten(0)
    pulse.acknowledged(1)
    assert pulse.why_zombie(1000, 0) is None


@pytest.mark.parametrize(("waiting_since", "zombie"), [(10, True), (50, False)])
def test_only_what_arrived_since_the_last_beat_is_a_sign_of_life(waiting_since: float, zombie: bool) -> None:
    pulse = HeartbeatSchedule(40, 0, 0)
    pulse.beaten(0)
    assert pulse.why_zombie(40, 10) is None
    pulse.beaten(40)  # the first was never acknowledged
    assert (pulse.why_zombie(80, waiting_since) is not None) is zombie


class Heart:
    """Writes down what the loop does."""

    def __init__(self, reading: bool = True) -> None:
        self.waiting_since = 0.0 if reading else None
        self.events: queue.SimpleQueue[str] = queue.SimpleQueue()

    def beat(self) -> None:
        self.events.put("beat")

    def on_latency(self, at: float, latency: float) -> None:
        self.events.put("on_latency")

    def zombie(self, reason: str) -> None:
        self.events.put("zombie")

    def slept(self) -> None:
        self.events.put("slept")

    def after_beats(self) -> str:
        """The next event that is not a beat: if a thread wakes late, another beat may precede it."""
        while (event := self.events.get(timeout=5)) == "beat":
            pass
        return event


def test_the_loop_beats_measures_and_stops(scheduler: Scheduler) -> None:
    heart = Heart(reading=False)  # so that no late acknowledgement makes a zombie
    loop = Heartbeat(scheduler, 0.05, heart, lambda: 0.0)
    assert heart.events.get(timeout=5) == "beat"
    loop.acknowledged(time.monotonic())
    assert heart.after_beats() == "on_latency"
    assert heart.events.get(timeout=5) == "beat"
    loop.acknowledged(time.monotonic())
    assert heart.after_beats() == "on_latency"
    loop.answered(time.monotonic())
    loop.acknowledged(time.monotonic())
    assert heart.after_beats() == "on_latency"
    loop.stop()


def test_the_loop_tells_of_a_zombie_once_and_waits_to_be_stopped(scheduler: Scheduler) -> None:
    heart = Heart()
    loop = Heartbeat(scheduler, 0.05, heart, lambda: 0.0)
    assert heart.events.get(timeout=5) == "beat"
    assert heart.after_beats() == "zombie"
    loop.acknowledged(time.monotonic())
    loop.stop()
    assert heart.events.empty()


def test_the_loop_beats_on_while_nothing_is_read(scheduler: Scheduler) -> None:
    heart = Heart(reading=False)
    loop = Heartbeat(scheduler, 0.02, heart, lambda: 0.0)
    assert [heart.events.get(timeout=5) for _ in range(5)] == ["beat"] * 5
    loop.stop()


def test_a_machine_that_slept_is_noticed_by_its_clocks(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        monotonic = staticmethod(time.monotonic)
        ahead = 0.0

        def time(self) -> float:
            return time.time() + self.ahead

    clock = Clock()
    monkeypatch.setattr(heartbeat, "time", clock)
    heart = Heart(reading=False)
    loop = Heartbeat(scheduler, 0.05, heart, lambda: 0.0)
    assert heart.events.get(timeout=5) == "beat"
    clock.ahead = 29.0
    assert heart.events.get(timeout=5) == "beat"
    clock.ahead = 60.0
    assert heart.after_beats() == "slept"
    loop.stop()
