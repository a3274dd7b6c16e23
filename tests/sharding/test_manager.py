"""A manager with real sockets: every shard, and each of them."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from manager_helpers import MakeManager, guild_id
from support import in_background, wait_until

from vox_gateway import (
    AlreadyConnected,
    Arrival,
    AuthenticationFailed,
    Client,
    CommandTimeout,
    GuildState,
    InvalidShard,
    NotConnected,
    ReshardFailed,
    SavedSession,
    ShardManager,
    Status,
    StreamEnded,
    ThreadFailed,
)
from vox_gateway.testing import LocalGateway, guild

TIMEOUT = 10.0


def start(manager: ShardManager) -> ShardManager:
    manager.connect(async_=True)
    assert manager.wait_until_ready(TIMEOUT)
    return manager


def wait_until_handled(manager: ShardManager) -> None:
    """Wait until READY has reached the handlers of every shard: before that, close() gives a session up."""
    wait_until(lambda: all(shard.handled.id == shard.session.id for shard in manager.shards.values()))


def send(gateway: LocalGateway, shard: int, nonce: Any = 0) -> None:
    assert gateway.dispatch("MESSAGE_CREATE", {"guild_id": str(guild_id(shard)), "nonce": nonce}) == 1


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"workers": 2}], ids=["dispatcher", "workers"])
def test_handlers_get_the_events_of_every_shard_and_know_which(
    gateway: LocalGateway, make_manager: MakeManager, options: dict[str, Any]
) -> None:
    manager = make_manager(gateway, **options)
    seen: queue.SimpleQueue[tuple[int, int | None]] = queue.SimpleQueue()
    ready: list[int | None] = []
    manager.on("READY", lambda data: ready.append(manager.current_shard))
    manager.on("MESSAGE_CREATE", lambda message: seen.put((message["nonce"], manager.current_shard)))
    start(manager)
    for shard in range(4):
        send(gateway, shard, shard)
    assert {seen.get(timeout=TIMEOUT) for _ in range(4)} == {(shard, shard) for shard in range(4)}
    wait_until(lambda: sorted(ready, key=str) == [0, 1, 2, 3])  # another worker's, with two
    assert manager.current_shard is None
    assert manager.stats.identifies == 4


def test_dispatchers_handle_events_of_different_shards_at_the_same_time(
    gateway: LocalGateway, make_manager: MakeManager
) -> None:
    manager = make_manager(gateway, dispatchers=2)
    both = threading.Barrier(2)
    seen: queue.SimpleQueue[tuple[int | None, str]] = queue.SimpleQueue()

    @manager.on("MESSAGE_CREATE")
    def meet(message: Any) -> None:
        both.wait(TIMEOUT)  # returns once handlers of two shards are here
        seen.put((manager.current_shard, threading.current_thread().name))

    with manager.stream("MESSAGE_CREATE") as events:
        start(manager)
        for shard in range(4):
            send(gateway, shard, shard)
        threads = dict(seen.get(timeout=TIMEOUT) for _ in range(4))
        assert {events.get(TIMEOUT).data["nonce"] for _ in range(4)} == set(range(4))
    names = [f"vox_gateway-shards-dispatcher-{number}" for number in range(2)]
    assert threads == {0: names[0], 1: names[1], 2: names[0], 3: names[1]}
    with pytest.raises(ReshardFailed, match="dispatchers=2"):
        manager.reshard(2)
    manager.close()
    assert not [thread.name for thread in threading.enumerate() if "dispatcher" in thread.name]


def test_dispatchers_share_out_the_shards_that_run_here(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway, shards=((0, 2), 4), dispatchers=2)
    threads: queue.SimpleQueue[str] = queue.SimpleQueue()
    manager.on("MESSAGE_CREATE", lambda message: threads.put(threading.current_thread().name))
    start(manager)
    for shard in (0, 2):
        send(gateway, shard)
    assert len({threads.get(timeout=TIMEOUT) for _ in range(2)}) == 2


def test_a_handler_on_any_dispatcher_must_not_wait_for_events(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway, dispatchers=4)
    refused: queue.SimpleQueue[Exception] = queue.SimpleQueue()

    @manager.on("MESSAGE_CREATE")
    def wait(message: Any) -> None:
        try:
            manager.wait_for("NEVER", timeout=TIMEOUT)
        except RuntimeError as error:
            refused.put(error)

    start(manager)
    for shard in range(4):
        send(gateway, shard)
    assert {"must not wait" in str(refused.get(timeout=TIMEOUT)) for _ in range(4)} == {True}


def test_with_caller_handlers_run_on_the_thread_that_asks(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway, handlers="caller")
    seen: list[tuple[int | None, threading.Thread]] = []
    manager.on("MESSAGE_CREATE", lambda message: seen.append((manager.current_shard, threading.current_thread())))
    start(manager)
    for shard in (3, 1):
        send(gateway, shard)
    while len(seen) < 2:
        manager.dispatch_pending(timeout=TIMEOUT)
    assert {shard for shard, _ in seen} == {1, 3}
    assert {thread for _, thread in seen} == {threading.current_thread()}
    assert manager.current_shard is None


def test_a_stream_has_the_events_of_every_shard(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    with manager.stream("MESSAGE_CREATE") as events:
        start(manager)
        for shard in range(4):
            send(gateway, shard, shard)
        taken = [events.get(TIMEOUT) for _ in range(4)]
        assert {(event.shard, event.data["nonce"]) for event in taken} == {(shard, shard) for shard in range(4)}
        manager.close()
        with pytest.raises(StreamEnded):
            events.get(TIMEOUT)


def test_guilds_are_those_of_every_shard(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    assert len(manager.guilds) == 0
    joined: queue.SimpleQueue[Arrival | None] = queue.SimpleQueue()
    start(manager)
    assert manager.wait_until_guilds(TIMEOUT)
    manager.on("GUILD_CREATE", lambda guild: joined.put(manager.guilds.arrival(guild)))
    assert dict(manager.guilds) == {str(guild_id(shard)): GuildState.AVAILABLE for shard in range(4)}
    assert list(manager.shards[2].guilds) == [str(guild_id(2))]
    gateway.dispatch("GUILD_CREATE", guild(guild_id(1, 1)))
    assert joined.get(timeout=TIMEOUT) is Arrival.JOINED


def test_wait_for_hears_every_shard(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    with pytest.raises(NotConnected):
        manager.wait_for("MESSAGE_CREATE", timeout=0)
    start(manager)
    waiting = in_background(lambda: manager.wait_for("MESSAGE_CREATE", lambda data: data["nonce"] == "yes", TIMEOUT))
    wait_until(lambda: all("MESSAGE_CREATE" in table.table for table in manager._lifecycle.subscribers.tables))
    send(gateway, 1, "no")
    send(gateway, 2, "yes")
    assert waiting.result(TIMEOUT)["guild_id"] == str(guild_id(2))


def test_a_failing_handler_is_logged_with_its_shard(
    gateway: LocalGateway, make_manager: MakeManager, caplog: pytest.LogCaptureFixture
) -> None:
    manager = make_manager(gateway)
    errors: queue.SimpleQueue[tuple[str, int | None]] = queue.SimpleQueue()
    manager.on("MESSAGE_CREATE", lambda message: message["absent"])
    manager.on("error", lambda error, event: errors.put((event, manager.current_shard)))
    start(manager)
    send(gateway, 2)
    assert errors.get(timeout=TIMEOUT) == ("MESSAGE_CREATE", 2)
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.shard == "2/4"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("little_jitter")
def test_a_blocked_handler_delays_no_heartbeat_and_no_reading(make_manager: MakeManager) -> None:
    with LocalGateway(identify_interval=0, heartbeat_interval=0.5, guilds=[]) as gateway:
        manager = make_manager(gateway, shards=2)
        blocked, leave = threading.Event(), threading.Event()

        @manager.on("MESSAGE_CREATE")
        def block(message: Any) -> None:
            blocked.set()
            leave.wait(TIMEOUT)

        start(manager)
        assert gateway.dispatch("MESSAGE_CREATE", {}, shard=0)
        assert blocked.wait(TIMEOUT)
        beats = [manager.shards[shard].stats.beats for shard in range(2)]
        assert gateway.dispatch("MESSAGE_CREATE", {}, shard=1)
        wait_until(lambda: manager.shards[1].stats.events_waiting == 1)
        wait_until(lambda: all(manager.shards[shard].stats.beats > beats[shard] + 1 for shard in range(2)))
        assert manager.status is Status.READY
        assert manager.shards[0].health()["handler"] == "MESSAGE_CREATE"
        assert manager.shards[1].health()["handler"] is None
        leave.set()


# -- commands ----------------------------------------------------------------------------------------------------------


def test_commands_go_to_the_shard_of_their_guild(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    with pytest.raises(NotConnected):
        manager.voice_state_update(guild_id(3), None)
    start(manager)
    assert manager.shard_of(guild_id(3)) == 3
    manager.voice_state_update(guild_id(3), None, timeout=TIMEOUT)
    assert gateway.expect("VOICE_STATE_UPDATE", shard=3).data["guild_id"] == str(guild_id(3))
    manager.request_soundboard_sounds([guild_id(1), guild_id(2), guild_id(2, 1)], timeout=TIMEOUT)
    sent = [gateway.expect("REQUEST_SOUNDBOARD_SOUNDS", shard=shard).data["guild_ids"] for shard in (1, 2)]
    assert sent == [[str(guild_id(1))], [str(guild_id(2)), str(guild_id(2, 1))]]
    with pytest.raises(ValueError, match="VOICE_STATE_UPDATE needs a guild_id"):
        manager.send_packet("VOICE_STATE_UPDATE", {})
    manager.shards[2].send_packet("VOICE_STATE_UPDATE", {"guild_id": str(guild_id(2)), "channel_id": None})
    assert gateway.expect("VOICE_STATE_UPDATE").shard == 2


@pytest.mark.parametrize(
    ("guild_ids", "error", "message"),
    [
        ("123", TypeError, "guild_ids must be a list, not '123'"),
        (5, TypeError, "guild_ids must be a list, not 5"),
        (None, TypeError, "guild_ids must be a list, not None"),
        ([], ValueError, "guild_ids must hold at least one guild's id"),
        ([guild_id(0), "x"], ValueError, "guild_ids must be an id"),
    ],
)
def test_guilds_that_are_not_a_list_of_ids_are_refused(
    gateway: LocalGateway, make_manager: MakeManager, guild_ids: Any, error: type[Exception], message: str
) -> None:
    manager = start(make_manager(gateway))
    with pytest.raises(error, match=message):
        manager.send_packet("REQUEST_SOUNDBOARD_SOUNDS", {"guild_ids": guild_ids}, timeout=TIMEOUT)
    with pytest.raises(error, match=message):
        manager.fetch_soundboard_sounds(guild_ids, timeout=TIMEOUT)
    assert "REQUEST_SOUNDBOARD_SOUNDS" not in [received.name for received in gateway.received]


def test_requests_are_answered_by_the_shard_of_their_guild(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = start(make_manager(gateway))
    assert len(manager.fetch_guild_members(guild_id(2), timeout=TIMEOUT)) == len(gateway.guilds[2]["members"])
    sounds = manager.fetch_soundboard_sounds([guild_id(3), str(guild_id(0))], timeout=TIMEOUT)
    assert [[sound["sound_id"] for sound in found] for found in sounds.values()] == [["3"], ["0"]]
    assert list(sounds) == [guild_id(3), str(guild_id(0))]
    assert manager.fetch_channel_info(guild_id(1), ["status"], timeout=TIMEOUT) == []


def test_a_presence_goes_to_all_shards_or_to_some(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = start(make_manager(gateway))
    manager.presence_update(status="idle")
    assert {gateway.expect("PRESENCE_UPDATE").shard for _ in range(4)} == {0, 1, 2, 3}
    manager.presence_update(status="dnd", shards=[2])
    assert gateway.expect("PRESENCE_UPDATE").shard == 2
    with pytest.raises(ValueError, match="shards must hold ids of shards that run here, not 4"):
        manager.presence_update(status="dnd", shards=[4])
    with pytest.raises(TypeError, match="shards must be a list of shard ids or None, not 1"):
        manager.presence_update(status="dnd", shards=1)  # type: ignore[arg-type]


# -- the number of shards ----------------------------------------------------------------------------------------------


def test_auto_runs_as_many_shards_as_discord_recommends(make_manager: MakeManager) -> None:
    with LocalGateway(identify_interval=60, max_concurrency=3, shards=3, guilds=[]) as gateway:
        manager = make_manager(gateway, shards="auto", url=None, identify_gate=None)
        assert manager.shards == {}
        with pytest.raises(NotConnected, match="Discord has not been asked for the number of shards"):
            manager.shard_of(1)
        assert not manager.health()["ok"]
        start(manager)
        assert list(manager.shards) == [0, 1, 2]
        assert [request.path for request in gateway.http.requests] == ["/gateway/bot"]
        assert "shards=3/3 ready=3" in repr(manager)


@pytest.mark.parametrize("shards", [4, "auto"])
def test_discord_is_asked_once_for_all_shards_of_a_run(make_manager: MakeManager, shards: Any) -> None:
    with LocalGateway(identify_interval=0, shards=4, guilds=[]) as gateway:
        manager = make_manager(gateway, shards=shards, url=None)
        for runs in (1, 2):
            start(manager)
            assert [request.path for request in gateway.http.requests] == ["/gateway/bot"] * runs
            manager.close()


def test_an_error_of_ours_while_discord_is_asked_ends_the_manager(
    gateway: LocalGateway, make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr("vox_gateway.sharding.asking.ask_gateway_bot", fail)
    with pytest.raises(ThreadFailed, match="a mistake"):
        make_manager(gateway, shards="auto").connect()


@pytest.mark.usefixtures("little_jitter")
def test_auto_asks_again_until_there_is_an_answer(gateway: LocalGateway, make_manager: MakeManager) -> None:
    gateway.faults.refuse_request(500)
    manager = start(make_manager(gateway, shards="auto"))
    assert list(manager.shards) == [0]
    assert len(gateway.http.requests) == 2


def test_a_part_of_the_shards(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = start(make_manager(gateway, shards=([1, 3], 4)))
    assert {session.shard for session in gateway.sessions} == {(1, 4), (3, 4)}
    with pytest.raises(ValueError, match="which this process does not run"):
        manager.voice_state_update(guild_id(0), None)


def test_a_shard_has_two_threads(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway, shards=8)
    before = set(threading.enumerate())
    start(manager)
    names = [thread.name for thread in set(threading.enumerate()) - before]
    assert sum(name.endswith(("-reader", "-reconnect")) for name in names) == 16
    shared = {name for name in names if not name.endswith(("-reader", "-reconnect"))}
    threads = ("", "-dispatcher", "-heartbeat", "-standby", "-timers")
    assert shared <= {f"vox_gateway-shards{thread}" for thread in threads}


def test_shards_identify_in_the_order_of_their_ids(gateway: LocalGateway, make_manager: MakeManager) -> None:
    start(make_manager(gateway, shards=8))
    identifies = [received.data["shard"][0] for received in gateway.received if received.name == "IDENTIFY"]
    assert identifies == list(range(8))


# -- failures ----------------------------------------------------------------------------------------------------------


def test_a_shard_that_fails_stops_no_other(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway, shards=([0, 1, 2], 4))
    errors: queue.SimpleQueue[tuple[type, int | None]] = queue.SimpleQueue()
    manager.on("error", lambda error, event: errors.put((type(error), manager.current_shard)))
    start(manager)
    assert manager.health()["ok"]
    gateway.drop("close", code=4010, shard=1)
    assert errors.get(timeout=TIMEOUT) == (InvalidShard, 1)
    wait_until(lambda: manager.shards[1].status is Status.CLOSED)
    assert manager.status is Status.READY
    assert not manager.health()["ok"]
    assert "3 of 4 shards: 1 closed, 2 ready" in manager.explain()
    assert not manager.wait_until_ready(TIMEOUT)
    with contextlib.closing(manager.stream("MESSAGE_CREATE")) as events:
        send(gateway, 2)
        assert events.get(TIMEOUT).shard == 2
    manager.close()
    with pytest.raises(InvalidShard):
        manager.wait_closed(TIMEOUT)


def test_a_refused_token_ends_all_shards(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    with LocalGateway(token="another") as other:
        manager = make_manager(other)
        with pytest.raises(AuthenticationFailed):
            manager.connect()
        assert manager.status is Status.CLOSED


@pytest.mark.usefixtures("little_jitter")
def test_a_shard_reconnects_by_itself(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = start(make_manager(gateway))
    gateway.drop(shard=2)
    wait_until(lambda: manager.stats.resumes == 1)
    manager.shards[3].reconnect()
    wait_until(lambda: manager.shards[3].stats.resumes == 1)
    assert manager.stats.identifies == 4


# -- closing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"workers": 1}, {"handlers": "caller"}], ids=["thread", "workers", "caller"])
def test_a_handler_closes_all_shards(gateway: LocalGateway, make_manager: MakeManager, options: dict[str, Any]) -> None:
    manager = make_manager(gateway, **options)
    manager.on("MESSAGE_CREATE", lambda message: manager.close())
    connected = in_background(manager.connect)
    assert manager.wait_until_ready(TIMEOUT)
    send(gateway, 0)
    connected.result(TIMEOUT)
    assert manager.status is Status.CLOSED
    assert manager.wait_closed(0)
    assert {gateway.expect_close().code for _ in range(4)} == {1000}
    assert gateway.sessions == ()


def test_close_leaves_a_handler_that_hangs_behind(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    blocked, leave = threading.Event(), threading.Event()

    @manager.on("MESSAGE_CREATE")
    def block(message: Any) -> None:
        blocked.set()
        leave.wait(TIMEOUT)

    start(manager)
    send(gateway, 0)
    assert blocked.wait(TIMEOUT)
    manager.close()
    assert manager.wait_closed(TIMEOUT)
    assert {gateway.expect_close().code for _ in range(4)} == {1000}
    leave.set()


def test_sessions_are_resumed_by_the_next_connect(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = start(make_manager(gateway))
    with pytest.raises(AlreadyConnected):
        manager.connect(async_=True)
    wait_until_handled(manager)
    manager.close(resumable=True)
    with pytest.raises(NotConnected):
        manager.presence_update(status="dnd")
    start(manager)
    assert (manager.stats.identifies, manager.stats.resumes) == (4, 4)


def test_sessions_are_kept_in_files(gateway: LocalGateway, make_manager: MakeManager, tmp_path: Path) -> None:
    with make_manager(gateway, session_file=tmp_path) as manager:
        assert manager.wait_until_ready(TIMEOUT)
        wait_until_handled(manager)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [f"shard-{shard}-of-4.json" for shard in range(4)]
    with make_manager(gateway, session_file=tmp_path / "shard-{shard}-of-{total}.json") as manager:
        assert manager.wait_until_ready(TIMEOUT)
        assert (manager.stats.identifies, manager.stats.resumes) == (0, 4)
        other = make_manager(gateway, session_file=tmp_path)
        with pytest.raises(AlreadyConnected):
            other.connect()


def test_session_files_are_in_a_folder_that_exists(make_manager: MakeManager, gateway: LocalGateway) -> None:
    with pytest.raises(ValueError, match="must be a folder that exists"):
        make_manager(gateway, session_file="/nowhere/at/all")


def test_a_function_makes_the_session_stores(gateway: LocalGateway, make_manager: MakeManager) -> None:
    class Store:
        def __init__(self) -> None:
            self.saved: SavedSession | None = None

        def load(self) -> SavedSession | None:
            return self.saved

        def save(self, session: SavedSession) -> None:
            self.saved = session

        def clear(self) -> None:
            self.saved = None

    stores = {(shard, 4): Store() for shard in range(4)}
    for identifies in (4, 0):
        with make_manager(gateway, session_file=lambda shard, total: stores[shard, total]) as manager:
            assert manager.wait_until_ready(TIMEOUT)
            wait_until_handled(manager)
            assert manager.stats.identifies == identifies


class SlowStore:
    """A store that holds up the start of a shard until `loaded` is set."""

    def __init__(self, loaded: threading.Event) -> None:
        self._loaded = loaded

    def load(self) -> SavedSession | None:
        self._loaded.wait(TIMEOUT)
        return None

    def save(self, session: SavedSession) -> None:
        pass

    def clear(self) -> None:
        pass


def test_commands_wait_until_the_shards_are_started(gateway: LocalGateway, make_manager: MakeManager) -> None:
    loaded = threading.Event()
    manager = make_manager(gateway, session_file=lambda shard, total: SlowStore(loaded))
    here = guild_id(0)
    manager.connect(async_=True)
    with pytest.raises(CommandTimeout, match=r"shards were not started within timeout=0\.05"):
        manager.voice_state_update(here, None, timeout=0.05)
    with pytest.raises(CommandTimeout, match=r"shards were not started within timeout=0\.05"):
        manager.fetch_guild_members(here, timeout=0.05)
    sent = in_background(lambda: manager.voice_state_update(here, None))
    fetched = in_background(lambda: list(manager.fetch_guild_members(here, timeout=TIMEOUT)))
    loaded.set()
    sent.result(TIMEOUT)
    assert fetched.result(TIMEOUT)


def test_a_wait_for_a_next_run_does_not_end_before_its_shards_are_started(
    gateway: LocalGateway, make_manager: MakeManager
) -> None:
    loaded = threading.Event()
    manager = make_manager(gateway, session_file=lambda shard, total: SlowStore(loaded))
    loaded.set()
    start(manager)
    manager.close()
    loaded.clear()
    manager.connect(async_=True)
    loading = threading.Timer(0.1, loaded.set)
    loading.start()
    assert manager.wait_until_ready(TIMEOUT)
    loading.join()


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")
def test_a_forked_child_connects_by_itself(gateway: LocalGateway) -> None:
    program = f"""if True:
        import os
        from vox_gateway import IdentifyGate, NotConnected, ShardManager
        manager = ShardManager(token="any", url={gateway.url!r}, shards=2, identify_gate=IdentifyGate(interval=0))
        manager.connect(async_=True)
        assert manager.wait_until_ready(10)
        if os.fork():
            os.wait()
            print("parent", manager.status)
        else:
            assert not manager.wait_until_ready(10)
            try:
                manager.presence_update(status="dnd")
            except NotConnected:
                print("child", manager.status, flush=True)
            manager.connect(async_=True)
            assert manager.wait_until_ready(10)
            manager.close()
            print("child", manager.stats.identifies, manager.status, flush=True)
        """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["child closed", "child 2 closed", "parent ready"], done.stderr
    assert [gateway.expect_close().code for _ in range(4)] == [1000] * 4, "the parent ends without close()"


# -- the face ----------------------------------------------------------------------------------------------------------


def test_a_manager_takes_the_arguments_of_a_client() -> None:
    def arguments(kind: type[Client]) -> dict[str, Any]:
        found = dict(inspect.signature(kind).parameters)
        for other in ("shard", "shards", "dispatchers", "session_file", "coordination", "capacity", "node_name"):
            found.pop(other, None)
        return found

    assert arguments(ShardManager) == arguments(Client)


def test_a_session_is_a_shard_s(make_manager: MakeManager, gateway: LocalGateway) -> None:
    manager = start(make_manager(gateway))
    for name in ("session", "handled", "latencies"):
        with pytest.raises(AttributeError, match=f"manager.shards\\[shard_id\\].{name}"):
            getattr(manager, name)
        assert getattr(manager.shards[1], name) is not None
    assert "shard=1/4 ready" in repr(manager.shards[1])
    assert "now: connected" in manager.shards[1].explain()


def test_shards_beyond_the_session_starts_wait_and_say_until_when(
    make_manager: MakeManager, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalGateway(identify_interval=0, session_starts_remaining=5, shards=8, guilds=[]) as gateway:
        manager = make_manager(gateway, shards="auto")
        manager.connect(async_=True)
        late = [f"shard {shard}/8: waiting for session starts to return, " for shard in (5, 6, 7)]
        wait_until(lambda: all(line in manager.explain() for line in late))
        wait_until(
            lambda: [shard.status is Status.READY for shard in manager.shards.values()] == [True] * 5 + [False] * 3
        )
        assert manager.status is Status.WAITING
        assert gateway.session_starts_remaining == 0
        assert sum(received.name == "IDENTIFY" for received in gateway.received) == 5

        def warned() -> list[str]:
            return [line for line in caplog.messages if "no session starts remain" in line]

        wait_until(lambda: len(warned()) == 3)  # after `explain` says so
        manager.close()
    assert len(warned()) == 3
    assert all("IDENTIFY is refused for 86" in line and "until 20" in line for line in warned())
