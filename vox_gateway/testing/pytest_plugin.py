"""The implementation of the pytest plugin's fixtures: clients of a test's gateway, watched and closed after the test.

pytest loads `_vox_gateway_pytest_plugin`, which imports this module when a fixture is first used. No other module of
`testing` imports the client.
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

#: the clients' token, unless the gateway requires another
TOKEN = "a-token-for-tests"  # noqa: S105 - not a real token
#: seconds that handlers have to finish with what the gateway sent
DRAIN_TIMEOUT = 5.0
#: seconds between two checks whether another thread runs the handlers of a client with ``handlers="caller"``
POLL_INTERVAL = 0.05


def marked(node: pytest.Item, marker: str) -> dict[str, Any]:
    """Merge the keywords of all markers of this name that apply to a test; the nearest wins."""
    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(marker))):
        if mark.args:
            raise pytest.UsageError(f"@pytest.mark.{marker} takes keyword arguments only: got {mark.args[0]!r}")
        options |= mark.kwargs
    return options


def open_gateway(node: pytest.Item) -> LocalGateway:
    """Create a gateway from the marker `local_gateway`; `identify_interval` defaults to 0."""
    return LocalGateway(**{"identify_interval": 0.0, **marked(node, "local_gateway")})


def open_clients(node: pytest.Item, gateway: LocalGateway) -> GatewayClients:
    """Create the factory of a test's clients."""
    return GatewayClients(gateway, marked(node, "local_gateway").get("token") or TOKEN)


class GatewayClients:
    """Makes clients of a gateway; the value of the fixture `make_gateway_client`. ::

        client = make_gateway_client(intents=Intents.default() | Intents.MESSAGE_CONTENT)

    After the test all clients are closed, once their handlers have returned from everything that the gateway
    sent. The test fails if a handler raised or did not return.

    Args:
        gateway: the gateway to connect to.
        token: a token that the gateway accepts.
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
        """Create a client, not connected yet.

        Args:
            handlers_from: another client whose handlers are copied; for a bot that creates its own client.
            fail_on_handler_error: whether a handler that raises or does not return fails the test.
            drain_timeout: seconds that handlers have to finish with what the gateway sent, before `Client.close` and
                at the end of the test; with 0 `Client.close` drops queued events, as it does outside of tests.
                Without `fail_on_handler_error` it is 0.
            options: any argument of `Client`. `url`, `token` and `identify_gate` default to those of the gateway.

        Raises:
            TypeError, ValueError: an argument of `Client` is invalid.
            MissingExtra: an option needs an extra that is not installed.
        """
        options = {"url": self._gateway.url, "token": self._token, "identify_gate": self._gate, **options}
        client = _WatchedClient(self._drain, drain_timeout if fail_on_handler_error else 0.0, options)
        self._clients.append(client)
        if handlers_from is not None:
            client.copy_handlers(handlers_from)
        if fail_on_handler_error:
            client.on("error", self._on_error)
        return client

    def __enter__(self) -> GatewayClients:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the clients and raise AssertionError for handler failures not yet reported."""
        with contextlib.ExitStack() as stack:
            for client in self._clients:
                stack.callback(client.close)
            self._drain(*self._clients)
        self.raise_what_handlers_raised()

    def judge(self) -> None:
        """Wait for the handlers to finish; raise AssertionError if a handler raised or does not return."""
        __tracebackhide__ = True
        self._drain(*self._clients)
        self.raise_what_handlers_raised()

    def raise_what_handlers_raised(self) -> None:
        """Raise AssertionError if a handler failed; each failure is reported once."""
        __tracebackhide__ = True
        failures = []
        while not self._failures.empty():  # failures during the loop are included
            failures.append(self._failures.get())
        if failures:
            causes = [cause for _, cause in failures if cause is not None]
            raise AssertionError("; ".join(message for message, _ in failures)) from next(iter(causes), None)

    def _on_error(self, error: BaseException, event: str) -> None:
        # The error that ends the client is emitted as `error` too. `wait_closed` raises it; no handler failed.
        if not (event == "close" and isinstance(error, (ConnectionClosed, ConnectFailed))):
            is_ours = event == "close" and isinstance(error, ThreadFailed)
            self._failures.put((str(error) if is_ours else f"the handler of {event} raised {error!r}", error))

    def _drain(self, *clients: _WatchedClient) -> None:
        """Wait for the handlers of `clients` to return from what the gateway sent; record a failure on timeout."""
        for client in clients:
            began = time.monotonic()
            while self._expects_more(client) and not client.is_stuck:
                left = began + client.drain_timeout - time.monotonic()
                if left <= 0:
                    self._give_up(client)
                    break
                before = client.handled
                if self._wait_handled(client, min(left, POLL_INTERVAL)):
                    break
                if client.runs_handlers_on_caller and client.handled == before:  # no other thread runs them
                    while client.dispatch_pending(limit=1) and time.monotonic() < began + client.drain_timeout:
                        pass

    def _wait_handled(self, client: _WatchedClient, timeout: float) -> bool:
        """Wait as `LocalGateway.wait_handled` does, and the whole timeout even if the gateway is closed."""
        deadline = time.monotonic() + timeout
        if self._gateway.wait_handled(client, timeout):
            return True
        threading.Event().wait(max(0.0, deadline - time.monotonic()))
        return False

    def _expects_more(self, client: _WatchedClient) -> bool:
        """Whether the gateway sent an event that the handlers of `client` may not have returned from."""
        if client.drain_timeout <= 0 or client.status in (Status.CLOSED, Status.CLOSING):
            return False
        session, sessions = client.session, {view.id for view in self._gateway.sessions}
        if session.id is None:  # READY may be on its way
            return not sessions <= {other.session.id for other in self._clients if other is not client}
        return session.id in sessions or client.is_behind

    def _give_up(self, client: _WatchedClient) -> None:
        if not client.is_behind:
            return  # for example while reconnecting: no handler is at fault for events that have not arrived
        client.is_stuck = True
        health = client.health()
        count = health["events_waiting"]
        waiting = "1 event waits" if count == 1 else f"{count} events wait"
        if health["handler"] is None:
            doing = f"{waiting}, and no handler runs: is a stream with overflow='block' full?"
        else:
            running = f"the handler of {health['handler']} has been running for {health['handler_seconds']:.1f} s"
            doing = f"{running}, {waiting}"
        message = f"events were not handled within drain_timeout={client.drain_timeout:g} seconds: {doing}"
        self._failures.put((message, None))


class _WatchedClient(Client):
    """A client that handles what it was sent before it closes.

    Args:
        drain: called before closing, unless a handler closes the client.
        drain_timeout: see Attributes.
        options: the arguments of `Client`.

    Attributes:
        drain_timeout: seconds that draining may take; 0 to skip it.
        is_stuck: whether draining timed out.
        runs_handlers_on_caller: whether handlers run only in `dispatch_pending`.
    """

    def __init__(self, drain: Callable[[_WatchedClient], None], drain_timeout: float, options: dict[str, Any]) -> None:
        super().__init__(**options)
        self.drain_timeout = drain_timeout
        self.is_stuck = False
        self.runs_handlers_on_caller = options.get("handlers") == "caller"
        self._drain = drain
        self._local = threading.local()

    @property
    def is_behind(self) -> bool:
        """Whether an event arrived that the handlers have not returned from."""
        arrived, handled = self.session, self.handled
        return arrived.id is not None and (arrived.id, arrived.seq) != (handled.id, handled.seq)

    def emit(self, event: str, *args: Any, **kwargs: Any) -> bool:
        """Emit an event, and mark the thread as in a handler."""
        outer = getattr(self._local, "is_in_handler", False)
        self._local.is_in_handler = True
        try:
            return super().emit(event, *args, **kwargs)
        finally:
            self._local.is_in_handler = outer

    def close(
        self, reason: str | None = None, code: int = 1000, reconnect: bool = False, resumable: bool = False
    ) -> None:
        """Close as `Client.close` does, after the handlers finish or `drain_timeout` passes."""
        if not reconnect and not getattr(self._local, "is_in_handler", False):
            self._drain(self)
        super().close(reason, code, reconnect, resumable)
