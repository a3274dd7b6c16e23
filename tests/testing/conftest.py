"""Fixtures for the tests of the local gateway."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from foreign_client import TIMEOUT, Client, OneThreadWebsocket, OpenClient, Websocket
from websockets.sync.client import connect

from vox_gateway.testing import LocalGateway


@pytest.fixture
def open_client() -> Iterator[OpenClient]:
    """Connects clients and receives their HELLO; closes them at the end."""
    with contextlib.ExitStack() as stack:

        def open_one(
            gateway: LocalGateway,
            query: str = "v=10&encoding=json",
            hello: bool = True,
            ssl_context: ssl.SSLContext | None = None,
        ) -> Client:
            url = f"{gateway.url}/?{query}"
            websocket: Websocket
            if ssl_context is not None:
                websocket = stack.enter_context(contextlib.closing(OneThreadWebsocket(url, ssl_context)))
            else:
                websocket = stack.enter_context(
                    connect(
                        url,
                        compression=None,
                        open_timeout=TIMEOUT,
                        close_timeout=0.2,
                        max_size=None,
                    )
                )
            asked = dict(parse_qsl(query))
            client = Client(websocket, asked.get("encoding", "json"), asked.get("compress"))
            if hello:
                assert client.recv()["op"] == 10
            return client

        yield open_one


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway with Discord's limits, except that IDENTIFY may be sent at any time."""
    with LocalGateway(identify_interval=0.0) as gateway:
        yield gateway


@pytest.fixture
def raw_socket() -> Iterator[Callable[[LocalGateway], socket.socket]]:
    """Opens TCP connections to a gateway."""
    with contextlib.ExitStack() as stack:

        def open_one(gateway: LocalGateway) -> socket.socket:
            address = urlsplit(gateway.url)
            return stack.enter_context(socket.create_connection((address.hostname or "", address.port or 80), TIMEOUT))

        yield open_one
