"""The main thread's wait: it ends when it should, and signals are heard meanwhile."""

from __future__ import annotations

import linecache
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType

import pytest

from vox_gateway.concurrency.signals import SignalSafeEvent, defer_sigint


def test_it_ends_when_it_is_rung_and_is_over_at_once_from_then_on() -> None:
    bell = SignalSafeEvent()
    timer = threading.Timer(0.05, bell.ring)
    timer.start()
    assert bell.wait()
    assert bell.wait(0)
    timer.join()
    assert signal.set_wakeup_fd(-1) == -1


def test_it_ends_with_the_timeout() -> None:
    bell, began = SignalSafeEvent(), time.monotonic()
    assert not bell.wait(0.05)
    assert 0.04 < time.monotonic() - began < 2
    assert not bell.wait(0)


@pytest.mark.parametrize("timeout", [1e7, threading.TIMEOUT_MAX])
def test_a_timeout_may_be_as_long_as_python_allows(timeout: float) -> None:
    bell = SignalSafeEvent()
    timer = threading.Timer(0.05, bell.ring)
    timer.start()
    assert bell.wait(timeout)
    timer.join()


def test_another_thread_waits_too() -> None:
    bell, results = SignalSafeEvent(), []
    waiter = threading.Thread(target=lambda: results.extend(bell.wait(timeout) for timeout in (0.01, 10)))
    waiter.start()
    assert not bell.wait(0.1)
    bell.ring()
    waiter.join(5)
    assert results == [False, True]


@pytest.mark.parametrize("taken", [False, True])
def test_a_signal_is_heard_whoever_owns_the_wake_up_descriptor(taken: bool) -> None:
    class Heard(Exception):
        pass

    def hear(*args: object) -> None:
        raise Heard

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    before = signal.signal(signal.SIGUSR1, hear)
    if taken:
        signal.set_wakeup_fd(ours.fileno())
    sender = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    try:
        with pytest.raises(Heard):
            SignalSafeEvent().wait(10)
        assert signal.set_wakeup_fd(-1) == (ours.fileno() if taken else -1)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
        ours.close()
        theirs.close()


def test_a_bell_rings_for_waits_begun_and_to_come() -> None:
    bell = SignalSafeEvent()
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
            SignalSafeEvent().wait(10)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)


class Lines:
    """Raises KeyboardInterrupt at the n-th line of `SignalSafeEvent.wait`, as a signal may come at any.

    But not at a ``with``, which is a line once more at its end: there Python hears no signal.
    """

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, _argument: object) -> Lines | None:
        code = frame.f_code
        if not (code.co_filename.endswith("signals.py") and code.co_name in ("wait", "_notifying")):
            return None
        if event == "line" and not linecache.getline(code.co_filename, frame.f_lineno).strip().startswith("with"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


def test_ctrl_c_at_any_moment_of_a_wait_is_what_comes_out_of_it_and_does_no_harm() -> None:
    before = sys.gettrace()
    for number in range(1, 100):
        bell, lines = SignalSafeEvent(), Lines(number)
        interrupted = False
        sys.settrace(lines)
        try:
            bell.wait(0.05)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            sys.settrace(before)
        bell.ring()
        assert bell.wait(0)
        if not interrupted:
            break
    assert lines.left > 0
    assert number > 3


def test_ctrl_c_is_put_off_until_what_must_be_whole_is_done() -> None:
    done = False
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        with defer_sigint():
            signal.raise_signal(signal.SIGINT)
            done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is before
