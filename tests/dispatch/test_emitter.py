"""Handlers that cannot harm each other."""

from __future__ import annotations

from typing import Any

import pytest

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
    with pytest.raises(KeyError):
        emitter.on("x", second)
        emitter.remove_listener("x", first)
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
