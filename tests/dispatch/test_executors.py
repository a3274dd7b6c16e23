"""What events belong together on several threads, and the queue of a caller. No socket."""

from __future__ import annotations

import contextlib
import linecache
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import Any

import pytest
from support import TIMEOUT, in_background, wait_until

from vox_gateway.concurrency.signals import SignalSafeEvent
from vox_gateway.dispatch.executors.caller import CallerQueue
from vox_gateway.dispatch.executors.partition import partition_key


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("MESSAGE_CREATE", {"id": "1", "guild_id": "2", "channel_id": "3", "author": {"id": "4"}}, "2"),
        ("MESSAGE_CREATE", {"id": "1", "channel_id": "3", "author": {"id": "4"}}, "3"),
        ("GUILD_CREATE", {"id": "2"}, "2"),
        ("GUILD_DELETE", {"id": 2, "unavailable": True}, "2"),
        ("GUILD_MEMBER_ADD", {"guild_id": "2", "user": {"id": "4"}}, "2"),
        ("GUILD_ROLE_CREATE", {"guild_id": "2", "role": {"id": "5"}}, "2"),
        ("CHANNEL_CREATE", {"id": "3", "guild_id": "2"}, "2"),
        ("CHANNEL_CREATE", {"id": "3", "recipients": []}, "3"),
        ("TYPING_START", {"channel_id": "3", "user_id": "4"}, "3"),
        ("INTERACTION_CREATE", {"id": "1", "user": {"id": "4"}}, "4"),
        ("VOICE_STATE_UPDATE", {"guild_id": None, "channel_id": None, "user_id": "4"}, "4"),
        ("RATE_LIMITED", {"opcode": 8, "retry_after": 5.0, "meta": {"guild_id": "2", "nonce": "n"}}, "2"),
        ("RATE_LIMITED", {"opcode": 99}, None),
        ("READY", {"user": {"id": "4"}, "guilds": []}, None),
        ("RESUMED", {}, None),
        ("RESUMED", None, None),
        ("SOMETHING_NEW", ["no", "object"], None),
        ("SOMETHING_NEW", {"user": "no object"}, None),
    ],
)
def test_partition_key(name: str, data: Any, key: str | None) -> None:
    assert partition_key(name, data) == key


def test_run_stops_at_its_limit() -> None:
    pending = CallerQueue()
    done: list[int] = []

    def task(number: int) -> bool:
        done.append(number)
        return number != 1

    for number in range(5):
        pending.put(lambda number=number: task(number))  # type: ignore[misc]
    assert pending.run(0, 0) == 0
    assert pending.run(2, 0) == 2
    assert done == [0, 1, 2], "what did nothing does not count"
    assert pending.run(None, None) == 2
    assert pending.run(None, 0) == 0
    assert pending.run(None, 0.01) == 0


def test_a_run_within_a_run_does_nothing() -> None:
    pending = CallerQueue()
    inside: list[int] = []
    pending.put(lambda: inside.append(pending.run(None, None)) is None)
    pending.put(lambda: True)
    assert pending.run(None, 0) == 2
    assert inside == [0]


class AtLine:
    """Calls a function at the n-th line of `CallerQueue.run`; `left` are those to come.

    Args:
        part: what the lines have in them; a call, if the function raises, since Python handles signals at calls.
    """

    def __init__(self, number: int, act: Callable[[], object], part: str = "") -> None:
        self.left = number
        self._act = act
        self._part = part

    def __call__(self, frame: FrameType, event: str, _argument: object) -> AtLine | None:
        if frame.f_code is not CallerQueue.run.__code__:
            return None
        if event == "line" and self._part in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
            self.left -= 1
            if self.left == 0:
                self._act()
        return self


def run_another_at_line(number: int) -> bool:
    """Begin a run when another has got to its n-th line; return whether it got there before it ran the task."""
    pending, entered, may_return = CallerQueue(), threading.Event(), threading.Event()
    others: list[Future[int]] = []

    def run_another() -> None:
        others.append(in_background(lambda: pending.run(None, 0)))
        wait_until(lambda: entered.is_set() or others[0].done())

    def run() -> int:
        sys.settrace(at_line)
        return pending.run(None, 0)

    pending.put(lambda: entered.set() is None and may_return.wait(TIMEOUT))
    at_line = AtLine(number, run_another)
    try:
        first = in_background(run)
        wait_until(
            lambda: first.done() or (entered.is_set() and (at_line.left > 0 or (others and others[0].done()))), TIMEOUT
        )
        is_reached = bool(others)
    finally:
        may_return.set()
    if is_reached:
        assert sorted([first.result(TIMEOUT), others[0].result(TIMEOUT)]) == [0, 1]
    return is_reached


def test_of_two_runs_at_the_same_time_one_returns_at_once() -> None:
    number = 1
    while run_another_at_line(number):
        number += 1
    assert number > 2


def test_a_task_that_ctrl_c_interrupts_at_any_line_of_a_run_is_run_by_the_next() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before, number, interrupted = sys.gettrace(), 0, True
    while interrupted:
        number += 1
        pending, interrupted = CallerQueue(), False
        pending.put(lambda: True)
        sys.settrace(AtLine(number, interrupt, "("))
        try:
            pending.run(None, 0)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            sys.settrace(before)
        pending.put(lambda: True)
        assert pending.run(None, 0) > 0
    assert number > 4


def test_a_late_wake_for_a_task_that_has_been_run_does_not_end_a_wait() -> None:
    """The thread that puts a task wakes the caller after that, when the caller may have run it."""
    pending = CallerQueue()
    waits: queue.SimpleQueue[SignalSafeEvent] = queue.SimpleQueue()

    class Waiters(dict[object, SignalSafeEvent]):
        def __setitem__(self, key: object, event: SignalSafeEvent) -> None:
            super().__setitem__(key, event)
            waits.put(event)

    pending._waiters = Waiters()
    running = in_background(lambda: pending.run(None, TIMEOUT))
    event = waits.get(timeout=TIMEOUT)
    pending.wake()
    wait_until(lambda: running.done() or not event.is_set())
    pending.put(lambda: True)
    assert running.result(TIMEOUT) == 1


def test_run_until_runs_what_is_left() -> None:
    pending = CallerQueue()
    over: list[bool] = []
    pending.put(lambda: pending.put(lambda: over.append(True) is None) is None)
    pending.run_until(lambda: bool(over))
    assert over == [True]


@pytest.mark.parametrize("raises", [False, True])
def test_what_a_run_leaves_is_run_by_a_call_that_found_the_turn_taken(raises: bool) -> None:
    pending = CallerQueue()
    entered, refused, over = threading.Event(), threading.Event(), threading.Event()

    def is_closed() -> bool:
        refused.set()  # `run_until` has asked for the turn before
        return over.is_set()

    def first() -> bool:
        if entered.is_set():  # again, after it raised
            return False
        entered.set()
        assert refused.wait(TIMEOUT)
        if raises:
            raise ZeroDivisionError
        return True

    pending.put(first)
    pending.put(lambda: over.set() is None)
    limited = in_background(lambda: pending.run(1, 0))
    assert entered.wait(TIMEOUT)
    rest = in_background(lambda: pending.run_until(is_closed))
    with pytest.raises(ZeroDivisionError) if raises else contextlib.nullcontext():
        assert limited.result(TIMEOUT) == 1
    assert over.wait(TIMEOUT)
    pending.wake()
    rest.result(TIMEOUT)


def test_a_task_that_ctrl_c_interrupts_before_it_began_is_run_by_the_next_call() -> None:
    pending = CallerQueue()
    calls: list[int] = []

    def task() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return True

    pending.put(task)
    with pytest.raises(KeyboardInterrupt):
        pending.run(None, 0)
    assert pending.run(None, 0) == 1
    assert pending.run(None, 0) == 0


def test_a_call_that_takes_tasks_does_not_keep_another_from_hearing_that_the_client_is_closed() -> None:
    pending = CallerQueue()
    asked, closed = threading.Event(), threading.Event()

    def is_closed() -> bool:
        answer = closed.is_set()
        if not asked.is_set():
            asked.set()
            closed.set()
            pending.wake()
            pending.run(None, 0)
            pending.run(None, 0.001)
        return answer

    connect = threading.Thread(target=pending.run_until, args=(is_closed,))
    connect.start()
    connect.join(5)
    assert not connect.is_alive()
