"""Things to do later."""

from __future__ import annotations

import queue
import signal
import threading
import time
from concurrent.futures import Future

import pytest
from support import in_background

from vox_gateway.concurrency.scheduler import Scheduler
from vox_gateway.log import ShardLog


@pytest.fixture
def timers() -> Scheduler:
    return Scheduler("test-timers", ShardLog((0, 1)), pytest.fail)


def test_functions_run_in_the_order_of_their_times(timers: Scheduler) -> None:
    done: queue.SimpleQueue[str] = queue.SimpleQueue()

    def schedule() -> None:  # on the thread itself, so that none of them runs before all are there
        now = time.monotonic()
        timers.call_at(now + 0.1, lambda: done.put("later"))
        timers.call_at(now + 0.05, lambda: done.put("sooner"))
        timers.call_at(now + 0.05, lambda: done.put("sooner too"))
        timers.call_at(now - 5, lambda: done.put("at once"))

    timers.call_at(0, schedule)
    assert [done.get(timeout=5) for _ in range(4)] == ["at once", "sooner", "sooner too", "later"]
    timers.stop()


def test_no_function_runs_before_its_time() -> None:
    now, done = [0.0], queue.SimpleQueue[str]()
    timers = Scheduler("test-timers", ShardLog((0, 1)), pytest.fail, clock=lambda: now[0])
    timers.call_at(200, lambda: done.put("later"))
    timers.call_at(100, lambda: done.put("sooner"))
    for time_now, due in ((0, []), (99, []), (150, ["sooner"]), (199, []), (200, ["later"])):
        now[0] = time_now
        timers.call_at(time_now, lambda: done.put("now"))  # the thread looks at the clock when it gets a function
        assert [done.get(timeout=5) for _ in range(len(due) + 1)] == [*due, "now"]
    timers.stop()
    assert done.empty()


def test_a_failing_function_is_logged_and_the_others_run(timers: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    timers.call_at(0, lambda: 1 // 0 and None)
    timers.call_at(0, done.set)
    assert done.wait(5)
    assert "ZeroDivisionError" in caplog.text
    timers.stop()


def test_stop_drops_pending_calls(timers: Scheduler) -> None:
    done = threading.Event()
    timers.call_at(time.monotonic() + 60, done.set)
    timers.stop()  # returns when the thread has ended
    timers.call_at(0, done.set)
    assert not done.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "test-timers"]


def test_a_stop_before_the_start_is_not_lost(timers: Scheduler) -> None:
    timers.stop()
    timers.call_at(0, pytest.fail)
    assert not [thread for thread in threading.enumerate() if thread.name == "test-timers"]


def test_ctrl_c_while_the_thread_starts_loses_nothing(timers: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    start, done = threading.Thread.start, threading.Event()

    def interrupted(self: threading.Thread) -> None:
        start(self)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(threading.Thread, "start", interrupted)
        timers.call_at(0, done.set)
    assert done.wait(5)
    assert timers.call_at(0, done.set)
    timers.stop()


def test_a_signal_handler_schedules_or_stops_while_the_thread_starts(
    timers: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs on the thread that starts it, or waits for another."""
    start, done, later = threading.Thread.start, threading.Event(), threading.Event()

    def interrupted(thread: threading.Thread) -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        assert timers.call_at(0, later.set)
        start(thread)
        assert later.wait(5)
        in_background(timers.stop).result(5)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    future = Future[bool]()

    def call() -> None:
        future.set_result(timers.call_at(0, done.set))

    caller = threading.Thread(target=call, daemon=True)
    start(caller)
    assert future.result(5)
    caller.join(5)
