"""Questions under way: who sends, who waits, and what becomes of the others when one gives up. No socket."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from support import TIMEOUT

from vox_gateway import AuthenticationFailed, CommandTimeout, NotConnected, PayloadTooLarge
from vox_gateway.dispatch.subscriptions import Subscribers
from vox_gateway.log import ShardLog
from vox_gateway.opcodes import Opcode
from vox_gateway.requests.base import CommandData, Request
from vox_gateway.requests.pending import Inquiries
from vox_gateway.session.state import Session


class Echo(Request):
    """Answered by an ECHO of what it asked; asks again whenever that is due."""

    op = Opcode.REQUEST_CHANNEL_INFO
    events = ("ECHO",)

    def __init__(self, word: str, commands: int = 1) -> None:
        self.what = word
        self._commands = commands
        self._heard: list[str] = []
        self._resumed = 0

    def begin(self) -> list[CommandData]:
        return [{"word": self.what, "number": number} for number in range(self._commands)]

    def resume(self) -> list[CommandData]:
        self._resumed += 1
        return [] if self._heard else [{"word": self.what, "again": self._resumed}]

    def take(self, name: str, data: dict[str, Any], now: float) -> bool:
        if data.get("word") != self.what:
            return False
        if data["said"] is not None:
            self._heard.append(data["said"])
        return True

    @property
    def is_answered(self) -> bool:
        return bool(self._heard)

    def answer(self) -> list[str]:
        return list(self._heard)

    def missing(self) -> str:
        return "not a word"


class Wire:
    """Where commands go, and whether they do."""

    def __init__(self) -> None:
        self.session = Session("abc", 7)
        self.error: Any = None
        self.failures: queue.SimpleQueue[Exception] = queue.SimpleQueue()
        self.sent: queue.SimpleQueue[CommandData] = queue.SimpleQueue()

    def wait(self, timeout: float | None) -> None:
        """It is always ready."""

    def send(self, op: Opcode, data: CommandData, timeout: float | None) -> None:
        assert op is Echo.op
        if not self.failures.empty():
            raise self.failures.get()
        self.sent.put(data)

    def next(self) -> CommandData:
        return self.sent.get(timeout=TIMEOUT)


class Office:
    """Inquiries, those who ask, and the dispatcher."""

    def __init__(self, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, logger="vox_gateway")
        caplog.handler.addFilter(self._see)
        self.taps = Subscribers(0)
        self.wire = Wire()
        self._pool = pool
        self._joined: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.inquiries = Inquiries(self.taps, self.wire, lambda what: None, ShardLog((0, 1)))

    def _see(self, record: logging.LogRecord) -> bool:
        if "being asked for already" in record.getMessage():
            self._joined.put(record.getMessage())
        return True

    def ask(
        self, word: str, timeout: float | None = TIMEOUT, topic: str | None = None, commands: int = 1
    ) -> Future[Any]:
        make: Callable[[], Request] = lambda: Echo(word, commands)  # noqa: E731
        return self._pool.submit(self.inquiries.ask, topic or word, word, make, timeout)

    def join(self, *args: Any, **options: Any) -> Future[Any]:
        """Ask what is being asked already; returns when that has been noticed."""
        asked = self.ask(*args, **options)
        self._joined.get(timeout=TIMEOUT)
        return asked

    def say(self, word: str, name: str = "ECHO", seq: int | None = 8, said: str | None = None) -> None:
        self.taps.show({"op": 0, "t": name, "s": seq, "d": {"word": word, "session_id": word, "said": said or word}})

    def drop(self, code: int = 4001, reason: Any = "Unknown opcode") -> None:
        """The connection ends, and the session is resumed."""
        self.taps.show_other("close", {"code": code, "reason": reason})
        self.taps.show({"op": 0, "t": "RESUMED", "s": 9, "d": None})


@pytest.fixture
def office(caplog: pytest.LogCaptureFixture) -> Iterator[Office]:
    with ThreadPoolExecutor(8) as pool:
        office = Office(pool, caplog)
        yield office
        assert not office.taps.heard, "nobody listens any more"


def test_it_is_asked_and_answered(office: Office) -> None:
    asked = office.ask("a")
    assert office.wire.next() == {"word": "a", "number": 0}
    office.say("b")
    office.taps.show({"op": 0, "t": "ECHO", "s": 9, "d": None})
    office.say("a")
    assert asked.result(TIMEOUT) == ["a"]


def test_the_same_is_asked_once(office: Office) -> None:
    first = office.ask("a")
    office.wire.next()
    others = [office.join("a") for _ in range(3)]
    office.say("a")
    assert [one.result(TIMEOUT) for one in (first, *others)] == [["a"]] * 4
    assert office.wire.sent.empty()


def test_one_that_gives_up_does_not_spoil_it_for_the_others(office: Office) -> None:
    held, go = threading.Event(), threading.Event()
    send = office.wire.send

    def send_slowly(op: Opcode, data: CommandData, timeout: float | None) -> None:
        held.set()
        go.wait(TIMEOUT)
        send(op, data, timeout)

    office.wire.send = send_slowly  # type: ignore[method-assign]
    first = office.ask("a", timeout=0.05)
    assert held.wait(TIMEOUT)
    other = office.join("a")
    go.set()
    office.wire.next()
    with pytest.raises(TimeoutError, match=r"^a did not come within timeout=0\.05 seconds: not a word$"):
        first.result(TIMEOUT)
    office.say("a")
    assert other.result(TIMEOUT) == ["a"]
    assert office.wire.sent.empty()


def test_what_one_could_not_send_another_sends(office: Office) -> None:
    held, go = threading.Event(), threading.Event()
    send = office.wire.send

    def fail(op: Opcode, data: CommandData, timeout: float | None) -> None:
        office.wire.send = send  # type: ignore[method-assign]
        held.set()
        go.wait(TIMEOUT)
        raise CommandTimeout("no room")

    office.wire.send = fail  # type: ignore[method-assign]
    first = office.ask("a")
    assert held.wait(TIMEOUT)
    other = office.join("a")
    go.set()
    assert office.wire.next() == {"word": "a", "number": 0}
    with pytest.raises(CommandTimeout, match="REQUEST_CHANNEL_INFO was not sent within timeout=5 seconds"):
        first.result(TIMEOUT)
    office.say("a")
    assert other.result(TIMEOUT) == ["a"]


def test_one_whose_second_command_is_late_tells_what_is_missing(office: Office) -> None:
    send = office.wire.send

    def send_one(op: Opcode, data: CommandData, timeout: float | None) -> None:
        send(op, data, timeout)
        office.wire.failures.put(CommandTimeout("no room"))

    office.wire.send = send_one  # type: ignore[method-assign]
    with pytest.raises(TimeoutError, match="not a word"):
        office.ask("a", commands=2).result(TIMEOUT)


def test_one_for_whom_the_gateway_is_never_ready_has_sent_nothing(office: Office) -> None:
    with pytest.raises(CommandTimeout, match="REQUEST_CHANNEL_INFO was not sent within timeout=0 seconds"):
        office.ask("a", timeout=0).result(TIMEOUT)
    assert office.wire.sent.empty()


def test_answers_to_others_before_and_after_are_not_its_own(office: Office) -> None:
    held, go = threading.Event(), threading.Event()

    def wait(timeout: float | None) -> None:
        held.set()
        go.wait(TIMEOUT)

    office.wire.wait = wait  # type: ignore[method-assign]
    asked = office.ask("a")
    assert held.wait(TIMEOUT)
    office.say("a", said="before it was sent")
    go.set()
    office.wire.next()
    office.say("a", said="in time")
    office.say("a", said="too late")
    assert asked.result(TIMEOUT) == ["in time"]


def test_what_cannot_be_sent_at_all_is_raised(office: Office) -> None:
    office.wire.failures.put(PayloadTooLarge("X", 2, 1))
    with pytest.raises(PayloadTooLarge):
        office.ask("a").result(TIMEOUT)


def test_two_that_could_be_mixed_up_are_asked_one_after_the_other(office: Office) -> None:
    first = office.ask("a", topic="t")
    assert office.wire.next()["word"] == "a"
    second = office.join("b", topic="t")
    late = office.join("b", topic="t", timeout=0.05)
    with pytest.raises(TimeoutError, match=r"^a was still being asked for after timeout=0\.05 seconds"):
        late.result(TIMEOUT)
    assert office.wire.sent.empty()
    office.say("a")
    assert first.result(TIMEOUT) == ["a"]
    assert office.wire.next()["word"] == "b"
    office.say("b")
    assert second.result(TIMEOUT) == ["b"]


def test_a_new_session_is_asked_again_and_its_own_is_not(office: Office) -> None:
    asked = office.ask("a")
    office.wire.next()
    office.say("abc", "READY", 1)
    assert office.wire.sent.empty()
    office.wire.session = Session("new", 1)
    office.say("new", "READY", 1)
    assert office.wire.next() == {"word": "a", "number": 0}
    office.say("new", "READY", 1)
    office.say("a")
    assert asked.result(TIMEOUT) == ["a"]
    assert office.wire.sent.empty()


@pytest.mark.parametrize("seq", [8, None])
def test_what_was_lost_with_a_connection_is_asked_again_after_the_replay(office: Office, seq: int | None) -> None:
    asked = office.ask("a")
    office.wire.next()
    office.say("", "RESUMED", seq=7)  # of an earlier connection: it was received before the question was asked
    office.say("", "RESUMED", seq=seq)
    assert office.wire.next() == {"word": "a", "again": 1}
    office.say("a")
    assert asked.result(TIMEOUT) == ["a"]
    assert office.wire.sent.empty()


def test_the_end_of_the_client_ends_the_wait(office: Office) -> None:
    asked = office.ask("a")
    office.wire.next()
    office.taps.end(None)
    with pytest.raises(NotConnected, match=r"^a did not come: the client was closed$"):
        asked.result(TIMEOUT)
    asked = office.ask("a")
    office.wire.next()
    office.taps.end(AuthenticationFailed(4004))
    with pytest.raises(AuthenticationFailed):
        asked.result(TIMEOUT)


def test_a_client_that_ends_before_anything_is_sent_says_why(office: Office) -> None:
    office.wire.failures.put(NotConnected("call connect() first"))
    with pytest.raises(NotConnected, match="call connect"):
        office.ask("a").result(TIMEOUT)
    office.wire.failures.put(NotConnected("call connect() first"))
    office.wire.error = AuthenticationFailed(4004)
    with pytest.raises(AuthenticationFailed):
        office.ask("a").result(TIMEOUT)


def test_without_a_timeout_it_takes_as_long_as_it_takes(office: Office) -> None:
    asked = office.ask("a", timeout=None)
    office.wire.next()
    office.say("a")
    assert asked.result(TIMEOUT) == ["a"]


# -- a connection that ends whenever it is asked -----------------------------------------------------------------------


def test_a_question_that_ends_each_connection_is_given_up(office: Office) -> None:
    asked = office.ask("a", timeout=None)
    office.wire.next()
    others = [office.join("a"), office.join("a", timeout=None)]
    for _ in range(2):
        office.drop(4000)
        office.wire.next()
    office.drop(4001, "no\r\n\x1b[31m such op")
    for one in (asked, *others):
        with pytest.raises(TimeoutError) as raised:
            one.result(TIMEOUT)
        assert str(raised.value) == (
            "a did not come: REQUEST_CHANNEL_INFO was sent 3 times, and each time the connection dropped before the "
            "answer, last with close code 4001 (no ?[31m such op); check that this gateway supports the command"
        )
    assert office.wire.sent.empty()
    again = office.ask("a")
    assert office.wire.next() == {"word": "a", "number": 0}, "it can be asked anew"
    office.say("a")
    assert again.result(TIMEOUT) == ["a"]


def test_a_session_that_is_lost_whenever_it_is_asked_is_given_up_too(office: Office) -> None:
    asked = office.ask("a", timeout=None)
    for session_id in ("b", "c", "d"):
        office.wire.next()
        office.wire.session = Session(session_id, 1)
        office.taps.show_other("close", {"code": 4009, "reason": ""})
        office.say(session_id, "READY", 1)
    with pytest.raises(TimeoutError, match=r"last with close code 4009; check"):
        asked.result(TIMEOUT)


def test_a_part_of_the_answer_between_two_drops_is_hope(office: Office) -> None:
    asked = office.ask("a")
    office.wire.next()
    for _ in range(6):
        office.drop()
        office.wire.next()
        office.taps.show({"op": 0, "t": "ECHO", "s": 9, "d": {"word": "a", "said": None}})
    office.say("a")
    assert asked.result(TIMEOUT) == ["a"]


def test_an_answer_that_comes_with_the_replay_counts(office: Office) -> None:
    asked = office.ask("a")
    office.wire.next()
    for _ in range(2):
        office.drop()
        office.wire.next()
    office.taps.show_other("close", {"code": 4000, "reason": ""})
    office.say("a")
    assert asked.result(TIMEOUT) == ["a"]


def test_drops_while_nothing_was_asked_do_not_count(office: Office) -> None:
    asked = office.ask("a")
    office.wire.next()
    for _ in range(5):
        office.taps.show_other("close", {"code": 1006, "reason": "reset"})
    office.taps.show({"op": 0, "t": "RESUMED", "s": 9, "d": None})
    office.wire.next()
    office.say("a")
    assert asked.result(TIMEOUT) == ["a"]


def test_one_that_is_late_after_a_drop_names_it(office: Office) -> None:
    send = office.wire.send

    def send_and_drop(op: Opcode, data: CommandData, timeout: float | None) -> None:
        office.wire.send = send  # type: ignore[method-assign]
        office.drop(1006, ["odd"])

    office.wire.send = send_and_drop  # type: ignore[method-assign]
    asked = office.ask("a", timeout=1)
    with pytest.raises(TimeoutError, match=r"not a word; the connection dropped once after .* code 1006$"):
        asked.result(TIMEOUT)


# -- a signal handler that closes the client, at any step --------------------------------------------------------------


STEPS = ["begin", "resume", "take", "is_answered", "answer", "missing", "wake_at", "in_vain"]


class Interrupted(Echo):
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
        office = Office(pool, caplog)
    outcome: queue.SimpleQueue[object] = queue.SimpleQueue()
    ended = threading.Event()

    def end() -> None:
        office.taps.end(None)
        ended.set()

    def send(op: Opcode, data: CommandData, timeout: float | None) -> None:
        if method == "resume":
            office.drop()
        if method != "missing":
            office.say("a")

    office.wire.send = send  # type: ignore[method-assign]

    def ask() -> None:
        try:
            outcome.put(office.inquiries.ask("a", "a", lambda: Interrupted("a", method, end), 1))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, name="test-asks", daemon=True).start()  # a deadlock must not hold up the test
    came = outcome.get(timeout=TIMEOUT)
    assert ended.is_set()
    assert came == ["a"] or isinstance(came, (NotConnected, TimeoutError))
