"""Streams: what they hold, what they drop, how a wait for them ends. No socket."""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from support import TIMEOUT, running, wait_until

from vox_gateway.dispatch import stream as stream_module
from vox_gateway.dispatch.stream import EventStream
from vox_gateway.dispatch.subscriptions import NoRoom, Subscriber, Subscribers
from vox_gateway.errors import AuthenticationFailed, StreamEnded
from vox_gateway.event import Event
from vox_gateway.log import ShardLog


def dispatch(number: int | None, name: str = "NUMBER") -> dict[str, Any]:
    return {"op": 0, "t": name, "s": number, "d": number}


@pytest.fixture
def subscribers() -> Subscribers:
    return Subscribers(shard=3)


@pytest.fixture
def make(subscribers: Subscribers) -> Callable[..., EventStream]:
    def make(*names: str, maxsize: int = 0, overflow: str = "drop", check: Any = lambda: None) -> EventStream:
        return EventStream(
            names or ("NUMBER",),
            maxsize=maxsize,
            overflow=overflow,
            subscribers=subscribers,
            check_thread=check,
            log=ShardLog((3, 4)),
        )

    return make


def test_an_event_is_a_small_record_that_does_not_change(subscribers: Subscribers, make: Any) -> None:
    events = make()
    subscribers.publish(dispatch(7))
    event = events.get(0)
    assert event == Event("NUMBER", 7, 7, 3)
    name, data, seq, shard = event
    assert (name, data, seq, shard) == ("NUMBER", 7, 7, 3)
    with pytest.raises(AttributeError):
        event.data = 8


def test_a_stream_shows_what_it_was_made_for_in_order(subscribers: Subscribers, make: Any) -> None:
    events = make("A", "B", "open")
    every = make("DISPATCH", "A")
    subscribers.publish_signal("open")
    for number, name in enumerate("ABCA"):
        subscribers.publish(dispatch(number, name))
    assert len(events) == 4
    assert [(one.name, one.seq) for one in (events.get_nowait() for _ in range(4))] == [
        ("open", None),
        ("A", 0),
        ("B", 1),
        ("A", 3),
    ]
    assert [every.get(0).seq for _ in range(4)] == [0, 1, 2, 3], "each once, though it was made for A twice over"
    with pytest.raises(queue.Empty):
        every.get_nowait()


def test_a_dispatch_without_a_number_has_none(subscribers: Subscribers, make: Any) -> None:
    events = make()
    subscribers.publish(dispatch(None))
    assert events.get(0).seq is None


def test_when_it_is_full_the_oldest_are_dropped_counted_and_told_of_once(
    subscribers: Subscribers, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    events = make(maxsize=2)
    for number in range(5):
        subscribers.publish(dispatch(number))
    assert events.dropped == 3
    assert [events.get(0).seq, events.get(0).seq] == [3, 4]
    assert repr(events) == "<EventStream of NUMBER: 0 waiting, 3 dropped>"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "the stream of NUMBER is full (maxsize=2)" in record.getMessage()


def test_or_everything_waits_until_there_is_room(
    subscribers: Subscribers, make: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_module, "STUCK_AFTER", 0.05)
    events = make(maxsize=1, overflow="block")
    told = threading.Event()

    def see(record: logging.LogRecord) -> bool:
        told.set()
        return True

    caplog.handler.addFilter(see)
    with running(lambda: [subscribers.publish(dispatch(number)) for number in range(20)]):
        assert told.wait(TIMEOUT)
        assert [events.get(TIMEOUT).seq for _ in range(20)] == list(range(20))
    assert events.dropped == 0
    assert "the stream of NUMBER has been full (maxsize=1) for 0.05 seconds" in caplog.text


def test_who_waits_for_room_waits_no_longer_than_the_stream_lives(subscribers: Subscribers, make: Any) -> None:
    events = make(maxsize=1, overflow="block")
    subscribers.publish(dispatch(0))
    with running(lambda: subscribers.publish(dispatch(1))):
        events.close()
    assert len(events) == 0


def test_ctrl_c_right_after_an_event_was_taken_leaves_its_room_to_the_next(
    subscribers: Subscribers, make: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream_module, "STUCK_AFTER", 0.01)

    class Interrupted(deque[Event]):
        """Loses an event, as Ctrl-C between two bytecodes does."""

        def popleft(self) -> Event:
            events._events = deque(self)
            events._events.popleft()
            raise KeyboardInterrupt

    events = make(maxsize=1, overflow="block")
    subscribers.publish(dispatch(0))
    events._events = Interrupted(events._events)
    with running(lambda: subscribers.publish(dispatch(1))):
        wait_until(lambda: "has been full" in caplog.text)
        with pytest.raises(KeyboardInterrupt):
            events.get(TIMEOUT)
        assert events.get(TIMEOUT).seq == 1


def test_an_event_that_comes_as_the_client_is_closed_is_left_to_the_next_run(
    subscribers: Subscribers, make: Any
) -> None:
    class Closing(deque[Event]):
        """The client is closed in the middle of a call."""

        def append(self, event: Event) -> None:
            events.end(None)
            super().append(event)

    events = make()
    events._events = Closing()
    with pytest.raises(NoRoom):
        subscribers.publish(dispatch(1))
    assert list(events) == []
    events.close()
    events.receive(Event("NUMBER", 2, 2, 3))  # not wanted by the next run either


@pytest.mark.parametrize("ends", [False, True])
def test_a_signal_handler_may_subscribe_or_close_in_the_middle_of_a_subscription(
    subscribers: Subscribers, ends: bool
) -> None:
    class Interrupted(dict[Subscriber, tuple[str, ...]]):
        """Calls the handler in the middle of the first copy."""

        copies = 0

        def copy(self) -> dict[Subscriber, tuple[str, ...]]:
            names = super().copy()
            self.copies += 1
            if self.copies == 1:
                if ends:
                    subscribers.end(None)
                subscribers.add(Subscriber(), ["B"])
            return names

    subscribers._names = Interrupted()
    subscribers.add(Subscriber(), ["A"])
    assert set(subscribers.table) == ({"B"} if ends else {"A", "B"})


def test_the_end_waits_for_no_lock_of_those_who_subscribe(subscribers: Subscribers, make: Any) -> None:
    """The thread that holds it may be in a signal handler, which waits for the end."""
    events = make()
    with subscribers._lock, running(lambda: subscribers.end(None)), pytest.raises(StreamEnded):
        events.get(TIMEOUT)
    assert not subscribers.table


def test_a_wait_ends_with_the_event_or_with_the_timeout(subscribers: Subscribers, make: Any) -> None:
    events = make("A", "B")
    timer = threading.Timer(0.05, subscribers.publish, (dispatch(1, "B"),))
    timer.start()
    assert events.get(TIMEOUT).seq == 1
    timer.join()
    with pytest.raises(TimeoutError, match=r"no A or B came within timeout=0\.01 seconds"):
        events.get(0.01)


def test_any_time_from_0_on_can_be_waited(subscribers: Subscribers, make: Any) -> None:
    events = make()
    subscribers.publish(dispatch(1))
    assert events.get(1e300).seq == 1
    for timeout in (-1, math.nan, "1"):
        with pytest.raises((TypeError, ValueError), match="timeout"):
            events.get(timeout)


def test_a_wait_for_what_check_accepts_passes_over_the_rest(subscribers: Subscribers, make: Any) -> None:
    events = make()
    for number in range(5):
        subscribers.publish(dispatch(number))
    assert events.wait(lambda data: data > 2, 0) == 3
    assert events.wait(None, 0) == 4
    with pytest.raises(TimeoutError, match=r"no NUMBER that check accepts came within timeout=0 seconds"):
        events.wait(lambda data: True, 0)
    subscribers.publish(dispatch(5))
    with pytest.raises(ZeroDivisionError):
        events.wait(lambda data: 1 / 0, 0)


def test_what_was_collected_can_be_taken_after_the_end(subscribers: Subscribers, make: Any) -> None:
    events = make()
    subscribers.publish(dispatch(0))
    subscribers.publish(dispatch(1))
    subscribers.end(None)
    subscribers.publish(dispatch(2))
    assert [event.seq for event in events] == [0, 1]
    for take in (events.get, events.get_nowait):
        with pytest.raises(StreamEnded):
            take()


def test_the_error_that_ended_the_client_is_raised(subscribers: Subscribers, make: Any) -> None:
    events = make()
    subscribers.end(AuthenticationFailed(4004))
    subscribers.end(None)  # the first word counts
    for take in (events.get, events.get_nowait, lambda: next(events)):
        with pytest.raises(AuthenticationFailed):
            take()


def test_the_end_is_heard_by_everyone_who_waits(subscribers: Subscribers, make: Any) -> None:
    events = make()
    ends = queue.SimpleQueue[type[BaseException]]()

    def wait() -> None:
        try:
            events.get(TIMEOUT)
        except StreamEnded as error:
            ends.put(type(error))

    with running(wait), running(wait), running(wait):
        subscribers.end(None)
    assert [ends.get(timeout=TIMEOUT) for _ in range(3)] == [StreamEnded] * 3


def test_each_event_is_given_to_one_of_those_who_wait(subscribers: Subscribers, make: Any) -> None:
    events = make()
    taken = queue.SimpleQueue[int]()

    def take() -> None:
        for event in events:
            taken.put(event.data)

    with running(take), running(take), running(take):
        for number in range(1000):
            subscribers.publish(dispatch(number))
        subscribers.end(None)
    assert sorted(taken.get(timeout=TIMEOUT) for _ in range(1000)) == list(range(1000))
    assert taken.empty()


def test_leaving_the_block_stops_the_collecting(subscribers: Subscribers, make: Any) -> None:
    with make("A", "B") as events, make("A"):
        assert "A" in subscribers.table
        assert "B" in subscribers.table
        events.close()
        assert "A" in subscribers.table
        assert "B" not in subscribers.table
    assert "A" not in subscribers.table
    assert list(events) == []


def test_who_may_not_wait_may_take_what_is_here(subscribers: Subscribers, make: Any) -> None:
    def refuse() -> None:
        raise RuntimeError("not here")

    events = make(check=refuse)
    subscribers.publish(dispatch(1))
    assert events.get().seq == 1
    with pytest.raises(RuntimeError, match="not here"):
        events.get(5)


def test_a_tap_may_do_without_some_of_it(subscribers: Subscribers) -> None:
    subscriber = Subscriber()
    subscribers.add(subscriber, ["NUMBER"])
    subscribers.publish(dispatch(1))
    subscribers.end(None)
    subscribers.remove(subscriber)
    subscribers.remove(subscriber)
