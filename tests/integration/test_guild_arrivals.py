"""Waiting for guilds, their states, and why each of them came."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from client_helpers import MakeClient, RecordEvents, SendMessages, open_connection, start, start_until_ready
from scripted_server import ScriptedServer
from support import in_background, wait_until

from vox_gateway import Arrival, GuildState, Intents
from vox_gateway.testing import LocalGateway
from vox_gateway.testing import guild as make_guild

TIMEOUT = 10.0
HANDLERS: list[dict[str, Any]] = [{}, {"workers": 3}, {"handlers": "caller"}]


def ids(gateway: LocalGateway) -> list[str]:
    return [guild["id"] for guild in gateway.guilds]


def create(gateway: LocalGateway, guild_id: str) -> None:
    gateway.dispatch("GUILD_CREATE", make_guild(guild_id))


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guilds that do not come are given up at once."""
    monkeypatch.setattr("vox_gateway.dispatch.guilds.SETTLE_AFTER", 0.05)


@pytest.mark.parametrize("encoding", ["json", "etf"])
@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
def test_guilds_are_waited_for(gateway: LocalGateway, make_client: MakeClient, encoding: str, is_heard: bool) -> None:
    client = make_client(gateway, encoding=encoding)
    seen: list[Arrival | None] = []
    if is_heard:
        client.on("GUILD_CREATE", lambda guild: seen.append(client.guilds.arrival(guild)))
    outcome = in_background(lambda: client.wait_until_guilds(TIMEOUT))
    start(client)
    assert outcome.result(TIMEOUT)
    assert client.guilds == dict.fromkeys(ids(gateway), GuildState.AVAILABLE)
    assert seen == [Arrival.FIRST_LOAD] * len(gateway.guilds) * is_heard, "their handlers have returned"
    client.close()
    assert not client.wait_until_guilds()
    assert client.guilds == dict.fromkeys(ids(gateway), GuildState.AVAILABLE)


@pytest.mark.usefixtures("little_jitter")
@pytest.mark.parametrize("options", HANDLERS, ids=str)
def test_the_event_comes_once_for_each_session(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, options: dict[str, Any]
) -> None:
    client = make_client(gateway, **options)
    events = record_events(client, "READY", "RESUMED", "guilds_ready")
    with client.stream("guilds_ready") as stream:
        start(client)

        def following() -> str:
            wait_until(lambda: not events.empty or (options.get("handlers") and client.dispatch_pending() < 0))
            return events.next(TIMEOUT)[0]

        assert {following(), following()} == {"READY", "guilds_ready"}
        assert stream.get(TIMEOUT).data is None
        gateway.drop()
        assert following() == "RESUMED"
        gateway.expire_sessions()
        gateway.drop()
        assert {following(), following()} == {"READY", "guilds_ready"}
        assert stream.get(TIMEOUT).name == "guilds_ready"


@pytest.mark.usefixtures("soon")
def test_a_guild_that_does_not_come_is_unavailable(gateway: LocalGateway, make_client: MakeClient) -> None:
    gateway.faults.withhold("GUILD_CREATE")
    client = start(make_client(gateway))
    assert client.wait_until_guilds(TIMEOUT)
    first, second = ids(gateway)
    # Given up at once, too, if it comes a moment after that.
    wait_until(lambda: dict(client.guilds) == {first: GuildState.UNAVAILABLE, second: GuildState.AVAILABLE})
    create(gateway, first)
    wait_until(lambda: client.guilds[first] is GuildState.AVAILABLE)


@pytest.mark.usefixtures("little_jitter")
def test_a_drop_in_the_middle_of_the_guilds_is_waited_out(gateway: LocalGateway, make_client: MakeClient) -> None:
    gateway.faults.cut("ready")
    client = start(make_client(gateway))
    assert client.wait_until_guilds(TIMEOUT)
    wait_until(lambda: client.stats.resumes == 1)
    assert set(client.guilds.values()) == {GuildState.AVAILABLE}


@pytest.mark.parametrize("options", HANDLERS, ids=str)
def test_late_handlers_see_why_their_own_event_came(
    gateway: LocalGateway, make_client: MakeClient, options: dict[str, Any]
) -> None:
    client = make_client(gateway, **options)
    first, second = ids(gateway)
    may_go_on = threading.Event()
    seen: list[tuple[str, Arrival | None]] = []

    @client.on("GUILD_CREATE")
    def see(guild: dict[str, Any]) -> None:
        assert may_go_on.wait(TIMEOUT)
        seen.append((guild["id"], client.guilds.arrival(guild)))

    with client.stream("GUILD_CREATE") as stream:
        start_until_ready(client)
        gateway.dispatch("GUILD_DELETE", {"id": first, "unavailable": True})
        create(gateway, first)
        gateway.dispatch("GUILD_DELETE", {"id": first})
        create(gateway, first)
        if not options:  # the handlers run between the events
            may_go_on.set()
        events = [stream.get(TIMEOUT) for _ in range(4)]
        assert [event.data["id"] for event in events] == [first, second, first, first]
        may_go_on.set()
        if options.get("handlers"):
            while len(seen) < 4:
                assert client.dispatch_pending(timeout=TIMEOUT)
        wait_until(lambda: len(seen) == 4)
    expected = [Arrival.FIRST_LOAD, Arrival.AVAILABLE_AGAIN, Arrival.JOINED]
    assert [arrival for guild_id, arrival in seen if guild_id == first] == expected
    assert [client.guilds.arrival(event.data) for event in events if event.data["id"] == first] == expected


def test_a_handler_may_ask_in_guilds_ready_but_not_wait_before(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    answers: list[object] = []

    def wait(*args: object) -> None:
        try:
            answers.append(client.wait_until_guilds(0))
        except RuntimeError as error:
            answers.append(str(error))

    client.on("READY", wait)
    client.on("guilds_ready", wait)
    start(client)
    wait_until(lambda: len(answers) == 2)
    assert "a handler must not wait for events on the thread that would bring them" in str(answers[0])
    assert answers[1] is True


@pytest.mark.parametrize("wait", ["wait_until_ready", "wait_until_guilds"])
def test_a_signal_that_another_thread_receives_is_handled_during_the_wait(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    """Only the descriptor of `signal.set_wakeup_fd` wakes the main thread then."""
    monkeypatch.setattr("vox_gateway.dispatch.guilds.SETTLE_AFTER", 10 * TIMEOUT)
    client, peer = open_connection(make_client, server)
    handled = threading.Event()
    if wait == "wait_until_guilds":
        peer.login(guilds=[{"id": "1", "unavailable": True}])

    def receive() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        in_time.append(handled.wait(TIMEOUT))
        client.close()

    in_time: list[bool] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: handled.set())
    receiver = threading.Timer(0.2, receive)
    receiver.start()
    try:
        assert not getattr(client, wait)(3 * TIMEOUT)
        assert in_time == [True]
    finally:
        receiver.join()
        signal.signal(signal.SIGUSR1, before)


def test_without_the_intent_the_wait_is_refused(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(gateway, intents=Intents.GUILD_MESSAGES)
    with pytest.raises(ValueError, match=r"intents: without Intents\.GUILDS the gateway sends no GUILD_CREATE: add it"):
        client.wait_until_guilds(TIMEOUT)
    client.on("guilds_ready", print)
    start_until_ready(client)
    assert "a handler listens to guilds_ready, which no given intent brings: add Intents.GUILDS" in caplog.text
    wait_until(lambda: len(client.guilds) == 2)
    assert set(client.guilds.values()) == {GuildState.UNAVAILABLE}


def test_without_guilds_ready_is_enough(make_client: MakeClient) -> None:
    with LocalGateway(guilds=[], identify_interval=0) as gateway:
        client = start(make_client(gateway))
        assert client.wait_until_guilds(TIMEOUT)
        assert len(client.guilds) == 0


def test_a_session_from_a_file_has_its_guilds_with_resumed(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages, tmp_path: Path
) -> None:
    with make_client(gateway, session_file=tmp_path / "session") as client:
        assert client.wait_until_guilds(TIMEOUT)
        gateway.wait_handled(client)
    first, _ = ids(gateway)
    client = make_client(gateway, session_file=tmp_path / "session")
    seen: list[Arrival | None] = []
    client.on("GUILD_CREATE", lambda guild: seen.append(client.guilds.arrival(guild)))
    start(client)
    assert client.wait_until_guilds(TIMEOUT)
    assert client.stats.resumes == 1
    assert dict(client.guilds) == {}
    create(gateway, first)
    gateway.wait_handled(client)
    assert seen == [None]
    assert dict(client.guilds) == {first: GuildState.AVAILABLE}


def test_the_states_go_on_in_the_next_run(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start(make_client(gateway))
    assert client.wait_until_guilds(TIMEOUT)
    guilds = client.guilds
    client.close(resumable=True)
    start(client)
    assert client.wait_until_guilds(TIMEOUT)
    assert client.stats.resumes == 1
    assert client.guilds is guilds
    assert dict(guilds) == dict.fromkeys(ids(gateway), GuildState.AVAILABLE)
