"""The local gateway's event loop."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from vox_gateway.testing.server.event_loop import READ, EventLoop


@pytest.fixture
def event_loop() -> Iterator[EventLoop]:
    event_loop = EventLoop("test-event-loop")
    event_loop.open()
    yield event_loop
    event_loop.stop()
    event_loop.release()


def run(event_loop: EventLoop) -> bool:
    """Return whether a submitted task is run."""
    done = threading.Event()
    with event_loop.lock:
        event_loop.submit(done.set)
    return done.wait(5)


def test_a_task_from_another_thread_runs_at_once(event_loop: EventLoop) -> None:
    event_loop.start()
    assert all(run(event_loop) for _ in range(1000))


def test_a_wakeup_is_not_lost_when_a_socket_and_a_task_are_ready_together(event_loop: EventLoop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def on_ready(_mask: int) -> None:
            ours.recv(1)
            event_loop.submit(lambda: None)

        event_loop.watch(ours, READ, on_ready)
        theirs.send(b"x")
        event_loop.submit(lambda: None)
        event_loop.start()
        assert run(event_loop)
        with event_loop.lock:
            event_loop.watch(ours, 0, on_ready)
    assert run(event_loop)


def test_timers_run_in_order(event_loop: EventLoop) -> None:
    order: list[str] = []
    done = threading.Event()
    event_loop.call_later(0.02, lambda: order.append("second"))
    event_loop.call_later(0.01, lambda: order.append("first"))
    event_loop.call_later(0.03, done.set)
    event_loop.start()
    assert done.wait(5)
    assert order == ["first", "second"]


def test_a_stop_before_the_start_is_accepted() -> None:
    event_loop = EventLoop("test-event-loop")
    event_loop.stop()
    event_loop.release()


def test_an_exception_in_a_task_is_kept_and_other_tasks_still_run(
    event_loop: EventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    event_loop.start()
    with event_loop.lock:
        event_loop.submit(lambda: 1 / 0)  # type: ignore[arg-type]
    with caplog.at_level(logging.CRITICAL):
        assert run(event_loop)
    assert [type(error) for error in event_loop.failures] == [ZeroDivisionError]
