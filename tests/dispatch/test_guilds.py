"""The states of guilds, without a dispatcher."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

import pytest
from support import in_background

from vox_gateway import Arrival, Guilds, GuildState
from vox_gateway.dispatch.guilds import GuildTracker
from vox_gateway.log import ShardLog

LOG = ShardLog((0, 1))
LOADING, AVAILABLE, UNAVAILABLE = GuildState
FIRST_LOAD, JOINED, AVAILABLE_AGAIN = Arrival


class Tracked:
    """A tracker of a run that is connected; `checks` are the times of the checks that it has asked for."""

    def __init__(self, is_sent: bool = True) -> None:
        self.tracker = GuildTracker(is_sent, LOG)
        self.guilds: Guilds = self.tracker.view
        self.checks: list[float] = []
        self.is_connected = True
        self.begin()

    def begin(self) -> None:
        self.tracker.begin(self.checks.append, lambda: self.is_connected)

    def take(self, name: str, data: Any = None) -> None:
        self.tracker.observe({"op": 0, "t": name, "d": data})

    def ready(self, ids: Iterable[object]) -> None:
        self.take("READY", {"guilds": [{"id": guild_id, "unavailable": True} for guild_id in ids]})

    def create(self, guild_id: object, **fields: Any) -> Arrival | None:
        """What the handler of a GUILD_CREATE sees."""
        data = {"id": guild_id, **fields}
        self.take("GUILD_CREATE", data)
        return self.guilds.arrival(data)

    def delete(self, guild_id: object, **fields: Any) -> None:
        self.take("GUILD_DELETE", {"id": guild_id, **fields})


@pytest.fixture
def tracked() -> Tracked:
    return Tracked()


def raw(data: object) -> bytes:
    return b'{"t":"GUILD_CREATE","s":2,"op":0,"d":%s}' % json.dumps(data, separators=(",", ":")).encode()


def test_guilds_load_go_and_come_again(tracked: Tracked) -> None:
    tracked.ready(["1", "2"])
    assert dict(tracked.guilds) == {"1": LOADING, "2": LOADING}
    assert tracked.create("1", unavailable=False) is FIRST_LOAD
    assert dict(tracked.guilds) == {"1": AVAILABLE, "2": LOADING}
    assert tracked.create("3") is JOINED
    tracked.delete("1", unavailable=True)
    tracked.delete("3")
    assert dict(tracked.guilds) == {"1": UNAVAILABLE, "2": LOADING}
    assert tracked.create("1") is AVAILABLE_AGAIN
    assert tracked.create("3") is JOINED
    tracked.ready(["1", "3"])
    assert dict(tracked.guilds) == {"1": LOADING, "3": LOADING}
    assert tracked.create("1") is FIRST_LOAD, "the session is another"


def test_a_guild_in_an_outage_has_not_come_yet(tracked: Tracked) -> None:
    tracked.ready(["1", "2"])
    assert tracked.create("1", unavailable=True) is None
    tracked.delete("2", unavailable=True)
    assert dict(tracked.guilds) == {"1": UNAVAILABLE, "2": UNAVAILABLE}
    assert tracked.create("1") is FIRST_LOAD
    assert tracked.create("2") is FIRST_LOAD
    assert tracked.create("3", unavailable=True) is None
    assert tracked.create("3") is JOINED


def test_an_event_that_a_resume_brings_again_has_the_same_arrival(tracked: Tracked) -> None:
    tracked.ready(["1"])
    assert [tracked.create("1"), tracked.create("1")] == [FIRST_LOAD, FIRST_LOAD]
    assert [tracked.create("2"), tracked.create("2")] == [JOINED, JOINED]


def test_an_arrival_belongs_to_its_event(tracked: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = [{"id": f"{number}{number}"} for number in (1, 1)]  # equal ids, and not the same
    tracked.ready(["11"])
    tracked.take("GUILD_CREATE", first)
    tracked.delete("11", unavailable=True)
    tracked.take("GUILD_CREATE", second)
    assert tracked.guilds.arrival(first) is FIRST_LOAD
    assert tracked.guilds.arrival(copy.deepcopy(first)) is FIRST_LOAD
    assert tracked.guilds.arrival(second) is AVAILABLE_AGAIN
    assert tracked.guilds.arrival(json.loads('{"id": "11"}')) is AVAILABLE_AGAIN, "the last that came"
    tracked.delete("11")
    assert tracked.guilds.arrival(first) is FIRST_LOAD
    assert tracked.guilds.arrival({}) is None
    assert tracked.guilds.arrival({"id": "99"}) is None
    with pytest.raises(TypeError, match="guild must be the data of a GUILD_CREATE, not '11'"):
        tracked.guilds.arrival("11")  # type: ignore[arg-type]
    monkeypatch.setattr("vox_gateway.dispatch.guilds.RECENT", 2)
    tracked.create("12")
    tracked.create("13")
    assert tracked.guilds.arrival(second) is None, "forgotten, as is the guild"


def test_ids_of_etf_are_text_and_both_are_found(tracked: Tracked) -> None:
    tracked.ready([1 << 40])
    assert tracked.create(1 << 40) is FIRST_LOAD
    assert list(tracked.guilds) == [str(1 << 40)]
    assert tracked.guilds[1 << 40] is tracked.guilds[str(1 << 40)] is AVAILABLE
    assert "1" not in tracked.guilds
    assert tracked.guilds.get("1") is None


def test_the_states_are_read_while_they_change(tracked: Tracked) -> None:
    tracked.ready(["1", "2"])
    for guild_id, state in tracked.guilds.items():
        assert state is LOADING
        tracked.delete(guild_id)
    assert len(tracked.guilds) == 0
    tracked.create("3")
    assert [*tracked.guilds.values()] == [AVAILABLE]
    assert repr(tracked.guilds) == "<Guilds {'3': <GuildState.AVAILABLE: 'available'>}>"
    assert (str(AVAILABLE), str(AVAILABLE_AGAIN)) == ("available", "available again")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *(("READY", data) for data in (None, [], {}, {"guilds": None}, {"guilds": [1, {}, {"id": []}]})),
        *((name, data) for name in ("GUILD_CREATE", "GUILD_DELETE") for data in (None, [1], {}, {"id": {}})),
    ],
)
def test_any_data_is_accepted(tracked: Tracked, name: str, data: object) -> None:
    tracked.take(name, data)
    assert dict(tracked.guilds) == {}


# -- the end of the first load -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [("GUILD_CREATE", {}), ("GUILD_DELETE", {}), ("GUILD_DELETE", {"unavailable": True})])
def test_it_is_due_with_the_last_guild(tracked: Tracked, last: tuple[str, dict[str, object]]) -> None:
    tracked.ready(["1", "2"])
    tracked.create("3")
    tracked.create("1")
    assert not tracked.tracker.is_due
    tracked.take(last[0], {"id": "2", **last[1]})
    assert tracked.tracker.is_due
    assert not tracked.tracker.wait(0)
    tracked.tracker.complete()
    assert tracked.tracker.wait(0)
    tracked.create("4")
    tracked.delete("4", unavailable=True)
    tracked.take("RESUMED")
    assert not tracked.tracker.is_due, "once is enough"
    tracked.ready(["1"])
    assert not tracked.tracker.wait(0)


def test_without_guilds_it_is_due_with_ready(tracked: Tracked) -> None:
    tracked.ready([])
    assert tracked.tracker.is_due
    assert tracked.checks == []


def test_another_ready_makes_it_undue(tracked: Tracked) -> None:
    tracked.ready([])
    tracked.ready(["1"])
    assert not tracked.tracker.is_due


def test_guilds_that_do_not_come_count_as_unavailable(
    tracked: Tracked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="vox_gateway")
    tracked.ready(["1", "2", "3"])
    tracked.create("1")
    assert len(tracked.checks) == 1, "one at a time"
    tracked.tracker.check()
    assert tracked.guilds["2"] is LOADING, "the other has just come"
    assert len(tracked.checks) == 2
    monkeypatch.setattr("vox_gateway.dispatch.guilds.SETTLE_AFTER", 0.0)
    tracked.tracker.check()
    assert dict(tracked.guilds) == {"1": AVAILABLE, "2": UNAVAILABLE, "3": UNAVAILABLE}
    assert tracked.tracker.is_due
    assert len(tracked.checks) == 2
    (words,) = caplog.messages
    assert words.endswith("2 of 3 guilds have not come, and none has for 0 seconds: they count as unavailable")
    assert tracked.create("2") is FIRST_LOAD, "late, and for the first time all the same"
    tracked.tracker.check()  # scheduled by a READY that is done with
    assert len(tracked.checks) == 2


def test_while_there_is_no_connection_guilds_are_waited_for(tracked: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.guilds.SETTLE_AFTER", 600.0)
    tracked.ready(["1"])
    (first,) = tracked.checks
    tracked.is_connected = False
    monkeypatch.setattr("time.monotonic", lambda: first + 1)
    tracked.tracker.check()
    assert tracked.guilds["1"] is LOADING
    assert tracked.checks == [first, first + 601], "the full time again"
    tracked.is_connected = True
    monkeypatch.setattr("time.monotonic", lambda: first + 601)
    tracked.tracker.check()
    assert tracked.guilds["1"] is UNAVAILABLE


def test_states_go_on_in_the_next_run(tracked: Tracked) -> None:
    tracked.ready(["1", "2"])
    tracked.create("1")
    tracked.tracker.end()
    assert not tracked.tracker.wait(None), "the run is over"
    tracked.begin()
    assert not tracked.tracker.wait(0)
    tracked.take("RESUMED")
    assert tracked.create("2") is FIRST_LOAD
    tracked.tracker.complete()
    assert tracked.tracker.wait(0)
    assert dict(tracked.guilds) == {"1": AVAILABLE, "2": AVAILABLE}


def test_after_a_resume_from_a_file_what_is_unknown_is_not_guessed(tracked: Tracked) -> None:
    assert tracked.create("1") is None, "it may be new, and may be back from an outage"
    tracked.delete("1", unavailable=True)
    assert tracked.create("1") is AVAILABLE_AGAIN
    tracked.delete("2", unavailable=True)
    assert tracked.create("2") is AVAILABLE_AGAIN
    assert not tracked.tracker.is_due
    tracked.take("RESUMED")
    assert tracked.tracker.is_due
    assert dict(tracked.guilds) == {"1": AVAILABLE, "2": AVAILABLE}


def test_without_the_intent_no_guild_is_waited_for() -> None:
    tracked = Tracked(is_sent=False)
    tracked.ready(["1"])
    assert dict(tracked.guilds) == {"1": UNAVAILABLE}
    assert not tracked.tracker.is_due
    assert tracked.checks == []


def test_the_end_of_a_run_ends_waits(tracked: Tracked) -> None:
    outcome = in_background(lambda: tracked.tracker.wait(None))
    tracked.tracker.end()
    assert outcome.result(5) is False
    tracked.tracker.complete()
    assert not tracked.tracker.wait(0)


# -- events that nobody else wants -------------------------------------------------------------------------------------


def test_a_guild_is_found_without_decoding(tracked: Tracked) -> None:
    tracked.ready(["1", "2"])
    assert tracked.tracker.skim("GUILD_CREATE", raw({"channels": [{"id": "7"}], "id": "1", "roles": [{"id": "1"}]}))
    assert dict(tracked.guilds) == {"1": AVAILABLE, "2": LOADING}


@pytest.mark.parametrize(
    "data",
    [
        {"id": "2"},  # has come
        {"id": "3"},  # joined
        {"id": 1},
        {"id": "1", "unavailable": True},
        {"id": "1", "channels": [{"id": "2"}]},
        {"name": '"id":"1"', "id": "3"},
        {},
    ],
)
def test_in_doubt_an_event_is_decoded(tracked: Tracked, data: dict[str, object]) -> None:
    tracked.ready(["1", "2"])
    tracked.create("2")
    assert not tracked.tracker.skim("GUILD_CREATE", raw(data))
    assert dict(tracked.guilds) == {"1": LOADING, "2": AVAILABLE}


def test_a_small_event_is_decoded(tracked: Tracked) -> None:
    assert not tracked.tracker.skim("GUILD_DELETE", b"")
