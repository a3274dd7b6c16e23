"""Managers that share the shards of a bot, over real sockets: each stands for a process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from coordination_support import Meeting
from manager_helpers import MakeManager, guild_id
from support import in_background, wait_until

from vox_gateway import (
    AuthenticationFailed,
    Client,
    GatewayError,
    IdentifyGate,
    NotConnected,
    ReshardFailed,
    ShardingRequired,
    ShardManager,
    Status,
    StreamEnded,
)
from vox_gateway.coordination import Coordination, CoordinationFailed, GateSettings, LeaseTimes, open_coordination
from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.log import ShardLog
from vox_gateway.runs.lifecycle import Lifecycle
from vox_gateway.sharding import coordinated
from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0
TIMES = LeaseTimes(ttl=9.0, renew=0.1, retry=0.05, give_up=5.0, join=0.0, rebalance=0.0)
#: for what happens when leases end
SHORT = dataclasses.replace(TIMES, ttl=2.5, give_up=1.3)
#: no shard moves to a process that comes
STAYING = dataclasses.replace(TIMES, rebalance=3600.0)
GATE = GateSettings(interval=0.0, turn=2.0, gather=0.0)
ALL = [0, 1, 2, 3]


class Link:
    """A process's way to a coordination, which can be cut or hang."""

    def __init__(self, coordination: Coordination) -> None:
        self._coordination = coordination
        self.times, self.gate = coordination.times, coordination.gate
        self.is_cut = False
        self.passing = threading.Event()
        self.passing.set()

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._coordination, name)
        if name in ("watch", "close"):
            return target

        def call(*args: Any) -> Any:
            self.passing.wait(TIMEOUT)
            if self.is_cut:
                raise CoordinationFailed("the link was cut by the test")
            return target(*args)

        return call


#: opens the coordination of a process
Open = Callable[..., Link]
#: makes a manager that stands for a process
MakeProcess = Callable[..., ShardManager]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(form: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the coordination of a process."""
    found: list[Coordination] = []
    url = {"memory": None, "sqlite": f"sqlite:///{tmp_path}/bot.db"}.get(form, "")
    if form == "redis":
        url = str(request.getfixturevalue("redis_url"))

    def call(times: LeaseTimes = TIMES) -> Link:
        if url is not None or not found:
            found.append(open_coordination(url, bot=f"manager {request.node.name}", times=times, gate=GATE))
        return Link(found[-1])

    yield call
    for coordination in found:
        coordination.close()


@pytest.fixture
def make_process(gateway: LocalGateway, opened: Open, make_manager: MakeManager) -> MakeProcess:
    def make(times: LeaseTimes = TIMES, **options: Any) -> ShardManager:
        return make_manager(gateway, **{"coordination": opened(times), "identify_gate": None, **options})

    return make


in_memory = pytest.mark.parametrize("form", ["memory"], indirect=True)


def running(*managers: ShardManager) -> list[int]:
    """The shards that are ready, each as often as it is."""
    return sorted(shard.id for manager in managers for shard in manager.shards.values() if shard.status is Status.READY)


def start(*managers: ShardManager) -> None:
    for manager in managers:
        manager.connect(async_=True)


def start_all(manager: ShardManager) -> None:
    """Start a process that runs all shards, and wait until READY has reached its handlers."""
    start(manager)
    wait_until(lambda: running(manager) == ALL)
    wait_until(lambda: all(shard.handled.id == shard.session.id for shard in manager.shards.values()))


@contextlib.contextmanager
def messages(gateway: LocalGateway) -> Iterator[list[int]]:
    """Sends numbered messages to all shards in turn, until the end of the block."""
    sent: list[int] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.002):
            gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(guild_id(len(sent) % 4)), "nonce": len(sent)})
            sent.append(len(sent))

    sending = in_background(send)
    try:
        yield sent
    finally:
        stop.set()
        sending.result(TIMEOUT)


class Seen:
    """The numbers of the messages that the handlers of managers got."""

    def __init__(self, *managers: ShardManager) -> None:
        self._numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        for manager in managers:
            manager.on("MESSAGE_CREATE", lambda message: self._numbers.put(message["nonce"]))

    def wait_for_all(self, sent: list[int]) -> None:
        missing = set(sent)
        while missing:
            missing.discard(self._numbers.get(timeout=TIMEOUT))


def why_not(manager: ShardManager, shard: int) -> str:
    """Why a shard's guilds are not here."""
    with pytest.raises(ValueError, match="which this process does not run") as caught:
        manager.shard_of(guild_id(shard))
    return str(caught.value)


def identifies(gateway: LocalGateway) -> int:
    return sum(received.name == "IDENTIFY" for received in gateway.received)


# -- sharing -----------------------------------------------------------------------------------------------------------


def test_processes_that_start_together_share_the_shards(
    gateway: LocalGateway, opened: Open, make_manager: MakeManager
) -> None:
    times, barrier = dataclasses.replace(STAYING, join=0.05), threading.Barrier(2)
    links = [Meeting(opened(times), barrier) for _ in range(2)]
    one, other = (make_manager(gateway, coordination=link, identify_gate=None) for link in links)
    start(one, other)
    wait_until(lambda: running(one, other) == ALL)
    assert {len(one.shards), len(other.shards)} == {2}
    assert one.wait_until_ready(TIMEOUT)
    assert one.wait_until_guilds(TIMEOUT) is other.wait_until_guilds(TIMEOUT) is True
    assert sorted([*one.guilds, *other.guilds]) == sorted(str(guild_id(shard)) for shard in ALL)
    assert identifies(gateway) == len(gateway.connections) == 4


def test_a_process_that_comes_resumes_its_part(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(), make_process()
    seen = Seen(one, other)
    start_all(one)
    with messages(gateway) as sent:
        start(other)
        wait_until(lambda: len(running(one)) == len(running(other)) == 2)
    seen.wait_for_all(sent)
    assert identifies(gateway) == 4
    assert (one.stats.resumes, other.stats.resumes) == (0, 2)
    assert one.stats.identifies == 4, "the counts of shards that have moved are kept"


def test_capacity_is_kept_and_what_is_left_waits(gateway: LocalGateway, make_process: MakeProcess) -> None:
    small = make_process(capacity=3, node_name="small")
    start(small)
    wait_until(lambda: len(running(small)) == 3)
    assert small.wait_until_ready(TIMEOUT)
    missing = ({*ALL} - {*small.shards}).pop()
    words = f"guild_id={guild_id(missing)} is of shard {missing} of 4, which this process does not run"
    assert why_not(small, missing) == words
    large = make_process(node_name="large", capacity=1)
    start(large)
    wait_until(lambda: running(small, large) == ALL)
    wait_until(lambda: missing in large.shards)
    assert large.shard_of(guild_id(missing)) == missing
    wait_until(lambda: why_not(small, missing).endswith("does not run: large runs it"))
    assert small.health()["node"]["others"] == ["large"]


@in_memory
def test_what_is_said_of_a_process(make_process: MakeProcess) -> None:
    manager = make_process(STAYING, node_name="web-1")
    assert manager.health() == {"ok": False, "status": "closed", "total": 4, "shards": {}, "node": None}
    assert not manager.wait_until_ready(0)
    start_all(manager)
    health = manager.health()
    assert (health["ok"], sorted(health["shards"])) == (True, ["0", "1", "2", "3"])
    assert health["node"] == {"name": "web-1", "reached": True, "shards": ALL, "others": []}
    assert manager.explain().splitlines()[:2] == ["process web-1, beside 0 others", "4 of 4 shards: 4 ready"]
    standby = make_process(STAYING, node_name="web-2")
    start(standby)
    wait_until(lambda: standby.health()["node"]["reached"])
    assert (standby.status, standby.health()["ok"]) == (Status.WAITING, True)
    manager.close()
    wait_until(lambda: running(standby) == ALL)
    assert (manager.status, manager.shards, manager.stats.identifies) == (Status.CLOSED, {}, 4)


@in_memory
def test_a_stream_goes_on_when_no_shard_is_left(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one = make_process()
    with one.stream("MESSAGE_CREATE") as events:
        start_all(one)
        other = make_process()
        start(other)
        wait_until(lambda: len(running(other)) == 2)
        gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(guild_id(min(one.shards))), "nonce": 1})
        assert events.get(TIMEOUT).data["nonce"] == 1
        other.close()
        wait_until(lambda: running(one) == ALL)
        gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(guild_id(3)), "nonce": 2})
        assert events.get(TIMEOUT).data["nonce"] == 2
        one.close()
        with pytest.raises(StreamEnded):
            events.get(TIMEOUT)


@in_memory
def test_a_presence_is_kept_for_shards_that_come_later(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(STAYING, capacity=2), make_process(STAYING)
    start(one)
    wait_until(lambda: len(running(one)) == 2)
    with pytest.raises(ValueError, match="shards must hold ids of shards that run here"):
        one.presence_update(status="idle", shards=[3])
    start(other)
    wait_until(lambda: running(one, other) == ALL)
    other.presence_update(status="dnd")
    gateway.expect("PRESENCE_UPDATE", timeout=TIMEOUT)
    one.close(code=1000)
    wait_until(lambda: running(other) == ALL)
    identified = [received.data for received in gateway.received if received.name == "IDENTIFY"]
    assert [data["presence"]["status"] for data in identified[-2:]] == ["dnd"] * 2


@in_memory
def test_the_others_see_how_busy_a_shard_is(
    gateway: LocalGateway, make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinated, "REPORT_EVERY", 0.05)
    manager = make_process()
    start_all(manager)
    node = manager._lifecycle._node
    assert node is not None
    with messages(gateway):
        wait_until(lambda: node.view is not None and all(lease.load > 5 for lease in node.view.leases.values()))


@in_memory
def test_the_others_see_only_guilds_and_rates_that_are_known(
    gateway: LocalGateway, opened: Open, make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinated, "REPORT_EVERY", 0.05)
    overview = opened().overview
    one, other = make_process(), make_process()
    start_all(one)
    wait_until(lambda: all(shard.state.get("guilds") is not None for shard in overview().shards))
    wait_until(lambda: all(shard.state.get("rate") is not None for shard in overview().shards))
    start(other)
    assert one.drain(TIMEOUT)
    wait_until(lambda: running(other) == ALL)
    wait_until(lambda: all(shard.state.get("resumes") == 1 for shard in overview().shards))
    assert [shard.state["guilds"] for shard in overview().shards] == [None] * 4


# -- handing over ------------------------------------------------------------------------------------------------------


def test_drain_hands_over_all_shards(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(STAYING), make_process(STAYING)
    seen = Seen(one, other)
    start_all(one)
    start(other)
    wait_until(lambda: other.health()["node"]["reached"])
    with messages(gateway) as sent:
        assert one.drain(TIMEOUT)
        wait_until(lambda: running(other) == ALL)
    seen.wait_for_all(sent)
    assert one.wait_closed(TIMEOUT)
    assert (identifies(gateway), other.stats.resumes) == (4, 4)
    with pytest.raises(NotConnected, match="the shards were not handed over"):
        one.drain()


@in_memory
def test_sigterm_drains_a_connect_on_the_main_thread(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(STAYING), make_process(STAYING)

    def deploy() -> None:
        wait_until(lambda: running(one) == ALL)
        wait_until(lambda: all(shard.handled.id == shard.session.id for shard in one.shards.values()))
        start(other)
        os.kill(os.getpid(), signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    deploying = in_background(deploy)
    one.connect()
    deploying.result(TIMEOUT)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    wait_until(lambda: running(other) == ALL)
    assert (identifies(gateway), other.stats.resumes) == (4, 4)


@in_memory
def test_an_order_from_outside_ends_connect(make_process: MakeProcess) -> None:
    manager = make_process()
    connected = in_background(manager.connect)
    wait_until(lambda: running(manager) == ALL)
    node = manager._lifecycle._node
    assert node is not None
    node.drain()
    connected.result(TIMEOUT)
    assert manager.status is Status.CLOSED


@in_memory
def test_a_slow_handler_does_not_hold_a_shard(
    gateway: LocalGateway, make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinated, "HANDOVER_GRACE", 0.1)
    one, other = make_process(STAYING, workers=1), make_process(STAYING)
    blocked, leave = threading.Event(), threading.Event()

    @one.on("MESSAGE_CREATE")
    def block(message: Any) -> None:
        blocked.set()
        leave.wait(TIMEOUT)

    again: queue.SimpleQueue[int] = queue.SimpleQueue()
    other.on("MESSAGE_CREATE", lambda message: again.put(message["nonce"]))
    start_all(one)
    start(other)
    gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(guild_id(1)), "nonce": 7})
    assert blocked.wait(TIMEOUT)
    assert one.drain(TIMEOUT)
    assert again.get(timeout=TIMEOUT) == 7
    leave.set()


@in_memory
def test_without_others_the_sessions_wait_for_the_next_start(gateway: LocalGateway, make_process: MakeProcess) -> None:
    manager = make_process()
    start_all(manager)
    manager.close()
    assert [gateway.expect_close().code for _ in ALL] == [4000] * 4
    start_all(manager)
    assert (identifies(gateway), manager.stats.resumes) == (4, 4)
    manager.close(code=1000)
    assert [gateway.expect_close().code for _ in ALL] == [1000] * 4
    start_all(manager)
    assert identifies(gateway) == 8


# -- Get Gateway Bot ---------------------------------------------------------------------------------------------------


@in_memory
def test_sessions_are_resumed_while_the_api_is_down(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(url=None), make_process(url=None)
    start_all(one)
    one.close()
    gateway.faults.refuse_request(503, times=None)
    start_all(other)
    assert (identifies(gateway), other.stats.resumes) == (4, 4)


@in_memory
def test_shards_that_come_later_use_the_answer(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(STAYING), make_process(STAYING, url=None)
    start_all(one)
    start(other)
    wait_until(lambda: other._lifecycle._options.url == gateway.url)
    gateway.faults.refuse_request(503, times=None)
    one.close(code=1000)
    wait_until(lambda: running(other) == ALL)
    assert (identifies(gateway), len(gateway.http.requests)) == (8, 1)


@in_memory
def test_drain_ends_a_process_while_the_api_is_down(gateway: LocalGateway, make_process: MakeProcess) -> None:
    gateway.faults.refuse_request(503, times=None)
    manager = make_process(url=None)
    connected = in_background(manager.connect)
    wait_until(lambda: gateway.http.requests)
    assert manager.drain(TIMEOUT)
    connected.result(TIMEOUT)


@in_memory
def test_a_token_that_the_api_refuses_ends_the_run(gateway: LocalGateway, make_process: MakeProcess) -> None:
    one, other = make_process(STAYING), make_process(STAYING, url=None)
    start_all(one)
    gateway.faults.refuse_request(401, times=None)
    with pytest.raises(AuthenticationFailed):
        other.connect()
    assert running(one) == ALL


# -- closing -----------------------------------------------------------------------------------------------------------


@in_memory
@pytest.mark.parametrize("is_ready", [False, True], ids=["before the first lease", "ready"])
def test_close_is_prompt_while_the_coordination_hangs(
    gateway: LocalGateway, opened: Open, make_manager: MakeManager, is_ready: bool
) -> None:
    link = opened()
    manager = make_manager(gateway, coordination=link, identify_gate=None)
    if is_ready:
        start_all(manager)
        link.passing.clear()
    else:
        link.passing.clear()
        start(manager)
    before = time.monotonic()
    manager.close()
    assert time.monotonic() - before < 2.0 + 1.0, "a second for a busy machine; the coordination hangs for longer"
    assert manager.wait_closed(TIMEOUT)
    link.passing.set()


@in_memory
def test_close_ends_a_drain_that_nobody_answers(gateway: LocalGateway, opened: Open, make_manager: MakeManager) -> None:
    link = opened()
    manager = make_manager(gateway, coordination=link, identify_gate=None)
    start_all(manager)
    link.is_cut = True
    assert not manager.drain(0.1)
    manager.close()
    assert manager.wait_closed(TIMEOUT)


@in_memory
def test_a_drain_ends_although_the_others_cannot_be_reached(
    gateway: LocalGateway, opened: Open, make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the leases: those of other processes may be long, and container managers kill after 10 seconds."""
    monkeypatch.setattr(coordinated, "UNREACHED_GRACE", 0.2)
    link = opened(dataclasses.replace(TIMES, ttl=3600.0))
    manager = make_manager(gateway, coordination=link, identify_gate=None)
    start_all(manager)
    link.is_cut = True
    assert not manager.drain(TIMEOUT)
    assert manager.status is Status.CLOSED


# -- failures ----------------------------------------------------------------------------------------------------------


@in_memory
def test_a_process_that_never_reaches_the_others(
    gateway: LocalGateway, opened: Open, make_manager: MakeManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "vox_gateway")
    link = opened()
    link.is_cut = True
    manager = make_manager(gateway, coordination=link, identify_gate=None, node_name="web-1")
    start(manager)
    wait_until(lambda: bool(caplog.messages))
    assert manager.explain().splitlines()[0] == "process web-1, not joined yet"
    manager.close()
    assert manager.wait_closed(TIMEOUT)
    assert caplog.messages == ["the link was cut by the test; no shard runs here until it works"]


@in_memory
def test_a_cut_is_said_once_for_all_shards(
    gateway: LocalGateway, opened: Open, make_manager: MakeManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "vox_gateway")
    link = opened()
    manager = make_manager(gateway, coordination=link, identify_gate=None)
    seen = Seen(manager)
    start_all(manager)
    link.is_cut = True
    with messages(gateway) as sent:
        wait_until(lambda: sum("the session is not kept" in message for message in caplog.messages) == 4)
        wait_until(lambda: any("shards are closed unless" in message for message in caplog.messages))
    link.is_cut = False
    seen.wait_for_all(sent)
    about_it = [record for record in caplog.records if "the link was cut by the test" in record.getMessage()]
    assert [record.name for record in about_it if record.levelname != "DEBUG"] == ["vox_gateway.coordination"]
    assert not any("session_file" in record.getMessage() for record in about_it)


@in_memory
def test_a_process_that_is_cut_off_closes_its_shards_and_does_not_connect(
    gateway: LocalGateway, opened: Open, make_manager: MakeManager
) -> None:
    link = opened(SHORT)
    one = make_manager(gateway, coordination=link, identify_gate=None)
    start_all(one)
    link.is_cut = True
    wait_until(lambda: one.shards == {})
    assert [gateway.expect_close().code for _ in ALL] == [4000] * 4
    assert one.health()["node"]["reached"] is one.health()["ok"] is False
    made = len(gateway.connections)
    other = make_manager(gateway, coordination=opened(), identify_gate=None)
    start(other)
    wait_until(lambda: running(other) == ALL)
    link.is_cut = False
    wait_until(lambda: len(running(one)) == len(running(other)) == 2)
    assert identifies(gateway) == 4
    assert len(gateway.connections) == made + 4 + 2, "each move is one connection"


@in_memory
def test_the_shards_of_a_process_that_dies_are_resumed(
    gateway: LocalGateway, opened: Open, make_manager: MakeManager
) -> None:
    """Its connections end without a close frame, and it asks and says nothing any more."""
    link = opened(dataclasses.replace(SHORT, rebalance=3600.0))
    dead = make_manager(gateway, coordination=link, identify_gate=None)
    other = make_manager(gateway, coordination=opened(), identify_gate=None)
    seen = Seen(dead, other)
    start_all(dead)
    start(other)
    with messages(gateway) as sent:
        wait_until(lambda: len(sent) > 20)
        link.passing.clear()
        gateway.drop()
        wait_until(lambda: running(other) == ALL)
    link.is_cut = True
    link.passing.set()
    seen.wait_for_all(sent)
    assert identifies(gateway) == 4


@in_memory
def test_a_shard_that_fails_goes_to_another_process(
    gateway: LocalGateway, make_process: MakeProcess, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = make_process(STAYING), make_process(STAYING)
    start_all(one)
    start(other)
    wait_until(lambda: other.health()["node"]["reached"])
    shard = one.shards[2]
    run = shard.lifecycle._run
    assert run is not None
    run.failed(ZeroDivisionError("made by the test"))
    wait_until(lambda: running(other) == [2])
    assert running(one) == [0, 1, 3]
    assert "shard 2 has ended; another process may run it now" in caplog.text
    assert (identifies(gateway), other.stats.resumes) == (4, 1)


@in_memory
def test_a_shard_that_fails_alone_is_tried_again_after_a_rest(
    make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.coordination.capacity.FIRST_REST", 0.3)
    manager = make_process()
    start_all(manager)
    failed = manager.shards[2]
    run = failed.lifecycle._run
    assert run is not None
    run.failed(ZeroDivisionError("made by the test"))
    wait_until(lambda: manager.shards.get(2, failed) is not failed)
    wait_until(lambda: running(manager) == ALL)
    assert manager.stats.resumes == 1


@in_memory
@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (4004, AuthenticationFailed, "the others would get the same error"),
        (4011, ShardingRequired, "Discord does not accept 4 shards: the number of shards changes with a deploy"),
    ],
)
def test_an_error_of_every_shard_ends_the_run(
    gateway: LocalGateway,
    make_process: MakeProcess,
    caplog: pytest.LogCaptureFixture,
    code: int,
    error: type[GatewayError],
    words: str,
) -> None:
    manager = make_process()
    start_all(manager)
    gateway.drop("close", code=code, shard=1)
    with pytest.raises(error):
        manager.wait_closed(TIMEOUT)
    assert words in caplog.text


# -- the right to connect ----------------------------------------------------------------------------------------------


@pytest.fixture
def make_shard(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Lifecycle]]:
    """Makes a shard that asks whether it may connect."""
    monkeypatch.setattr("vox_gateway.shard.supervisor.LOOK_AGAIN", 0.02)
    log, made = ShardLog((0, 1)), []

    def make(may_connect: Callable[[], bool]) -> Lifecycle:
        client = Client(token="t", url=gateway.url, identify_gate=IdentifyGate(interval=0))
        made.append(Lifecycle(dataclasses.replace(client._options, may_connect=may_connect), Emitter(log), log))
        return made[-1]

    yield make
    for lifecycle in made:
        lifecycle.close(1000, "", reconnect=False)


def waits(shard: Lifecycle) -> bool:
    return "waiting for the right to run this shard" in shard.explain().splitlines()[-1]


def test_a_shard_connects_only_while_it_may(gateway: LocalGateway, make_shard: Callable[..., Lifecycle]) -> None:
    allowed = threading.Event()
    shard = make_shard(allowed.is_set)
    shard.start()
    wait_until(lambda: waits(shard))
    assert gateway.connections == ()
    allowed.set()
    assert shard.wait_until_ready(TIMEOUT)
    allowed.clear()
    gateway.drop()
    wait_until(lambda: waits(shard))
    assert len(gateway.connections) == 1
    allowed.set()
    wait_until(lambda: shard.stats.resumes == 1)


def test_a_shard_whose_right_ends_while_it_connects_sends_nothing(
    gateway: LocalGateway, make_shard: Callable[..., Lifecycle]
) -> None:
    answers = iter([True, False, False])
    shard = make_shard(lambda: next(answers, True))
    shard.start()
    assert gateway.expect_close(timeout=TIMEOUT).code == 4000
    assert shard.wait_until_ready(TIMEOUT)
    assert "another process may run this shard (IDENTIFY was not sent)" in shard.explain()
    assert (len(gateway.connections), identifies(gateway)) == (2, 1)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"shards": "auto"}, ValueError, "shards must be a number with coordination=, .* not 'auto'"),
        ({"shards": ([0, 1], 4)}, ValueError, "shards must be a number with coordination="),
        ({"session_file": "."}, ValueError, "session_file must be None with coordination="),
        ({"identify_gate": IdentifyGate()}, ValueError, "identify_gate must be None with coordination="),
        ({"capacity": 0}, ValueError, "capacity must be"),
        ({"node_name": ""}, ValueError, "node_name must be a printable name"),
        ({"node_name": 7}, TypeError, "node_name must be a printable name"),
        ({"coordination": "http://x"}, ValueError, "not a URL that begins with 'http'"),
        ({"coordination": 7}, TypeError, "or a Coordination, not int"),
        ({"coordination": "sqlite:////no/such/folder/bot.db"}, CoordinationFailed, "folder /no/such/folder does not"),
        ({"coordination": None, "capacity": 3}, ValueError, "capacity and node_name are for a manager with"),
    ],
)
def test_arguments_that_are_refused(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    given = {"coordination": f"sqlite:///{tmp_path}/bot.db", "shards": 4, **options}
    with pytest.raises(error, match=message):
        ShardManager(token="t", **given)
    assert not (tmp_path / "bot.db").exists(), "nothing is opened before connect()"


def test_a_url_is_opened_by_connect_and_closed_with_the_run(
    gateway: LocalGateway, make_manager: MakeManager, tmp_path: Path
) -> None:
    manager = make_manager(gateway, coordination=f"sqlite:///{tmp_path}/bot.db", identify_gate=None, shards=1)
    for _ in range(2):
        start(manager)
        wait_until(lambda: running(manager) == [0])
        wait_until(lambda: manager.shards[0].handled.id is not None)
        manager.close()
        assert manager.wait_closed(TIMEOUT)
    assert (identifies(gateway), manager.stats.resumes) == (1, 1)
    (tmp_path / "bot.db").unlink()
    (tmp_path / "bot.db").mkdir()
    with pytest.raises(ValueError, match="must end with the name of a file"):
        manager.connect()


@in_memory
def test_calls_that_are_refused(gateway: LocalGateway, make_process: MakeProcess, make_manager: MakeManager) -> None:
    alone, manager = make_manager(gateway), make_process()
    with pytest.raises(RuntimeError, match="make the manager with coordination="):
        alone.drain()
    with pytest.raises(NotConnected):
        manager.drain()
    refused: queue.SimpleQueue[bool] = queue.SimpleQueue()

    @manager.on("MESSAGE_CREATE")
    def drain(message: Any) -> None:
        with pytest.raises(RuntimeError, match="a handler must not wait until the shards are handed over"):
            manager.drain()
        refused.put(manager.drain(timeout=0))

    start_all(manager)
    with pytest.raises(ReshardFailed, match="the number of shards changes with a deploy"):
        manager.reshard(8)
    gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(guild_id(0)), "nonce": 0})
    assert refused.get(timeout=TIMEOUT) is False
    assert manager.wait_closed(TIMEOUT)
