"""Clients whose session is kept in a store that is not a file, and that may hang or fail."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import pytest
from client_helpers import MakeClient, SendMessages, close_promptly, start, start_until_ready
from support import in_background, wait_until

from vox_gateway import Client, SavedSession, Status
from vox_gateway.runs import lifecycle
from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0


class Store:
    """A store in memory, whose methods hang while `may_return` is not set, and raise `error`."""

    def __init__(self) -> None:
        self.saved: SavedSession | None = None
        self.error: Exception | None = None
        self.calls: list[str] = []
        self.threads: set[str] = set()
        self.may_return = threading.Event()
        self.may_return.set()

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)
        assert self.may_return.wait(TIMEOUT)
        if self.error is not None:
            raise self.error

    def load(self) -> SavedSession | None:
        self._note("load")
        return self.saved

    def save(self, session: SavedSession) -> None:
        self._note("save")
        self.saved = session

    def clear(self) -> None:
        self._note("clear")
        self.saved = None


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.may_return.set()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves often."""
    monkeypatch.setattr("vox_gateway.session.writer.SAVE_EVERY", 0.01)


def test_the_next_client_resumes(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages, store: Store
) -> None:
    with make_client(gateway, session_file=store) as client:
        assert client.wait_until_ready(TIMEOUT)
        assert gateway.wait_handled(client)
        seq = client.handled.seq
    assert store.saved is not None
    assert store.saved.seq == seq
    send_messages(gateway, range(2))
    client = make_client(gateway, session_file=store)
    with client.stream("MESSAGE_CREATE") as events:
        start(client)
        assert [events.get(TIMEOUT).data["nonce"] for _ in range(2)] == [0, 1]
    wait_until(lambda: client.stats.resumes == 1)
    client.close()
    assert store.saved is None, "close() has ended the session"
    assert store.threads == {threading.current_thread().name, "vox_gateway-0/1-session-file"}


def test_a_store_that_cannot_be_loaded_prevents_the_start(
    gateway: LocalGateway, make_client: MakeClient, store: Store
) -> None:
    client = make_client(gateway, session_file=store)
    store.error = ConnectionRefusedError("no store is there")
    with pytest.raises(ConnectionRefusedError, match="no store is there"):
        client.connect()
    assert client.status is Status.CLOSED
    store.error = None
    start_until_ready(client)


def test_a_store_that_hangs_delays_neither_ready_nor_close(
    gateway: LocalGateway, make_client: MakeClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_until_ready(make_client(gateway, session_file=store))
    gateway.wait_handled(client)
    wait_until(lambda: store.saved is not None)
    store.may_return.clear()
    with client.stream("NEWS", "READY") as events:
        gateway.expire_sessions()
        gateway.drop()
        assert events.get(TIMEOUT).name == "READY"
        gateway.dispatch("NEWS", None)
        assert events.get(TIMEOUT).name == "NEWS"
    close_promptly(client, resumable=True)
    assert "session_file takes long to be written: close() does not wait for it" in caplog.text


@pytest.mark.parametrize("again", [True, False])
def test_close_does_not_wait_for_a_store_that_hangs_while_it_is_loaded(
    gateway: LocalGateway, make_client: MakeClient, store: Store, again: bool
) -> None:
    store.may_return.clear()
    client: Client = make_client(gateway, session_file=store)
    outcome = in_background(client.connect)
    wait_until(lambda: store.calls == ["load"])
    close_promptly(client)
    store.may_return.set()
    outcome.result(TIMEOUT)
    assert client.status is Status.CLOSED
    if again:
        start_until_ready(client)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals as POSIX has them")
class CloseAtLine:
    """Closes a client at the n-th line of its start that comes after the store was loaded; `left` are those to come."""

    def __init__(self, number: int, store: Store, client: Client) -> None:
        self.left = number
        self._store, self._client = store, client

    def __call__(self, frame: FrameType, event: str, _argument: object) -> CloseAtLine | None:
        if frame.f_code.co_filename != lifecycle.__file__:
            return None
        if event == "line" and self._store.calls:
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                self._client.close()
        return self


def test_close_at_any_line_after_the_load_closes_the_run_that_begins(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    before, number, is_reached = sys.gettrace(), 0, True
    while is_reached:
        number += 1
        store = Store()
        client = make_client(gateway, session_file=store)
        at_line = CloseAtLine(number, store, client)
        sys.settrace(at_line)
        try:
            client.connect(async_=True)
        finally:
            sys.settrace(before)
        if is_reached := at_line.left <= 0:
            assert client.wait_closed(TIMEOUT), f"line {number}"
        client.close()
    assert number > 10


def test_ctrl_c_ends_the_load(gateway: LocalGateway, make_client: MakeClient, store: Store) -> None:
    store.may_return.clear()
    client = make_client(gateway, session_file=store)

    def interrupt() -> None:
        wait_until(lambda: store.calls == ["load"])
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    outcome = in_background(interrupt)
    client.connect()
    outcome.result(TIMEOUT)
    assert client.status is Status.CLOSED
    assert gateway.connections == ()


@pytest.mark.usefixtures("often")
def test_what_saving_raises_is_logged_once_and_tried_again(
    gateway: LocalGateway, make_client: MakeClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(gateway, session_file=store)
    errors: list[object] = []
    client.on("error", lambda *args: errors.append(args))

    @client.on("READY")
    def fail(data: object) -> None:
        store.error = LookupError("no such key")

    start_until_ready(client)
    wait_until(lambda: store.calls.count("save") > 3)
    (words,) = [message for message in caplog.messages if "session is not kept" in message]
    assert words.endswith("session_file cannot be written: LookupError: no such key")
    store.error = None
    wait_until(lambda: store.saved is not None and store.saved.seq == client.handled.seq)
    assert errors == []
