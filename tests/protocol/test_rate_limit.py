"""The send window, on a clock that stands still."""

from __future__ import annotations

import pytest
from support import TIMEOUT, in_background

from vox_gateway.protocol.rate_limit import CommandRateLimiter


def taken(window: CommandRateLimiter, now: float) -> int:
    count = 0
    while not window.take(now):
        count += 1
    return count


def test_so_many_in_a_period_and_no_more() -> None:
    window = CommandRateLimiter(3, 10)
    assert taken(window, 0) == 3
    assert window.delay(0) == window.take(0) == 10
    assert window.take(9.5) == 0.5
    assert taken(window, 10) == 3


def test_the_window_slides() -> None:
    window = CommandRateLimiter(3, 10)
    for now in (0, 4, 8):
        assert window.take(now) == 0
    assert window.take(9) == 1
    assert window.take(10) == 0
    assert window.take(11) == 3


@pytest.mark.parametrize(("interval", "reserved"), [(41.25, 3), (45, 3), (30, 3), (10, 7), (60, 2), (90, 2)])
def test_room_is_kept_for_the_beats_of_a_period_and_one_more(interval: float, reserved: int) -> None:
    window = CommandRateLimiter()
    window.reserve_for_heartbeats(interval)
    assert taken(window, 0) == 120 - reserved


@pytest.mark.parametrize("interval", [1, 0.05, 0.001])
def test_half_the_window_is_left_to_commands_however_fast_the_beats(interval: float) -> None:
    window = CommandRateLimiter()
    window.reserve_for_heartbeats(interval)
    assert taken(window, 0) == 60


def test_identify_counts_and_beats_count_beyond_their_room() -> None:
    window = CommandRateLimiter(10, 60)
    window.take_always(0)
    assert taken(window, 0) == 9
    window = CommandRateLimiter(10, 60)
    for _ in range(3):
        window.take_for_heartbeat(0)
    assert taken(window, 0) == 7
    for _ in range(100):
        window.take_for_heartbeat(30)  # never refused
    assert taken(window, 60) == 5


def test_a_wait_is_never_so_short_that_it_spins() -> None:
    window = CommandRateLimiter(1, 10)
    window.take(0)
    assert window.take(10 - 1e-9) == 0.001


@pytest.mark.parametrize("before", [True, False])
def test_a_command_in_the_middle_of_another_takes_no_place_twice(before: bool) -> None:
    """A signal handler may send a command at any moment, on the same thread."""
    delays: list[float] = []

    class Interrupted(list[float]):
        """Is interrupted when a command takes a place, before or after."""

        def append(self, now: float) -> None:
            if not before:
                super().append(now)
            if not delays:
                delays.append(-1)
                delays[0] = window.take(0)
            if before:
                super().append(now)

    window = CommandRateLimiter(2, 10)
    assert window.take(0) == 0
    window._commands = Interrupted(window._commands)
    delays.append(in_background(lambda: window.take(0)).result(TIMEOUT))
    assert delays == ([0, 10] if before else [10, 0])
    assert window.take(0) == 10
    assert taken(window, 10) == 2
