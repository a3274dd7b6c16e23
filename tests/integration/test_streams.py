"""`wait_for` and event streams."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from client_helpers import MakeClient, OnLogLine, RecordEvents, SendMessages, start, start_until_ready
from support import in_background, wait_until

from vox_gateway import AuthenticationFailed, Client, Intents, NotConnected, StreamEnded
from vox_gateway.testing import LocalGateway

TIMEOUT = 10.0


def waiting(gateway: LocalGateway, client: Client, accept: Callable[[Any], bool]) -> Future[Any]:
    """Start `wait_for`; return once it has checked a message without a number."""
    begun = threading.Event()

    def check(data: Any) -> bool:
        begun.set()
        return accept(data)

    outcome = in_background(lambda: client.wait_for("MESSAGE_CREATE", check, timeout=TIMEOUT))
    while not begun.wait(0.01):
        gateway.dispatch("MESSAGE_CREATE", {"guild_id": gateway.guilds[0]["id"], "content": "", "nonce": None})
    return outcome


# -- wait_for ----------------------------------------------------------------------------------------------------------


def test_wait_for_returns_the_data_that_check_accepts(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client = start_until_ready(make_client(gateway))
    outcome = waiting(gateway, client, lambda data: data["nonce"] == 2)
    send_messages(gateway, range(5))
    assert outcome.result(TIMEOUT)["nonce"] == 2


def test_wait_for_names_the_event_that_did_not_arrive(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    with pytest.raises(NotConnected, match="TYPING_START cannot come: the client is not connected"):
        client.wait_for("TYPING_START", timeout=TIMEOUT)
    start_until_ready(client)
    with pytest.raises(TimeoutError, match=r"no TYPING_START came within timeout=0\.05 seconds"):
        client.wait_for("TYPING_START", timeout=0.05)
    outcome = waiting(gateway, client, lambda data: False)
    client.close()
    error = outcome.exception(TIMEOUT)
    assert isinstance(error, NotConnected)
    assert str(error) == "MESSAGE_CREATE did not come: the client was closed"
    with pytest.raises(NotConnected):
        client.wait_for("TYPING_START")


def test_wait_for_raises_the_error_that_ends_the_client(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(gateway))
    outcome = waiting(gateway, client, lambda data: False)
    gateway.drop("close", code=4004)
    assert isinstance(outcome.exception(TIMEOUT), AuthenticationFailed)


def test_wait_for_on_the_dispatcher_thread_is_refused(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    refused: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    @client.on("READY")
    def wait(data: Any) -> None:
        for call in (lambda: client.wait_for("MESSAGE_CREATE"), lambda: client.stream("MESSAGE_CREATE").get()):
            try:
                call()
            except RuntimeError as error:
                refused.put(error)

    client.connect(async_=True)
    for _ in range(2):
        assert "must not wait for events on the thread that would bring them" in str(refused.get(timeout=TIMEOUT))
    assert not isinstance(client.wait_closed(0), NotConnected)


def test_a_handler_on_a_worker_may_wait(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client = make_client(gateway, workers=2)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    begun = threading.Event()

    def check(data: Any) -> bool:
        begun.set()
        return bool(data["content"] == "so")

    @client.on("MESSAGE_CREATE")
    def ask(message: Any) -> None:
        if message["content"] == "how?":
            answers.put(client.wait_for("MESSAGE_CREATE", check, timeout=TIMEOUT))

    start_until_ready(client)
    guild = gateway.guilds[0]["id"]
    gateway.dispatch("MESSAGE_CREATE", {"guild_id": guild, "content": "how?"})
    while not begun.wait(0.01):
        gateway.dispatch("MESSAGE_CREATE", {"guild_id": guild, "content": "well"})
    gateway.dispatch("MESSAGE_CREATE", {"guild_id": guild, "content": "so"})
    assert answers.get(timeout=TIMEOUT)["content"] == "so"


def test_arguments_are_validated(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    for call, error, text in [
        (lambda: client.wait_for("X", check=5), TypeError, "check must be a function"),
        (lambda: client.wait_for("X", timeout=-1), ValueError, "timeout must be 0 or more"),
        (lambda: client.wait_for(5), TypeError, "names must be text"),
        (lambda: client.wait_for("error"), ValueError, r"on\('error'\)"),
        (lambda: client.stream("X", maxsize=-1), ValueError, "maxsize must be 0 or more"),
        (lambda: client.stream("X", overflow="burst"), ValueError, "overflow must be one of 'drop', 'block'"),
        (client.dispatch_pending, RuntimeError, "handlers='caller'"),
        (lambda: make_client(gateway, handlers="none"), ValueError, "handlers must be one of 'thread', 'caller'"),
        (lambda: make_client(gateway, workers=-1), ValueError, "workers must be 0 or more"),
        (lambda: make_client(gateway, workers=2, handlers="caller"), ValueError, "workers=2 is for handlers='thread'"),
    ]:
        with pytest.raises(error, match=text):
            call()


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_stream_yields_the_requested_events(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client = make_client(gateway)
    with client.stream("MESSAGE_CREATE", "READY", "HELLO", "open") as events:
        start_until_ready(client)
        send_messages(gateway, range(2))
        seen = [events.get(TIMEOUT) for _ in range(5)]
    assert [event.name for event in seen] == ["open", "HELLO", "READY", "MESSAGE_CREATE", "MESSAGE_CREATE"]
    assert seen[1].data["op"] == 10
    assert seen[2].data["session_id"] == client.session.id
    assert seen[4].data["nonce"] == 1
    wait_until(lambda: seen[4].seq == client.session.seq)
    assert seen[4].shard == 0


def test_a_stream_ends_with_the_client(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client = make_client(gateway)
    events = client.stream("MESSAGE_CREATE")
    start_until_ready(client)
    send_messages(gateway, range(3))

    def take() -> list[int]:
        seen = []
        for event in events:
            seen.append(event.data["nonce"])
            if event.data["nonce"] == 2:
                client.close()
        return seen

    assert in_background(take).result(TIMEOUT) == [0, 1, 2]
    with pytest.raises(StreamEnded):
        events.get()


def test_a_stream_of_all_events_loses_nothing_during_a_disconnect(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages, little_jitter: None
) -> None:
    client = make_client(gateway)
    with client.stream() as events:
        start_until_ready(client)
        send_messages(gateway, range(3))
        gateway.drop("reset")
        send_messages(gateway, range(3, 6))
        nonces: list[int] = []
        names: set[str] = set()
        while len(nonces) < 6:
            event = events.get(TIMEOUT)
            names.add(event.name)
            if event.name == "MESSAGE_CREATE":
                nonces.append(event.data["nonce"])
    assert nonces == list(range(6))
    assert {"READY", "MESSAGE_CREATE"} <= names


def test_a_full_blocking_stream_blocks_the_dispatcher_until_close(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, send_messages: SendMessages
) -> None:
    client = make_client(gateway)
    recorded = record_events(client, "MESSAGE_CREATE")
    events = client.stream("MESSAGE_CREATE", maxsize=1, overflow="block")
    start_until_ready(client)
    send_messages(gateway, range(4))
    assert recorded.data()["nonce"] == 0
    assert recorded.empty
    assert events.get(TIMEOUT).data["nonce"] == 0
    assert recorded.data()["nonce"] == 1
    client.close()
    assert client.wait_closed(TIMEOUT)
    assert [event.data["nonce"] for event in events] == [1]


def test_a_stream_of_an_event_without_its_intent_is_warned_about(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(gateway, intents=Intents.none())
    with client.stream("TYPING_START"):
        assert "TYPING_START" in caplog.text
        assert "GUILD_MESSAGE_TYPING" in caplog.text


def test_the_missing_intent_warning_is_given_once(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    def warnings() -> int:
        return sum("MESSAGE_CONTENT" in record.getMessage() for record in caplog.records)

    client = start(make_client(gateway, intents=Intents.default()))
    for _ in range(3):
        with pytest.raises(TimeoutError):
            client.wait_for("MESSAGE_CREATE", timeout=0)
        client.stream("MESSAGE_CREATE").close()
    assert warnings() == 1
    client.stream("MESSAGE_UPDATE").close()
    assert warnings() == 2, "of each event"
    make_client(gateway, intents=Intents.default()).stream("MESSAGE_CREATE").close()
    assert warnings() == 3, "by each client"
    client.close()
    client.on("MESSAGE_CREATE", print)
    client.connect(async_=True)
    assert warnings() == 4, "and for handlers at each connect"


@pytest.mark.parametrize("options", [{}, {"workers": 2}])
def test_an_event_that_a_full_stream_had_no_room_for_comes_after_a_resume(
    gateway: LocalGateway,
    make_client: MakeClient,
    options: dict[str, Any],
    on_log_line: OnLogLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.stream.STUCK_AFTER", 0.05)
    blocked = threading.Event()
    on_log_line("the stream of NEWS has been full", blocked.set)
    client = make_client(gateway, **options)
    handled: queue.SimpleQueue[int] = queue.SimpleQueue()
    client.on("NEWS", lambda data: handled.put(data["n"]))
    start_until_ready(client)
    assert gateway.wait_handled(client, TIMEOUT)  # another worker may be late, and all events after its own come again
    stream = client.stream("NEWS", maxsize=3, overflow="block")
    for n in range(20):
        gateway.dispatch("NEWS", {"n": n})
    assert blocked.wait(TIMEOUT)
    wait_until(lambda: handled.qsize() == 3)
    client.close(resumable=True)
    before = [event.data["n"] for event in stream]
    after = client.stream("NEWS")
    start(client)
    assert before + [after.get(TIMEOUT).data["n"] for _ in range(17)] == list(range(20))
    assert [handled.get(timeout=TIMEOUT) for _ in range(20)] == list(range(20))


def test_a_worker_that_waits_for_an_event_is_released_when_the_run_fails(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = make_client(gateway, workers=1)
    errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    waiting = threading.Event()

    @client.on("NEWS")
    def news(data: Any) -> None:
        waiting.set()
        try:
            client.wait_for("NEVER", timeout=None)
        except AuthenticationFailed as error:
            errors.put(error)

    start_until_ready(client)
    gateway.dispatch("NEWS", {})
    assert waiting.wait(TIMEOUT)
    gateway.drop("close", code=4004)
    assert isinstance(errors.get(timeout=TIMEOUT), AuthenticationFailed)
    with pytest.raises(AuthenticationFailed):
        client.wait_closed(TIMEOUT)
