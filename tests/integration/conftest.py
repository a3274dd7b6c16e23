"""Clients and gateways for tests over real sockets."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vox_gateway import Client, IdentifyGate, Intents
from vox_gateway.testing import LocalGateway

TOKEN = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.Gabcde.not-a-real-token"

MakeClient = Callable[..., Client]


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway with Discord's own figures, but for the wait between two IDENTIFYs."""
    with LocalGateway(identify_interval=0) as gateway:
        yield gateway


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes clients of a gateway that may IDENTIFY as often as they like; closes them all at the end."""
    with contextlib.ExitStack() as stack:

        def make(gateway: LocalGateway, **options: Any) -> Client:
            options = {
                "url": gateway.url,
                "token": TOKEN,
                "intents": Intents.all(),
                "identify_gate": IdentifyGate(interval=0),
                **options,
            }
            client = Client(**options)
            stack.callback(client.close)
            return client

        yield make


class Heard:
    """What a client emitted, in order."""

    def __init__(self, client: Client, *names: str) -> None:
        self._queue: queue.SimpleQueue[tuple[str, tuple[Any, ...]]] = queue.SimpleQueue()
        for name in names:
            client.on(name, self._listener(name))

    def _listener(self, name: str) -> Callable[..., None]:
        return lambda *args: self._queue.put((name, args))

    def next(self, timeout: float = 5.0) -> tuple[str, tuple[Any, ...]]:
        """The next event; queue.Empty when none comes in time."""
        return self._queue.get(timeout=timeout)

    def data(self, timeout: float = 5.0) -> Any:
        """The next event's only argument."""
        _, (data,) = self.next(timeout)
        return data

    @property
    def silent(self) -> bool:
        """Whether nothing waits to be taken."""
        return self._queue.empty()


@pytest.fixture
def hear() -> type[Heard]:
    """Collects events."""
    return Heard


def message(gateway: LocalGateway, number: int, content: str = "hello") -> dict[str, Any]:
    """A message that says which one it is."""
    return {
        "id": str(1300000000000000000 + number),
        "guild_id": gateway.guilds[0]["id"],
        "channel_id": "1200000000000000011",
        "author": {"id": "1100000000000000002", "username": "ada"},
        "content": content,
        "nonce": number,
    }


@pytest.fixture
def send_messages() -> Callable[[LocalGateway, range], None]:
    """Dispatches numbered messages."""

    def send(gateway: LocalGateway, numbers: range) -> None:
        for number in numbers:
            gateway.dispatch("MESSAGE_CREATE", message(gateway, number))

    return send


@pytest.fixture
def when_logged(caplog: pytest.LogCaptureFixture) -> Callable[[str, Callable[[], None]], None]:
    """Calls a function when a line with given words is logged."""

    def arrange(words: str, then: Callable[[], None]) -> None:
        def see(record: logging.LogRecord) -> bool:
            if words in record.getMessage():
                then()
            return True

        caplog.handler.addFilter(see)

    return arrange


@pytest.fixture
def no_token_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Logs everything, and fails the test if the token is in it."""
    caplog.set_level(logging.DEBUG, logger="vox_gateway")
    yield
    for record in caplog.get_records("call"):
        assert TOKEN not in caplog.handler.format(record)  # with its traceback
        assert TOKEN not in repr(record.args)


@pytest.fixture
def little_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random waits are at their short end: a first resume comes after 10 ms, a first beat after 1 % of the interval."""
    monkeypatch.setattr("random.random", lambda: 0.01)
