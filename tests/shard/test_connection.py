"""One connection alone: what it posts, and in which order; nothing follows a close frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest
from support import items, wait_until

from vox_gateway.concurrency.wakeup import Deadline, Wakeup
from vox_gateway.dispatch.event_queue import EventQueue
from vox_gateway.dispatch.progress import InlineProgress
from vox_gateway.errors import ConnectFailed, ConnectionLost
from vox_gateway.network.urls import GatewayURL
from vox_gateway.protocol.reconnect_policy import Cause, ConnectPlan, Disconnect
from vox_gateway.protocol.state import State
from vox_gateway.session.state import Session
from vox_gateway.shard.connection import Connection, ConnectionConfig
from vox_gateway.shard.messages import (
    Connecting,
    Disconnected,
    IdentifySent,
    Mailbox,
    Message,
    Opened,
    Ready,
    ResumeSent,
)
from vox_gateway.testing import LocalGateway

NEW = ConnectPlan(Session(), at_resume_url=False, delay=0.0)
ASKED = Disconnect(Cause.LOCAL_CLOSE)


@pytest.fixture
def config(make_config: Any) -> ConnectionConfig:
    return make_config()  # type: ignore[no-any-return]


@pytest.fixture
def connection(config: ConnectionConfig) -> Iterator[Connection]:
    connection = Connection(config, NEW, 7)
    connection.start()
    yield connection
    connection.abort()
    assert connection.join(5)


def until(mailbox: Mailbox, kind: type[Message]) -> list[Message]:
    """The messages up to the first of a kind."""
    found = [mailbox.get(timeout=5)]
    while not isinstance(found[-1], kind):
        found.append(mailbox.get(timeout=5))
    return found


def test_it_posts_each_step_in_order(config: ConnectionConfig, connection: Connection) -> None:
    login = until(config.mailbox, Ready)
    assert [type(message) for message in login] == [Connecting, Opened, IdentifySent, Ready]
    assert {message.connection_id for message in login} == {7}  # type: ignore[union-attr]
    ready = login[-1]
    assert isinstance(ready, Ready)
    assert (ready.session.seq, ready.replayed) == (1, None)
    assert connection.reached is State.READY
    connection.close(4000, ASKED)
    (end,) = until(config.mailbox, Disconnected)
    assert isinstance(end, Disconnected)
    assert (end.disconnect, end.reached) == (ASKED, State.READY)
    assert connection.traffic.session == ready.session.at(connection.traffic.session.seq)
    assert connection.traffic.bytes_in > 0


def test_a_resume_counts_what_was_replayed(
    gateway: LocalGateway, config: ConnectionConfig, connection: Connection
) -> None:
    ready = until(config.mailbox, Ready)[-1]
    assert isinstance(ready, Ready)
    connection.close(4000, ASKED)
    until(config.mailbox, Disconnected)
    gateway.expect_close(5)
    session = connection.traffic.session
    for number in range(3):
        gateway.dispatch("MESSAGE_CREATE", {"id": str(number), "guild_id": gateway.guilds[0]["id"], "content": "x"})
    second = Connection(config, ConnectPlan(session, at_resume_url=False, delay=0.0), 8)
    second.start()
    try:
        messages = until(config.mailbox, Ready)
        assert [type(message) for message in messages] == [Connecting, Opened, ResumeSent, Ready]
        resumed = messages[-1]
        assert isinstance(resumed, Ready)
        assert resumed.replayed == 3
        assert resumed.session.id == session.id
    finally:
        second.close(1000, ASKED)
        assert second.join(5)


def test_a_replay_is_taken_in_whole_however_full_the_queue_is(gateway: LocalGateway, make_config: Any) -> None:
    """RESUMED too: a handler may wait for it."""
    config = make_config(queue=EventQueue(2, 1 << 20, InlineProgress(), SimpleQueue()))
    first = Connection(config, NEW, 1)
    first.start()
    until(config.mailbox, Ready)
    first.close(4000, ASKED)
    assert first.join(5)
    session = first.traffic.session
    gateway.expect_close(5)
    for number in range(5):
        gateway.dispatch("MESSAGE_CREATE", {"id": str(number), "guild_id": gateway.guilds[0]["id"], "content": "x"})
    second = Connection(config, ConnectPlan(session, at_resume_url=False, delay=0.0), 2)
    second.start()
    try:
        until(config.mailbox, Ready)
        wait_until(lambda: second.traffic.events >= 5 + 1)
    finally:
        second.close(1000, ASKED)
        assert second.join(5)


def test_the_first_reason_to_close_is_the_one_that_is_reported(
    config: ConnectionConfig, connection: Connection
) -> None:
    until(config.mailbox, Ready)
    connection.close(4000, Disconnect(Cause.SYSTEM_SUSPENDED))
    connection.close(1000, ASKED)
    (end,) = until(config.mailbox, Disconnected)
    assert isinstance(end, Disconnected)
    assert end.disconnect.cause is Cause.SYSTEM_SUSPENDED


def test_nothing_is_written_after_the_close_frame(
    gateway: LocalGateway, config: ConnectionConfig, connection: Connection
) -> None:
    """A command that was written in vain would be lost, and its caller would not know."""
    until(config.mailbox, Ready)
    written: list[int] = []

    def write() -> None:
        with pytest.raises(ConnectionLost, match="the connection is clos"):
            while True:
                connection.write("X", b'{"op":3,"d":{"since":null,"activities":[],"status":"dnd","afk":false}}')
                written.append(1)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    gateway.expect("PRESENCE_UPDATE", 5)
    connection.close(4000, ASKED)
    for writer in writers:
        writer.join(5)
        assert not writer.is_alive()
    with pytest.raises(ConnectionLost, match="the connection is clos"):
        connection.write("X", b"{}")


def test_an_attempt_that_finds_no_url_opens_and_closes_nothing(make_config: Any) -> None:
    error = ConnectFailed("nowhere to go")

    def find_url(plan: ConnectPlan, deadline: Deadline, wakeup: Wakeup) -> GatewayURL:
        raise error

    config = make_config(find_url=find_url)
    connection = Connection(config, NEW, 1)
    connection.start()
    (end,) = until(config.mailbox, Disconnected)
    assert isinstance(end, Disconnected)
    assert (end.disconnect.cause, end.disconnect.error, end.reached) == (Cause.UNREACHABLE, error, State.CONNECTING)
    assert connection.join(5)
    config.queue.finish()
    assert list(items(config.queue)) == []


def test_an_attempt_that_is_aborted_opens_and_closes_nothing(make_config: Any) -> None:
    """Whoever has been told that it is over must not be told of a connection."""
    entered, leave = threading.Event(), threading.Event()
    plain = make_config()

    def find_url(plan: ConnectPlan, deadline: Deadline, wakeup: Wakeup) -> GatewayURL:
        entered.set()
        leave.wait(5)
        return plain.find_url(plan, deadline, wakeup)  # type: ignore[no-any-return]

    config = make_config(find_url=find_url)
    connection = Connection(config, NEW, 1)
    connection.start()
    assert entered.wait(5)
    connection.close(1000, ASKED)
    leave.set()
    assert connection.join(5)
    config.queue.finish()
    assert list(items(config.queue)) == []
