"""Fixtures for tests over real sockets: gateways, servers, clients, and the log."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client_helpers import (
    TOKEN,
    Cases,
    EventRecorder,
    HasURL,
    MakeClient,
    OnLogLine,
    RecordEvents,
    SendMessages,
    SocketsOf,
)
from scripted_server import ScriptedServer
from tls_contexts import authority, server_context

from vox_gateway import Client, IdentifyGate, Intents
from vox_gateway.network import connector
from vox_gateway.network.dial import dial
from vox_gateway.testing import LocalGateway


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway with Discord's limits, except that IDENTIFY may be sent at any time."""
    with LocalGateway(identify_interval=0) as gateway:
        yield gateway


@pytest.fixture(params=["ws", "wss"])
def gateway_with_authority(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[LocalGateway, str]]:
    """A gateway, without and with TLS, and the file of the certificate authority that clients must trust."""
    if request.param == "ws":
        with LocalGateway(identify_interval=0) as gateway:
            yield gateway, ""
        return
    authority().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with LocalGateway(identify_interval=0, ssl_context=server_context()) as gateway:
        yield gateway, str(tmp_path / "authority.pem")


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes clients that may IDENTIFY at any time; closes them all at the end."""
    with contextlib.ExitStack() as stack:

        def make(server: HasURL, **options: Any) -> Client:
            defaults = {
                "url": server.url,
                "token": TOKEN,
                "intents": Intents.all(),
                "identify_gate": IdentifyGate(interval=0),
            }
            client = Client(**{**defaults, **options})
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def server(make_client: MakeClient) -> Iterator[ScriptedServer]:
    """A scripted server. It closes before the clients do, which are then quick to close."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def cases(make_client: MakeClient) -> Iterator[Cases]:
    """Clients and servers by test case."""
    with contextlib.ExitStack() as stack:
        yield Cases(make_client, stack)


@pytest.fixture
def record_events() -> RecordEvents:
    """Records events of a client."""
    return EventRecorder


def message(gateway: LocalGateway, number: int, content: str = "hello") -> dict[str, Any]:
    """Return a message whose nonce is `number`."""
    return {
        "id": str(1300000000000000000 + number),
        "guild_id": gateway.guilds[0]["id"],
        "channel_id": "1200000000000000011",
        "author": {"id": "1100000000000000002", "username": "ada"},
        "content": content,
        "nonce": number,
    }


@pytest.fixture
def send_messages() -> SendMessages:
    """Dispatches numbered messages."""

    def send(gateway: LocalGateway, numbers: range) -> None:
        for number in numbers:
            gateway.dispatch("MESSAGE_CREATE", message(gateway, number))

    return send


@pytest.fixture
def on_log_line(caplog: pytest.LogCaptureFixture) -> OnLogLine:
    """Calls a function when a line with the given text is logged."""

    def arrange(text: str, call: Callable[[], None]) -> None:
        def see(record: logging.LogRecord) -> bool:
            if text in record.getMessage():
                call()
            return True

        caplog.handler.addFilter(see)

    return arrange


@pytest.fixture
def sockets_of(monkeypatch: pytest.MonkeyPatch) -> SocketsOf:
    """Makes the sockets of clients of a class that fails as only a kernel does."""

    def arrange(cls: type[socket.socket]) -> list[Any]:
        made = []

        def dial_as(*args: Any) -> socket.socket:
            made.append(cls(fileno=dial(*args).detach()))
            made[-1].setblocking(False)
            return made[-1]

        monkeypatch.setattr(connector, "dial", dial_as)
        return made

    return arrange


@pytest.fixture
def no_token_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Logs at DEBUG, and fails the test if the token was logged."""
    caplog.set_level(logging.DEBUG, logger="vox_gateway")
    yield
    for record in caplog.get_records("call"):
        assert TOKEN not in caplog.handler.format(record)  # includes the traceback
        assert TOKEN not in repr(record.args)


@pytest.fixture
def little_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens random delays: the first resume comes after 10 ms, the first heartbeat after 1 % of the interval."""
    monkeypatch.setattr("random.random", lambda: 0.01)
