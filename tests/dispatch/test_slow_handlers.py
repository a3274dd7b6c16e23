"""When the check for slow handlers comes, and when it rests. Without threads."""

from __future__ import annotations

from collections.abc import Callable

from support import TIMEOUT, in_background

from vox_gateway.dispatch.slow_handlers import RunningWork, SlowHandlers
from vox_gateway.log import ShardLog


class Agenda:
    """Keeps what is to be called, in place of `Scheduler`."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def call_at(self, when: float, function: Callable[[], None]) -> bool:
        """Keep it."""
        self.calls.append(function)
        return True


def slow_handlers(agenda: Agenda, work: Callable[[], RunningWork]) -> SlowHandlers:
    return SlowHandlers(10.0, agenda, work, lambda: None)  # type: ignore[arg-type]


def test_the_check_rests_while_no_handler_runs() -> None:
    agenda = Agenda()
    slow = slow_handlers(agenda, lambda: None)
    slow.arm()
    slow.arm()
    (check,) = agenda.calls
    check()
    assert len(agenda.calls) == 1
    slow.arm()
    assert len(agenda.calls) == 2


def test_a_handler_that_begins_as_the_check_goes_to_rest_is_watched() -> None:
    """It finds the check armed, and so does not arm it: the check has to look again once it is disarmed."""
    agenda, looks = Agenda(), []

    def work() -> RunningWork:
        looks.append(slow.armed)
        return None if len(looks) == 1 else ("NEWS", 0.0, ShardLog((0, 1)))

    slow = slow_handlers(agenda, work)
    slow.arm()
    (check,) = agenda.calls
    check()
    assert looks == [True, False]
    assert len(agenda.calls) == 2
    assert slow.armed


def test_a_signal_handler_may_arm_at_any_moment() -> None:
    class Interrupted(SlowHandlers):
        """Runs a signal handler, whose events are handled too, right before the flag is set."""

        def __setattr__(self, name: str, value: object) -> None:
            if name == "armed" and value:
                self.arm()
            super().__setattr__(name, value)

    agenda = Agenda()
    slow = Interrupted(10.0, agenda, lambda: None, lambda: None)  # type: ignore[arg-type]
    in_background(slow.arm).result(TIMEOUT)
    assert len(agenda.calls) == 1
    assert slow.armed
