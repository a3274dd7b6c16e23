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
    ledger = CompletionTracker(lambda: begun.append(ledger.waiting))
    ledger.open(Session("old", 40))
    assert ledger.given == ledger.done == Session("old", 40)
    ready, first, second = (
        ledger.add(event(1, "READY", {"session_id": "new"})),
        ledger.add(event(2)),
        ledger.add(event(None)),
    )
    assert ledger.waiting == 3
    assert ledger.given == Session("old", 40)
    assert ledger.begin(first)
    assert ledger.given == Session("old", 40), "READY has not begun"
    assert ledger.begin(ready)
    assert begun == [2, 1]
    assert ledger.given == Session("new", 2)
    ledger.finish(first)
    assert ledger.done == Session("old", 40)
    ledger.finish(ready)
    assert ledger.done == Session("new", 2)
    ledger.drop()
    assert not ledger.begin(second)
    assert (ledger.waiting, ledger.dropped) == (0, 1)
    assert ledger.given == ledger.done == Session("new", 2)
    assert not ledger.begin(ledger.add(event(3))), "what comes after the end is dropped too"
    assert (ledger.waiting, ledger.dropped) == (0, 2)


@given(st.data())
def test_whatever_the_order_nothing_that_is_done_comes_after_what_is_not(data: st.DataObject) -> None:
    ledger = CompletionTracker(lambda: None)
    turns = [ledger.add(event(seq)) for seq in range(1, 8)]
    begun, done = set(), set()
    for turn in data.draw(st.permutations(turns)):
        if data.draw(st.booleans()):
            assert ledger.begin(turn)
            begun.add(turn.payload["s"])
            if data.draw(st.booleans()):
                ledger.finish(turn)
                done.add(turn.payload["s"])
        for session, them in ((ledger.given, begun), (ledger.done, done)):
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
