"""How far the handlers have got, with events handled inline and on other threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.dispatch.progress import COMPACT_AFTER, Delivery, InlineProgress, Progress, TrackedProgress
from vox_gateway.session.state import Session


def event(seq: int | None, name: str = "X") -> dict[str, Any]:
    return {"op": 0, "t": name, "s": seq, "d": None}


def handle(progress: Progress, payload: dict[str, Any]) -> None:
    """Do what the dispatcher and the executor do with an event."""
    progress.pass_on(payload)
    if isinstance(progress, TrackedProgress):
        delivery = progress.last
        if progress.begin_delivery(delivery):
            progress.finish_delivery(delivery)
    progress.complete()


def submit(progress: TrackedProgress, seq: int | None) -> Delivery:
    progress.pass_on(event(seq))
    return progress.last


@pytest.fixture(params=[InlineProgress, TrackedProgress])
def progress(request: pytest.FixtureRequest) -> Progress:
    made: Progress = request.param()
    made.begin(Session("old", 40))
    return made


def test_an_unheard_event_moves_every_cursor(progress: Progress) -> None:
    for item in (event(41), b'{"t":"X","s":42,"op":0,"d":null}'):
        progress.skip(item)
    assert progress.passed_on == progress.delivered == progress.completed == Session("old", 42)
    assert progress.is_idle
    assert (progress.waiting, progress.undelivered) == (0, 0)


def test_a_dispatch_without_a_number_moves_no_cursor(progress: Progress) -> None:
    handle(progress, event(None))
    progress.skip(event(None))
    assert progress.completed == Session("old", 40)


def test_another_session_begins_with_its_first_event(progress: Progress) -> None:
    progress.enter("new")
    assert progress.completed == Session("old", 40)
    handle(progress, event(1, "READY"))
    assert progress.completed == Session("new", 1)


def test_a_rejected_event_and_those_behind_it_are_undelivered_until_restart(progress: Progress) -> None:
    handle(progress, event(41))
    for _ in range(2):
        progress.reject()
    assert progress.is_rejecting
    assert progress.passed_on == progress.delivered == progress.completed == Session("old", 41)
    assert progress.undelivered == 2
    progress.restart()
    assert not progress.is_rejecting
    assert progress.undelivered == 0
    handle(progress, event(42))
    assert progress.completed == Session("old", 42)


def test_events_that_were_rejected_before_a_drop_stay_undelivered(progress: Progress) -> None:
    progress.reject()
    progress.drop()
    progress.restart()
    assert progress.is_dropping
    assert progress.undelivered == 1
    assert progress.delivered == Session("old", 40)


def test_completion_is_reported(progress: Progress) -> None:
    reported: list[Session] = []
    counted = type(progress)(lambda: reported.append(counted.completed))
    counted.begin(Session("old", 40))
    for seq in (41, 42):
        handle(counted, event(seq))
    counted.skip(event(43))
    assert reported == [Session("old", 41), Session("old", 42), Session("old", 43)]


def test_an_inline_event_is_delivered_when_it_is_passed_on_and_completed_when_the_handlers_return() -> None:
    progress = InlineProgress()
    progress.begin(Session("old", 40))
    progress.pass_on(event(41))
    assert (progress.delivered, progress.completed) == (Session("old", 41), Session("old", 40))
    assert not progress.is_idle
    progress.complete()
    assert progress.is_idle


def test_an_event_that_waits_for_its_thread_is_undelivered_when_the_run_closes() -> None:
    progress = TrackedProgress()
    progress.begin(Session("old", 40))
    delivery = submit(progress, 41)
    progress.drop()
    assert not progress.begin_delivery(delivery)
    progress.settle()
    assert (progress.waiting, progress.undelivered) == (0, 1)
    assert progress.delivered == Session("old", 40)
    assert not progress.begin_delivery(delivery)
    progress.finish_delivery(delivery)
    assert progress.completed == Session("old", 40)
    assert progress.is_idle


def test_deliveries_that_begin_and_finish_in_another_order() -> None:
    progress = TrackedProgress()
    progress.begin(Session("old", 40))
    progress.enter("new")
    ready, second, last = (submit(progress, seq) for seq in (1, 2, None))
    assert progress.waiting == 3
    assert progress.begin_delivery(second)
    assert progress.delivered == Session("old", 40), "READY has not begun"
    assert progress.begin_delivery(ready)
    assert progress.delivered == Session("new", 2)
    progress.finish_delivery(second)
    assert progress.completed == Session("old", 40)
    progress.finish_delivery(ready)
    assert progress.completed == Session("new", 2)
    assert progress.is_idle
    progress.drop()
    progress.settle()
    assert not progress.begin_delivery(last)
    assert (progress.waiting, progress.undelivered) == (0, 1)


def length(progress: TrackedProgress) -> int:
    count, delivery = 0, progress._first.next
    while delivery is not None:
        count, delivery = count + 1, delivery.next
    return count


def test_events_behind_a_stuck_handler_take_up_no_memory_once_they_are_completed() -> None:
    progress = TrackedProgress()
    stuck = submit(progress, 1)
    assert progress.begin_delivery(stuck)
    for seq in range(2, 10_000, 2):
        progress.skip(event(seq))
        handle(progress, event(seq + 1))
    assert length(progress) < 2 * COMPACT_AFTER
    assert progress.completed.seq is None
    assert progress.delivered.seq == 9_999
    progress.finish_delivery(stuck)
    assert progress.completed.seq == 9_999


def test_an_event_that_never_began_is_not_completed() -> None:
    """Ctrl-C may come before the handlers begin."""
    progress = TrackedProgress()
    delivery = submit(progress, 1)
    progress.finish_delivery(delivery)
    assert progress.completed.seq is None
    assert progress.undelivered == 1
    assert progress.begin_delivery(delivery)


@given(st.data())
def test_whatever_the_order_each_cursor_stops_before_the_first_gap(data: st.DataObject) -> None:
    progress = TrackedProgress()
    deliveries = [(seq, submit(progress, seq)) for seq in range(1, 8)]
    begun, finished = set(), set()
    for seq, delivery in data.draw(st.permutations(deliveries)):
        if data.draw(st.booleans()):
            assert progress.begin_delivery(delivery)
            begun.add(seq)
            if data.draw(st.booleans()):
                progress.finish_delivery(delivery)
                finished.add(seq)
        for session, numbers in ((progress.delivered, begun), (progress.completed, finished)):
            reached = session.seq or 0
            assert set(range(1, reached + 1)) <= numbers
            assert reached + 1 not in numbers


def test_each_delivery_is_either_begun_or_dropped() -> None:
    progress = TrackedProgress()
    progress.begin(Session("abc", 0))
    deliveries = [submit(progress, seq) for seq in range(1, 2001)]
    begun: list[Delivery] = []
    started = threading.Event()

    def begin_all() -> None:
        for delivery in deliveries:
            if progress.begin_delivery(delivery):
                begun.append(delivery)
            started.set()

    thread = threading.Thread(target=begin_all)
    thread.start()
    assert started.wait(5)
    progress.drop()
    progress.settle()
    delivered = progress.delivered.seq
    thread.join(5)
    assert delivered == len(begun) == 2000 - progress.undelivered


def test_a_list_may_be_walked_while_it_is_compacted() -> None:
    progress = TrackedProgress()
    progress.begin(Session("abc", 0))
    seen: list[int] = []
    done = threading.Event()

    def walk() -> None:
        while not done.is_set():
            seen.append(progress.completed.seq or 0)

    thread = threading.Thread(target=walk)
    thread.start()
    for seq in range(1, 20 * COMPACT_AFTER):
        handle(progress, event(seq))
    done.set()
    thread.join(5)
    assert seen == sorted(seen)
    assert progress.completed.seq == 20 * COMPACT_AFTER - 1
