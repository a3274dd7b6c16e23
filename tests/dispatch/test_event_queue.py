"""The bounded queue between the reader and the dispatcher."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest
from support import items, wait_until

from vox_gateway.dispatch import event_queue as event_queue_module
from vox_gateway.dispatch.event_queue import RESTART, EventQueue, Full, Milestone, Signal
from vox_gateway.dispatch.progress import InlineProgress, TrackedProgress
from vox_gateway.session.state import Session

ACKNOWLEDGEMENT = {"op": 11}


def event(number: int) -> dict[str, Any]:
    return {"op": 0, "t": "NUMBER", "s": number, "d": number}


def always(value: bool) -> Callable[[], bool]:
    return lambda: value


def make(limit: int, limit_bytes: int = 1000) -> EventQueue:
    return EventQueue(limit, limit_bytes, InlineProgress(), SimpleQueue())


def put(queue: EventQueue, *payloads: dict[str, Any]) -> None:
    assert not queue.put(list(payloads), 0, always(True), pytest.fail)


def payloads(queue: EventQueue) -> Iterator[Any]:
    """Take each payload as the dispatcher does."""
    for item in items(queue):
        if not isinstance(item, list):
            yield item
            continue
        size = queue.next_size()
        for payload in item:
            if payload["op"] == 0:  # type: ignore[index, call-overload]
                queue.discard(1)
            else:
                queue.took_other()
            yield payload
        queue.release(size)


def test_items_keep_their_order() -> None:
    queue = make(10)
    milestone = Milestone(Session("abc", 1), resumed=False)
    queue.signal("open")
    put(queue, event(1), event(2))
    queue.put_milestone(milestone)
    queue.restart()
    queue.signal("close", {"code": 1})
    put(queue, event(3))
    assert queue.waiting == queue.untaken == 3
    queue.finish()
    expected = [Signal("open"), event(1), event(2), milestone, RESTART, Signal("close", ({"code": 1},)), event(3)]
    assert list(payloads(queue)) == expected
    assert queue.waiting == 0


def test_no_more_than_the_limit_waits_and_a_put_goes_on_as_there_is_room() -> None:
    queue = make(5)

    def put_all() -> None:
        queue.put([event(number) for number in range(100)], 0, always(True), lambda: None)
        queue.finish()

    reader = threading.Thread(target=put_all)
    reader.start()
    seen = []
    for payload in payloads(queue):
        assert queue.waiting <= 5
        seen.append(payload)
    reader.join(5)
    assert seen == [event(number) for number in range(100)]


def test_a_put_that_blocks_for_long_reports_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_queue_module, "STUCK_AFTER", 0.05)
    stuck, results = threading.Semaphore(0), []
    queue = make(1)
    reader = threading.Thread(
        target=lambda: results.append(queue.put([event(1), event(2)], 0, always(True), stuck.release))
    )
    reader.start()
    assert stuck.acquire(timeout=5)
    items = payloads(queue)
    assert [next(items), next(items)] == [event(1), event(2)]
    reader.join(5)
    assert not stuck.acquire(blocking=False)
    assert results == [True]


def test_no_more_bytes_than_the_limit_wait_but_for_the_last_batch() -> None:
    queue = make(1000, limit_bytes=100)
    full: list[int] = []

    def put_all() -> None:
        for number in range(50):
            queue.put([event(number)], 40, always(True), lambda: None)
            full.append(queue.waiting_bytes)
        queue.finish()

    reader = threading.Thread(target=put_all)
    reader.start()
    wait_until(lambda: queue.reader_waits)
    assert (queue.waiting, queue.waiting_bytes) == (3, 120)
    assert list(payloads(queue)) == [event(number) for number in range(50)]
    reader.join(5)
    assert max(full) == 120
    assert queue.waiting_bytes == 0


def test_a_batch_beyond_the_limit_of_bytes_is_let_in() -> None:
    queue = make(1000, limit_bytes=100)
    assert not queue.put([event(1)], 5000, always(True), pytest.fail)
    assert queue.waiting_bytes == 5000
    taken = payloads(queue)
    assert next(taken) == event(1)
    reader = threading.Thread(target=lambda: queue.put([event(2)], 5000, always(True), pytest.fail))
    reader.start()
    wait_until(lambda: queue.reader_waits)
    assert next(taken) == event(2)  # the first is done with
    reader.join(5)
    assert queue.waiting_bytes == 5000


def test_a_batch_that_is_divided_takes_up_its_bytes_in_parts() -> None:
    queue = make(2)
    reader = threading.Thread(target=lambda: queue.put([event(1), event(2), event(3)], 100, always(True), lambda: None))
    reader.start()
    wait_until(lambda: queue.reader_waits)
    assert queue.waiting_bytes == 66
    taken = payloads(queue)
    assert [next(taken) for _ in range(3)] == [event(1), event(2), event(3)]
    reader.join(5)
    assert queue.waiting_bytes == 34


def test_bytes_of_events_that_wait_for_an_executor_take_up_room() -> None:
    progress = TrackedProgress()
    queue = EventQueue(1000, 100, progress, SimpleQueue())
    progress.event_size = 60
    deliveries = []
    for number in range(2):
        progress.pass_on(event(number))
        deliveries.append(progress.last)
    assert queue.waiting_bytes == 120
    reader = threading.Thread(target=lambda: queue.put([event(2)], 1, always(True), pytest.fail))
    reader.start()
    wait_until(lambda: queue.reader_waits)
    for delivery in deliveries:
        assert progress.begin_delivery(delivery)
        progress.finish_delivery(delivery)
        queue.made_room()
    reader.join(5)
    assert not reader.is_alive()
    assert queue.waiting_bytes == 1
    progress.pass_on(event(3))
    progress.drop()
    progress.settle()
    assert progress.waiting_bytes == 0


def test_there_is_room_for_what_a_put_takes_in_without_waiting() -> None:
    queue = make(4, limit_bytes=10)
    events, milestone = [event(1), event(2)], Milestone(Session("abc", 1), resumed=False)
    assert queue.has_room([(events, 9), milestone, (events, 100)])
    assert not queue.has_room([(events, 9), (events, 1), ([ACKNOWLEDGEMENT], 1)])  # of events
    assert not queue.has_room([(events, 10), milestone, ([ACKNOWLEDGEMENT], 0)])  # of bytes
    queue.put(events, 10, always(True), pytest.fail)
    assert queue.has_room([])
    assert not queue.has_room([([ACKNOWLEDGEMENT], 0)])


def test_what_fills_the_queue_is_put_in_words() -> None:
    queue = make(10, limit_bytes=3 << 20)
    for number in range(3):
        queue.put([event(number)], 1 << 20, always(True), pytest.fail)
    assert queue.describe_full() == Full("3.0 MiB wait in 3 events", "backlog_bytes=3145728")
    queue = make(10, limit_bytes=1 << 30)
    put(queue, *(event(number) for number in range(10)))
    assert queue.describe_full() == Full("10 events wait", "backlog=10")


def test_a_put_that_may_block_no_more_exceeds_the_limit() -> None:
    may_block = [True]
    queue = make(1)
    batch = [event(1), event(2), event(3)]
    reader = threading.Thread(target=queue.put, args=(batch, 0, lambda: may_block[0], lambda: None))
    reader.start()
    may_block[0] = False
    queue.wake()
    reader.join(5)
    assert not reader.is_alive()
    assert queue.waiting == 3


def test_a_queue_that_drops_events_blocks_nobody() -> None:
    progress = InlineProgress()
    queue = EventQueue(1, 1000, progress, SimpleQueue())
    put(queue, event(1))
    blocked = threading.Thread(target=put, args=(queue, event(2)))
    blocked.start()
    progress.drop()
    queue.wake()
    blocked.join(5)
    assert not blocked.is_alive()
    put(queue, event(3), event(4))
    assert queue.untaken == 4


def test_payloads_that_are_no_events_take_up_room_and_are_not_counted() -> None:
    queue = make(3)
    for payload in (ACKNOWLEDGEMENT, event(1), ACKNOWLEDGEMENT):
        put(queue, payload)
    assert queue.waiting == queue.untaken == 1
    reader = threading.Thread(target=put, args=(queue, ACKNOWLEDGEMENT))
    reader.start()
    items = payloads(queue)
    assert [next(items) for _ in range(4)] == [ACKNOWLEDGEMENT, event(1), ACKNOWLEDGEMENT, ACKNOWLEDGEMENT]
    reader.join(5)
    assert queue.waiting == queue.untaken == 0


def test_events_that_wait_for_an_executor_take_up_room() -> None:
    progress = TrackedProgress()
    queue = EventQueue(4, 1000, progress, SimpleQueue())
    deliveries = []
    for number in range(4):
        progress.pass_on(event(number))
        deliveries.append(progress.last)
    assert queue.waiting == 4
    reader = threading.Thread(target=put, args=(queue, event(4)))
    reader.start()
    wait_until(lambda: queue.reader_waits)
    assert progress.begin_delivery(deliveries[0])
    queue.made_room()
    assert queue.untaken == 0, "a thread is not woken for each event, but when half of the queue is free"
    assert progress.begin_delivery(deliveries[1])
    queue.made_room()
    reader.join(5)
    assert not reader.is_alive()
    assert (queue.untaken, queue.waiting) == (1, 3)


def test_an_event_that_nothing_listens_to_takes_up_no_room_after_it_was_taken() -> None:
    progress = TrackedProgress()
    queue = EventQueue(1, 1000, progress, SimpleQueue())
    put(queue, event(1))
    reader = threading.Thread(target=put, args=(queue, event(2)))
    reader.start()
    wait_until(lambda: queue.reader_waits)
    queue.discard(1)
    progress.skip(event(1))
    reader.join(5)
    assert not reader.is_alive()
