"""How a wait on a socket ends early."""

from __future__ import annotations

import contextlib
import selectors
import threading
from collections.abc import Iterator

import pytest
from support import TIMEOUT, running

from vox_gateway.concurrency.wakeup import Interrupted, Selector, Wakeup


@pytest.fixture
def interrupt() -> Iterator[Wakeup]:
    with contextlib.closing(Wakeup()) as interrupt:
        yield interrupt


def wakes(interrupt: Wakeup, timeout: float) -> bool:
    with Selector() as selector:
        selector.register(interrupt, selectors.EVENT_READ)
        return bool(selector.select(timeout))


def test_a_wait_ends_when_it_is_set_by_another_thread(interrupt: Wakeup) -> None:
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        assert wakes(interrupt, TIMEOUT)

    with running(wait):
        assert waiting.wait(TIMEOUT)
        interrupt.set()


def test_a_set_before_the_wait_is_not_lost(interrupt: Wakeup) -> None:
    interrupt.check()
    interrupt.set()
    assert interrupt
    assert wakes(interrupt, 0)
    with pytest.raises(Interrupted):
        interrupt.check()


def test_a_nudge_wakes_once_and_interrupts_nothing(interrupt: Wakeup) -> None:
    interrupt.nudge()
    assert wakes(interrupt, 0)
    interrupt.drain()
    assert not wakes(interrupt, 0)
    assert not interrupt
    interrupt.check()


def test_any_number_of_nudges_never_blocks(interrupt: Wakeup) -> None:
    for _ in range(100_000):
        interrupt.nudge()
    assert wakes(interrupt, 0)


def test_what_comes_after_its_close_is_harmless() -> None:
    interrupt = Wakeup()
    interrupt.close()
    interrupt.nudge()
    interrupt.set()
    assert interrupt
    interrupt.close()
