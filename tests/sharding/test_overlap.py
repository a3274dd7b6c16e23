"""Which of two generations dispatches an event, on a clock that is set. No socket, no thread."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any, cast

import pytest

from vox_gateway.dispatch.dispatcher import Dispatcher, EventFilter
from vox_gateway.sharding.overlap import WINDOW, Overlap


class Progress:
    is_dropping = is_rejecting = False


class Shard:
    """Writes down what its filter lets through."""

    shard = 1

    def __init__(self) -> None:
        self.progress = Progress()
        self.dispatched: list[Any] = []
        self.discarded = 0
        self.observed: list[str] = []
        self.filter: EventFilter | None = None

    def discard(self, count: int) -> None:
        self.discarded += count

    def dispatch(self, batch: list[Any]) -> None:
        self.dispatched += batch

    def observe(self, payload: dict[str, Any]) -> None:
        self.observed.append(payload["t"])

    def receive(self, *events: Any) -> None:
        assert self.filter is not None
        self.dispatched += self.filter.select(list(events))


class Generations:
    """A shard of each, on a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ready: list[int] = []
        self.overlap = Overlap(json.loads, self.ready.append, lambda: self.now)
        self.old, self.new = Shard(), Shard()
        self.old.filter = self.overlap.old(cast(Dispatcher, self.old))
        self.new.filter = self.overlap.new(cast(Dispatcher, self.new))


@pytest.fixture
def both() -> Generations:
    return Generations()


def event(data: Any, name: str = "NEWS", seq: int = 1) -> dict[str, Any]:
    return {"op": 0, "t": name, "s": seq, "d": data}


def test_the_new_shard_dispatches_what_the_old_has_not(both: Generations) -> None:
    both.new.receive(event(1, seq=7), event(2, seq=8), event(3, seq=9))
    both.old.receive(event(1), event(2))
    assert (both.old.dispatched, both.new.dispatched) == ([event(1), event(2)], [])
    both.overlap.switch()
    assert both.new.dispatched == [event(3, seq=9)]
    both.old.receive(event(3), event(4))
    both.new.receive(event(4))
    assert both.old.dispatched == [event(1), event(2)]
    assert both.new.dispatched == [event(3, seq=9), event(4)]
    assert (both.old.discarded, both.new.discarded) == (2, 2)


def test_equal_events_are_counted(both: Generations) -> None:
    both.old.receive(event(1), event(1))
    both.new.receive(event(1), event(1), event(1))
    both.overlap.switch()
    assert both.new.dispatched == [event(1)]


def test_an_event_that_both_have_got_is_forgotten(both: Generations) -> None:
    class Data(dict[str, int]):
        """Can be referenced weakly."""

    data = Data(a=1)
    kept = weakref.ref(data)
    both.new.receive(event({"guilds": []}, "READY"), event(data))
    del data
    gc.collect()
    assert kept() is not None
    both.old.receive(event({"a": 1}))
    gc.collect()
    assert kept() is None
    assert both.new.discarded == 1


def test_an_event_that_is_late_on_the_new_shard_is_recognized_for_a_while(both: Generations) -> None:
    both.old.receive(event(1), event(2))
    both.overlap.switch()
    both.now = WINDOW
    both.new.receive(event(1))
    assert both.new.dispatched == []
    both.now = 2 * WINDOW + 1
    both.overlap.note_dispatched(("OTHER", b""))
    both.new.receive(event(2))
    assert both.new.dispatched == [event(2)]


def test_the_order_of_keys_makes_no_other_event(both: Generations) -> None:
    both.old.receive(b'{"t":"NEWS","s":1,"op":0,"d":{"a":1,"b":2}}')
    both.new.receive(b'{"t":"NEWS","s":9,"op":0,"d":{"b":2,"a":1}}')
    both.overlap.switch()
    assert both.new.dispatched == []


def test_what_begins_a_session_is_not_compared(both: Generations) -> None:
    ready = event({"guilds": [{"id": "1", "unavailable": True}]}, "READY")
    both.new.receive(ready, event({"id": "1", "name": "big"}, "GUILD_CREATE"))
    both.old.receive(event({"id": "2"}, "GUILD_CREATE"))
    both.new.receive(event({"id": "2"}, "GUILD_CREATE"))
    assert both.ready == [1]
    both.overlap.switch()
    assert both.new.dispatched == [ready]
    assert both.new.observed == ["GUILD_CREATE", "GUILD_CREATE"]


def test_an_old_shard_that_is_closing_dispatches_nothing(both: Generations) -> None:
    both.old.progress.is_dropping = True
    both.old.receive(event(1))
    both.new.receive(event(1))
    both.overlap.switch()
    assert both.new.dispatched == [event(1)]


def test_what_cannot_be_decoded_is_left_to_the_dispatcher(both: Generations) -> None:
    both.new.receive(b'{"t":null,"s":1,"op":0,"d":1}')
    both.overlap.switch()
    assert both.new.dispatched == [b'{"t":null,"s":1,"op":0,"d":1}']
