"""The arguments of handlers, and what handlers may do."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from client_helpers import MakeClient, RecordEvents, SendMessages, start_until_ready

from vox_gateway import Intents
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")


def test_opcode_events_get_the_payload_and_dispatch_events_the_data(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client = make_client(gateway, intents=Intents.none())
    recorded = record_events(client, "open", "HELLO", "DISPATCH", "READY", "close")
    start_until_ready(client)
    events = [recorded.next() for _ in range(4)]
    client.close()
    events.append(recorded.next())
    assert [name for name, _ in events] == ["open", "HELLO", "DISPATCH", "READY", "close"]
    assert events[0][1] == ()
    assert events[1][1][0] == {"op": 10, "d": {"heartbeat_interval": 41250}, "t": None, "s": None}
    (payload,), (data,) = events[2][1], events[3][1]
    assert (payload["op"], payload["t"], payload["s"], payload["d"]) == (0, "READY", 1, data)
    assert data["session_id"]
    assert events[4][1][0] == {"code": 1000, "reason": "close() was called"}


def test_an_exception_in_a_handler_is_logged_and_emitted(
    gateway: LocalGateway,
    make_client: MakeClient,
    record_events: RecordEvents,
    send_messages: SendMessages,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make_client(gateway)

    @client.on("MESSAGE_CREATE")
    def fails(message: Any) -> None:
        raise LookupError(f"no {message['nonce']}")

    recorded, errors = record_events(client, "MESSAGE_CREATE"), record_events(client, "error")
    start_until_ready(client)
    send_messages(gateway, range(2))
    assert [recorded.data()["nonce"] for _ in range(2)] == [0, 1]
    _, (error, event) = errors.next()
    assert isinstance(error, LookupError)
    assert event == "MESSAGE_CREATE"
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert "fails" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_sys_exit_and_a_failing_error_handler_do_not_end_the_dispatcher(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, send_messages: SendMessages
) -> None:
    client = make_client(gateway)

    @client.on("MESSAGE_CREATE")
    def leaves(message: Any) -> None:
        raise SystemExit(3)

    @client.on("error")
    def fails(error: BaseException, event: str) -> None:
        raise ValueError(event)

    recorded = record_events(client, "MESSAGE_CREATE")
    start_until_ready(client)
    send_messages(gateway, range(3))
    assert [recorded.data()["nonce"] for _ in range(3)] == [0, 1, 2]


def test_removing_all_listeners_does_not_break_the_protocol(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents
) -> None:
    client = make_client(gateway)
    client.on("HELLO", lambda payload: client.remove_all_listeners())
    start_until_ready(client)
    gateway.drop("reset")
    gateway.expect("RESUME", 5)
    assert client.wait_until_ready(5)


def test_a_handler_may_send_and_close(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)

    @client.on("READY")
    def join(data: Any) -> None:
        client.voice_state_update(gateway.guilds[0]["id"], None)
        client.close("done")

    client.connect()
    assert gateway.expect("VOICE_STATE_UPDATE").data["channel_id"] is None
    assert gateway.expect_close().reason == "done"


def test_a_handler_may_send_during_a_long_replay(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client = make_client(gateway, backlog=5)
    seen, entered, leave, last = [], threading.Event(), threading.Event(), threading.Event()

    @client.on("MESSAGE_CREATE")
    def answer(message: Any) -> None:
        if message["nonce"] == 0:
            entered.set()
            leave.wait(20)
            client.voice_state_update(gateway.guilds[0]["id"], None)  # waits for RESUMED
        seen.append(message["nonce"])
        if message["nonce"] == 200:
            last.set()

    start_until_ready(client)
    send_messages(gateway, range(1))
    assert entered.wait(5)
    gateway.drop("reset")
    send_messages(gateway, range(1, 201))
    leave.set()
    assert gateway.expect("VOICE_STATE_UPDATE", 10)
    assert last.wait(10)
    assert seen == list(range(201))


@pytest.mark.parametrize(
    ("events", "intents", "texts"),
    [
        (["PRESENCE_UPDATE"], Intents.GUILDS, ["Intents.GUILD_PRESENCES (privileged"]),
        (["TYPING_START"], Intents.GUILDS, ["GUILD_MESSAGE_TYPING or Intents.DIRECT_MESSAGE_TYPING"]),
        (["MESSAGE_CREATE"], Intents.GUILD_MESSAGES, ["MESSAGE_CONTENT"]),
        (["MESAGE_CREATE"], Intents.all(), ["did you mean MESSAGE_CREATE"]),
        (["READY", "HELLO", "open", "MESSAGE_DELETE", "MY_OWN"], Intents.GUILD_MESSAGES, []),
    ],
)
def test_handlers_that_cannot_receive_events_are_warned_about_once(
    gateway: LocalGateway,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    events: list[str],
    intents: Intents,
    texts: list[str],
) -> None:
    client = make_client(gateway, intents=intents)
    for event in events:
        client.on(event, print)
        client.on(event, repr)
    client.connect(async_=True)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == len(texts)
    assert all(text in warning for text, warning in zip(texts, warnings, strict=True))


def test_the_log_does_not_contain_the_token(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = start_until_ready(make_client(gateway, token="Zm9v.secret.token"))
    gateway.drop("reset")
    gateway.expect("RESUME", 5)
    assert client.wait_until_ready(5)
    client.close()
    text = "\n".join(repr(record.__dict__) + record.getMessage() for record in caplog.records)
    for line in ("> IDENTIFY (", "> RESUME (", "< HELLO (", "< DISPATCH READY s=1 ("):
        assert line in text
    assert "secret" not in text
    assert "secret" not in repr(client)
    assert "secret" not in repr(client._options)
