"""The main thread's wait: it ends when it should, and signals are handled during it."""

from __future__ import annotations

import linecache
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from types import FrameType, SimpleNamespace

import pytest
from support import in_background

from vox_gateway.concurrency import clock, signals
from vox_gateway.concurrency.signals import SignalSafeCondition, SignalSafeEvent, defer_sigint


def test_a_wait_ends_when_set_and_later_waits_return_at_once() -> None:
    event = SignalSafeEvent()
    timer = threading.Timer(0.05, event.set)
    timer.start()
    assert event.wait()
    assert event.wait(0)
    timer.join()
    assert signal.set_wakeup_fd(-1) == -1


def test_a_wait_ends_at_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waits = 100.0, []

    class FakeSelector(selectors.DefaultSelector):
        """Lets time pass instead of waiting, in steps of at most 2 seconds."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            nonlocal now
            assert timeout is not None
            waits.append(timeout)
            now += min(timeout, 2.0)
            return []

    monkeypatch.setattr(signals, "Selector", FakeSelector)
    for module in (signals, clock):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    event = SignalSafeEvent()
    assert not event.wait(5.0)
    assert (now, waits) == (105.0, [5.0, 3.0, 1.0])
    assert not event.wait(0)
    assert now == 105.0


@pytest.mark.parametrize("timeout", [1e7, threading.TIMEOUT_MAX])
def test_a_timeout_may_be_as_long_as_python_allows(timeout: float) -> None:
    event = SignalSafeEvent()
    timer = threading.Timer(0.05, event.set)
    timer.start()
    assert event.wait(timeout)
    timer.join()


def test_nothing_is_left_open_at_exit() -> None:
    program = "from vox_gateway.concurrency.signals import SignalSafeEvent; SignalSafeEvent().wait(0.01)"
    done = subprocess.run([sys.executable, "-X", "dev", "-c", program], check=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_another_thread_waits_too() -> None:
    event, timed_out, results = SignalSafeEvent(), threading.Event(), []

    def wait() -> None:
        results.append(event.wait(0.01))
        timed_out.set()
        results.append(event.wait(10))

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not event.wait(0.1)
    assert timed_out.wait(5)
    event.set()
    waiter.join(5)
    assert results == [False, True]


@pytest.mark.parametrize("taken", [False, True])
def test_a_signal_is_handled_whoever_owns_the_wakeup_descriptor(taken: bool) -> None:
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


WITHOUT_DESCRIPTORS = """
import os, resource, signal, threading
from vox_gateway.concurrency.signals import SignalSafeEvent

free = os.dup(0)
os.close(free)
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
event = SignalSafeEvent()
assert not event.wait(0)
assert not event.wait(0.01)
signal.signal(signal.SIGUSR1, lambda *_: event.set())
receiver = threading.Timer(0.05, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1))
receiver.start()
assert event.wait(60)  # another thread received the signal
event.clear()
threading.Timer(0.05, event.set).start()
assert event.wait()
signal.signal(signal.SIGUSR1, signal.default_int_handler)
receiver = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
receiver.start()
event.clear()
try:
    event.wait()
except KeyboardInterrupt:
    print("done")
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
"""


def test_without_a_descriptor_the_main_thread_waits_all_the_same() -> None:
    pytest.importorskip("resource")
    command = [sys.executable, "-c", WITHOUT_DESCRIPTORS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_setting_ends_waits_until_it_is_cleared() -> None:
    event = SignalSafeEvent()
    assert not event.wait(0)
    timer = threading.Timer(0.05, event.set)
    timer.start()
    assert event.wait(5)
    assert event.wait(5)
    timer.join()
    event.clear()
    assert not event.wait(0.01)


def test_a_signal_is_handled_while_the_main_thread_waits() -> None:
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


def test_a_wait_in_a_signal_handler_leaves_the_outer_wait_armed() -> None:
    outer, nested, handled = SignalSafeEvent(), threading.Event(), threading.Event()
    in_time: list[bool] = []

    def wait_too(*args: object) -> None:
        SignalSafeEvent().wait(0.01)
        nested.set()

    def receive_both() -> None:  # on this thread, so that only the descriptor wakes the main thread
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        nested.wait(5)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
        in_time.append(handled.wait(5))
        outer.set()

    before = [signal.signal(signal.SIGUSR1, wait_too), signal.signal(signal.SIGUSR2, lambda *_: handled.set())]
    receiver = threading.Timer(0.1, receive_both)
    receiver.start()
    try:
        assert outer.wait(15)
        assert in_time == [True]
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        receiver.join()
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGUSR2, before[1])


def test_setting_takes_no_lock_that_an_interrupted_main_thread_may_hold() -> None:
    """The signal handler would wait for the thread that sets, which would wait for the handler to return."""
    event, done = SignalSafeEvent(), threading.Event()
    setter = threading.Timer(0.05, lambda: (event.set(), done.set()))
    event.wait(0)  # makes the main thread's wakeup
    with signals._main_wakeup()._lock:
        setter.start()
        assert event.wait(5)
        assert done.wait(5)
    setter.join()


def test_a_condition_is_asked_again_after_each_change() -> None:
    condition, numbers, asked = SignalSafeCondition(), list[int](), threading.Semaphore(0)

    def has_three() -> bool:
        asked.release()
        return len(numbers) == 3

    waiting = in_background(lambda: condition.wait_for(has_three, 10))
    for number in range(3):
        assert asked.acquire(timeout=10)
        assert not waiting.done()
        numbers.append(number)
        condition.notify_all()
    assert waiting.result(10)
    assert condition.wait_for(has_three, 0)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_condition_that_stays_false_is_waited_for_until_the_timeout(timeout: float) -> None:
    assert not SignalSafeCondition().wait_for(lambda: False, timeout)


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


def test_ctrl_c_at_any_line_of_a_wait_is_raised_and_leaves_no_lock() -> None:
    before = sys.gettrace()
    for number in range(1, 100):
        event, lines = SignalSafeEvent(), Lines(number)
        interrupted = False
        sys.settrace(lines)
        try:
            event.wait(0.05)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            sys.settrace(before)
        event.set()
        assert event.wait(0)
        if not interrupted:
            break
    assert lines.left > 0
    assert number > 3


def test_ctrl_c_is_deferred_to_the_end_of_the_block() -> None:
    done = False
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        with defer_sigint():
            signal.raise_signal(signal.SIGINT)
            done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is before
