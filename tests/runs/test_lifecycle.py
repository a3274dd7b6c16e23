"""The lifecycle before the first run, with no connection and no thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from vox_gateway import Client, Intents, NotConnected, Session, Status
from vox_gateway.dispatch.emitter import Emitter
from vox_gateway.log import ShardLog
from vox_gateway.runs.lifecycle import Lifecycle


@pytest.fixture
def make_lifecycle() -> Callable[..., Lifecycle]:
    """Makes lifecycles that have not been started."""

    def make(**options: Any) -> Lifecycle:
        log = ShardLog((0, 1))
        return Lifecycle(Client(token="t", **options)._options, Emitter(log), log)

    return make


def test_no_run_is_closed(make_lifecycle: Callable[..., Lifecycle]) -> None:
    lifecycle = make_lifecycle()
    assert lifecycle.status is Status.CLOSED
    assert lifecycle.error is None
    assert lifecycle.handled == Session()
    assert lifecycle.stats.events_waiting == 0
    assert lifecycle.snapshot().in_short() == "closed"
    lifecycle.close(1000, "", reconnect=False)
    lifecycle.close(1000, "", reconnect=True)
    assert lifecycle.wait_closed(None)


@pytest.mark.parametrize(
    "call",
    [
        lambda lifecycle: lifecycle.send(1, None, None),
        lambda lifecycle: lifecycle.update_presence({}, None),
        lambda lifecycle: lifecycle.receiver.wait_for("READY", None, None),
        lambda lifecycle: lifecycle.receiver.check_waiting("the answer"),
    ],
    ids=["send", "update_presence", "wait_for", "check_waiting"],
)
def test_without_a_run_nothing_is_sent_and_nothing_awaited(
    make_lifecycle: Callable[..., Lifecycle], call: Callable[[Lifecycle], object]
) -> None:
    lifecycle = make_lifecycle()
    with pytest.raises(NotConnected, match=r"the client is not connected; call connect\(\) first"):
        call(lifecycle)
    assert "READY" not in lifecycle.subscribers.table, "wait_for closes its stream"


def test_ready_is_waited_for_no_longer_than_the_timeout(make_lifecycle: Callable[..., Lifecycle]) -> None:
    assert not make_lifecycle().wait_until_ready(0)


def test_only_the_caller_runs_pending_handlers(make_lifecycle: Callable[..., Lifecycle]) -> None:
    assert make_lifecycle(handlers="caller").receiver.dispatch_pending(None, 0) == 0
    with pytest.raises(RuntimeError, match="handlers='caller'"):
        make_lifecycle().receiver.dispatch_pending(None, 0)


def test_missing_intents_of_a_stream_are_logged_once(
    make_lifecycle: Callable[..., Lifecycle], caplog: pytest.LogCaptureFixture
) -> None:
    receiver = make_lifecycle(intents=Intents.none()).receiver
    with caplog.at_level(logging.WARNING, "vox_gateway"):
        for _ in range(2):
            receiver.open_stream(("GUILD_BAN_ADD", "GUILD_BAN_ADD"), 0, "drop").close()
    (record,) = caplog.records
    assert "add Intents.GUILD_MODERATION" in record.getMessage()
