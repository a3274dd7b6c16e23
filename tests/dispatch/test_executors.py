"""The order of events when several threads work on them, and the account of what is done. No socket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox_gateway.dispatch.executors.caller import CallerQueue
from vox_gateway.dispatch.executors.completion import CompletionTracker
from vox_gateway.dispatch.executors.partition import partition_key
from vox_gateway.session.state import Session


def event(seq: int | None, name: str = "X", data: Any = None) -> dict[str, Any]:
    return {"op": 0, "t": name, "s": seq, "d": data}


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
        ("READY", {"user": {"id": "4"}, "guilds": []}, None),
        ("RESUMED", {}, None),
        ("RESUMED", None, None),
        ("SOMETHING_NEW", ["no", "object"], None),
        ("SOMETHING_NEW", {"user": "no object"}, None),
    ],
)
def test_what_an_event_belongs_to(name: str, data: Any, key: str | None) -> None:
    assert partition_key(name, data) == key


def test_the_account_of_a_ledger() -> None:
    begun: list[int] = []
    tracker = CompletionTracker(lambda: begun.append(tracker.waiting))
    tracker.open(Session("old", 40))
    assert tracker.delivered == tracker.completed == Session("old", 40)
    ready, first, second = (
        tracker.add(event(1, "READY", {"session_id": "new"})),
        tracker.add(event(2)),
        tracker.add(event(None)),
    )
    assert tracker.waiting == 3
    assert tracker.delivered == Session("old", 40)
    assert tracker.begin(first)
    assert tracker.delivered == Session("old", 40), "READY has not begun"
    assert tracker.begin(ready)
    assert begun == [2, 1]
    assert tracker.delivered == Session("new", 2)
    tracker.finish(first)
    assert tracker.completed == Session("old", 40)
    tracker.finish(ready)
    assert tracker.completed == Session("new", 2)
    tracker.drop()
    assert not tracker.begin(second)
    assert (tracker.waiting, tracker.dropped) == (0, 1)
    assert tracker.delivered == tracker.completed == Session("new", 2)
    assert not tracker.begin(tracker.add(event(3))), "what comes after the end is dropped too"
    assert (tracker.waiting, tracker.dropped) == (0, 2)


@given(st.data())
def test_whatever_the_order_nothing_that_is_done_comes_after_what_is_not(data: st.DataObject) -> None:
    tracker = CompletionTracker(lambda: None)
    deliveries = [tracker.add(event(seq)) for seq in range(1, 8)]
    begun, done = set(), set()
    for delivery in data.draw(st.permutations(deliveries)):
        if data.draw(st.booleans()):
            assert tracker.begin(delivery)
            begun.add(delivery.payload["s"])
            if data.draw(st.booleans()):
                tracker.finish(delivery)
                done.add(delivery.payload["s"])
        for session, them in ((tracker.delivered, begun), (tracker.completed, done)):
            reached = session.seq or 0
            assert set(range(1, reached + 1)) <= them
            assert reached + 1 not in them


def test_pending_does_so_many_and_no_more() -> None:
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


def test_pending_is_done_by_one_at_a_time() -> None:
    pending = CallerQueue()
    inside: list[int] = []
    pending.put(lambda: inside.append(pending.run(None, None)) is None)
    pending.put(lambda: True)
    assert pending.run(None, 0) == 2
    assert inside == [0]


def test_pending_goes_on_until_it_is_over() -> None:
    pending = CallerQueue()
    over: list[bool] = []
    pending.put(lambda: pending.put(lambda: over.append(True) is None) is None)
    pending.run_until(lambda: bool(over))
    assert over == [True]
