"""Another number of shards without missing an event, over real sockets."""

from __future__ import annotations

import itertools
import queue
import threading
from pathlib import Path
from typing import Any

import pytest
from manager_helpers import MakeManager, guild_id
from support import in_background, wait_until

from vox_gateway import (
    AuthenticationFailed,
    GuildState,
    InvalidShard,
    NotConnected,
    ReshardFailed,
    ShardManager,
    Status,
)
from vox_gateway.testing import LocalGateway, guild

TIMEOUT = 10.0
#: seconds of overlap where no events come
OVERLAP = 0.05
#: the same where they do: a busy machine reads an event of the old shards late, and closes them after the overlap
LONG_OVERLAP = 0.5
#: messages that a guild sends before the first of them has arrived, at most
AHEAD = 20


def start(manager: ShardManager) -> ShardManager:
    manager.connect(async_=True)
    assert manager.wait_until_ready(TIMEOUT)
    return manager


@pytest.mark.parametrize("options", [{}, {"workers": 3}, {"handlers": "caller"}], ids=["thread", "workers", "caller"])
def test_each_event_arrives_once_and_in_order(
    gateway: LocalGateway, make_manager: MakeManager, options: dict[str, Any]
) -> None:
    """4 shards to 8 to 4, while a guild of each of 24 shards sends one message after the other."""
    manager = make_manager(gateway, **options)
    seen: dict[str, list[int]] = {str(guild_id(0, number, 1)): [] for number in range(24)}
    done, over = threading.Event(), threading.Event()
    streamed = manager.stream("MESSAGE_CREATE", maxsize=0)

    @manager.on("MESSAGE_CREATE")
    def note(message: Any) -> None:
        seen[message["guild_id"]].append(message["nonce"])

    def send() -> int:
        sent = 0
        while not done.is_set():
            for where in seen:
                gateway.dispatch("MESSAGE_CREATE", {"guild_id": where, "nonce": sent})
            sent += 1
            while not done.wait(0.002) and min(map(len, seen.values())) < sent - AHEAD:
                pass
        return sent

    def pump() -> None:
        while not over.is_set():
            manager.dispatch_pending(timeout=0.05)

    start(manager)
    pumping = in_background(pump) if options.get("handlers") == "caller" else None
    sending = in_background(send)
    wait_until(lambda: all(len(nonces) > 3 for nonces in seen.values()))
    for total in (8, 4):
        manager.reshard(total, overlap=LONG_OVERLAP, timeout=TIMEOUT)
        assert list(manager.shards) == list(range(total))
        assert {session.shard[1] for session in gateway.sessions} == {total}
        before = {guild: len(nonces) for guild, nonces in seen.items()}
        wait_until(lambda before=before: all(len(seen[guild]) > before[guild] + 3 for guild in seen))
    done.set()
    sent = sending.result(TIMEOUT)
    wait_until(lambda: all(len(nonces) >= sent for nonces in seen.values()))
    over.set()
    if pumping is not None:
        pumping.result(TIMEOUT)
    assert all(nonces == list(range(sent)) for nonces in seen.values())
    assert len(streamed) == 24 * sent
    assert manager.stats.identifies == 4 + 8 + 4


def test_more_events_than_are_handled_do_not_keep_the_old_shards(
    gateway: LocalGateway, make_manager: MakeManager
) -> None:
    """From the switch on, the event queues of the old shards are never empty."""
    manager = make_manager(gateway, backlog=20)
    switched, flooded, over = threading.Event(), threading.Event(), threading.Event()

    @manager.on("MESSAGE_CREATE")
    def handle(message: Any) -> None:
        switched.set()
        flooded.wait(TIMEOUT)
        over.wait(0.002)

    def flood() -> None:
        switched.wait(TIMEOUT)
        for number in itertools.count():
            if over.is_set():
                break
            gateway.dispatch("MESSAGE_CREATE", {}, shard=number % 8)
            if number == 1000:
                flooded.set()

    start(manager)
    flooding = in_background(flood)
    changing = in_background(lambda: manager.reshard(8, overlap=0.2))
    try:
        # Held back until the switch, since no old shard gets it.
        wait_until(lambda: gateway.dispatch("MESSAGE_CREATE", {}, shard=7))
        changing.result(TIMEOUT)
    finally:
        over.set()
        flooding.result(TIMEOUT)
    assert {session.shard[1] for session in gateway.sessions} == {8}


def test_what_begins_a_session_does_not_come_again(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    came: queue.SimpleQueue[tuple[str, int | None]] = queue.SimpleQueue()
    manager.on("READY", lambda data: came.put(("READY", manager.current_shard)))
    manager.on("GUILD_CREATE", lambda data: came.put(("GUILD_CREATE", manager.current_shard)))
    start(manager)
    assert {came.get(timeout=TIMEOUT) for _ in range(8)} == {
        (name, shard) for name in ("READY", "GUILD_CREATE") for shard in range(4)
    }
    manager.reshard(2, overlap=OVERLAP)
    assert {came.get(timeout=TIMEOUT) for _ in range(2)} == {("READY", 0), ("READY", 1)}
    assert manager.wait_until_guilds(TIMEOUT)
    assert dict(manager.guilds) == {str(guild_id(shard)): GuildState.AVAILABLE for shard in range(4)}
    assert gateway.dispatch("GUILD_CREATE", guild(guild_id(1, 7))) == 1
    assert came.get(timeout=TIMEOUT) == ("GUILD_CREATE", 1)


def test_commands_go_to_the_new_shards(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = start(make_manager(gateway))
    manager.presence_update(status="idle")
    manager.reshard(2, overlap=OVERLAP)
    assert manager.shard_of(guild_id(3)) == 1
    identify = [received for received in gateway.received if received.name == "IDENTIFY"][-1]
    assert identify.data["presence"]["status"] == "idle"
    manager.voice_state_update(guild_id(3), None, timeout=TIMEOUT)
    assert gateway.expect("VOICE_STATE_UPDATE", shard=1).data["guild_id"] == str(guild_id(3))
    assert [gateway.expect_close().code for _ in range(4)] == [1000] * 4


def test_a_new_shard_that_is_refused_leaves_all_as_it_was(gateway: LocalGateway, make_manager: MakeManager) -> None:
    with LocalGateway(identify_interval=0, shard_multiple=2, guilds=[]) as strict:
        manager = start(make_manager(strict))
        with pytest.raises(ReshardFailed, match=r"shard \d of 5 has ended: .*4010"):
            manager.reshard(5, overlap=OVERLAP)
        assert manager.status is Status.READY
        assert list(manager.shards) == [0, 1, 2, 3]
        with manager.stream("MESSAGE_CREATE") as events:
            strict.dispatch("MESSAGE_CREATE", {}, shard=3)
            assert events.get(TIMEOUT).shard == 3
        manager.reshard(6, overlap=OVERLAP)
        assert manager.wait_until_ready(TIMEOUT)


def test_more_shards_than_session_starts_are_refused(make_manager: MakeManager) -> None:
    with LocalGateway(identify_interval=0, session_starts_remaining=9, shards=4, guilds=[]) as gateway:
        manager = start(make_manager(gateway, shards="auto"))
        with pytest.raises(ReshardFailed, match="6 shards need as many session starts, and 5 remain"):
            manager.reshard(6)
        assert gateway.session_starts_remaining == 5


@pytest.mark.usefixtures("little_jitter")
def test_a_change_waits_until_the_shards_are_started(gateway: LocalGateway, make_manager: MakeManager) -> None:
    gateway.faults.refuse_request(503, times=None)
    manager = make_manager(gateway, url=None)
    manager.connect(async_=True)
    wait_until(lambda: gateway.http.requests)
    with pytest.raises(ReshardFailed, match=r"not started within timeout=0\.1 seconds"):
        in_background(lambda: manager.reshard(2, timeout=0.1)).result(TIMEOUT)
    changing = in_background(lambda: manager.reshard(2, overlap=OVERLAP))
    gateway.faults.clear()
    changing.result(TIMEOUT)
    assert list(manager.shards) == [0, 1]


def test_close_ends_a_change_before_the_shards_are_started(gateway: LocalGateway, make_manager: MakeManager) -> None:
    gateway.faults.refuse_request(503, times=None)
    manager = make_manager(gateway, shards="auto")
    manager.connect(async_=True)
    changing = in_background(lambda: manager.reshard(2))
    wait_until(lambda: gateway.http.requests)
    manager.close()
    with pytest.raises(NotConnected):
        changing.result(TIMEOUT)


def test_a_change_for_which_discord_does_not_answer_ends_in_time(
    gateway: LocalGateway, make_manager: MakeManager
) -> None:
    manager = start(make_manager(gateway, shards="auto"))
    gateway.faults.refuse_request(503, times=None)
    changing = in_background(lambda: manager.reshard(2, timeout=0.1))
    with pytest.raises(ReshardFailed, match="Discord did not say within timeout how many session starts remain"):
        changing.result(TIMEOUT)
    gateway.faults.clear()
    gateway.faults.refuse_request(401)
    with pytest.raises(AuthenticationFailed):
        manager.reshard(2)
    manager.reshard(2, overlap=OVERLAP)
    manager.close()
    assert manager.wait_closed(TIMEOUT), "no error is left"


def test_a_change_while_another_number_is_asked_for_is_refused(make_manager: MakeManager) -> None:
    with LocalGateway(identify_interval=0, shards=2, shard_multiple=2, guilds=[]) as gateway:
        gateway.faults.refuse_request(503, times=None)
        manager = make_manager(gateway, shards=1)
        manager.connect(async_=True)
        wait_until(lambda: gateway.http.requests)
        changing = in_background(lambda: manager.reshard(4))
        with pytest.raises(ReshardFailed, match="another change of the number of shards is under way"):
            changing.result(TIMEOUT)
        gateway.faults.clear()
        gateway.faults.refuse_request(401)
        with pytest.raises(InvalidShard):
            manager.wait_closed(TIMEOUT)


def test_session_files_without_the_number_of_shards_are_refused(
    gateway: LocalGateway, make_manager: MakeManager, tmp_path: Path
) -> None:
    manager = start(make_manager(gateway, session_file=tmp_path / "{shard}.json"))
    with pytest.raises(ReshardFailed, match=r"put {total} into session_file='.*/{shard}\.json'"):
        manager.reshard(2, overlap=OVERLAP)
    with pytest.raises(ReshardFailed, match="4 shards run already"):
        manager.reshard(4, overlap=OVERLAP)
    assert manager.stats.identifies == 4, "no shard was started"
    manager.close()
    manager = start(make_manager(gateway, session_file=tmp_path / "{shard}-{total}.json"))
    manager.reshard(2, overlap=OVERLAP)


@pytest.mark.parametrize("error", [OSError("made by the test"), KeyError("made by the test")])
def test_an_error_of_the_function_for_session_stores_leaves_all_as_it_was(
    gateway: LocalGateway, make_manager: MakeManager, error: Exception
) -> None:
    def store(shard: int, total: int) -> None:
        if total == 2:
            raise error

    manager = start(make_manager(gateway, session_file=store))
    with pytest.raises(type(error), match="made by the test"):
        in_background(lambda: manager.reshard(2)).result(TIMEOUT)
    assert manager.status is Status.READY


def test_a_handler_that_holds_up_events_ends_the_wait(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = make_manager(gateway)
    blocked, leave = threading.Event(), threading.Event()
    refused: list[BaseException] = []

    @manager.on("MESSAGE_CREATE")
    def block(message: Any) -> None:
        try:
            manager.reshard(2)
        except RuntimeError as error:
            refused.append(error)
        blocked.set()
        leave.wait(TIMEOUT)

    start(manager)
    gateway.dispatch("MESSAGE_CREATE", {})
    assert blocked.wait(TIMEOUT)
    assert "a handler must not wait for new shards" in str(refused[0])
    with pytest.raises(ReshardFailed, match="within timeout"):
        manager.reshard(2, overlap=OVERLAP, timeout=0.3)
    leave.set()
    manager.reshard(2, overlap=OVERLAP)


def test_only_a_manager_that_runs_all_shards_changes_their_number(
    gateway: LocalGateway, make_manager: MakeManager
) -> None:
    part = make_manager(gateway, shards=([0, 1], 4))
    with pytest.raises(NotConnected):
        part.reshard(2)
    start(part)
    with pytest.raises(ReshardFailed, match="this process runs a part of the shards"):
        part.reshard(2)


@pytest.mark.parametrize(
    ("shards", "error", "message"),
    [
        (0, ValueError, "shards must be from 1 to 100000, not 0"),
        (81384788862181376, ValueError, "shards must be from 1 to 100000, not 81384788862181376"),
        ("auto", TypeError, "shards must be a number of shards, not 'auto'"),
        (True, TypeError, "shards must be a number of shards, not True"),
    ],
)
def test_a_number_that_cannot_be_used_is_refused_at_once(
    make_manager: MakeManager, gateway: LocalGateway, shards: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_manager(gateway).reshard(shards)


def test_close_ends_a_change_that_is_under_way(gateway: LocalGateway, make_manager: MakeManager) -> None:
    manager = start(make_manager(gateway))
    changing = in_background(lambda: manager.reshard(2, overlap=60))
    gateway.wait_connected(6, TIMEOUT)
    manager.close()
    with pytest.raises((ReshardFailed, NotConnected)):
        changing.result(TIMEOUT)
    assert manager.wait_closed(TIMEOUT)


@pytest.mark.parametrize("argument", [{"shard_multiple": 4}, {"max_guilds_per_shard": 2}])
def test_a_number_that_discord_does_not_accept_is_changed(make_manager: MakeManager, argument: dict[str, int]) -> None:
    guilds = [guild(guild_id(shard)) for shard in range(4)]
    with LocalGateway(identify_interval=0, shards=4, guilds=guilds, **argument) as gateway:
        manager = make_manager(gateway, shards=1)
        manager.connect(async_=True)
        wait_until(lambda: len(manager.shards) == 4 and manager.status is Status.READY)
        assert {session.shard for session in gateway.sessions} == {(shard, 4) for shard in range(4)}
        manager.close()
        assert manager.wait_closed(TIMEOUT)


def test_a_number_that_discord_recommends_and_refuses_ends_the_manager(make_manager: MakeManager) -> None:
    with LocalGateway(identify_interval=0, shards=3, shard_multiple=2, guilds=[]) as gateway:
        manager = make_manager(gateway, shards=3)
        with pytest.raises(InvalidShard):
            manager.connect()
