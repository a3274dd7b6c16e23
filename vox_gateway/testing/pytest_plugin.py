"""What the fixtures of the pytest plugin do: clients for a test, aimed at its gateway, watched, and closed at its end.

pytest itself loads `_vox_gateway_pytest_plugin`, which imports this module when a fixture is asked for. It is the one
place where the gateway in the box and the client of this library meet.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from .. import Client, ConnectFailed, ConnectionClosed, IdentifyGate
from . import LocalGateway

__all__ = ["GatewayClients", "marked", "open_clients", "open_gateway"]

#: what clients log in with, unless the gateway wants another
TOKEN = "a-token-for-tests"  # noqa: S105 - nobody's


def marked(node: pytest.Item, marker: str) -> dict[str, Any]:
    """The keywords of all markers of this name around a test; the nearest wins."""
    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(marker))):
        if mark.args:
            raise pytest.UsageError(f"@pytest.mark.{marker} takes keywords only, not {mark.args[0]!r}")
        options |= mark.kwargs
    return options


def open_gateway(node: pytest.Item) -> LocalGateway:
    """A gateway as the marker `local_gateway` wants it; unless it says so, no wait between two IDENTIFYs."""
    return LocalGateway(**{"identify_interval": 0.0, **marked(node, "local_gateway")})


def open_clients(node: pytest.Item, gateway: LocalGateway) -> GatewayClients:
    """What makes the clients of a test."""
    return GatewayClients(gateway.url, marked(node, "local_gateway").get("token") or TOKEN)


class GatewayClients:
    """Makes clients of one gateway: what the fixture `make_gateway_client` gives. ::

        client = make_gateway_client(intents=Intents.default() | Intents.MESSAGE_CONTENT)

    When the test is over they are all closed, and it fails if one of their handlers has raised.

    Args:
        url: the gateway's.
        token: one that it lets in.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._gate = IdentifyGate(interval=0.0)
        self._at_the_end = contextlib.ExitStack()
        self._raised: queue.SimpleQueue[tuple[str, BaseException]] = queue.SimpleQueue()

    def __call__(
        self, *, handlers_from: Client | None = None, fail_on_handler_error: bool = True, **options: Any
    ) -> Client:
        """Make a client that is not connected.

        Args:
            handlers_from: another client, whose handlers the new one gets too; for a bot that makes its own client.
            fail_on_handler_error: whether an exception that a handler raises fails the test.
            options: any argument of `Client`. `url`, `token` and `identify_gate` suit the gateway.

        Raises:
            TypeError, ValueError, MissingExtra: see `Client`.
        """
        client = Client(**{"url": self._url, "token": self._token, "identify_gate": self._gate, **options})
        self._at_the_end.callback(client.close)
        if handlers_from is not None:
            _copy_handlers(handlers_from, client)
        if fail_on_handler_error:
            client.on("error", self._note)
        return client

    def __enter__(self) -> GatewayClients:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the clients, and raise what their handlers have raised and nobody has been told."""
        self._at_the_end.close()
        self.raise_what_handlers_raised()

    def raise_what_handlers_raised(self) -> None:
        """Raise AssertionError if a handler has raised; each failure is told once."""
        __tracebackhide__ = True
        raised = []
        while not self._raised.empty():  # what comes in meanwhile is told at the end
            raised.append(self._raised.get())
        if not raised:
            return
        words = "; ".join(f"the handler of {event} raised {error!r}" for event, error in raised)
        raise AssertionError(words) from raised[0][1]

    def _note(self, error: BaseException, event: str) -> None:
        # What ends the client is emitted as `error` too. It is no handler's failure; `wait_closed` raises it.
        if not (event == "close" and isinstance(error, (ConnectionClosed, ConnectFailed))):
            self._raised.put((event, error))


def _copy_handlers(source: Client, target: Client) -> None:
    for event in source.event_names():
        for handler in source.listeners(event):
            # pyee keeps what `once` registered under the same name, in a wrapper.
            add: Callable[..., Any] = target.on if source._events[event][handler] is handler else target.once
            add(event, handler)
