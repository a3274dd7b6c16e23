"""Waits and requests that start while the client closes, early responses, and streams that outlive a run.

Each test forces the critical interleaving, or widens the window in which it happens.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from client_helpers import MakeClient, OnLogLine, RecordEvents, start_until_ready
from scripted_server import ScriptedServer
from support import in_background

from vox_gateway import Client, EventStream, NotConnected, StreamEnded
from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0
#: seconds; a longer wait would mean that the end went unnoticed
LATE = 5.0
GUILD = "1200000000004194304"


class Callers:
    """Calls in the background."""

    def __init__(self) -> None:
        self._calls: list[Future[object]] = []

    def start(self, function: Callable[..., object], *args: Any, **options: Any) -> None:
        """Start a call."""
        self._calls.append(in_background(functools.partial(function, *args, **options)))

    def errors(self) -> set[type[BaseException | None]]:
        """Return the types of the exceptions that the calls raised; each must raise one."""
        return {type(call.exception(TIMEOUT)) for call in self._calls}


@pytest.fixture
def callers() -> Callers:
    return Callers()


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Switches threads often, so that more interleavings occur."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def many_streams(client: Client, count: int = 3000) -> list[EventStream]:
    """Open enough streams that ending all of them takes a while."""
    return [client.stream("NEWS") for _ in range(count)]


# -- wait_for ----------------------------------------------------------------------------------------------------------


def test_close_at_the_start_of_a_wait_ends_the_wait(
    gateway: LocalGateway, make_client: MakeClient, on_log_line: OnLogLine
) -> None:
    """The wait subscribes before it checks whether the client is connected."""
    client = start_until_ready(make_client(gateway, intents=0))
    on_log_line("MESSAGE_CREATE", client.close)  # the missing intent is logged first
    with pytest.raises(NotConnected):
        client.wait_for("MESSAGE_CREATE", timeout=LATE)
    assert client.status == "closed"


@pytest.mark.usefixtures("quick_switches")
def test_a_wait_started_by_a_consumer_at_the_end_is_refused(
    gateway: LocalGateway, make_client: MakeClient, callers: Callers
) -> None:
    """Ending thousands of streams takes long enough for the first consumer to start a wait."""
    client = start_until_ready(make_client(gateway))
    streams = many_streams(client)
    waiting = threading.Barrier(21, timeout=TIMEOUT)

    def consume(events: EventStream) -> None:
        waiting.wait()
        with pytest.raises(StreamEnded):
            events.get(TIMEOUT)
        client.wait_for("NEWS", timeout=LATE)

    for events in streams[::150]:
        callers.start(consume, events)
    waiting.wait()
    client.close()
    assert callers.errors() == {NotConnected}


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_switches")
def test_close_ends_a_queued_request(
    gateway: LocalGateway,
    make_client: MakeClient,
    callers: Callers,
    on_log_line: OnLogLine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its turn comes while the client ends its streams, when commands could still be sent."""
    caplog.set_level(logging.DEBUG, logger="vox_gateway")
    client = start_until_ready(make_client(gateway))
    gateway.faults.withhold("CHANNEL_INFO", times=None)
    many_streams(client)
    guilds = range(1, 11)
    second = threading.Semaphore(0)
    on_log_line("the request under way", second.release)
    for fields in ["status"], ["voice_start_time"]:
        for guild in guilds:
            callers.start(client.fetch_channel_info, guild, fields, timeout=LATE)
        for _ in guilds:
            if fields == ["status"]:
                gateway.expect("REQUEST_CHANNEL_INFO")
            else:
                assert second.acquire(timeout=TIMEOUT)
    client.close()
    assert callers.errors() == {NotConnected}


@pytest.mark.usefixtures("quick_switches")
def test_close_ends_a_request_that_starts_at_the_same_moment(
    gateway: LocalGateway, make_client: MakeClient, callers: Callers
) -> None:
    """It joins an identical request before it checks whether the client runs; a comparison delays it between."""
    comparing, go_on = threading.Event(), threading.Event()

    class Field(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            if isinstance(other, Field) and other is not self:
                comparing.set()
                go_on.wait(TIMEOUT)
            return str.__eq__(self, other)

    def end_comparison(events: EventStream) -> None:
        with contextlib.suppress(StreamEnded):
            events.get(TIMEOUT)
        go_on.set()
        raise NotConnected

    client = start_until_ready(make_client(gateway))
    gateway.faults.withhold("CHANNEL_INFO", times=None)
    for events in many_streams(client)[::150]:
        callers.start(end_comparison, events)
    callers.start(client.fetch_channel_info, GUILD, [Field("status")], timeout=LATE)
    gateway.expect("REQUEST_CHANNEL_INFO")
    callers.start(client.fetch_channel_info, GUILD, [Field("status")], timeout=LATE)
    comparing.wait(0.5)
    for guild in range(1, 6):
        callers.start(client.fetch_channel_info, guild, ["status"], timeout=LATE)
    threading.Event().wait(0.1)  # for these to start, which cannot be observed
    client.close()
    assert callers.errors() == {NotConnected}


def test_a_response_that_arrives_before_its_request_is_written_is_received(
    make_client: MakeClient, record_events: RecordEvents, on_log_line: OnLogLine, caplog: pytest.LogCaptureFixture
) -> None:
    """A request subscribes before its first command is written."""
    caplog.set_level(logging.DEBUG, logger="vox_gateway")
    sounds = [{"sound_id": "1", "name": "quack"}]
    with ScriptedServer() as server, contextlib.ExitStack() as stack:
        client = make_client(server)
        stack.callback(client.close)
        client.connect(async_=True)
        peer = server.open().login()
        assert client.wait_until_ready(TIMEOUT)
        recorded = record_events(client, "SOUNDBOARD_SOUNDS")

        def answer() -> None:
            peer.event("SOUNDBOARD_SOUNDS", {"guild_id": GUILD, "soundboard_sounds": sounds})
            recorded.data(TIMEOUT)

        on_log_line("> REQUEST_SOUNDBOARD_SOUNDS", answer)  # logged just before it is written
        assert client.fetch_soundboard_sounds([GUILD], timeout=LATE) == {GUILD: sounds}
        peer.expect(31)


# -- streams -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_the_end_of_a_run_does_not_end_streams_of_the_next(
    gateway: LocalGateway, make_client: MakeClient, workers: int
) -> None:
    """The dispatcher of the first run ends late, since its handler does."""
    client, entered, leave = make_client(gateway, workers=workers), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def stuck(data: Any) -> None:
        threads.extend(thread for thread in threading.enumerate() if thread.name.startswith("vox_gateway-0/1-"))
        entered.set()
        leave.wait(TIMEOUT)

    client.once("READY", stuck)
    client.connect(async_=True)
    assert entered.wait(TIMEOUT)
    client.close()
    with client.stream("NEWS") as events:
        start_until_ready(client)
        leave.set()
        for thread in threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive()
        gateway.dispatch("NEWS", 1)
        assert events.get(TIMEOUT).data == 1
        client.close()
        with pytest.raises(StreamEnded):
            events.get(TIMEOUT)
