"""How far the handlers have got, with events handled inline and on other threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.dispatch.progress import COMPACT_AFTER, InlineProgress, Progress, TrackedProgress
from vox_gateway.session.state import Session


def event(seq: int | None, name: str = "X") -> dict[str, Any]:
    return {"op": 0, "t": name, "s": seq, "d": None}


def handle(progress: Progress) -> None:
    """Do what the executor does with the event taken last."""
    if isinstance(progress, TrackedProgress):
        delivery = progress.submit()
        if progress.begin_delivery(delivery):
            progress.finish_delivery(delivery)
    progress.complete()


@pytest.fixture(params=[InlineProgress, TrackedProgress])
def progress(request: pytest.FixtureRequest) -> Progress:
    made: Progress = request.param()
    made.begin(Session("old", 40))
    return made


def test_an_unheard_event_moves_every_cursor(progress: Progress) -> None:
    for item in (event(41), b'{"t":"X","s":42,"op":0,"d":null}'):
        progress.skip(item)
    assert progress.taken == progress.delivered == progress.completed == Session("old", 42)
    assert progress.is_idle
    assert (progress.waiting, progress.undelivered) == (0, 0)


def test_a_dispatch_without_a_number_moves_no_cursor(progress: Progress) -> None:
    assert progress.take(event(None))
    handle(progress)
    progress.skip(event(None))
    assert progress.completed == Session("old", 40)


def test_another_session_begins_with_its_first_event(progress: Progress) -> None:
    progress.enter("new")
    assert progress.completed == Session("old", 40)
    assert progress.take(event(1, "READY"))
    handle(progress)
    assert progress.completed == Session("new", 1)


def test_an_event_that_is_taken_back_and_those_behind_it_are_undelivered_until_resume(progress: Progress) -> None:
    assert progress.take(event(41))
    handle(progress)
    assert progress.take(event(42))
    progress.take_back()
    assert not progress.take(event(43))
    progress.skip(event(44))
    assert progress.is_stopped
    assert progress.taken == progress.delivered == progress.completed == Session("old", 41)
    assert progress.undelivered == 2
    progress.resume()
    assert progress.undelivered == 0
    assert progress.take(event(42))
    handle(progress)
    assert progress.completed == Session("old", 42)


def test_dropped_events_stay_undelivered(progress: Progress) -> None:
    progress.drop()
    assert not progress.take(event(41))
    progress.resume()
    assert not progress.take(event(42))
    assert progress.undelivered == 2
    assert progress.delivered == Session("old", 40)


def test_completion_is_reported_once_an_event(progress: Progress) -> None:
    reported: list[Session] = []
    counted = type(progress)(lambda: reported.append(counted.completed))
    counted.begin(Session("old", 40))
    for seq in (41, 42):
        assert counted.take(event(seq))
        handle(counted)
    assert reported == [Session("old", 41), Session("old", 42)]


def test_an_inline_event_is_delivered_when_it_is_taken_and_completed_when_the_handlers_return() -> None:
    progress = InlineProgress()
    progress.begin(Session("old", 40))
    assert progress.take(event(41))
    assert (progress.delivered, progress.completed) == (Session("old", 41), Session("old", 40))
    assert not progress.is_idle
    progress.complete()
    assert progress.is_idle


def test_an_event_in_the_dispatchers_hands_is_undelivered_when_the_run_closes() -> None:
    """It was taken from the queue and is not with the executor yet; the session must stop before it."""
    progress = TrackedProgress()
    progress.begin(Session("old", 40))
    assert progress.take(event(41))
    progress.drop()
    assert progress.undelivered == 1
    assert progress.delivered == Session("old", 40)
    assert not progress.begin_delivery(progress.submit())
    assert progress.delivered == Session("old", 40)


def test_deliveries_that_begin_and_finish_in_another_order() -> None:
    progress = TrackedProgress()
    progress.begin(Session("old", 40))
    progress.enter("new")
    deliveries = []
    for seq in (1, 2, None):
        assert progress.take(event(seq))
        deliveries.append(progress.submit())
    ready, second, last = deliveries
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
    assert not progress.begin_delivery(last)
    assert (progress.waiting, progress.undelivered) == (0, 1)


def length(progress: TrackedProgress) -> int:
    count, delivery = 0, progress._first.next
    while delivery is not None:
        count, delivery = count + 1, delivery.next
    return count


def test_events_behind_a_stuck_handler_take_up_no_memory_once_they_are_completed() -> None:
    progress = TrackedProgress()
    assert progress.take(event(1))
    stuck = progress.submit()
    assert progress.begin_delivery(stuck)
    for seq in range(2, 10_000, 2):
        progress.skip(event(seq))
        assert progress.take(event(seq + 1))
        handle(progress)
    assert length(progress) < 2 * COMPACT_AFTER
    assert progress.completed.seq is None
    assert progress.delivered.seq == 10_001 - 2
    progress.finish_delivery(stuck)
    assert progress.completed.seq == 10_001 - 2


def test_a_position_keeps_no_payload() -> None:
    progress = TrackedProgress()
    for item in (b'{"t":"X","s":1,"op":0,"d":null}', b'{"t":"X","s":2,"op":0,"d":null}'):
        assert progress.take(item)
        assert progress.submit().position[1] in (1, 2)


def test_handlers_threads_take_no_lock() -> None:
    """A signal handler that closes the client may interrupt them anywhere; the supervisor must not wait for it."""
    progress = TrackedProgress()
    assert progress.take(event(1))
    delivery = progress.submit()
    with progress._lock:
        assert progress.begin_delivery(delivery)
        progress.finish_delivery(delivery)
        assert progress.completed.seq == 1


def test_an_event_that_never_began_is_not_completed() -> None:
    """Ctrl-C may arrive before the handlers begin."""
    progress = TrackedProgress()
    assert progress.take(event(1))
    delivery = progress.submit()
    progress.finish_delivery(delivery)
    assert progress.completed.seq is None
    assert progress.undelivered == 1


def test_an_event_that_was_submitted_is_not_taken_back() -> None:
    progress = TrackedProgress()
    assert progress.take(event(1))
    delivery = progress.submit()
    progress.take_back()
    assert progress.undelivered == 1
    assert progress.begin_delivery(delivery)
    assert progress.undelivered == 0
    assert progress.is_stopped


def test_whoever_comes_first_begins_or_drops_a_delivery() -> None:
    progress = TrackedProgress()
    progress.begin(Session("abc", 0))
    deliveries = []
    for seq in range(1, 2001):
        assert progress.take(event(seq))
        deliveries.append(progress.submit())
    begun: list[int] = []
    started = threading.Event()

    def begin_all() -> None:
        for seq, delivery in enumerate(deliveries, 1):
            if progress.begin_delivery(delivery):
                begun.append(seq)
            started.set()

    thread = threading.Thread(target=begin_all)
    thread.start()
    assert started.wait(5)
    progress.drop()
    delivered = progress.delivered.seq
    thread.join(5)
    assert delivered == len(begun) == 2000 - progress.undelivered


@given(st.data())
def test_whatever_the_order_each_cursor_stops_before_the_first_gap(data: st.DataObject) -> None:
    progress = TrackedProgress()
    deliveries = []
    for seq in range(1, 8):
        assert progress.take(event(seq))
        deliveries.append((seq, progress.submit()))
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


def test_a_drop_falls_before_or_after_an_event(progress: Progress) -> None:
    """Whenever the supervisor drops events, each counts either as delivered or as undelivered."""
    progress.begin(Session("abc", 0))
    started = threading.Event()

    def take() -> None:
        for seq in range(1, 5001):
            if progress.take(event(seq)):
                handle(progress)
            started.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert started.wait(5)
    progress.drop()
    delivered = progress.delivered.seq
    thread.join(5)
    assert delivered is not None
    assert delivered == progress.delivered.seq
    assert delivered + progress.undelivered == 5000
