"""How far the handlers have got, with events handled inline and on other threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.dispatch.progress import InlineProgress, Progress, TrackedProgress
from vox_gateway.session.state import Session


def event(seq: int | None, name: str = "X") -> dict[str, Any]:
    return {"op": 0, "t": name, "s": seq, "d": None}


@pytest.fixture(params=[InlineProgress, TrackedProgress])
def progress(request: pytest.FixtureRequest) -> Progress:
    made: Progress = request.param()
    made.begin(Session("old", 40))
    return made


def test_an_unheard_event_moves_every_cursor(progress: Progress) -> None:
    for item in (event(41), b'{"t":"X","s":42,"op":0,"d":null}'):
        assert progress.take(item)
        progress.complete()
    assert progress.taken == progress.delivered == progress.completed == Session("old", 42)
    assert progress.is_idle
    assert (progress.waiting, progress.undelivered) == (0, 0)


def test_a_dispatch_without_a_number_moves_no_cursor(progress: Progress) -> None:
    assert progress.take(event(None))
    progress.complete()
    assert progress.completed == Session("old", 40)


def test_another_session_begins_with_its_first_event(progress: Progress) -> None:
    progress.enter("new")
    assert progress.completed == Session("old", 40)
    assert progress.take(event(1, "READY"))
    progress.complete()
    assert progress.completed == Session("new", 1)


def test_an_event_that_is_taken_back_and_those_behind_it_are_undelivered_until_resume(progress: Progress) -> None:
    assert progress.take(event(41))
    progress.complete()
    assert progress.take(event(42))
    progress.take_back()
    assert not progress.take(event(43))
    assert progress.is_stopped
    assert progress.taken == progress.delivered == progress.completed == Session("old", 41)
    assert progress.undelivered == 2
    progress.resume()
    assert progress.undelivered == 0
    assert progress.take(event(42))
    progress.complete()
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
        counted.complete()
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
        progress.complete()
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


def test_unheard_events_behind_a_slow_handler_take_up_no_memory() -> None:
    progress = TrackedProgress()
    assert progress.take(event(1))
    slow = progress.submit()
    assert progress.begin_delivery(slow)
    for seq in range(2, 1000):
        assert progress.take(event(seq))
        progress.complete()
    assert len(progress._deliveries) == 2
    assert progress.completed.seq is None
    progress.finish_delivery(slow)
    assert progress.completed.seq == 999


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
                progress.complete()
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
