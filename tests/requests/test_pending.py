"""Requests under way: who sends, who waits, and what remains for the others when one gives up. No socket."""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from request_samples import CHUNK, chunk
from support import TIMEOUT

from vox_gateway import AuthenticationFailed, CommandTimeout, NotConnected, PayloadTooLarge
from vox_gateway.dispatch.subscriptions import Subscribers
from vox_gateway.log import ShardLog
from vox_gateway.opcodes import Opcode
from vox_gateway.requests.base import CommandData, Request
from vox_gateway.requests.members import GuildMembers
from vox_gateway.requests.pending import PendingRequests, RequestContext, Timeout
from vox_gateway.session.state import Session


class EchoRequest(Request):
    """Answered by an ECHO of its word."""

    op = Opcode.REQUEST_CHANNEL_INFO
    events = ("ECHO",)

    def __init__(self, word: str, commands: int = 1) -> None:
        self.description = word
        self._commands = commands
        self._answers: list[str] = []
        self._resumed = 0

    def start(self) -> list[CommandData]:
        return [{"word": self.description, "number": number} for number in range(self._commands)]

    def resume(self) -> list[CommandData]:
        self._resumed += 1
        return [] if self._answers else [{"word": self.description, "resumed": self._resumed}]

    def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
        if data.get("word") != self.description:
            return False
        if data["answer"] is not None:
            self._answers.append(data["answer"])
        return True

    @property
    def is_answered(self) -> bool:
        return bool(self._answers)

    def answer(self) -> list[str]:
        return list(self._answers)

    def progress(self) -> str:
        return "no echo"


class StubSender:
    """Takes commands. Tests replace its methods at any time; `failures` are the next results of `try_send`."""

    def __init__(self) -> None:
        self.session = Session("abc", 7)
        self.error: Any = None
        self.failures: queue.SimpleQueue[Exception | float | None] = queue.SimpleQueue()
        self.sent: queue.SimpleQueue[CommandData] = queue.SimpleQueue()

    def wait_until_ready(self, name: str, timeout: float | None) -> None:
        """It is always ready."""

    def try_send(self, op: Opcode, data: CommandData) -> float | None:
        if not self.failures.empty():
            failure = self.failures.get()
            if isinstance(failure, Exception):
                raise failure
            return failure
        self.sent.put(data)
        return 0.0

    def next(self) -> CommandData:
        return self.sent.get(timeout=TIMEOUT)


class Harness:
    """Pending requests, the threads of their callers, and what the dispatcher shows."""

    def __init__(self, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, logger="vox_gateway")
        caplog.handler.addFilter(self._see)
        self.subscribers = Subscribers(0)
        self.sender = StubSender()
        self._pool = pool
        self._joined: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.pending = PendingRequests(
            RequestContext(
                subscribers=self.subscribers,
                session=lambda: self.sender.session,
                wait_until_ready=lambda name, timeout: self.sender.wait_until_ready(name, timeout),  # noqa: PLW0108
                try_send=lambda op, data: self.sender.try_send(op, data),  # noqa: PLW0108
                check_waiting=lambda description: None,
                error=lambda: self.sender.error,
                log=ShardLog((0, 1)),
            )
        )

    def _see(self, record: logging.LogRecord) -> bool:
        if "the request under way" in record.getMessage():
            self._joined.put(record.getMessage())
        return True

    def submit(self, request: Request, timeout: float | None = TIMEOUT, topic: str | None = None) -> Future[Any]:
        word = request.description
        return self._pool.submit(self.pending.request, topic or word, word, lambda: request, Timeout(timeout))

    def request(self, word: str, timeout: float | None = TIMEOUT, topic: str | None = None) -> Future[Any]:
        return self.submit(EchoRequest(word), timeout, topic)

    def join(self, *args: Any, **options: Any) -> Future[Any]:
        """Request what is under way; returns when that has been noticed."""
        result = self.request(*args, **options)
        self._joined.get(timeout=TIMEOUT)
        return result

    def publish(self, name: str, data: Any, seq: int | None = 8) -> None:
        self.subscribers.publish({"op": 0, "t": name, "s": seq, "d": data})

    def echo(self, word: str, answer: str | None = None) -> None:
        self.publish("ECHO", {"word": word, "answer": answer or word})

    def resumed(self, seq: int | None = 9) -> None:
        self.publish("RESUMED", None, seq)

    def ready(self, session_id: str) -> None:
        self.publish("READY", {"session_id": session_id}, 1)

    def close(self, code: int, reason: Any = "") -> None:
        self.subscribers.publish_signal("close", {"code": code, "reason": reason})

    def drop(self, code: int = 4001, reason: Any = "Unknown opcode") -> None:
        """The connection ends, and the session is resumed."""
        self.close(code, reason)
        self.resumed()


@pytest.fixture
def harness(caplog: pytest.LogCaptureFixture) -> Iterator[Harness]:
    with ThreadPoolExecutor(8) as pool:
        harness = Harness(pool, caplog)
        yield harness
        assert not harness.subscribers.table, "every subscription has ended"


def test_a_request_is_sent_and_answered(harness: Harness) -> None:
    result = harness.request("a")
    assert harness.sender.next() == {"word": "a", "number": 0}
    harness.echo("b")
    harness.publish("ECHO", None)
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]


def test_equal_requests_are_sent_once(harness: Harness) -> None:
    first = harness.request("a")
    harness.sender.next()
    others = [harness.join("a") for _ in range(3)]
    harness.echo("a")
    assert [caller.result(TIMEOUT) for caller in (first, *others)] == [["a"]] * 4
    assert harness.sender.sent.empty()


def test_a_caller_that_gives_up_leaves_the_others_what_was_sent(harness: Harness) -> None:
    held, go = threading.Event(), threading.Event()
    try_send = harness.sender.try_send

    def send_slowly(op: Opcode, data: CommandData) -> float | None:
        held.set()
        go.wait(TIMEOUT)
        return try_send(op, data)

    harness.sender.try_send = send_slowly  # type: ignore[method-assign]
    first = harness.request("a", timeout=0.3)
    assert held.wait(TIMEOUT)
    other = harness.join("a")
    threading.Event().wait(0.3)  # until the first is late
    go.set()
    harness.sender.next()
    with pytest.raises(TimeoutError, match=r"^a did not come within timeout=0\.3 seconds: no echo$"):
        first.result(TIMEOUT)
    harness.echo("a")
    assert other.result(TIMEOUT) == ["a"]
    assert harness.sender.sent.empty()


def test_a_caller_that_cannot_wait_for_the_rate_limit_leaves_the_command_to_another(harness: Harness) -> None:
    held, go = threading.Event(), threading.Event()
    try_send = harness.sender.try_send

    def is_limited(op: Opcode, data: CommandData) -> float | None:
        harness.sender.try_send = try_send  # type: ignore[method-assign]
        held.set()
        go.wait(TIMEOUT)
        return 0.6

    harness.sender.try_send = is_limited  # type: ignore[method-assign]
    first = harness.request("a", timeout=0.5)
    assert held.wait(TIMEOUT)
    other = harness.join("a")
    go.set()
    with pytest.raises(CommandTimeout, match=r"REQUEST_CHANNEL_INFO was not sent within timeout=0\.5 seconds"):
        first.result(TIMEOUT)
    assert harness.sender.next() == {"word": "a", "number": 0}
    harness.echo("a")
    assert other.result(TIMEOUT) == ["a"]


def test_a_command_waits_for_the_rate_limit_while_events_are_processed(harness: Harness) -> None:
    harness.sender.failures.put(0.01)
    result = harness.request("a")
    assert harness.sender.next() == {"word": "a", "number": 0}
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]


def test_a_second_command_that_is_late_reports_the_progress(harness: Harness) -> None:
    try_send = harness.sender.try_send

    def send_one(op: Opcode, data: CommandData) -> float | None:
        harness.sender.failures.put(100.0)
        harness.sender.try_send = try_send  # type: ignore[method-assign]
        harness.sender.sent.put(data)
        return 0.0

    harness.sender.try_send = send_one  # type: ignore[method-assign]
    with pytest.raises(TimeoutError, match="no echo"):
        harness.submit(EchoRequest("a", commands=2)).result(TIMEOUT)


def test_a_gateway_that_is_never_ready_is_reported(harness: Harness) -> None:
    def wait_until_ready(name: str, timeout: float | None) -> None:
        threading.Event().wait(timeout)
        raise CommandTimeout("not ready")

    harness.sender.wait_until_ready = wait_until_ready  # type: ignore[method-assign]
    for timeout in (0, 0.05):
        with pytest.raises(CommandTimeout, match=f"REQUEST_CHANNEL_INFO was not sent within timeout={timeout} seconds"):
            harness.request("a", timeout=timeout).result(TIMEOUT)
    assert harness.sender.sent.empty()


def test_answers_before_the_command_and_after_the_answer_are_ignored(harness: Harness) -> None:
    held, go = threading.Event(), threading.Event()

    def wait(name: str, timeout: float | None) -> None:
        held.set()
        go.wait(TIMEOUT)

    harness.sender.wait_until_ready = wait  # type: ignore[method-assign]
    result = harness.request("a")
    assert held.wait(TIMEOUT)
    harness.echo("a", "before it was sent")
    go.set()
    harness.sender.next()
    harness.echo("a", "in time")
    harness.echo("a", "too late")
    assert result.result(TIMEOUT) == ["in time"]


def test_an_error_of_the_sender_is_raised(harness: Harness) -> None:
    harness.sender.failures.put(PayloadTooLarge("X", 2, 1))
    with pytest.raises(PayloadTooLarge):
        harness.request("a").result(TIMEOUT)


def test_requests_whose_answers_look_alike_are_sent_one_after_the_other(harness: Harness) -> None:
    first = harness.request("a", topic="t")
    assert harness.sender.next()["word"] == "a"
    second = harness.join("b", topic="t")
    late = harness.join("b", topic="t", timeout=0.05)
    with pytest.raises(TimeoutError, match=r"^a was still under way after timeout=0\.05 seconds"):
        late.result(TIMEOUT)
    assert harness.sender.sent.empty()
    harness.echo("a")
    assert first.result(TIMEOUT) == ["a"]
    assert harness.sender.next()["word"] == "b"
    harness.echo("b")
    assert second.result(TIMEOUT) == ["b"]


def test_the_end_of_the_client_ends_the_wait(harness: Harness) -> None:
    result = harness.request("a")
    harness.sender.next()
    harness.subscribers.end(None)
    with pytest.raises(NotConnected, match=r"^a did not come: the client was closed$"):
        result.result(TIMEOUT)
    result = harness.request("a")
    harness.sender.next()
    harness.subscribers.end(AuthenticationFailed(4004))
    with pytest.raises(AuthenticationFailed):
        result.result(TIMEOUT)


def test_a_client_that_ends_before_anything_is_sent_says_why(harness: Harness) -> None:
    def wait_until_ready(name: str, timeout: float | None) -> None:
        raise NotConnected("call connect() first")

    harness.sender.wait_until_ready = wait_until_ready  # type: ignore[method-assign]
    with pytest.raises(NotConnected, match="call connect"):
        harness.request("a").result(TIMEOUT)
    harness.sender.error = AuthenticationFailed(4004)
    with pytest.raises(AuthenticationFailed):
        harness.request("a").result(TIMEOUT)


def test_a_client_that_cannot_answer_is_reported_before_anything_is_sent(harness: Harness) -> None:
    def check(description: str) -> None:
        raise NotConnected(f"{description} cannot come")

    object.__setattr__(harness.pending._context, "check_waiting", check)
    with pytest.raises(NotConnected, match="a cannot come"):
        harness.request("a").result(TIMEOUT)
    assert harness.sender.sent.empty()


def test_without_a_timeout_it_waits_forever(harness: Harness) -> None:
    result = harness.request("a", timeout=None)
    harness.sender.next()
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_a_new_session_starts_the_request_anew_and_its_own_does_not(harness: Harness) -> None:
    result = harness.request("a")
    harness.sender.next()
    harness.ready("abc")
    assert harness.sender.sent.empty()
    harness.sender.session = Session("new", 1)
    harness.ready("new")
    assert harness.sender.next() == {"word": "a", "number": 0}
    harness.ready("new")
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]
    assert harness.sender.sent.empty()


@pytest.mark.parametrize("seq", [8, None])
def test_a_lost_answer_is_requested_again_after_the_replay(harness: Harness, seq: int | None) -> None:
    result = harness.request("a")
    harness.sender.next()
    harness.resumed(seq=7)  # of an earlier connection: it was received before the request was made
    harness.resumed(seq)
    assert harness.sender.next() == {"word": "a", "resumed": 1}
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]
    assert harness.sender.sent.empty()


class SessionLoss:
    """A request for members whose first command, with nonce n0, is held up while its session ends."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._turns = 0
        self.turns: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.go = threading.Event()
        harness.sender.wait_until_ready = self._wait_until_ready  # type: ignore[method-assign]
        nonces = itertools.count()
        self._result = harness.submit(GuildMembers([{"guild_id": "1"}], lambda: f"n{next(nonces)}"))

    def _wait_until_ready(self, name: str, timeout: float | None) -> None:
        self._turns += 1
        self.turns.put(self._turns)
        if self._turns > 1:  # the connection is down: until the next is ready
            self.go.wait(TIMEOUT)

    def publish(self) -> None:
        """Publish the next session, which is ready."""
        self._harness.sender.session = Session("new", 1)
        self.go.set()

    def check(self) -> None:
        """Check that the new session saw one command, with another nonce, and that only that one's answer counts."""
        assert self._harness.sender.next()["nonce"] == "n1"
        self._harness.publish(CHUNK, chunk(0, 1, "n0"))
        self._harness.publish(CHUNK, chunk(0, 1, "n1"))
        assert [member["user"]["id"][:2] for member in self._result.result(TIMEOUT)] == ["n1"] * 2
        assert self._harness.sender.sent.empty()

    def wait_for_turn(self, number: int) -> None:
        assert self.turns.get(timeout=TIMEOUT) == number


@pytest.mark.parametrize("held_up_by", [None, 0.01], ids=["connection", "rate limit"])
def test_a_command_of_an_ended_session_is_not_sent_in_the_next(harness: Harness, held_up_by: float | None) -> None:
    harness.sender.failures.put(held_up_by)
    loss = SessionLoss(harness)
    loss.wait_for_turn(1)
    loss.wait_for_turn(2)
    loss.publish()
    harness.ready("new")
    loss.check()


def test_a_session_that_is_published_before_its_ready_is_shown_waits_for_it(harness: Harness) -> None:
    """The dispatcher is behind: until READY it shows events of the old session, which are not answers."""
    harness.sender.failures.put(None)
    loss = SessionLoss(harness)
    loss.wait_for_turn(1)
    loss.wait_for_turn(2)
    loss.publish()
    harness.resumed(seq=6)  # some event of the old session
    assert harness.sender.sent.empty()
    harness.ready("new")
    loss.wait_for_turn(3)
    loss.check()


def test_a_session_that_is_published_after_its_ready_is_shown_is_waited_for(harness: Harness) -> None:
    harness.sender.failures.put(None)
    loss = SessionLoss(harness)
    loss.wait_for_turn(1)
    loss.wait_for_turn(2)
    harness.ready("new")
    assert harness.sender.sent.empty()
    loss.publish()
    loss.check()


def test_a_ready_that_another_caller_sees_before_its_session_is_published_is_not_lost(harness: Harness) -> None:
    """The caller whose turn it is has found the old connection ready, and is about to compare the sessions."""
    seen = threading.Event()

    class Members(GuildMembers):
        def on_event(self, name: str, data: dict[str, Any], now: float) -> bool:
            seen.set()
            return super().on_event(name, data, now)

    nonces, turns = itertools.count(), itertools.count(1)
    first_turn, go = threading.Event(), threading.Event()

    def wait_until_ready(name: str, timeout: float | None) -> None:
        turn = next(turns)
        if turn == 2:
            first_turn.set()
            go.wait(TIMEOUT)
            harness.ready("new")
            harness.publish(CHUNK, {})  # shown after READY, and so processed after it
            assert seen.wait(TIMEOUT)
        elif turn == 3:
            harness.sender.session = Session("new", 1)

    harness.sender.wait_until_ready = wait_until_ready  # type: ignore[method-assign]
    for _ in range(2):
        harness.sender.failures.put(None)
    request = Members([{"guild_id": "1"}], lambda: f"n{next(nonces)}")
    first = harness.submit(request, topic="t")
    assert first_turn.wait(TIMEOUT)
    other = harness.submit(request, topic="t")
    go.set()
    assert harness.sender.next()["nonce"] == "n1"
    harness.publish(CHUNK, chunk(0, 1, "n1"))
    assert first.result(TIMEOUT) == other.result(TIMEOUT) != []
    assert harness.sender.sent.empty()


def test_the_rate_limit_of_a_connection_ends_with_it(harness: Harness) -> None:
    limited = threading.Event()
    try_send = harness.sender.try_send

    def is_limited(op: Opcode, data: CommandData) -> float | None:
        harness.sender.try_send = try_send  # type: ignore[method-assign]
        limited.set()
        return 1000.0

    harness.sender.try_send = is_limited  # type: ignore[method-assign]
    result = harness.request("a", timeout=None)
    assert limited.wait(TIMEOUT)
    threading.Event().wait(0.05)  # in which it must not try again
    harness.resumed()
    assert harness.sender.next() == {"word": "a", "resumed": 1}
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]


# -- a gateway that ends the connection after each command -------------------------------------------------------------


def test_a_request_that_ends_each_connection_is_given_up(harness: Harness) -> None:
    result = harness.request("a", timeout=None)
    harness.sender.next()
    others = [harness.join("a"), harness.join("a", timeout=None)]
    for _ in range(2):
        harness.drop(4000)
        harness.sender.next()
    harness.drop(4001, "no\r\n\x1b[31m such op")
    for caller in (result, *others):
        with pytest.raises(TimeoutError) as raised:
            caller.result(TIMEOUT)
        assert str(raised.value) == (
            "a did not come: REQUEST_CHANNEL_INFO was sent 3 times, and each time the connection dropped before the "
            "answer, last with close code 4001 (no ?[31m such op); check that this gateway supports the command"
        )
    assert harness.sender.sent.empty()
    again = harness.request("a")
    assert harness.sender.next() == {"word": "a", "number": 0}, "it can be requested anew"
    harness.echo("a")
    assert again.result(TIMEOUT) == ["a"]


def test_a_request_that_ends_each_session_is_given_up_too(harness: Harness) -> None:
    result = harness.request("a", timeout=None)
    for session_id in ("b", "c", "d"):
        harness.sender.next()
        harness.sender.session = Session(session_id, 1)
        harness.close(4009)
        harness.ready(session_id)
    with pytest.raises(TimeoutError, match=r"last with close code 4009; check"):
        result.result(TIMEOUT)


def test_a_part_of_the_answer_between_two_drops_starts_the_count_anew(harness: Harness) -> None:
    result = harness.request("a")
    harness.sender.next()
    for _ in range(6):
        harness.drop()
        harness.sender.next()
        harness.publish("ECHO", {"word": "a", "answer": None}, 9)
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]


def test_an_answer_in_the_replay_counts(harness: Harness) -> None:
    result = harness.request("a")
    harness.sender.next()
    for _ in range(2):
        harness.drop()
        harness.sender.next()
    harness.close(4000)
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]


def test_drops_while_nothing_is_unanswered_do_not_count(harness: Harness) -> None:
    result = harness.request("a")
    harness.sender.next()
    for _ in range(5):
        harness.close(1006, "reset")
    harness.resumed()
    harness.sender.next()
    harness.echo("a")
    assert result.result(TIMEOUT) == ["a"]


def test_a_timeout_after_a_drop_names_it(harness: Harness) -> None:
    try_send = harness.sender.try_send

    def send_and_drop(op: Opcode, data: CommandData) -> float | None:
        harness.sender.try_send = try_send  # type: ignore[method-assign]
        harness.drop(1006, ["odd"])
        return 0.0

    harness.sender.try_send = send_and_drop  # type: ignore[method-assign]
    result = harness.request("a", timeout=0.5)
    with pytest.raises(TimeoutError, match=r"no echo; the connection dropped once after .* code 1006$"):
        result.result(TIMEOUT)


# -- a signal handler that closes the client, at any step --------------------------------------------------------------


STEPS = ["start", "resume", "on_event", "is_answered", "answer", "progress", "timer_at", "failure"]


class InterruptedRequest(EchoRequest):
    """One of its methods is interrupted, on its own thread, as by a signal handler."""

    def __init__(self, word: str, method: str, handler: Callable[[], None]) -> None:
        super().__init__(word)
        self._method = method
        self._handler = handler

    def __getattribute__(self, name: str) -> Any:
        if name in STEPS and name == self._method:
            self._method = ""
            self._handler()
        return super().__getattribute__(name)


@pytest.mark.parametrize("method", STEPS)
def test_the_end_may_come_from_a_signal_handler_at_any_step(caplog: pytest.LogCaptureFixture, method: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        harness = Harness(pool, caplog)
    outcome: queue.SimpleQueue[object] = queue.SimpleQueue()
    ended = threading.Event()

    def end() -> None:
        harness.subscribers.end(None)
        ended.set()

    def try_send(op: Opcode, data: CommandData) -> float | None:
        if method == "resume":
            harness.drop()
        if method != "progress":
            harness.echo("a")
        return 0.0

    harness.sender.try_send = try_send  # type: ignore[method-assign]
    timeout = Timeout(0.5 if method == "progress" else TIMEOUT)

    def request() -> None:
        try:
            outcome.put(harness.pending.request("a", "a", lambda: InterruptedRequest("a", method, end), timeout))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=request, name="test-requests", daemon=True).start()  # a deadlock must not stop the test
    came = outcome.get(timeout=2 * TIMEOUT)
    assert ended.is_set()
    assert came == ["a"] or isinstance(came, (NotConnected, TimeoutError))


@pytest.mark.parametrize("method", ["timer_at", "on_event"])
def test_the_end_waits_for_no_caller_that_a_signal_interrupted(caplog: pytest.LogCaptureFixture, method: str) -> None:
    """The handler may wait for another thread to end the client, while the caller holds its lock."""
    with ThreadPoolExecutor(1) as pool:
        harness = Harness(pool, caplog)
    ends: list[bool] = []

    def close() -> None:
        ender = threading.Thread(target=lambda: (harness.drop(), harness.subscribers.end(None)), daemon=True)
        ender.start()
        ender.join(TIMEOUT)
        ends.append(not ender.is_alive())

    def try_send(op: Opcode, data: CommandData) -> float | None:
        harness.echo("a")
        return 0.0

    harness.sender.try_send = try_send  # type: ignore[method-assign]
    with contextlib.suppress(NotConnected):
        harness.pending.request("a", "a", lambda: InterruptedRequest("a", method, close), Timeout(TIMEOUT))
    assert ends == [True]


def test_a_signal_handler_may_request_in_the_middle_of_a_look_up(harness: Harness) -> None:
    """The handler runs on the thread that holds the lock of the table."""

    class Interrupted(dict[object, Any]):
        def get(self, topic: object, default: object = None) -> Any:
            harness.pending._by_topic = {}
            handle()

    def handle() -> None:
        with pytest.raises(TimeoutError):
            harness.pending.request("b", "b", lambda: EchoRequest("b"), Timeout(0.3))

    harness.pending._by_topic = Interrupted()
    outer = harness.submit(EchoRequest("a"))
    assert [harness.sender.next()["word"] for _ in range(2)] == ["b", "a"]
    harness.echo("a")
    assert outer.result(TIMEOUT) == ["a"]


@pytest.mark.parametrize("method", ["wait_until_ready", "try_send"])
def test_an_interrupted_caller_leaves_its_turn_to_another(harness: Harness, method: str) -> None:
    """Ctrl-C raises in the middle of a call."""
    held, go = threading.Event(), threading.Event()

    def interrupt(*args: Any) -> Any:
        delattr(harness.sender, method)
        held.set()
        go.wait(TIMEOUT)
        raise KeyboardInterrupt

    setattr(harness.sender, method, interrupt)
    first = harness.request("a")
    assert held.wait(TIMEOUT)
    other = harness.join("a")
    go.set()
    with pytest.raises(KeyboardInterrupt):
        first.result(TIMEOUT)
    assert harness.sender.next() == {"word": "a", "number": 0}
    harness.echo("a")
    assert other.result(TIMEOUT) == ["a"]
