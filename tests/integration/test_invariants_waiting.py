"""Waits that begin while the client closes, questions whose answer is quick, and streams that outlive a run.

The interleaving that would go wrong is forced, or the moment is wide enough to be hit.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_helpers import MakeClient, OnLogLine, RecordEvents, start_until_ready
from scripted_server import ScriptedServer

from vox_gateway import NotConnected, StreamEnded
from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0
#: less than this is not too late for anybody
LATE = 5.0
GUILD = "1200000000004194304"


class Callers:
    """Calls on threads of their own, and what they raised."""

    def __init__(self) -> None:
        self._raised: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, call: Callable[[], object]) -> None:
        """Call it now."""

        def run() -> None:
            try:
                call()
            except Exception as error:
                self._raised.put(error)
            else:
                self._raised.put(None)

        self._threads.append(threading.Thread(target=run, name="test-caller"))
        self._threads[-1].start()

    def raised(self) -> list[BaseException | None]:
        """What each raised, in no order."""
        raised = [self._raised.get(timeout=TIMEOUT) for _ in self._threads]
        for thread in self._threads:
            thread.join(TIMEOUT)
        self._threads.clear()
        return raised


@pytest.fixture
def callers() -> Callers:
    return Callers()


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads take turns often, and so meet at more places."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def ready(client: Any) -> Any:
    start_until_ready(client)
    return client


def many_streams(client: Any, count: int = 3000) -> list[Any]:
    """Streams, and so many that to tell all of them of the end takes a while."""
    return [client.stream("NEWS") for _ in range(count)]


# -- wait_for ----------------------------------------------------------------------------------------------------------


def test_close_at_the_start_of_a_wait_ends_the_wait(
    gateway: LocalGateway, make_client: MakeClient, on_log_line: OnLogLine
) -> None:
    """The wait begins to collect, and only then looks whether the client runs."""
    client = ready(make_client(gateway, intents=0))
    on_log_line("MESSAGE_CREATE", client.close)  # that no intent brings it is said before anything else
    with pytest.raises(NotConnected):
        client.wait_for("MESSAGE_CREATE", timeout=LATE)
    assert client.status == "closed"


@pytest.mark.usefixtures("quick_switches")
def test_a_wait_started_by_a_consumer_at_the_end_is_refused(
    gateway: LocalGateway, make_client: MakeClient, callers: Callers
) -> None:
    """So a wait that begins then is refused. To tell thousands takes long enough for the first to begin one."""
    client = ready(make_client(gateway))
    streams = many_streams(client)
    waiting = threading.Barrier(21, timeout=TIMEOUT)

    def consume(events: Any) -> None:
        waiting.wait()
        with pytest.raises(StreamEnded):
            events.get(TIMEOUT)
        client.wait_for("NEWS", timeout=LATE)

    for events in streams[::150]:
        callers.start(lambda events=events: consume(events))  # type: ignore[misc]
    waiting.wait()
    client.close()
    assert {type(error) for error in callers.raised()} == {NotConnected}


# -- questions ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_switches")
def test_close_ends_a_queued_request(
    gateway: LocalGateway,
    make_client: MakeClient,
    callers: Callers,
    on_log_line: OnLogLine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its turn comes while the client tells all of its end, and commands could still go out."""
    caplog.set_level(logging.DEBUG, logger="vox_gateway")
    client = ready(make_client(gateway))
    gateway.faults.withhold("CHANNEL_INFO", times=None)
    many_streams(client)
    guilds = range(1, 11)
    second = threading.Semaphore(0)
    on_log_line("the request under way", second.release)
    for fields in ["status"], ["voice_start_time"]:
        for guild in guilds:
            callers.start(
                lambda guild=guild, fields=fields: client.fetch_channel_info(guild, fields, timeout=LATE)  # type: ignore[misc]
            )
        for _ in guilds:
            if fields == ["status"]:
                gateway.expect("REQUEST_CHANNEL_INFO")
            else:
                assert second.acquire(timeout=TIMEOUT)
    client.close()
    assert {type(error) for error in callers.raised()} == {NotConnected}


@pytest.mark.usefixtures("quick_switches")
def test_close_ends_a_request_that_starts_at_the_same_moment(
    gateway: LocalGateway, make_client: MakeClient, callers: Callers
) -> None:
    """It is joined, and only then looks whether the client runs. What holds it up between the two is a comparison."""
    comparing, go_on = threading.Event(), threading.Event()

    class Field(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            if isinstance(other, Field) and other is not self:
                comparing.set()
                go_on.wait(TIMEOUT)
            return str.__eq__(self, other)

    def tell(events: Any) -> None:
        with contextlib.suppress(StreamEnded):
            events.get(TIMEOUT)
        go_on.set()
        raise NotConnected

    client = ready(make_client(gateway))
    gateway.faults.withhold("CHANNEL_INFO", times=None)
    for events in many_streams(client)[::150]:
        callers.start(lambda events=events: tell(events))  # type: ignore[misc]
    callers.start(lambda: client.fetch_channel_info(GUILD, [Field("status")], timeout=LATE))
    gateway.expect("REQUEST_CHANNEL_INFO")
    callers.start(lambda: client.fetch_channel_info(GUILD, [Field("status")], timeout=LATE))
    comparing.wait(0.5)
    for guild in range(1, 6):
        callers.start(lambda guild=guild: client.fetch_channel_info(guild, ["status"], timeout=LATE))  # type: ignore[misc]
    threading.Event().wait(0.1)  # for these to begin; nothing tells that they have
    client.close()
    assert {type(error) for error in callers.raised()} == {NotConnected}


def test_a_response_that_arrives_before_its_request_is_written_is_received(
    make_client: MakeClient, record_events: RecordEvents, on_log_line: OnLogLine, caplog: pytest.LogCaptureFixture
) -> None:
    """A question listens before its first command is written."""
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

        on_log_line("> REQUEST_SOUNDBOARD_SOUNDS", answer)  # said when it is about to be written
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
        threads.extend(one for one in threading.enumerate() if one.name.startswith("vox_gateway-0/1-"))
        entered.set()
        leave.wait(TIMEOUT)

    client.once("READY", stuck)
    client.connect(async_=True)
    assert entered.wait(TIMEOUT)
    client.close()
    with client.stream("NEWS") as events:
        ready(client)
        leave.set()
        for thread in threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive()
        gateway.dispatch("NEWS", 1)
        assert events.get(TIMEOUT).data == 1
        client.close()
        with pytest.raises(StreamEnded):
            events.get(TIMEOUT)
