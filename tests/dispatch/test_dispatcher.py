"""The dispatcher alone: from the queue to subscribers and handlers, with each executor. No socket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support import wait_until

from vox_gateway.concurrency.scheduler import Scheduler
from vox_gateway.dispatch.current_shard import CurrentShard
from vox_gateway.dispatch.dispatcher import Dispatcher, DispatcherConfig
from vox_gateway.dispatch.dispatcher_thread import DispatcherThread
from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.dispatch.event_queue import EventQueue, Milestone
from vox_gateway.dispatch.executors import CallerExecutor, CallerQueue, InlineExecutor, WorkerExecutor, WorkerPool
from vox_gateway.dispatch.executors.runner import RunnerConfig
from vox_gateway.dispatch.guilds import GuildTracker
from vox_gateway.dispatch.progress import InlineProgress, TrackedProgress
from vox_gateway.dispatch.stream import EventStream
from vox_gateway.dispatch.subscriptions import Subscriber, Subscribers
from vox_gateway.event import Event
from vox_gateway.log import ShardLog
from vox_gateway.session.state import Session

LOG = ShardLog((0, 1))
SESSION = Session("abc", 0)


def raw(seq: int, data: str = "null", name: str = "NEWS") -> bytes:
    return f'{{"t":"{name}","s":{seq},"op":0,"d":{data}}}'.encode()


class Run:
    """A dispatcher with its queue; handlers run on the executor of that name."""

    def __init__(self, executor: str) -> None:
        self.emitter, self.subscribers = Emitter(LOG), Subscribers(0)
        self.guilds = GuildTracker(True, LOG)
        self.scheduler = Scheduler("test-timers", LOG, pytest.fail)
        self.failures: list[BaseException] = []
        self.undecodable: list[BaseException] = []
        self.ended = threading.Event()
        self.caller_queue = CallerQueue()
        self.before_ready: list[str] = []
        self.thread = DispatcherThread("test-dispatcher", pytest.fail)
        self.pool: WorkerPool | None = None
        self.dispatcher = self._make(executor)
        self.queue, self.progress = self.dispatcher.queue, self.dispatcher.progress

    def _make(self, executor: str) -> Dispatcher:
        runner = RunnerConfig(self.emitter, 60.0, self.scheduler, LOG)
        config = DispatcherConfig(
            shard=0,
            current=(current := CurrentShard()),
            emitter=self.emitter,
            subscribers=self.subscribers,
            guilds=self.guilds,
            decode=json.loads,
            on_undecodable=self.undecodable.append,
            on_failure=self.failures.append,
            on_drained=lambda: None,
            on_end=self.ended.set,
            before_ready=lambda: self.before_ready.append("saved"),
        )
        if executor == "inline":
            inline = InlineProgress()
            queue = EventQueue(100, 1000, inline, self.thread.inbox)
            return Dispatcher(config, queue, InlineExecutor(runner, inline, thread=self.thread))
        progress = TrackedProgress()
        queue = EventQueue(100, 1000, progress, self.thread.inbox)
        if executor == "caller":
            caller = CallerExecutor(
                runner, progress, queue.made_room, pending=self.caller_queue, shard=0, current=current
            )
            return Dispatcher(config, queue, caller)
        self.pool = WorkerPool(runner, name="test", count=2, on_failure=self.failures.append)
        workers = WorkerExecutor(progress, queue.made_room, pool=self.pool, shard=0, current=current, log=LOG)
        return Dispatcher(config, queue, workers)

    def start(self) -> None:
        self.dispatcher.start(SESSION)
        self.thread.start()
        if self.pool is not None:
            self.pool.start()

    def put(self, *events: bytes) -> None:
        self.queue.put(list(events), sum(map(len, events)), lambda: True, pytest.fail)

    def finish(self) -> None:
        """Wait for everything that was put."""
        self.queue.finish()
        self.thread.finish()
        assert self.dispatcher.join(5)
        if self.pool is not None:
            self.pool.finish()
            self.pool.join(time.monotonic() + 5)
        self.caller_queue.run(None, 0)
        self.scheduler.stop()


MakeRun = Callable[[str], Run]


@pytest.fixture
def make() -> Iterator[MakeRun]:
    runs: list[Run] = []

    def make_run(executor: str) -> Run:
        run = Run(executor)
        runs.append(run)
        return run

    yield make_run
    for run in runs:
        run.finish()


@pytest.fixture(params=["inline", "caller", "workers"])
def run(request: pytest.FixtureRequest, make: MakeRun) -> Run:
    return make(request.param)


def test_events_reach_their_handlers_in_order(run: Run) -> None:
    seen: list[int] = []
    run.emitter.on("NEWS", seen.append)
    run.start()
    run.put(*(raw(seq, str(seq)) for seq in range(1, 50)), raw(50, name="UNHEARD"))
    run.finish()
    assert seen == list(range(1, 50))
    assert run.progress.completed == Session("abc", 50)
    assert run.dispatcher.undelivered == 0
    assert run.ended.is_set()
    assert run.failures == run.undecodable == []


def test_subscribers_receive_events_before_handlers(make: MakeRun) -> None:
    run, order = make("inline"), []

    class Recorder(Subscriber):
        def receive(self, event: Event) -> None:
            order.append(f"subscriber {event.name}")

    run.subscribers.add(Recorder(), ["NEWS", "HELLO"])
    run.emitter.on("NEWS", lambda data: order.append("handler NEWS"))
    run.start()
    run.queue.put([{"op": 10, "d": {}}], 0, lambda: True, pytest.fail)
    run.put(raw(1))
    run.finish()
    assert order == ["subscriber HELLO", "subscriber NEWS", "handler NEWS"]


def test_an_undecodable_event_stops_delivery_until_restart(run: Run) -> None:
    seen: list[int] = []
    run.emitter.on("NEWS", seen.append)
    run.start()
    run.put(raw(1, "1"), raw(2, "2").replace(b'"NEWS"', b"null"), raw(3, "3"))
    run.queue.signal("open")
    run.queue.restart()
    run.put(raw(2, "2"), raw(3, "3"))
    run.finish()
    assert seen == [1, 2, 3]
    assert len(run.undecodable) == 1
    assert run.progress.completed == Session("abc", 3)


def test_ready_waits_until_the_session_is_published_and_saved(run: Run) -> None:
    run.start()
    milestone = Milestone(Session("new", 1), resumed=False)
    seen: list[list[str]] = []
    run.emitter.on("READY", lambda data: seen.append(list(run.before_ready)))
    run.queue.put_milestone(milestone)
    run.queue.put([{"op": 0, "t": "READY", "s": 1, "d": {"session_id": "new"}}], 0, lambda: True, pytest.fail)
    milestone.published.set()
    run.finish()
    assert seen == [["saved"]]
    assert run.progress.completed == Session("new", 1)


def test_an_event_that_no_stream_takes_any_more_is_left_to_the_next_run(make: MakeRun) -> None:
    """Its handlers would get it, and the stream would not."""
    run, handled = make("inline"), []
    stream = EventStream(
        ("NEWS",), maxsize=0, overflow="drop", subscribers=run.subscribers, check_thread=lambda: None, log=LOG
    )
    taken, closed = threading.Event(), threading.Event()

    class Closing(Subscriber):
        def receive(self, event: Event) -> None:
            taken.set()
            assert closed.wait(5)

    run.subscribers.add(Closing(), ["DISPATCH"])  # receives the event before the stream
    run.emitter.on("NEWS", handled.append)
    run.start()
    run.put(raw(1, "1"))
    assert taken.wait(5)
    run.dispatcher.drop_events()
    run.dispatcher.end_subscribers(None)
    closed.set()
    run.dispatcher.settle()
    assert run.progress.delivered == SESSION
    run.finish()
    assert list(stream) == handled == []
    assert run.progress.delivered == SESSION
    assert run.dispatcher.undelivered == 1


def test_an_event_that_is_decoded_while_streams_end_is_left_to_the_next_run(make: MakeRun) -> None:
    run = make("inline")
    stream = EventStream(
        ("NEWS",), maxsize=0, overflow="drop", subscribers=run.subscribers, check_thread=lambda: None, log=LOG
    )
    decoding, go_on = threading.Event(), threading.Event()

    def decode(data: bytes) -> object:
        decoding.set()
        assert go_on.wait(5)
        return json.loads(data)

    run.dispatcher._decode = decode
    run.start()
    run.put(raw(1, "1"))
    assert decoding.wait(5)
    run.dispatcher.drop_events()
    run.dispatcher.end_subscribers(None)
    go_on.set()
    run.dispatcher.settle()
    delivered = run.progress.delivered
    run.finish()
    assert list(stream) == []
    assert delivered == run.progress.delivered == SESSION
    assert run.dispatcher.undelivered == 1


def test_a_signal_that_a_full_stream_has_no_room_for_fails_nothing(make: MakeRun) -> None:
    run = make("inline")
    stream = EventStream(
        ("open",), maxsize=1, overflow="block", subscribers=run.subscribers, check_thread=lambda: None, log=LOG
    )
    run.start()
    run.queue.signal("open")
    run.queue.signal("open")
    wait_until(lambda: len(stream) == 1)
    run.dispatcher.end_subscribers(None)
    run.finish()
    assert run.failures == []


def test_a_failing_subscriber_is_reported_and_its_event_stays_undelivered(run: Run) -> None:
    class Broken(Subscriber):
        def receive(self, event: Event) -> None:
            raise ValueError("broken")

    run.subscribers.add(Broken(), ["NEWS"])
    run.start()
    run.put(raw(1), raw(2))
    run.finish()
    assert [repr(error) for error in run.failures] == ["ValueError('broken')"]
    assert run.progress.delivered == SESSION
    assert run.dispatcher.undelivered == 2


def test_events_are_counted_one_by_one_in_the_middle_of_a_batch(make: MakeRun) -> None:
    run, at_work, leave = make("inline"), threading.Event(), threading.Event()

    def stop(number: int) -> None:
        if number == 3:
            at_work.set()
            leave.wait(5)

    run.emitter.on("NEWS", stop)
    run.start()
    run.put(*(raw(seq, str(seq)) for seq in range(1, 11)))
    assert at_work.wait(5)
    assert (run.progress.completed.seq, run.progress.delivered.seq) == (2, 3)
    assert run.queue.untaken == run.queue.waiting == run.dispatcher.undelivered == 7
    work = run.dispatcher.executor.current
    assert work is not None
    assert work[0] == "NEWS"
    run.dispatcher.drop_events()
    run.dispatcher.end_subscribers(None)
    run.dispatcher.settle()
    assert run.dispatcher.undelivered == 7
    leave.set()
    run.finish()
    assert run.dispatcher.undelivered == 7
    assert run.progress.delivered.seq == 3


def test_memory_is_given_back_once_when_a_burst_has_been_handled(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[int] = []

    def give_back() -> bool:
        waiting.append(run.queue.waiting_bytes)
        return True

    monkeypatch.setattr("vox_gateway.dispatch.dispatcher.give_back", give_back)
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.BURST", 100)
    run.emitter.on("UNHEARD", pytest.fail)
    run.put(raw(1))  # less than a burst
    run.put(*(raw(seq) for seq in range(2, 6)))
    run.put(raw(6))
    run.start()
    wait_until(lambda: run.queue.untaken == 0 and not run.queue.is_passing_on)
    run.put(raw(7))
    run.finish()
    assert waiting == [0]


def test_dropped_events_are_not_handled_and_signals_are(run: Run) -> None:
    seen: list[str] = []
    run.emitter.on("NEWS", lambda data: seen.append("NEWS"))
    run.emitter.on("close", lambda info: seen.append("close"))
    run.put(raw(1))
    run.dispatcher.drop_events()
    run.put(raw(2))
    run.queue.signal("close", {"code": 1000})
    run.start()
    run.finish()
    assert seen == ["close"]
    assert run.dispatcher.undelivered == 2
    assert run.progress.delivered == SESSION


def test_an_event_that_a_full_stream_has_no_room_for_is_left_to_the_next_run(run: Run) -> None:
    stream = EventStream(
        ("NEWS",), maxsize=1, overflow="block", subscribers=run.subscribers, check_thread=lambda: None, log=LOG
    )
    handled: list[int] = []
    run.emitter.on("NEWS", handled.append)
    run.start()
    run.put(raw(1, "1"), raw(2, "2"), raw(3, "3"))
    wait_until(lambda: run.queue.untaken == 2)
    run.dispatcher.drop_events()
    run.dispatcher.end_subscribers(None)
    run.finish()
    assert [event.data for event in stream] == [1]
    assert run.progress.passed_on == Session("abc", 1)
    assert handled in ([1], [])  # none if it was still to begin elsewhere
    assert run.dispatcher.undelivered == 3 - len(handled)


def test_an_error_of_a_call_is_reported_and_the_thread_goes_on() -> None:
    """Each shard waits for the end of its queue."""
    failures: list[BaseException] = []
    thread, called = DispatcherThread("test-dispatcher", failures.append), threading.Event()
    thread.start()
    thread.call([].pop)
    thread.call(called.set)
    thread.finish()
    assert called.wait(5)
    thread.join(5)
    assert [type(failure) for failure in failures] == [IndexError]
