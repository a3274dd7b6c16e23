"""The main thread's wait: it ends when it should, and signals are heard meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from vox_gateway.foreground import Bell, wait_for


class Finish:
    """An event that calls back."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []

    def when_set(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def set(self) -> None:
        self.event.set()
        for callback in self._callbacks:
            callback()


def test_it_ends_with_the_event() -> None:
    finish = Finish()
    timer = threading.Timer(0.05, finish.set)
    timer.start()
    assert wait_for(finish.event, finish.when_set)
    assert wait_for(finish.event, finish.when_set)
    timer.join()
    assert signal.set_wakeup_fd(-1) == -1


def test_it_ends_with_the_timeout() -> None:
    finish, began = Finish(), time.monotonic()
    assert not wait_for(finish.event, finish.when_set, 0.05)
    assert 0.04 < time.monotonic() - began < 2
    assert not wait_for(finish.event, finish.when_set, 0)


def test_another_thread_waits_as_threads_do() -> None:
    finish, results = Finish(), []
    waiter = threading.Thread(target=lambda: results.append(wait_for(finish.event, finish.when_set, 5)))
    waiter.start()
    finish.set()
    waiter.join(5)
    assert results == [True]


@pytest.mark.parametrize("taken", [False, True])
def test_a_signal_is_heard_whoever_owns_the_wake_up_descriptor(taken: bool) -> None:
    class Heard(Exception):
        pass

    def hear(*args: object) -> None:
        raise Heard

    finish = Finish()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    before = signal.signal(signal.SIGUSR1, hear)
    if taken:
        signal.set_wakeup_fd(ours.fileno())
    sender = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    try:
        with pytest.raises(Heard):
            wait_for(finish.event, finish.when_set, 10)
        assert signal.set_wakeup_fd(-1) == (ours.fileno() if taken else -1)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
        ours.close()
        theirs.close()


def test_a_bell_rings_for_waits_begun_and_to_come() -> None:
    bell = Bell()
    assert not bell.wait(0)
    timer = threading.Timer(0.05, bell.ring)
    timer.start()
    assert bell.wait(5)
    assert bell.wait(5)
    timer.join()
    bell.silence()
    assert not bell.wait(0.01)


def test_a_signal_is_heard_while_the_main_thread_waits_for_a_bell() -> None:
    class Heard(Exception):
        pass

    def hear(*args: object) -> None:
        raise Heard

    before = signal.signal(signal.SIGUSR1, hear)
    sender = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    try:
        with pytest.raises(Heard):
            Bell().wait(10)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
