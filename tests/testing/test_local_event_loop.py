"""The local gateway's event loop."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from vox_gateway.testing.server.event_loop import READ, Reactor


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor("test-reactor")
    reactor.open()
    yield reactor
    reactor.stop()
    reactor.release()


def run(reactor: Reactor) -> bool:
    """Return whether a submitted task is run."""
    done = threading.Event()
    with reactor.lock:
        reactor.submit(done.set)
    return done.wait(5)


def test_a_task_from_another_thread_runs_at_once(reactor: Reactor) -> None:
    reactor.start()
    assert all(run(reactor) for _ in range(1000))


def test_a_wakeup_is_not_lost_when_a_socket_and_a_task_are_ready_together(reactor: Reactor) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def on_ready(_mask: int) -> None:
            ours.recv(1)
            reactor.submit(lambda: None)

        reactor.watch(ours, READ, on_ready)
        theirs.send(b"x")
        reactor.submit(lambda: None)
        reactor.start()
        assert run(reactor)
        with reactor.lock:
            reactor.watch(ours, 0, on_ready)
    assert run(reactor)


def test_timers_run_in_order(reactor: Reactor) -> None:
    order: list[str] = []
    done = threading.Event()
    reactor.call_later(0.02, lambda: order.append("second"))
    reactor.call_later(0.01, lambda: order.append("first"))
    reactor.call_later(0.03, done.set)
    reactor.start()
    assert done.wait(5)
    assert order == ["first", "second"]


def test_a_stop_before_the_start_is_accepted() -> None:
    reactor = Reactor("test-reactor")
    reactor.stop()
    reactor.release()


def test_an_exception_in_a_task_is_kept_and_other_tasks_still_run(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    reactor.start()
    with reactor.lock:
        reactor.submit(lambda: 1 / 0)  # type: ignore[arg-type]
    with caplog.at_level(logging.CRITICAL):
        assert run(reactor)
    assert [type(error) for error in reactor.failures] == [ZeroDivisionError]
