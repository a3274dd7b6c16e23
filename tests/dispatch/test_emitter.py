"""Handlers that cannot harm each other."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from vox_gateway import Opcode, events
from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.log import ShardLog


@pytest.fixture
def emitter() -> Emitter:
    return Emitter(ShardLog((0, 1)))


def test_every_handler_runs_and_every_failure_is_told(emitter: Emitter, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    @emitter.on("x")
    def fails(value: int) -> None:
        raise KeyError(value)

    emitter.on("x", seen.append)
    emitter.on("error", lambda error, event: seen.append((type(error), event)))
    assert emitter.emit("x", 5)
    assert seen == [(KeyError, "x"), 5]
    assert "fails" in caplog.text
    assert "[shard 0/1]" in caplog.text
    assert "Traceback" in caplog.text


def test_without_an_error_listener_nothing_escapes(emitter: Emitter, caplog: pytest.LogCaptureFixture) -> None:
    emitter.on("x", lambda: 1 / 0)
    assert emitter.emit("x")
    assert not emitter.emit("error", ValueError(), "x")
    assert "ZeroDivisionError" in caplog.text


def test_an_error_handler_that_fails_is_only_logged(emitter: Emitter, caplog: pytest.LogCaptureFixture) -> None:
    emitter.on("error", lambda *args: 1 / 0)
    emitter.on("x", lambda: 1 / 0)
    emitter.emit("x")
    assert len(caplog.records) == 2


def test_ctrl_c_is_not_a_failure(emitter: Emitter) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    emitter.on("x", interrupt)
    with pytest.raises(KeyboardInterrupt):
        emitter.emit("x")


@pytest.mark.parametrize("register", ["on", "once", "add_listener"])
def test_async_handlers_are_refused(emitter: Emitter, register: str) -> None:
    async def handler() -> None:
        pass

    with pytest.raises(TypeError, match="plain functions"):
        getattr(emitter, register)("x", handler)
    with pytest.raises(TypeError, match="must be a function"):
        getattr(emitter, register)("x", 5)


def test_the_rest_is_pyee(emitter: Emitter) -> None:
    seen: list[int] = []
    emitter.once("x", seen.append)
    emitter.emit("x", 1)
    emitter.emit("x", 2)
    assert seen == [1]
    emitter.on("y", seen.append)
    assert emitter.listeners("y")
    assert emitter.heard_events() == ["y"]
    emitter.remove_listener("y", seen.append)
    assert emitter.heard_events() == []
    emitter.on("y", seen.append)
    emitter.remove_all_listeners()
    assert not emitter.emit("y", 3)


def test_what_is_called_is_always_what_pyee_holds(emitter: Emitter) -> None:
    """`emit` reads snapshots; every way to change the handlers must change them too."""
    called: list[str] = []

    def first() -> None:
        called.append("first")

    def second() -> None:
        called.append("second")

    def check(*expected: str) -> None:
        called.clear()
        assert emitter.emit("x") is bool(expected)
        assert called == list(expected)
        assert ("x" in emitter.heard) is bool(emitter.listeners("x"))

    check()
    emitter.on("x", first)
    emitter.once("x", second)
    check("first", "second")
    check("first")
    emitter.on("x", second)
    emitter.on("x", first)  # a second time changes nothing
    check("first", "second")
    emitter.remove_listener("x", first)
    check("second")
    emitter.remove_all_listeners("x")
    check()
    emitter.listens_to("x")(first)
    emitter.add_listener("y", second)
    emitter.remove_all_listeners()
    check()
    assert emitter.heard_events() == []
    emitter.once("x", first)
    emitter.remove_listener("x", first)
    check()
    emitter.on("x", second)
    emitter.remove_listener("x", first)  # is not there
    emitter.remove_listener("y", first)
    check("second")


def test_a_handler_may_change_the_handlers_while_it_runs(emitter: Emitter) -> None:
    called: list[int] = []

    @emitter.on("x")
    def replace() -> None:
        called.append(1)
        emitter.remove_listener("x", replace)
        emitter.on("x", lambda: called.append(2))

    emitter.emit("x")
    assert called == [1]  # as it was when the event came
    emitter.emit("x")
    assert called == [1, 2]


# -- checks ------------------------------------------------------------------------------------------------------------


def is_even(number: int) -> bool:
    return number % 2 == 0


def test_a_handler_is_called_with_what_its_check_accepts(emitter: Emitter) -> None:
    seen: list[tuple[str, int]] = []

    @emitter.on("x", check=is_even)
    def even(number: int) -> None:
        seen.append(("even", number))

    emitter.on("x", lambda number: seen.append(("all", number)))
    assert emitter.on("x", even, check=is_even) is even  # again, as a plain call
    for number in range(4):
        assert emitter.emit("x", number)
    assert seen == [("even", 0), ("all", 0), ("all", 1), ("even", 2), ("all", 2), ("all", 3)]
    emitter.remove_listener("x", even)
    emitter.emit("x", 4)
    assert seen[6:] == [("all", 4)]


def test_a_handler_has_the_check_that_was_given_last(emitter: Emitter) -> None:
    seen: list[int] = []
    emitter.on("x", seen.append, check=is_even)
    emitter.on("x", seen.append)
    emitter.emit("x", 1)
    assert seen == [1]
    emitter.on("x", seen.append, check=is_even)
    emitter.emit("x", 3)
    assert seen == [1]


def test_once_means_the_first_that_the_check_accepts(emitter: Emitter) -> None:
    seen: list[int] = []

    @emitter.once("x", check=is_even)
    def first(number: int) -> None:
        seen.append(number)

    for number in (1, 3, 4, 5, 6):
        emitter.emit("x", number)
    assert seen == [4]
    assert "x" not in emitter.heard
    emitter.once("x", first, check=is_even)
    emitter.remove_listener("x", first)
    assert not emitter.emit("x", 8)


def test_once_means_once_where_two_threads_have_an_event_that_is_accepted(emitter: Emitter) -> None:
    both, seen = threading.Barrier(2), list[int]()

    def check(number: int) -> bool:
        both.wait(10)  # until the other thread is past the table of handlers
        return True

    emitter.once("x", seen.append, check=check)
    threads = [threading.Thread(target=emitter.emit, args=("x", number)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 1


def test_a_one_time_handler_that_was_registered_anew_meanwhile_is_not_removed(emitter: Emitter) -> None:
    seen: list[int] = []

    def check(number: int) -> bool:
        emitter.on("x", seen.append)  # replaces the one whose check this is
        return True

    emitter.once("x", seen.append, check=check)
    emitter.emit("x", 1)
    emitter.emit("x", 2)
    assert seen == [2]


@pytest.mark.parametrize("register", ["on", "once"])
def test_what_a_check_raises_counts_as_raised_by_the_handler(
    emitter: Emitter, register: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    def handler(number: int) -> None:
        seen.append(number)

    emitter.on("error", lambda error, event: seen.append((type(error), event)))
    getattr(emitter, register)("x", handler, check=lambda number: 4 / number)
    emitter.on("x", lambda number: seen.append("next"))
    emitter.emit("x", 0)
    assert seen == [(ZeroDivisionError, "x"), "next"]
    assert handler.__qualname__ in caplog.text
    emitter.emit("x", 1)  # a one-time handler is still there
    assert seen[2:] == [1, "next"]


def test_the_check_of_an_error_handler_gets_both_arguments(emitter: Emitter) -> None:
    seen: list[str] = []
    emitter.on("error", lambda error, event: seen.append(event), check=lambda error, event: event == "x")
    emitter.on("x", lambda: 1 / 0)
    emitter.on("y", lambda: 1 / 0)
    emitter.emit("x")
    emitter.emit("y")
    assert seen == ["x"]


@pytest.mark.parametrize("register", ["on", "once"])
def test_a_check_that_cannot_be_used_is_refused_at_once(emitter: Emitter, register: str) -> None:
    async def check(number: int) -> bool:
        return True

    with pytest.raises(TypeError, match="check must be a function or None, not 5"):
        getattr(emitter, register)("x", check=5)
    with pytest.raises(
        TypeError, match=r"check must be a plain function, not an async function or a generator: .*check"
    ):
        getattr(emitter, register)("x", check=check)
    with pytest.raises(TypeError, match="a handler of x must be a function"):
        getattr(emitter, register)("x", 5, check=is_even)


def test_handlers_are_copied_with_their_checks(emitter: Emitter) -> None:
    seen: list[tuple[str, int]] = []

    def handler(name: str) -> Any:
        return lambda number: seen.append((name, number))

    emitter.on("x", handler("each"))
    emitter.on("x", handler("even"), check=is_even)
    emitter.once("x", handler("first"))
    emitter.once("x", handler("first even"), check=is_even)
    copy = Emitter(ShardLog((0, 1)))
    copy.copy_handlers(emitter)
    for number in (1, 2, 4):
        copy.emit("x", number)
    assert seen == [("each", 1), ("first", 1), ("each", 2), ("even", 2), ("first even", 2), ("each", 4), ("even", 4)]
    seen.clear()
    emitter.emit("x", 6)  # what the copy removed is still there
    assert [name for name, _ in seen] == ["each", "even", "first", "first even"]


def test_checks_and_one_time_handlers_stay_in_a_child(emitter: Emitter) -> None:
    seen: list[int] = []
    emitter.once("x", seen.append, check=is_even)
    emitter._renew_handlers()  # what a client does there
    for number in range(4):
        emitter.emit("x", number)
    assert seen == [0]
    assert "x" not in emitter.heard


# -- constants ---------------------------------------------------------------------------------------------------------


def test_a_constant_and_its_text_are_the_same_event(emitter: Emitter) -> None:
    seen: list[Any] = []
    emitter.on(events.MESSAGE_DELETE, seen.append)
    assert emitter.emit("MESSAGE_DELETE", 1)
    emitter.remove_listener("MESSAGE_DELETE", seen.append)
    assert not emitter.emit(events.MESSAGE_DELETE, 2)
    emitter.once("MESSAGE_DELETE", seen.append)
    emitter.remove_all_listeners(events.MESSAGE_DELETE)
    emitter.on("MESSAGE_DELETE", seen.append)
    emitter.remove_listener(events.MESSAGE_DELETE, seen.append)
    assert emitter.heard_events() == []
    assert seen == [1]


def test_the_tables_of_the_hot_path_hold_plain_text_only(emitter: Emitter) -> None:
    """Python finds a `str` faster in a table without keys of other classes."""
    emitter.on(events.MESSAGE_CREATE, print)
    emitter.once(events.READY, print)
    emitter.add_listener(events.OPEN, print)
    emitter.remove_all_listeners(events.HELLO)
    assert {type(event) for event in emitter.heard_events()} == {str}
    emitter._renew_handlers()
    assert {type(event) for event in emitter.heard_events()} == {str}


# -- mistakes ----------------------------------------------------------------------------------------------------------


class AsyncCallable:
    async def __call__(self, data: object) -> None: ...


async def async_generator(data: object) -> Any:
    yield data


def generator(data: object) -> Any:
    yield data


@pytest.mark.parametrize(
    "handler", [AsyncCallable(), generator, async_generator], ids=["object", "generator", "async generator"]
)
def test_a_handler_whose_call_would_run_nothing_is_refused(emitter: Emitter, handler: Any) -> None:
    with pytest.raises(TypeError, match=r"is an async function or a generator: handlers here are plain functions"):
        emitter.on("x", handler)


@pytest.mark.parametrize("register", ["on", "once"])
def test_a_decorator_without_a_name_is_refused(emitter: Emitter, register: str) -> None:
    with pytest.raises(TypeError, match=r"write @client.on\(events.READY\) above generator"):
        getattr(emitter, register)(generator)


@pytest.mark.parametrize("event", [5, None, b"x", "", Opcode.HELLO])
def test_what_names_no_event_is_refused(emitter: Emitter, event: Any) -> None:
    with pytest.raises(TypeError, match="event must be the name of an event, not "):
        emitter.on(event, print)
