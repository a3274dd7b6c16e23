"""A node: takes its share of the shards, gives them up in time, and hands them over."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from coordination_support import GATE, TIMES, Loop, Meeting, Open, Owner
from redis_server import RedisServer
from support import in_background, wait_until

from vox_gateway.coordination import (
    Assigned,
    Coordination,
    CoordinationEnded,
    CoordinationFailed,
    Drained,
    GateSettings,
    LeaseLost,
    LeaseTimes,
    Node,
    NodeInfo,
    Revoked,
    bot_id,
    check_coordination,
    open_coordination,
)
from vox_gateway.coordination.interface import TurnRequest
from vox_gateway.coordination.leases import Leases
from vox_gateway.coordination.memory import MemoryCoordination
from vox_gateway.discovery.session_start_limit import SessionStartLimit

ALL = frozenset(range(8))
NEVER = dataclasses.replace(TIMES, rebalance=3600.0)


@pytest.fixture
def own() -> Iterator[Callable[..., Owner]]:
    """Starts nodes, which are closed at the end."""
    found: list[Owner] = []

    def call(*arguments: Any, **options: Any) -> Owner:
        found.append(Owner(*arguments, **options))
        return found[-1]

    yield call
    for owner in found:
        owner.node.close()


Own = Callable[..., Owner]


@dataclass
class Saved:
    text: str

    def to_json(self) -> str:
        return self.text


# -- sharing -----------------------------------------------------------------------------------------------------------


def test_a_node_alone_runs_all_shards(opened: Open, own: Own) -> None:
    owner = own(opened())
    wait_until(lambda: owner.running == ALL)
    assert owner.events == [Assigned(ALL)]
    assert all(map(owner.node.holds, ALL))
    assert not owner.node.holds(8)
    owner.node.close()
    assert not any(map(owner.node.holds, ALL))


def test_nodes_that_start_together_share_without_a_move(opened: Open, own: Own) -> None:
    barrier = threading.Barrier(2)
    owners = [own(Meeting(opened(dataclasses.replace(NEVER, join=0.05)), barrier)) for _ in range(2)]
    wait_until(lambda: owners[0].running | owners[1].running == ALL)
    assert [len(owner.running) for owner in owners] == [4, 4]
    assert [type(event) for owner in owners for event in owner.events].count(Revoked) == 0


def test_a_node_that_comes_gets_its_share(opened: Open, own: Own) -> None:
    first = own(opened())
    wait_until(lambda: first.running == ALL)
    second = own(opened())
    wait_until(lambda: len(second.running) == 4 and first.running == ALL - second.running)
    assert first.lost == second.lost == []


def test_no_shard_moves_before_it_is_released(opened: Open, own: Own) -> None:
    first = own(opened(), releases=False)
    wait_until(lambda: first.running == ALL)
    second = own(opened())
    wait_until(lambda: len(first.running) == 4)
    moved = ALL - first.running
    assert not any(map(first.node.holds, moved)), "it may not connect again"
    first.node.session_store(min(moved), Saved).save(Saved("kept"))
    assert second.running == frozenset()
    first.node.release(min(moved))
    wait_until(lambda: second.running == {min(moved)})
    assigned = next(event for event in second.events if isinstance(event, Assigned))
    loaded = second.node.session_store(min(moved), Saved, assigned.sessions.get(min(moved))).load()
    assert loaded == Saved("kept")
    with pytest.raises(LeaseLost):
        first.node.session_store(min(moved), Saved).save(Saved("late"))
    first.node.release(*moved)
    wait_until(lambda: second.running == moved)


def test_the_others_take_over_when_a_node_closes(opened: Open, own: Own) -> None:
    first, second = own(opened(NEVER)), own(opened(NEVER))
    wait_until(lambda: first.running | second.running == ALL)
    first.node.close()
    wait_until(lambda: second.running == ALL)


def test_a_node_that_drains_hands_over_everything(opened: Open, own: Own) -> None:
    first = own(opened(NEVER))
    wait_until(lambda: first.running == ALL)
    second = own(opened(NEVER))
    wait_until(lambda: second.node.view is not None)
    first.node.drain()
    assert first.node.drained.wait(5)
    wait_until(lambda: second.running == ALL)
    wait_until(lambda: first.events[-1] == Drained())
    assert first.events == [Assigned(ALL), Revoked(ALL, lost=False), Drained()]
    assert second.lost == []


def test_an_ordered_drain_is_a_drain(opened: Open, own: Own) -> None:
    first, second = own(opened()), own(opened())
    wait_until(lambda: len(first.running) == len(second.running) == 4)
    mine = first.running
    assert opened().order_drain(first.node.info.id)
    assert first.node.drained.wait(5)
    wait_until(lambda: second.running == ALL)
    assert [event for event in first.events if isinstance(event, Revoked)][-1] == Revoked(mine, lost=False)
    assert opened().order_drain(first.node.info.id), "again, which changes nothing"
    assert first.node.info.capacity == 0


def test_an_ordered_move_is_made_by_owner_and_target_alone(opened: Open, own: Own) -> None:
    nodes = [own(opened(NEVER)) for _ in range(3)]
    wait_until(lambda: sum(len(one.running) for one in nodes) == 8 and all(one.node.view for one in nodes))
    source = max(nodes, key=lambda one: len(one.running))
    target, third = (one for one in nodes if one is not source)
    shard, before = min(source.running), [*third.events]
    assert opened().order_move(target.node.info.id, shard)
    wait_until(lambda: shard in target.running and shard not in source.running)
    assert (source.lost, target.lost, third.events) == ([], [], before)


def test_a_moved_shard_stays_and_another_comes_for_it(opened: Open, own: Own) -> None:
    nodes = [own(opened()) for _ in range(2)]
    wait_until(lambda: [len(one.running) for one in nodes] == [4, 4])
    shard = min(nodes[0].running)
    assert opened().order_move(nodes[1].node.info.id, shard)
    wait_until(lambda: shard in nodes[1].running and [len(one.running) for one in nodes] == [4, 4])
    view = nodes[1].node.view
    wait_until(lambda: nodes[1].node.view is not view)
    assert shard in nodes[1].running


def test_states_go_with_the_heartbeats(opened: Open, own: Own) -> None:
    owner = own(opened(), shards=2)
    wait_until(lambda: len(owner.running) == 2)
    owner.node.report(1, 7.0, {"status": "ready", "guilds": 3})
    operator = opened()

    def seen() -> list[tuple[float, Any]]:
        return [(shard.load, shard.state) for shard in operator.overview().shards]

    wait_until(lambda: seen() == [(1.0, {}), (7.0, {"status": "ready", "guilds": 3})])
    owner.node.report(1, 8.0)
    wait_until(lambda: seen() == [(1.0, {}), (8.0, {"status": "ready", "guilds": 3})])
    owner.node.report(1, 8.0, {"latency": float("inf")})  # as before the first heartbeat
    wait_until(lambda: seen()[1] == (8.0, {"latency": None}))


def test_a_state_that_cannot_be_sent() -> None:
    node = Node(MemoryCoordination(), shards=1, post=print)
    with pytest.raises(TypeError, match="not JSON serializable"):
        node.report(0, 1.0, {"status": object()})
    with pytest.raises(ValueError, match="at most 4,096 characters"):
        node.report(0, 1.0, {"reason": "x" * 5000})


def test_capacity_is_kept(own: Own) -> None:
    coordination = MemoryCoordination(TIMES)
    small = own(coordination, capacity=3)
    wait_until(lambda: len(small.running) == 3)
    large = own(coordination)
    wait_until(lambda: large.running | small.running == ALL)
    assert len(small.running) <= 3


def test_busy_shards_are_spread(own: Own) -> None:
    coordination = MemoryCoordination(TIMES)
    first = own(coordination, shards=4)
    wait_until(lambda: len(first.running) == 4)
    for shard, load in enumerate((900.0, 900.0, 2.0, 2.0)):
        first.node.report(shard, load)
    second = own(coordination, shards=4)
    wait_until(lambda: {0, 1} & second.running)
    wait_until(lambda: first.running | second.running == set(range(4)))
    assert {0, 1} & first.running


def test_shards_that_have_not_reported_count_as_the_mean(own: Own) -> None:
    coordination = MemoryCoordination(TIMES)
    first, second = own(coordination, shards=4), own(coordination, shards=4)
    wait_until(lambda: len(first.running) == len(second.running) == 2)
    before = first.running, second.running
    for shard in first.running:
        first.node.report(shard, 12.0)
    wait_until(lambda: sum(shard.load for shard in coordination.overview().shards) == 26.0)
    for owner in (first, second) * 3:  # each has planned with that
        view = owner.node.view
        wait_until(lambda owner=owner, view=view: owner.node.view is not view)
    assert (first.running, second.running) == before


# -- giving up ---------------------------------------------------------------------------------------------------------


def test_leases_hold_until_their_time() -> None:
    leases = Leases(frozenset({1}), 7.0)
    assert leases.holds(1, 6.9)
    assert not leases.holds(1, 7.0)
    assert not leases.holds(2, 0.0)
    assert not leases.expired(6.9)
    assert leases.expired(7.0)
    assert not Leases().expired(7.0)


def test_closing_takes_less_than_the_leases_last() -> None:
    times = LeaseTimes()
    assert times.give_up + 2.0 < times.ttl
    assert times.renew + 2 * times.retry < times.give_up
    with pytest.raises(ValueError, match="each more than the one before"):
        LeaseTimes(give_up=10.0)


@pytest.fixture
def server(tmp_path: Any) -> Iterator[RedisServer]:
    pytest.importorskip("redis")
    if not RedisServer.is_installed():
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    server = RedisServer(tmp_path)
    yield server
    server.go_on()
    server.stop()


@pytest.fixture
def opened_at(server: RedisServer) -> Iterator[Callable[..., Coordination]]:
    """Opens a coordination at a server of its own; takes fields of `LeaseTimes`."""
    with contextlib.ExitStack() as stack:

        def call(**times: float) -> Coordination:
            coordination = open_coordination(server.url, bot="1", times=dataclasses.replace(TIMES, **times))
            return stack.enter_context(contextlib.closing(coordination))

        yield call


OpenAt = Callable[..., Coordination]


def test_a_node_that_is_cut_off_gives_up_its_shards(server: RedisServer, opened_at: OpenAt, own: Own) -> None:
    coordination = opened_at(give_up=1.3)
    owner = own(coordination)
    wait_until(lambda: owner.running == ALL)
    server.pause()
    wait_until(lambda: not owner.node.holds(0))
    wait_until(lambda: owner.lost == [ALL])
    server.go_on()
    wait_until(lambda: owner.running == ALL)
    assert owner.events == [Assigned(ALL), Revoked(ALL, lost=True), Assigned(ALL)]


def test_a_short_cut_moves_nothing(server: RedisServer, opened_at: OpenAt, own: Own) -> None:
    coordination = opened_at()
    first, second = own(coordination), own(coordination)
    wait_until(lambda: len(first.running) == len(second.running) == 4)
    before = [*first.events], [*second.events]
    server.pause()
    wait_until(lambda: first.node._is_failing)
    server.go_on()
    wait_until(lambda: not first.node._is_failing)
    assert (first.events, second.events) == before


def test_nothing_moves_when_redis_loses_everything(server: RedisServer, opened_at: OpenAt, own: Own) -> None:
    coordination = opened_at()
    first, second = own(coordination), own(coordination)
    wait_until(lambda: len(first.running) == len(second.running) == 4)
    before = [*first.events], [*second.events]
    server.stop()
    wait_until(lambda: first.node._is_failing)
    views = [first.node.view, second.node.view]
    server.start()

    def both_are_back() -> bool:
        now = [first.node.view, second.node.view]
        return all(view is not old and view and len(view.leases) == 8 for view, old in zip(now, views, strict=True))

    wait_until(both_are_back)
    assert (first.events, second.events) == before


def test_after_a_failover_the_name_leads_to_the_new_server(server: RedisServer, tmp_path: Path, own: Own) -> None:
    link, folder = tmp_path / "link", tmp_path / "new"
    link.symlink_to(server.url.removeprefix("unix://"))
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        coordination = open_coordination(f"unix://{link}", bot="1", times=TIMES)
        stack.enter_context(contextlib.closing(coordination))
        owner = own(coordination)
        stack.callback(owner.node.close)
        wait_until(lambda: owner.running == ALL)
        new = RedisServer(folder)
        stack.callback(new.stop)
        link.unlink()
        link.symlink_to(new.url.removeprefix("unix://"))
        server.demote()
        seen = stack.enter_context(contextlib.closing(open_coordination(new.url, bot="1")))
        wait_until(lambda: len(seen.overview().shards) == len(ALL))
        assert owner.events == [Assigned(ALL)]


def test_a_state_is_sent_after_the_network_was_cut(server: RedisServer, opened_at: OpenAt, own: Own) -> None:
    coordination = opened_at()
    owner = own(coordination, shards=1)
    wait_until(lambda: owner.running == {0})
    server.pause()
    owner.node.report(0, 1.0, {"status": "ready"})
    wait_until(lambda: owner.node._is_failing)
    server.go_on()
    wait_until(lambda: coordination.overview().shards[0].state == {"status": "ready"})


def test_a_node_closes_while_the_network_hangs(server: RedisServer, opened_at: OpenAt, own: Own) -> None:
    coordination = opened_at()
    owner = own(coordination)
    wait_until(lambda: owner.running == ALL)
    server.pause()
    owner.node.close()
    assert "vox_gateway-coordination" not in {thread.name for thread in threading.enumerate()}
    assert not owner.node.holds(0)


def test_shards_that_others_took_are_lost(own: Own) -> None:
    coordination = MemoryCoordination(TIMES)
    owner = own(coordination)
    wait_until(lambda: owner.running == ALL)
    thief = dataclasses.replace(owner.node.info, id="thief")

    def steal() -> bool:  # not at once, if the owner's next heartbeat comes between the two
        coordination.leave(owner.node.info)  # as when a node is paused for too long
        return coordination.beat(thief, {0: 1.0}).leases[0].owner == thief.id

    wait_until(steal)
    wait_until(lambda: owner.lost == [{0}])
    assert 0 not in owner.running
    wait_until(lambda: owner.running >= {4, 5, 6, 7} or owner.running == ALL - {0})


def test_a_mistake_ends_the_node_and_revokes_its_shards() -> None:
    class Broken(MemoryCoordination):
        is_broken = False

        def beat(self, *arguments: Any) -> Any:
            if self.is_broken:
                raise RuntimeError("a mistake")
            return super().beat(*arguments)

    coordination = Broken(TIMES)
    owner = Owner(coordination)
    try:
        wait_until(lambda: owner.running == ALL)
        coordination.is_broken = True
        wait_until(lambda: isinstance(owner.events[-1], CoordinationEnded))
        assert owner.lost == [ALL]
        assert "a mistake" in str(owner.events[-1])
    finally:
        owner.node.close()


def test_a_forked_child_has_no_shards(opened: Open, own: Own) -> None:
    coordination = opened()
    owner = own(coordination)
    wait_until(lambda: owner.running == ALL)
    child = os.fork()
    if not child:
        code = 1
        try:
            owner.node.close()
            code = int(any(map(owner.node.holds, ALL)))
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    view = owner.node.view
    wait_until(lambda: owner.node.view is not view)
    assert owner.node.holds(0), "the parent goes on"
    assert owner.events == [Assigned(ALL)]


# -- the gate ----------------------------------------------------------------------------------------------------------


def test_shards_identify_one_by_one_in_order(opened: Open, own: Own) -> None:
    barrier, times = threading.Barrier(2), dataclasses.replace(NEVER, join=0.05)
    gate = GateSettings(interval=0.02, turn=15.0, gather=0.0)
    coordination, holder = opened(times, gate), NodeInfo("holder", "holder", 9, 1)
    coordination.beat(holder, {8: 1.0})
    assert coordination.turns(holder, TurnRequest({8: 0})).granted == {8}
    owners = [own(Meeting(opened(times, gate), barrier), shards=9, capacity=4) for _ in range(2)]
    wait_until(lambda: owners[0].running | owners[1].running == ALL)
    identified: list[int] = []
    loops = [Loop(owner.node, shard, identified) for owner in owners for shard in owner.running]
    for loop in loops:
        loop.step()
    first = {min(owner.running) for owner in owners}
    wait_until(lambda: {waiter.shard for waiter in coordination.overview().waiting} == first)
    coordination.turns(holder, TurnRequest(sent={8: 0.0}))
    wait_until(lambda: all(loop.is_done for loop in loops))
    assert identified == sorted(ALL)


def test_a_shard_that_leaves_lets_others_in(own: Own) -> None:
    owner = own(MemoryCoordination(TIMES, GateSettings(interval=60.0, gather=0.0)), shards=2)
    gate, woken = owner.node.gate, threading.Event()
    wait_until(lambda: len(owner.running) == 2)
    assert gate.enter(1, "one", lambda: None, 0.0) is None
    wait_until(lambda: gate.enter(1, "one", lambda: None, 0.0) == 0.0)
    assert gate.enter(0, "zero", woken.set, 0.0) is None
    gate.leave(1, "one")
    gate.leave(1, "one")
    assert woken.wait(5)
    assert gate.enter(0, "zero", woken.set, 0.0) == 0.0


def test_a_turn_lasts_while_its_shard_connects(opened: Open, own: Own) -> None:
    coordination = opened(gate=GateSettings(interval=60.0, gather=0.0))
    owner = own(coordination, shards=1)
    wait_until(lambda: owner.running == {0})
    wait_until(lambda: owner.node.gate.enter(0, "slow", lambda: None, 0.0) == 0.0)
    left = [holder.ends_in for holder in coordination.overview().holding]

    def is_extended() -> bool:
        left.extend(holder.ends_in for holder in coordination.overview().holding)
        return left[-1] > left[-2]

    wait_until(is_extended)


def test_an_identify_just_before_the_node_closes_counts(opened: Open, own: Own) -> None:
    """It is sent while a heartbeat is on its way, which nobody answers before the node is told to close."""

    class Slow:
        is_slow = False

        def __init__(self) -> None:
            self.is_asked, self.may_answer = threading.Event(), threading.Event()
            self._coordination = opened(NEVER, GateSettings(interval=60.0, gather=0.0))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._coordination, name)

        def beat(self, *arguments: Any) -> Any:
            if self.is_slow:
                self.is_asked.set()
                assert self.may_answer.wait(10)
            return self._coordination.beat(*arguments)

    coordination: Any = Slow()
    owner = own(coordination, shards=1)
    wait_until(lambda: owner.running == {0})
    wait_until(lambda: owner.node.gate.enter(0, "one", lambda: None, 0.0) == 0.0)
    coordination.is_slow = True
    assert coordination.is_asked.wait(10)
    owner.node.gate.sent(0, "one", time.monotonic())
    closing = in_background(lambda: owner.node.close(within=15.0))
    wait_until(lambda: not owner.node.holds(0))
    coordination.may_answer.set()
    closing.result(20)
    assert coordination.overview().nodes == []
    assert coordination.overview().remaining == GATE.daily_limit - 1
    other = own(opened(NEVER, GateSettings(interval=60.0, gather=0.0)), shards=1)
    wait_until(lambda: other.running == {0})
    assert other.node.gate.enter(0, "other", lambda: None, 0.0) is None
    wait_until(lambda: [waiter.turn_in > 40.0 for waiter in coordination.overview().waiting] == [True])


def test_no_turn_for_a_shard_that_the_node_does_not_hold(own: Own) -> None:
    owner = own(MemoryCoordination(TIMES, GateSettings(interval=0.0, gather=0.0)), shards=2, capacity=1)
    wait_until(lambda: len(owner.running) == 1)
    gate, woken = owner.node.gate, threading.Event()
    (held,) = owner.running
    assert gate.enter(1 - held, "not held", lambda: None, 0.0) is None
    assert gate.enter(held, "held", woken.set, 0.0) is None
    assert woken.wait(5)
    assert gate.enter(1 - held, "not held", lambda: None, 0.0) is None


def test_every_node_learns_the_session_starts(opened: Open, own: Own) -> None:
    settings = GateSettings(interval=0.0, gather=0.0)
    owners = [own(opened(gate=settings)) for _ in range(2)]
    wait_until(lambda: [len(owner.running) for owner in owners] == [4, 4])
    gates = [owner.node.gate for owner in owners]
    limit = SessionStartLimit(1000, 0, 60.0, datetime.now(timezone.utc), 16)
    assert gates[0].learn("any", limit, time.monotonic(), 0.0) == 60.0
    wait_until(lambda: gates[0].starts_in(0.0) > 0)
    shard, woken = min(owners[1].running), threading.Event()
    gates[1].enter(shard, "holder", woken.set, 0.0)
    wait_until(lambda: gates[1].starts_in(0.0) > 0)
    assert [(gate.max_concurrency, gate.remaining(0.0)) for gate in gates] == [(16, 0), (16, 0)]
    wait = gates[1].enter(shard, "holder", woken.set, 0.0)
    assert wait is not None
    assert wait > 0
    gates[0].learn("any", dataclasses.replace(limit, remaining=5), time.monotonic(), 0.0)
    assert woken.wait(5)
    wait_until(lambda: gates[1].enter(shard, "holder", woken.set, 0.0) == 0.0)


# -- opening -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("postgres://user:secret@host/1", ValueError, "not a URL that begins with 'postgres'"),
        ("sqlite:///", ValueError, "must end with the name of a file"),
        ("sqlite:///:memory:", ValueError, "must end with the name of a file"),
        ("sqlite://bot.db", ValueError, "needs three slashes before the path"),
        ("sqlite:////no/such/folder/bot.db", CoordinationFailed, "the folder /no/such/folder does not exist"),
        (7, TypeError, "coordination must be None, "),
    ],
)
def test_what_cannot_be_opened(url: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        open_coordination(url, bot="1")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Any) -> None:
    (tmp_path / "bot.db").write_text("not a database" * 100)
    with pytest.raises(CoordinationFailed, match="file is not a database"):
        open_coordination(f"sqlite:///{tmp_path}/bot.db", bot="1")


def test_a_server_that_is_not_there(tmp_path: Any, own: Own) -> None:
    pytest.importorskip("redis")
    with contextlib.closing(open_coordination(f"unix://{tmp_path}/none", bot="1", times=TIMES)) as coordination:
        owner = own(coordination)
        wait_until(lambda: owner.node._is_failing)
        with pytest.raises(CoordinationFailed, match=r"the shards cannot be coordinated through Redis: .*[^.]$"):
            coordination.load(8, [0])


@pytest.mark.parametrize("query", ["", "?password=hunter3", "?password=hunter3&username=me", "?protocol=2"])
def test_a_server_that_wants_a_password(server: RedisServer, query: str) -> None:
    server.require("hunter2")
    with contextlib.closing(open_coordination(f"{server.url}{query}", bot="1")) as coordination:
        with pytest.raises(CoordinationFailed, match="; check the password in the URL, as in redis://:pass") as caught:
            coordination.overview()
        assert "hunter" not in str(caught.value)
    with contextlib.closing(open_coordination(f"{server.url}?password=hunter2", bot="1")) as coordination:
        assert not coordination.overview().nodes


def test_no_part_of_a_password_is_shown() -> None:
    pytest.importorskip("redis")
    with pytest.raises(ValueError, match="percent-encoded") as caught:
        open_coordination("redis://:hun/ter2@host:6379", bot="1")
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:6379/bot",
        "rediss://host/1/2",
        "redis://host:99999",
        "redis://a..b",
        "redis://?host=a..b",
        f"redis://{'a' * 64}.example",
        "redis://host/0?hunter2=1",
        "unix:///run/redis.sock?hunter2=1",
        "redis://host/0?protocol=9",
        "redis://:hunter2\udcff@host",
    ],
)
def test_a_url_of_redis_that_is_not_one(url: str) -> None:
    pytest.importorskip("redis")
    for call in (check_coordination, lambda given: open_coordination(given, bot="1")):
        with pytest.raises(ValueError, match="not one of Redis") as caught:
            call(url)
        assert type(caught.value) is ValueError
        assert "hun" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://host/",
        "redis://host:6379/15",
        "redis://redis_1.internal.",
        "redis://[::1]:6379",
        "redis://bücher.example",
        "redis://host?max_connections=1&socket_timeout=5",
        "unix:///run/redis.sock?db=2",
    ],
)
def test_urls_of_redis(url: str) -> None:
    pytest.importorskip("redis")
    open_coordination(url, bot="1").close()


def test_the_id_of_a_bot() -> None:
    assert bot_id("MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token") == "1100000000000000001"
    assert bot_id("made up") != bot_id("made out")
    assert "made" not in bot_id("made up")


def test_arguments_of_a_node() -> None:
    with pytest.raises(ValueError, match="capacity"):
        Node(MemoryCoordination(), shards=1, post=print, capacity=0)
    with pytest.raises(ValueError, match="shards"):
        Node(MemoryCoordination(), shards=0, post=print)
