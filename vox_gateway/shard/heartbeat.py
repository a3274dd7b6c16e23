"""The heartbeat of a connection.

`HeartbeatSchedule` has the rules and is pure: time is an argument. The first heartbeat is due after a random part of
the interval, the others an interval apart; a connection whose heartbeats are not acknowledged is a zombie. `Heartbeat`
runs it on a scheduler. See: https://docs.discord.com/developers/events/gateway#sending-heartbeats
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..concurrency.scheduler import Scheduler

__all__ = ["Heartbeat", "HeartbeatSchedule"]

#: seconds by which the wall clock may run away from the monotonic clock between two wakes; more, and the machine slept
SLEPT = 30.0
#: the part of an interval that a silence must last: a beat goes out a little late, and the next is due on time
FULL_INTERVAL = 0.9
#: the part of an interval by which a beat may be late; more, and this process was stopped, or too busy
LATE = 0.2
#: heartbeats in a row without an acknowledgement after which a connection is a zombie, even if other frames arrive
MAX_UNACKNOWLEDGED = 3


class HeartbeatSchedule:
    """When to beat, and whether the other side still lives.

    A heartbeat that the server asked for counts for the latency only.

    Args:
        interval: seconds between beats.
        now: monotonic time at the start.
        jitter: in [0, 1), the part of an interval before the first beat.
    """

    def __init__(self, interval: float, now: float, jitter: float) -> None:
        self.interval = interval
        self.due: float = now + interval * jitter
        self._beaten_at = now
        self._unacknowledged = 0  # heartbeats in a row
        self._sent_at: float | None = None  # of the oldest heartbeat that was not acknowledged, whatever called for it

    def beaten(self, now: float) -> None:
        """A beat was sent because it was due."""
        self._beaten_at = now
        self._unacknowledged += 1
        self.answered(now)
        # From the due time and not from now, so that lateness does not add up; but beats that were missed altogether
        # (the process was stopped) are not made up for by a burst.
        self.due += self.interval
        if self.due <= now:
            self.due = now + self.interval

    def answered(self, now: float) -> None:
        """A beat was sent because the server asked for it."""
        if self._sent_at is None:
            self._sent_at = now

    def acknowledged(self, now: float) -> float | None:
        """An acknowledgement was read at `now`; return the latency, or None if it acknowledges nothing."""
        sent_at, self._sent_at, self._unacknowledged = self._sent_at, None, 0
        return None if sent_at is None else now - sent_at

    def why_zombie(self, now: float, waiting_since: float | None) -> str | None:
        """Return why the connection is a zombie, or None.

        It is if the last heartbeat is unacknowledged and nothing arrived for a whole interval, or if
        `MAX_UNACKNOWLEDGED` heartbeats were not acknowledged whatever else arrived. Only time in which the reader waits
        counts: while it is busy, or paused by a full event queue, the acknowledgement may lie unread in the kernel. The
        same holds after this process was stopped or too busy, which a late beat shows: the server then has one more
        interval to answer.

        Args:
            now: when a beat is due, or later if it is late.
            waiting_since: since when the reader waits for the server; None while it does not.
        """
        if not self._unacknowledged or waiting_since is None or now - self._beaten_at < self.interval * FULL_INTERVAL:
            return None
        if waiting_since <= self._beaten_at and now - self.due < self.interval * LATE:
            return "a heartbeat was not acknowledged, and nothing else arrived since"
        if self._unacknowledged >= MAX_UNACKNOWLEDGED:
            return f"{self._unacknowledged} heartbeats in a row were not acknowledged"
        return None


class Heart(Protocol):
    """What the heartbeat needs of its connection."""

    @property
    def waiting_since(self) -> float | None:
        """Since when the reader waits for the server, in monotonic time; None while it does not."""

    def beat(self) -> None:
        """Send a beat."""

    def on_latency(self, at: float, latency: float) -> None:
        """A beat was acknowledged at `at` (monotonic), after `latency` seconds."""

    def zombie(self, reason: str) -> None:
        """The other side is dead: cut off and resume."""

    def slept(self) -> None:
        """The machine slept: whatever we had is gone."""

    def failed(self, error: BaseException) -> None:
        """There are no more heartbeats, because of an error of ours."""


class Heartbeat:
    """The heartbeat of a connection: beats when a beat is due, and takes acknowledgements.

    It has no thread of its own: the shards of a client share a scheduler, which calls all of this but `stop`. Nothing
    that it calls blocks.

    Args:
        scheduler: calls what is due.
        interval: seconds.
        heart: the connection.
        random: returns a float in [0, 1).

    Raises:
        RuntimeError: the scheduler's thread cannot be started.
    """

    def __init__(self, scheduler: Scheduler, interval: float, heart: Heart, random: Callable[[], float]) -> None:
        self._pulse = HeartbeatSchedule(interval, time.monotonic(), random())
        self._scheduler = scheduler
        self._heart: Heart | None = heart  # None once it was stopped, so that what is scheduled holds no connection
        self._acting = threading.Lock()  # held by the scheduler's thread while it calls the heart; `stop` waits for it
        self._offset = time.time() - time.monotonic()
        if not scheduler.call_at(self._pulse.due, self._wake):
            raise RuntimeError("no thread can be started for heartbeats")

    def answered(self, at: float) -> None:
        """A heartbeat is about to be sent because the server asked for it; `at` is monotonic time."""
        self._scheduler.call_at(at, lambda: self._pulse.answered(at))

    def acknowledged(self, at: float) -> None:
        """An acknowledgement was read; `at` is monotonic time."""
        self._scheduler.call_at(at, lambda: self._act(lambda heart: self._take(heart, at)))

    @property
    def due(self) -> float:
        """When the next beat is due, in monotonic time."""
        return self._pulse.due

    def stop(self) -> None:
        """Stop. Returns when the heart is called no more."""
        with self._acting:
            self._heart = None

    def _act(self, action: Callable[[Heart], None]) -> None:
        with self._acting:
            if (heart := self._heart) is not None:
                try:
                    action(heart)
                except BaseException as error:
                    heart.failed(error)

    def _take(self, heart: Heart, at: float) -> None:
        if (latency := self._pulse.acknowledged(at)) is not None:
            heart.on_latency(at, latency)

    def _wake(self) -> None:
        self._act(self._beat)

    def _beat(self, heart: Heart) -> None:
        pulse = self._pulse
        before, self._offset = self._offset, time.time() - time.monotonic()
        if abs(self._offset - before) > SLEPT:
            heart.slept()
        elif reason := pulse.why_zombie(time.monotonic(), heart.waiting_since):
            heart.zombie(reason)
        else:
            now = time.monotonic()  # before the beat is on its way: its answer may be read at once
            heart.beat()
            pulse.beaten(now)
            self._scheduler.call_at(pulse.due, self._wake)
            return
        self._heart = None  # the connection is being cut off
