"""`Client.handled`, and `LocalGateway.wait_handled`."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from client_helpers import MakeClient, SendMessages
from support import wait_until

from vox_gateway import Client, Session, Status
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")

TIMEOUT = 10.0
WAYS = [{}, {"workers": 3}, {"handlers": "caller"}]


@pytest.fixture(params=WAYS, ids=str)
def client(request: pytest.FixtureRequest, gateway: LocalGateway, make_client: MakeClient) -> Client:
    """An unconnected client, for each way to run handlers."""
    client: Client = make_client(gateway, **request.param)
    return client


def connect(client: Client) -> None:
    """Connect on a thread, which runs the handlers with ``handlers="caller"``."""
    threading.Thread(target=client.connect, name="test-connect").start()
    wait_until(lambda: client.status is not Status.CLOSED)  # `wait_handled` does not wait for a closed client


def test_wait_handled_covers_everything_dispatched_so_far(
    gateway: LocalGateway, client: Client, send_messages: SendMessages
) -> None:
    seen: list[int] = []

    @client.on("MESSAGE_CREATE")
    def slow(message: Any) -> None:
        threading.Event().wait(0.01)
        seen.append(message["nonce"])

    connect(client)
    assert gateway.wait_handled(client, TIMEOUT), "a client that is connecting is waited for"
    assert client.handled.seq == 3, "READY and two guilds"
    for round_ in range(3):
        send_messages(gateway, range(5 * round_, 5 * round_ + 5))
        gateway.dispatch("TYPING_START", {"guild_id": gateway.guilds[0]["id"]})  # has no handler
        assert gateway.wait_handled(client, TIMEOUT)
        assert seen == list(range(5 * round_ + 5))
    (session,) = gateway.sessions
    assert client.handled == Session(session.id, session.seq)


def test_a_running_handler_keeps_its_event_unhandled(gateway: LocalGateway, client: Client) -> None:
    entered, leave = threading.Event(), threading.Event()

    @client.on("GUILD_CREATE")
    def stuck(guild: Any) -> None:
        entered.set()
        leave.wait(TIMEOUT)

    connect(client)
    assert entered.wait(TIMEOUT)
    assert client.health()["handler"] == "GUILD_CREATE"
    assert not gateway.wait_handled(client, 0.1)
    assert client.handled.seq == 1, "READY"
    leave.set()
    assert gateway.wait_handled(client, TIMEOUT)
    assert client.health()["handler"] is None


def test_wait_handled_covers_replayed_events(
    gateway: LocalGateway, client: Client, send_messages: SendMessages
) -> None:
    seen: list[int] = []
    client.on("MESSAGE_CREATE", lambda message: seen.append(message["nonce"]))
    connect(client)
    assert gateway.wait_handled(client, TIMEOUT)
    gateway.drop("reset")
    send_messages(gateway, range(50))
    assert gateway.wait_handled(client, TIMEOUT)
    assert seen == list(range(50))


def test_wait_handled_covers_a_new_session(gateway: LocalGateway, client: Client) -> None:
    seen: list[str] = []
    client.on("READY", lambda data: seen.append(data["session_id"]))
    connect(client)
    assert gateway.wait_handled(client, TIMEOUT)
    gateway.expire_sessions()
    assert gateway.wait_handled(client, TIMEOUT)
    (session,) = gateway.sessions
    assert len(seen) == 2
    assert client.handled == Session(seen[-1], session.seq) == Session(session.id, 3)


def test_wait_handled_returns_for_a_closed_client(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    assert client.handled == Session()
    began = time.monotonic()
    assert not gateway.wait_handled(client, TIMEOUT), "it was never connected"
    client.connect(async_=True)
    assert gateway.wait_handled(client, TIMEOUT)
    client.close(resumable=True)
    assert gateway.wait_handled(client, TIMEOUT), "it was closed when all was handled"
    gateway.dispatch("NEWS", None)
    assert not gateway.wait_handled(client, TIMEOUT)
    gateway.close()
    assert not gateway.wait_handled(client, TIMEOUT)
    assert time.monotonic() - began < TIMEOUT


def test_closing_the_gateway_ends_wait_handled(gateway: LocalGateway, make_client: MakeClient) -> None:
    client, leave, entered = make_client(gateway), threading.Event(), threading.Event()

    @client.on("READY")
    def stuck(data: Any) -> None:
        entered.set()
        leave.wait(TIMEOUT)

    client.connect(async_=True)
    assert entered.wait(TIMEOUT)
    closing = threading.Timer(0.05, gateway.close)
    closing.start()
    assert not gateway.wait_handled(client, TIMEOUT)
    assert not leave.is_set()
    leave.set()
    closing.join(TIMEOUT)
