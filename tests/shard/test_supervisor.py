"""The supervisor alone: its state follows its mailbox, and messages of another connection change nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import wait_until

from vox_gateway.concurrency.scheduler import Scheduler
from vox_gateway.diagnostics.stats import Traffic
from vox_gateway.dispatch.current_shard import CurrentShard
from vox_gateway.dispatch.dispatcher import Dispatcher, DispatcherConfig
from vox_gateway.dispatch.dispatcher_thread import DispatcherThread
from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.dispatch.event_queue import EventQueue
from vox_gateway.dispatch.executors import InlineExecutor
from vox_gateway.dispatch.executors.runner import RunnerConfig
from vox_gateway.dispatch.guilds import GuildTracker
from vox_gateway.dispatch.progress import InlineProgress
from vox_gateway.dispatch.stream import EventStream
from vox_gateway.dispatch.subscriptions import Subscribers
from vox_gateway.errors import ConnectFailed, ThreadFailed
from vox_gateway.log import ShardLog
from vox_gateway.protocol.reconnect_policy import Cause, Disconnect
from vox_gateway.protocol.state import State
from vox_gateway.session.state import Session
from vox_gateway.shard.connection import ConnectionConfig
from vox_gateway.shard.messages import Acknowledged, Close, Disconnected, Fail, Ready, Reconnect
from vox_gateway.shard.presence import Presence
from vox_gateway.shard.run_state import RunState
from vox_gateway.shard.sender import CommandSender
from vox_gateway.shard.supervisor import Supervisor
from vox_gateway.testing import LocalGateway

LOG = ShardLog((0, 1))
SESSION = Session("abc", 7, None)


class Run:
    """A supervisor on a thread of its own, with the parts that it needs."""

    def __init__(self, make_config: Callable[..., ConnectionConfig], initial: RunState, **changes: Any) -> None:
        self.scheduler = Scheduler("test-timers", LOG, pytest.fail)
        emitter, progress, thread = Emitter(LOG), InlineProgress(), DispatcherThread("test-dispatcher", pytest.fail)
        self.subscribers = Subscribers(0)
        self.dispatcher = Dispatcher(
            DispatcherConfig(
                shard=0,
                current=CurrentShard(),
                emitter=emitter,
                subscribers=self.subscribers,
                guilds=GuildTracker(True, LOG),
                decode=json.loads,
                on_undecodable=pytest.fail,
                on_failure=pytest.fail,
                on_drained=lambda: None,
                on_end=lambda: None,
            ),
            EventQueue(1000, 1 << 20, progress, thread.inbox),
            InlineExecutor(RunnerConfig(emitter, 60.0, self.scheduler, LOG), progress, thread=thread),
        )
        self.config = make_config(queue=self.dispatcher.queue, **changes)
        self.mailbox = self.config.mailbox
        self.sender = CommandSender()
        self.sender.open()
        self.supervisor = Supervisor(
            self.config,
            holder=self,
            dispatcher=self.dispatcher,
            sender=self.sender,
            presence=Presence(None, self.sender, self.scheduler, self.mailbox),
            lease=None,
            initial=initial,
        )
        self.thread = threading.Thread(target=self.supervisor.run, name="test-supervisor")

    @property
    def state(self) -> RunState:
        return self.supervisor.published

    def end(self) -> None:
        self.mailbox.put(Close(1000, ""))
        self.thread.join(5)
        assert not self.thread.is_alive()
        self.scheduler.stop()


MakeRun = Callable[..., Run]


@pytest.fixture
def start(make_config: Any) -> Iterator[MakeRun]:
    runs: list[Run] = []

    def make(initial: RunState | None = None, **changes: Any) -> Run:
        run = Run(make_config, RunState() if initial is None else initial, **changes)
        runs.append(run)
        run.thread.start()
        return run

    yield make
    for run in runs:
        run.end()


def wait_ready(run: Run) -> None:
    assert run.sender.wait_until_ready(5)


def test_it_connects_publishes_each_state_and_closes(start: MakeRun) -> None:
    run = start()
    wait_ready(run)
    state = run.state
    assert state.state is State.READY
    assert (state.stats(0).identifies, state.stats(0).reconnects) == (1, 0)
    assert state.session.id == state.begun.id
    run.end()
    assert run.state.error is None
    assert run.state.state is State.CLOSING
    assert run.state.connection is None
    run.supervisor.end_session()
    assert not run.state.session.resumable


def test_a_close_with_4000_leaves_the_session_to_the_next_run(start: MakeRun) -> None:
    run = start()
    wait_ready(run)
    session = run.state.session
    run.mailbox.put(Close(4000, ""))
    run.thread.join(5)
    assert run.state.session.id == session.id
    following = start(run.state)
    wait_ready(following)
    assert following.state.stats(0).resumes == 1
    assert following.state.stats(0).identifies == 1  # of the run before it


def test_messages_of_another_connection_change_nothing(gateway: LocalGateway, start: MakeRun) -> None:
    """One that was left behind in a name lookup may still speak; the run has gone on without it."""
    run = start()
    wait_ready(run)
    before = run.state
    published = threading.Event()
    run.mailbox.put(Acknowledged(99, time.monotonic(), 5.0))
    run.mailbox.put(Disconnected(99, Disconnect(Cause.LOST), State.READY, 0.0))
    run.mailbox.put(Reconnect(99, 4000, "stale"))
    run.mailbox.put(Ready(99, time.monotonic(), Session("other", 1), None, published))
    assert published.wait(5), "the dispatcher would wait for it"
    assert run.state == before


def test_a_reconnect_is_for_the_connection_that_it_names(start: MakeRun) -> None:
    run = start()
    wait_ready(run)
    connection = run.state.connection
    assert connection is not None
    run.mailbox.put(Reconnect(connection.id, 4000, ""))
    run.mailbox.put(Reconnect(connection.id, 4000, "asked for twice"))
    wait_until(lambda: run.state.stats(0).resumes == 1)
    assert run.state.stats(0).reconnects == 1


def test_a_connection_that_is_left_behind_moves_the_session_no_more(start: MakeRun) -> None:
    run = start()
    wait_ready(run)
    connection: Any = run.state.connection
    run.mailbox.put(Close(4000, ""))
    run.thread.join(5)
    session = run.state.session
    connection.traffic = Traffic(session.at(1000), events=1000)
    assert run.state.session == session
    assert run.state.stats(0).events < 1000


def test_a_failure_ends_it_with_its_error_and_keeps_the_session(start: MakeRun) -> None:
    run = start()
    wait_ready(run)
    error = ConnectFailed("a thread failed")
    run.mailbox.put(Fail(error))
    run.thread.join(5)
    assert run.state.error is error
    assert run.dispatcher.progress.is_dropping, "events that wait would be handled now and again after a RESUME"
    assert run.supervisor.close == Close(4000, "")
    assert run.state.session.resumable


def test_a_second_mistake_within_the_recovery_ends_it_all_the_same(start: MakeRun) -> None:
    found, may_connect = threading.Event(), threading.Event()

    def find_url(*_: object) -> Any:
        found.set()
        may_connect.wait(10)
        raise ConnectFailed("nowhere to go")

    run = start(RunState(ended_session=SESSION), find_url=find_url)
    assert found.wait(5)
    for _ in range(3):  # which no connection reports before it is open
        run.mailbox.put(Ready(1, time.monotonic(), SESSION, None, threading.Event()))
    run.thread.join(5)
    may_connect.set()
    assert not run.thread.is_alive()
    assert run.state.state is State.CLOSING
    assert isinstance(run.state.error, ThreadFailed)
    assert run.supervisor.close == Close(4000, "")
    assert run.mailbox.empty()


def test_a_failure_ends_the_streams_which_may_hold_up_the_dispatcher(start: MakeRun) -> None:
    run = start()
    wait_ready(run)
    stream = EventStream(
        ("NEWS",), maxsize=1, overflow="block", subscribers=run.subscribers, check_thread=lambda: None, log=LOG
    )
    error = ConnectFailed("a thread failed")
    run.mailbox.put(Fail(error))
    with pytest.raises(ConnectFailed, match="a thread failed"):
        stream.get(5)


def test_close_is_heard_while_it_waits(start: MakeRun) -> None:
    def find_url(*_: object) -> Any:
        raise ConnectFailed("nowhere to go", retry_after=600.0)

    run = start(RunState(ended_session=SESSION), find_url=find_url)
    wait_until(lambda: run.state.state is State.WAITING and run.state.history.timeline.error is not None)
    run.end()
    assert run.state.error is None
    assert run.state.session == SESSION
