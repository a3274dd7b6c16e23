"""What events belong together on several threads, and the queue of a caller. No socket."""

from __future__ import annotations

import queue
import threading
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
