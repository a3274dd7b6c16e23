"""The heartbeat loop of a connection.

`HeartbeatSchedule` has the rules and is pure: time is an argument. The first heartbeat is due after a random part of
the interval, the others an interval apart; a connection whose heartbeats are not acknowledged is a zombie. `Heartbeat`
is the thread. See: https://docs.discord.com/developers/events/gateway#sending-heartbeats
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Heartbeat", "HeartbeatSchedule"]

#: seconds by which the wall clock may run away from the monotonic clock between two wakes; more, and the machine slept
SLEPT = 30.0
#: the part of an interval that a silence must last: a beat goes out a little late, and the next is due on time
FULL_INTERVAL = 0.9
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
        counts: while it is busy, or paused by a full event queue, the acknowledgement may lie unread in the kernel.

        Args:
            now: when a beat is due.
            waiting_since: since when the reader waits for the server; None while it does not.
        """
        if not self._unacknowledged or waiting_since is None or now - self._beaten_at < self.interval * FULL_INTERVAL:
            return None
        if waiting_since <= self._beaten_at:
            return "a heartbeat was not acknowledged, and nothing else arrived since"
        if self._unacknowledged >= MAX_UNACKNOWLEDGED:
            return f"{self._unacknowledged} heartbeats in a row were not acknowledged"
        return None


class Heart(Protocol):
    """What the heartbeat loop needs of its connection."""

    @property
    def waiting_since(self) -> float | None:
        """Since when the reader waits for the server, in monotonic time; None while it does not."""

    def beat(self) -> None:
        """Send a beat."""

    def on_latency(self, latency: float) -> None:
        """A beat was acknowledged after `latency` seconds."""

    def zombie(self, reason: str) -> None:
        """The other side is dead: cut off and resume."""

    def slept(self) -> None:
        """The machine slept: whatever we had is gone."""

    def failed(self, error: BaseException) -> None:
        """The loop has ended, because of an error of ours."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """The reader sends a heartbeat that the server asked for."""

    at: float


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    """The reader has read an acknowledgement."""

    at: float


class Heartbeat:
    """The loop: beats when a beat is due, and takes acknowledgements.

    Its thread is a daemon because a script that ends without `close` must not hang; the connection stops it.

    Args:
        name: of the thread.
        interval: seconds.
        heart: the connection.
        random: returns a float in [0, 1).
    """

    def __init__(self, name: str, interval: float, heart: Heart, random: Callable[[], float]) -> None:
        self._pulse = HeartbeatSchedule(interval, time.monotonic(), random())
        self._heart = heart
        self._inbox: queue.SimpleQueue[_Answered | _Acknowledged | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def answered(self, at: float) -> None:
        """A heartbeat is about to be sent because the server asked for it; `at` is monotonic time."""
        self._inbox.put(_Answered(at))

    def acknowledged(self, at: float) -> None:
        """An acknowledgement was read; `at` is monotonic time."""
        self._inbox.put(_Acknowledged(at))

    @property
    def due(self) -> float:
        """When the next beat is due, in monotonic time."""
        return self._pulse.due

    def stop(self) -> None:
        """End the loop; returns when its thread has ended."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            self._heart.failed(error)

    def _loop(self) -> None:
        pulse = self._pulse
        offset = time.time() - time.monotonic()
        while True:
            try:
                message = self._inbox.get(timeout=max(pulse.due - time.monotonic(), 0.0))
            except queue.Empty:
                pass
            else:
                match message:
                    case _Answered(at):
                        pulse.answered(at)
                    case _Acknowledged(at):
                        if (latency := pulse.acknowledged(at)) is not None:
                            self._heart.on_latency(latency)
                    case None:
                        return
                continue
            before, offset = offset, time.time() - time.monotonic()
            if abs(offset - before) > SLEPT:
                self._heart.slept()
            elif reason := pulse.why_zombie(time.monotonic(), self._heart.waiting_since):
                self._heart.zombie(reason)
            else:
                now = time.monotonic()  # before the beat is on its way: its answer may be read at once
                self._heart.beat()
                pulse.beaten(now)
                continue
            # The connection is being cut off; nothing is left to do but to be stopped.
            while self._inbox.get() is not None:
                pass
            return
