"""Failures in threads: exceptions of handlers end no thread; a thread that does end is reported and ends the client."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client_helpers import TOKEN, MakeClient, RecordEvents, SendMessages, SocketsOf, start_until_ready
from log_handlers import RaiseInThread, RaiseOnLine, installed
from support import in_background, wait_until

from vox_gateway import Client, IdentifyGate, Intents, ShardManager, Status, ThreadFailed
from vox_gateway.concurrency.gil import HAS_GIL
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")

TIMEOUT = 10.0


# -- handlers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"workers": 2}], ids=["dispatcher", "workers"])
@pytest.mark.parametrize(
    "raised",
    [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(3), GeneratorExit(), pytest.fail.Exception("no")],
    ids=lambda raised: type(raised).__name__,
)
def test_the_next_event_is_handled_after_any_exception(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    send_messages: SendMessages,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    raised: BaseException,
) -> None:
    client = make_client(gateway, **options)

    @client.on("MESSAGE_CREATE")
    def fails(message: Any) -> None:
        raise raised

    recorded, errors = record_events(client, "MESSAGE_CREATE"), record_events(client, "error")
    start_until_ready(client)
    send_messages(gateway, range(2))
    assert [recorded.data(TIMEOUT)["nonce"] for _ in range(2)] == [0, 1]
    assert errors.next(TIMEOUT)[1] == (raised, "MESSAGE_CREATE")
    assert client.health()["ok"]
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.exc_info is not None
    assert record.exc_info[1] is raised


def test_ctrl_c_propagates_from_a_handler_on_the_main_thread(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client = make_client(gateway, handlers="caller")

    @client.on("MESSAGE_CREATE")
    def is_interrupted(message: Any) -> None:
        raise KeyboardInterrupt

    start_until_ready(client)
    send_messages(gateway, range(1))
    with pytest.raises(KeyboardInterrupt):
        while True:
            client.dispatch_pending(timeout=TIMEOUT)


# -- threads -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def raise_in_thread(sockets_of: SocketsOf) -> Iterator[RaiseInThread]:
    """Ends the thread whose name ends with `thread_suffix` when it logs, or sends, which is all that heartbeats do."""
    with installed(RaiseInThread(), logging.DEBUG) as handler:

        class Socket(socket.socket):
            def send(self, *args: Any) -> int:
                handler.check("")
                return super().send(*args)

        sockets_of(Socket)
        yield handler


#: threads that may read a connection
READERS = ("-reader", "-dispatcher", "-standby")
#: where and what threads log that share one, by the thread that has failed then
LOGGED = {"-reader": (READERS, "< DISPATCH X"), "-dispatcher": ("-dispatcher", "FAILS raised")}
THREADS = ["-reader", "-heartbeat", "-reconnect", "-dispatcher", "-worker-0", "-timers", "-session-file"]


def provoke(gateway: LocalGateway, client: Client, thread: str, session_file: Path) -> None:
    """Make the thread log something."""
    match thread:
        case "-reader":
            gateway.dispatch("X", {})
        case "-reconnect":
            gateway.drop("reset")
        case "-dispatcher" | "-worker-0":
            gateway.dispatch("FAILS", {})
        case "-timers":
            gateway.dispatch("SLOW", {})
        case "-session-file":  # makes the file unwritable
            in_the_way = session_file.with_name(session_file.name + ".new")
            while not in_the_way.is_dir():
                with contextlib.suppress(FileExistsError):  # while a save is in progress
                    in_the_way.mkdir()
            gateway.dispatch("X", {})


@pytest.mark.parametrize("thread", THREADS)
def test_a_failed_thread_is_reported_and_ends_the_client(
    make_client: MakeClient,
    record_events: RecordEvents,
    raise_in_thread: RaiseInThread,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    thread: str,
) -> None:
    with LocalGateway(identify_interval=0, heartbeat_interval=0.5) as gateway:
        options = {"session_file": tmp_path / "session"} if thread == "-session-file" else {}
        client = make_client(gateway, slow_handler_warning=0.05, workers=int(thread == "-worker-0"), **options)
        client.on("FAILS", lambda data: 1 // 0)
        client.on("SLOW", lambda data: raise_in_thread.raised.wait(TIMEOUT))
        errors, closes = record_events(client, "error"), record_events(client, "close")
        start_until_ready(client)
        wait_until(lambda: client.handled.seq is not None)
        raise_in_thread.thread_suffix, raise_in_thread.part = LOGGED.get(thread, (thread, ""))
        provoke(gateway, client, thread, tmp_path / "session")
        error, event = None, ""
        while event != "close":
            _, (error, event) = errors.next(TIMEOUT)
        assert isinstance(error, ThreadFailed)
        assert closes.data(TIMEOUT)["code"] in (1006, 4000)
        with pytest.raises(ThreadFailed, match=f"{thread} failed with SystemExit") as caught:
            client.wait_closed(TIMEOUT)
        assert caught.value is error
        assert client.status is Status.CLOSED
        assert not client.health()["ok"]
        assert "SystemExit" in client.health()["last_error"]
        (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], SystemExit)
        # The session was kept, and is resumed.
        start_until_ready(client)
        assert client.stats.resumes == 1


class BrokenGate(IdentifyGate):
    """Fails whenever a shard leaves it, which the supervisor does last of all too."""

    def leave(self, shard_id: int, holder: object) -> None:
        raise LookupError("no such holder")


def test_a_supervisor_that_fails_to_the_last_ends_the_run(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway, identify_gate=BrokenGate(interval=0))
    start_until_ready(client)
    wait_until(lambda: client.handled.id == client.session.id)
    gateway.drop("reset")
    with pytest.raises(ThreadFailed, match="-reconnect failed with LookupError"):
        client.wait_closed(TIMEOUT)
    assert client.status is Status.CLOSED
    assert client.session.resumable
    client.close()


def test_a_blocking_connect_raises_thread_failed(make_client: MakeClient, raise_in_thread: RaiseInThread) -> None:
    with LocalGateway(identify_interval=0, heartbeat_interval=0.2) as gateway:
        client = make_client(gateway)

        @client.on("READY")
        def arm(data: Any) -> None:
            raise_in_thread.thread_suffix = "-heartbeat"

        with pytest.raises(ThreadFailed, match="-heartbeat failed"):
            client.connect()


def test_an_event_that_the_dispatcher_could_not_deliver_is_replayed(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    raise_in_thread: RaiseInThread,
    send_messages: SendMessages,
) -> None:
    # The dispatcher fails in the warning of a full stream, before it calls handlers.
    client = make_client(gateway)
    recorded = record_events(client, "MESSAGE_CREATE")
    start_until_ready(client)
    with client.stream("MESSAGE_CREATE", maxsize=1):
        send_messages(gateway, range(1))
        assert recorded.data(TIMEOUT)["nonce"] == 0
        raise_in_thread.thread_suffix, raise_in_thread.part = "-dispatcher", "is full"
        send_messages(gateway, range(1, 4))
        with pytest.raises(ThreadFailed):
            client.wait_closed(TIMEOUT)
    assert recorded.empty
    client.connect(async_=True)
    assert [recorded.data(TIMEOUT)["nonce"] for _ in range(3)] == [1, 2, 3]


def test_a_failure_while_the_number_of_shards_changes_ends_the_manager(
    gateway: LocalGateway, raise_in_thread: RaiseInThread
) -> None:
    # The dispatcher fails in the warning of a full stream, in the switch to the new shards: both report their guilds.
    manager = ShardManager(
        url=gateway.url,
        api_url=gateway.http_url,
        token=TOKEN,
        shards=1,
        intents=Intents.GUILDS,
        identify_gate=IdentifyGate(interval=0),
    )
    with contextlib.closing(manager), manager.stream("guilds_ready", maxsize=1):
        manager.connect(async_=True)
        assert manager.wait_until_guilds(TIMEOUT)
        raise_in_thread.thread_suffix, raise_in_thread.part = "-dispatcher", "is full"
        resharding = in_background(lambda: manager.reshard(2, overlap=0.05))
        with pytest.raises(ThreadFailed, match="-dispatcher failed with SystemExit"):
            assert manager.wait_closed(TIMEOUT), "it is still waiting for the end of the dispatcher"
        resharding.exception(TIMEOUT)  # it returns too


def test_a_log_handler_that_raises_loses_only_its_line(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    send_messages: SendMessages,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with installed(RaiseOnLine("", LookupError("no place for it"))):
        client = make_client(gateway)
        client.on("MESSAGE_CREATE", lambda message: 1 // 0)
        recorded = record_events(client, "MESSAGE_CREATE")
        start_until_ready(client)
        send_messages(gateway, range(1))
        assert recorded.data(TIMEOUT)["nonce"] == 0
        gateway.drop("reset")
        gateway.expect("RESUME", TIMEOUT)
        send_messages(gateway, range(1, 2))
        assert recorded.data(TIMEOUT)["nonce"] == 1
    assert "LookupError: no place for it" in capfd.readouterr().err


# -- threads that cannot be started ------------------------------------------------------------------------------------


#: makes starting the threads whose names end with a suffix fail; returns a function that undoes it
RefuseThread = Callable[[str], Callable[[], None]]


@pytest.fixture
def refuse_thread(monkeypatch: pytest.MonkeyPatch) -> RefuseThread:
    """Makes starting a thread fail, as when the system has no threads left."""

    def refuse(suffix: str) -> Callable[[], None]:
        start = threading.Thread.start

        def refusing(self: threading.Thread) -> None:
            if self.name.endswith(suffix):
                raise RuntimeError("can't start new thread")
            start(self)

        monkeypatch.setattr(threading.Thread, "start", refusing)
        return monkeypatch.undo

    return refuse


@pytest.mark.parametrize(
    ("thread", "handlers"),
    [
        *itertools.product(
            ["-session-file", "-dispatcher", "-reconnect"], [{}, {"workers": 2}, {"handlers": "caller"}]
        ),
        ("-worker-1", {"workers": 2}),
        pytest.param("-standby", {}, marks=pytest.mark.skipif(not HAS_GIL, reason="each connection reads by itself")),
    ],
    ids=str,
)
@pytest.mark.parametrize("async_", [True, False])
def test_connect_starts_all_threads_or_none(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    refuse_thread: RefuseThread,
    tmp_path: Path,
    handlers: dict[str, Any],
    thread: str,
    async_: bool,
) -> None:
    client = make_client(gateway, session_file=tmp_path / "session", **handlers)
    before = set(threading.enumerate())
    with client.stream("READY") as events:
        allow = refuse_thread(thread)
        with pytest.raises(RuntimeError, match=r"connect\(\) cannot start a thread .*nothing was connected"):
            client.connect(async_)
        for left in set(threading.enumerate()) - before:
            left.join(TIMEOUT)
            assert not left.is_alive(), left.name
        assert client.status is Status.CLOSED
        assert not gateway.connections
        assert not client.wait_until_ready(0)
        allow()
        start_until_ready(client)
        assert events.get(TIMEOUT).name == "READY", "a stream that was made before lives on"


def test_without_a_timer_thread_events_are_handled_and_one_warning_is_logged(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    refuse_thread: RefuseThread,
    send_messages: SendMessages,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make_client(gateway)
    recorded = record_events(client, "MESSAGE_CREATE")
    refuse_thread("-timers")
    start_until_ready(client)
    send_messages(gateway, range(3))
    assert [recorded.data(TIMEOUT)["nonce"] for _ in range(3)] == [0, 1, 2]
    assert caplog.text.count("cannot start the thread") == 1
