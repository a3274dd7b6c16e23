"""What the fixtures of the pytest plugin do: clients for a test, aimed at its gateway, watched, and closed at its end.

pytest itself loads `_vox_gateway_pytest_plugin`, which imports this module when a fixture is asked for. It is the one
place where the gateway in the box and the client of this library meet.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from .. import Client, ConnectFailed, ConnectionClosed, IdentifyGate, Status, ThreadFailed
from . import LocalGateway

__all__ = ["GatewayClients", "marked", "open_clients", "open_gateway"]

#: what clients log in with, unless the gateway wants another
TOKEN = "a-token-for-tests"  # noqa: S105 - nobody's
#: seconds that handlers have for what the gateway has sent
DRAIN_TIMEOUT = 5.0
#: seconds between two looks at whether somebody runs the handlers of a client with ``handlers="caller"``
GLANCE = 0.05


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
    return GatewayClients(gateway, marked(node, "local_gateway").get("token") or TOKEN)


class GatewayClients:
    """Makes clients of one gateway: what the fixture `make_gateway_client` gives. ::

        client = make_gateway_client(intents=Intents.default() | Intents.MESSAGE_CONTENT)

    When the test is over they are all closed, once their handlers have returned from everything that the gateway has
    sent. The test fails if one of them has raised, or has not returned.

    Args:
        gateway: what they connect to.
        token: one that it lets in.
    """

    def __init__(self, gateway: LocalGateway, token: str) -> None:
        self._gateway = gateway
        self._token = token
        self._gate = IdentifyGate(interval=0.0)
        self._clients: list[_WatchedClient] = []
        self._failures: queue.SimpleQueue[tuple[str, BaseException | None]] = queue.SimpleQueue()

    def __call__(
        self,
        *,
        handlers_from: Client | None = None,
        fail_on_handler_error: bool = True,
        drain_timeout: float = DRAIN_TIMEOUT,
        **options: Any,
    ) -> Client:
        """Make a client that is not connected.

        Args:
            handlers_from: another client, whose handlers the new one gets too; for a bot that makes its own client.
            fail_on_handler_error: whether a handler that raises, or does not return, fails the test.
            drain_timeout: seconds that handlers have for what the gateway has sent, before `Client.close` and at the
                end of the test; 0 to have `Client.close` drop what waits, as it does outside of tests. Without
                `fail_on_handler_error` it is 0.
            options: any argument of `Client`. `url`, `token` and `identify_gate` suit the gateway.

        Raises:
            TypeError, ValueError, MissingExtra: see `Client`.
        """
        options = {"url": self._gateway.url, "token": self._token, "identify_gate": self._gate, **options}
        client = _WatchedClient(self._drain, drain_timeout if fail_on_handler_error else 0.0, options)
        self._clients.append(client)
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
        """Close the clients, and raise what their handlers have failed at and nobody has been told."""
        with contextlib.ExitStack() as stack:
            for client in self._clients:
                stack.callback(client.close)
            self._drain(*self._clients)
        self.raise_what_handlers_raised()

    def judge(self) -> None:
        """Let the handlers finish, and raise AssertionError if one has raised or does not return."""
        __tracebackhide__ = True
        self._drain(*self._clients)
        self.raise_what_handlers_raised()

    def raise_what_handlers_raised(self) -> None:
        """Raise AssertionError if a handler has failed; each failure is told once."""
        __tracebackhide__ = True
        failures = []
        while not self._failures.empty():  # what comes in meanwhile is told at the end
            failures.append(self._failures.get())
        if failures:
            causes = [cause for _, cause in failures if cause is not None]
            raise AssertionError("; ".join(words for words, _ in failures)) from next(iter(causes), None)

    def _note(self, error: BaseException, event: str) -> None:
        # What ends the client is emitted as `error` too. It is no handler's failure; `wait_closed` raises it.
        if not (event == "close" and isinstance(error, (ConnectionClosed, ConnectFailed))):
            is_ours = event == "close" and isinstance(error, ThreadFailed)
            self._failures.put((str(error) if is_ours else f"the handler of {event} raised {error!r}", error))

    def _drain(self, *clients: _WatchedClient) -> None:
        """Let the handlers of `clients` return from what the gateway has sent; note what they do not return from."""
        for client in clients:
            began = time.monotonic()
            while self._expects_more(client) and not client.is_stuck:
                left = began + client.drain_timeout - time.monotonic()
                if left <= 0:
                    self._give_up(client)
                    break
                before = client.handled
                if self._gateway.wait_handled(client, min(left, GLANCE)):
                    break
                if client.runs_handlers_on_caller and client.handled == before:  # nobody else runs them
                    while client.dispatch_pending(limit=1) and time.monotonic() < began + client.drain_timeout:
                        pass

    def _expects_more(self, client: _WatchedClient) -> bool:
        """Whether the gateway has sent something that the handlers of `client` may not have returned from."""
        if client.drain_timeout <= 0 or client.status in (Status.CLOSED, Status.CLOSING):
            return False
        session, sessions = client.session, {one.id for one in self._gateway.sessions}
        if session.id is None:  # READY may be on its way
            return not sessions <= {one.session.id for one in self._clients if one is not client}
        return session.id in sessions or client.is_behind

    def _give_up(self, client: _WatchedClient) -> None:
        if not client.is_behind:
            return  # it is about to reconnect, say: what has not arrived is no handler's failure
        client.is_stuck = True
        health = client.health()
        count = health["events_waiting"]
        waiting = "1 event waits" if count == 1 else f"{count} events wait"
        if health["handler"] is None:
            doing = f"{waiting}, and no handler runs: is a stream with overflow='block' full?"
        else:
            running = f"the handler of {health['handler']} has been running for {health['handler_seconds']:.1f} s"
            doing = f"{running}, {waiting}"
        words = f"what the gateway sent was not handled within drain_timeout={client.drain_timeout:g} seconds: {doing}"
        self._failures.put((words, None))


class _WatchedClient(Client):
    """A client that handles what it was sent before it closes.

    Args:
        drain: called then, unless a handler closes it.

    Attributes:
        drain_timeout: seconds that this may take; 0 for not at all.
        is_stuck: whether it took longer.
        runs_handlers_on_caller: whether nothing is handled unless somebody calls `dispatch_pending`.
    """

    def __init__(self, drain: Callable[[_WatchedClient], None], drain_timeout: float, options: dict[str, Any]) -> None:
        super().__init__(**options)
        self.drain_timeout = drain_timeout
        self.is_stuck = False
        self.runs_handlers_on_caller = options.get("handlers") == "caller"
        self._drain = drain
        self._here = threading.local()

    @property
    def is_behind(self) -> bool:
        """Whether something has arrived that the handlers have not returned from."""
        arrived, handled = self.session, self.handled
        return arrived.id is not None and (arrived.id, arrived.seq) != (handled.id, handled.seq)

    def emit(self, event: str, *args: Any, **kwargs: Any) -> bool:
        """See `Client`; notes which thread is in a handler."""
        outer = getattr(self._here, "is_in_handler", False)
        self._here.is_in_handler = True
        try:
            return super().emit(event, *args, **kwargs)
        finally:
            self._here.is_in_handler = outer

    def close(
        self, reason: str | None = None, code: int = 1000, reconnect: bool = False, resumable: bool = False
    ) -> None:
        """See `Client`; first, handlers have `drain_timeout` for what has been sent."""
        if not reconnect and not getattr(self._here, "is_in_handler", False):
            self._drain(self)
        super().close(reason, code, reconnect, resumable)


def _copy_handlers(source: Client, target: Client) -> None:
    for event in source.event_names():
        for handler in source.listeners(event):
            # pyee keeps what `once` registered under the same name, in a wrapper.
            add: Callable[..., Any] = target.on if source._events[event][handler] is handler else target.once
            add(event, handler)
