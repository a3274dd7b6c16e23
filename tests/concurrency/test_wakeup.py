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
def wakeup() -> Iterator[Wakeup]:
    with contextlib.closing(Wakeup()) as wakeup:
        yield wakeup


def wakes(wakeup: Wakeup, timeout: float) -> bool:
    with Selector() as selector:
        selector.register(wakeup, selectors.EVENT_READ)
        return bool(selector.select(timeout))


def test_a_wait_ends_when_it_is_set_by_another_thread(wakeup: Wakeup) -> None:
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        assert wakes(wakeup, TIMEOUT)

    with running(wait):
        assert waiting.wait(TIMEOUT)
        wakeup.cancel()


def test_a_set_before_the_wait_is_not_lost(wakeup: Wakeup) -> None:
    wakeup.check()
    wakeup.cancel()
    assert wakeup.is_cancelled
    assert wakes(wakeup, 0)
    with pytest.raises(Interrupted):
        wakeup.check()


def test_a_nudge_wakes_once_and_interrupts_nothing(wakeup: Wakeup) -> None:
    wakeup.wake()
    assert wakes(wakeup, 0)
    wakeup.drain()
    assert not wakes(wakeup, 0)
    assert not wakeup.is_cancelled
    wakeup.check()


def test_any_number_of_nudges_never_blocks(wakeup: Wakeup) -> None:
    for _ in range(100_000):
        wakeup.wake()
    assert wakes(wakeup, 0)


def test_calls_after_close_are_harmless() -> None:
    wakeup = Wakeup()
    wakeup.close()
    wakeup.wake()
    wakeup.cancel()
    assert wakeup.is_cancelled
    wakeup.close()
