"""The inbox between reader and dispatcher."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from vox_gateway.dispatch import event_queue as backlog_module
from vox_gateway.dispatch.event_queue import EventQueue, Milestone, Signal
from vox_gateway.session.state import Session


def event(number: int, name: str = "NUMBER") -> dict[str, Any]:
    return {"op": 0, "t": name, "s": number, "d": number}


def always(value: bool) -> Callable[[], bool]:
    return lambda: value


def test_events_and_signals_keep_their_order() -> None:
    backlog = EventQueue(10, on_stuck=pytest.fail)
    backlog.signal("open")
    backlog.put([event(1), event(2)], always(True))
    backlog.signal("close", {"code": 1})
    backlog.put([event(3)], always(True))
    assert backlog.waiting == 3
    backlog.finish()
    assert list(backlog) == [Signal("open"), event(1), event(2), Signal("close", ({"code": 1},)), event(3)]
    assert backlog.waiting == backlog.undelivered == 0


def test_no_more_than_the_limit_waits_and_a_put_goes_on_as_there_is_room() -> None:
    backlog = EventQueue(5, on_stuck=lambda: None)
    putter = threading.Thread(
        target=lambda: (backlog.put([event(n) for n in range(100)], always(True)), backlog.finish())
    )
    putter.start()
    seen = []
    for item in backlog:
        assert backlog.waiting <= 5
        seen.append(item)
    putter.join(5)
    assert seen == [event(n) for n in range(100)]


def test_a_put_that_waits_long_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "STUCK_AFTER", 0.05)
    stuck = threading.Semaphore(0)
    backlog = EventQueue(1, on_stuck=stuck.release)
    putter = threading.Thread(target=backlog.put, args=([event(1), event(2)], always(True)))
    putter.start()
    assert stuck.acquire(timeout=5)
    items = iter(backlog)
    assert [next(items), next(items)] == [event(1), event(2)]
    putter.join(5)
    assert not stuck.acquire(blocking=False)


def test_a_put_that_loses_patience_goes_beyond_the_limit() -> None:
    patience = [True]
    backlog = EventQueue(1, on_stuck=lambda: None)
    putter = threading.Thread(target=backlog.put, args=([event(1), event(2), event(3)], lambda: patience[0]))
    putter.start()
    patience[0] = False
    backlog.wake()
    putter.join(5)
    assert not putter.is_alive()
    assert backlog.waiting == 3


def test_events_that_are_dropped_are_not_given_and_signals_are() -> None:
    backlog = EventQueue(1, on_stuck=lambda: None)
    backlog.put([event(1)], always(True))
    backlog.drop_events()
    backlog.put([event(2), event(3)], always(True))  # does not wait for room that nobody will make
    backlog.signal("close")
    backlog.finish()
    assert list(backlog) == [Signal("close")]
    assert backlog.undelivered == 3
    assert backlog.waiting == 0


def test_a_drop_in_the_middle_of_a_batch_keeps_what_was_given() -> None:
    backlog = EventQueue(10, on_stuck=lambda: None)
    ready = {"op": 0, "t": "READY", "s": 1, "d": {"session_id": "abc"}}
    backlog.put([{"op": 10, "d": {}}], always(True))
    backlog.put_milestone(Milestone(Session("abc", 1), resumed=False))
    backlog.put([ready, event(2), event(3), event(4)], always(True))
    assert backlog.waiting == 4  # HELLO is no event
    items = iter(backlog)
    assert len(list(itertools.islice(items, 4))) == 4
    backlog.drop_events()
    backlog.finish()
    assert list(items) == []
    assert (backlog.delivered.id, backlog.delivered.seq) == ("abc", 2)
    assert backlog.undelivered == 2


def test_payloads_that_are_no_events_take_up_room_and_are_not_counted() -> None:
    acknowledgement = {"op": 11}
    backlog = EventQueue(3, on_stuck=lambda: None)
    for one in (acknowledgement, event(1), acknowledgement):
        backlog.put([one], always(True))
    assert backlog.waiting == backlog.undelivered == 1
    putter = threading.Thread(target=backlog.put, args=([acknowledgement], always(True)))
    putter.start()
    items = iter(backlog)
    assert [next(items) for _ in range(4)] == [acknowledgement, event(1), acknowledgement, acknowledgement]
    putter.join(5)
    assert backlog.waiting == backlog.undelivered == 0


def test_what_cannot_be_read_is_taken_back_and_what_follows_is_passed_over() -> None:
    backlog = EventQueue(100, on_stuck=lambda: None)
    backlog.put([event(1), event(2), event(3)], always(True))
    items = iter(backlog)
    assert [next(items), next(items)] == [event(1), event(2)]
    assert backlog.delivered.seq == 2
    backlog.reject()
    assert backlog.delivered.seq == 1
    backlog.put([event(4)], always(True))
    backlog.signal("close")
    assert next(items) == Signal("close")
    assert backlog.undelivered == 3
    backlog.resume()
    backlog.put([event(2), event(3)], always(True))
    assert [next(items), next(items)] == [event(2), event(3)]
    assert backlog.delivered.seq == 3
    assert backlog.undelivered == backlog.waiting == 0


def test_an_event_is_done_when_the_next_is_asked_for() -> None:
    backlog = EventQueue(100, on_stuck=lambda: None)
    backlog.begin(Session("old", 40))
    ready = {"op": 0, "t": "READY", "s": 1, "d": {"session_id": "new"}}
    begins = Milestone(Session("new", 1), resumed=False)
    backlog.put_milestone(begins)
    backlog.put([ready, event(2)], always(True))
    items = iter(backlog)
    assert next(items) == begins
    assert (backlog.delivered, backlog.completed) == (Session("old", 40), Session("old", 40))
    assert next(items) == ready
    assert (backlog.delivered, backlog.completed) == (Session("new", 1), Session("old", 40))
    next(items)
    assert (backlog.delivered, backlog.completed) == (Session("new", 2), Session("new", 1))
    backlog.signal("close")
    next(items)
    assert backlog.completed == Session("new", 2)


def test_what_waits_elsewhere_takes_up_room_until_it_is_told() -> None:
    elsewhere = [4]
    backlog = EventQueue(4, on_stuck=lambda: None, elsewhere=lambda: elsewhere[0])
    assert backlog.waiting == 4
    putter = threading.Thread(target=backlog.put, args=([event(1)], always(True)))
    putter.start()
    while putter.is_alive():
        elsewhere[0] = max(elsewhere[0] - 1, 0)
        backlog.made_room()
        putter.join(0.01)
    assert elsewhere[0] <= 2, "no event is worth waking a thread for, half of them are"
    assert backlog.waiting == elsewhere[0] + 1
