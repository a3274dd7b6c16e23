"""Commands on the wire, and their limits."""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import Any

import pytest
from client_helpers import TIMEOUT, MakeClient, RecordEvents, SocketsOf, open_connection, start
from scripted_server import NO_HEARTBEATS, RECONNECT_TIMEOUT, ScriptedServer
from support import RefusingSocket, in_background, wait_until

from vox_gateway import CommandTimeout, Intents, NotConnected, PayloadTooLarge
from vox_gateway.config import Options
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")

GUILD = 1200000000004194304


@pytest.mark.parametrize(
    ("method", "arguments", "options", "op", "data"),
    [
        (
            "send_packet",
            ("VOICE_STATE_UPDATE", {"guild_id": "1", "channel_id": None, "self_mute": True, "self_deaf": False}),
            {},
            4,
            {"guild_id": "1", "channel_id": None, "self_mute": True, "self_deaf": False},
        ),
        (
            "presence_update",
            (),
            {"status": "idle", "since": 5, "afk": True, "game": {"name": "x", "type": 0}},
            3,
            {"since": 5, "activities": [{"name": "x", "type": 0}], "status": "idle", "afk": True},
        ),
        (
            "send_packet",
            (3, {"status": "dnd"}),
            {},
            3,
            {"since": None, "activities": [], "status": "dnd", "afk": False},
        ),
        (
            "voice_state_update",
            (GUILD, None),
            {},
            4,
            {"guild_id": str(GUILD), "channel_id": None, "self_mute": False, "self_deaf": False},
        ),
        (
            "voice_state_update",
            (GUILD, "7", True, True),
            {},
            4,
            {"guild_id": str(GUILD), "channel_id": "7", "self_mute": True, "self_deaf": True},
        ),
        ("request_guild_members", (GUILD,), {}, 8, {"guild_id": str(GUILD), "query": "", "limit": 0}),
        (
            "request_guild_members",
            (GUILD, "a", 5, True, None, 9),
            {},
            8,
            {"guild_id": str(GUILD), "query": "a", "limit": 5, "presences": True, "nonce": "9"},
        ),
        (
            "request_guild_members",
            (GUILD,),
            {"user_ids": [1, "2"]},
            8,
            {"guild_id": str(GUILD), "user_ids": ["1", "2"], "limit": 0},
        ),
        ("request_soundboard_sounds", ([GUILD],), {}, 31, {"guild_ids": [str(GUILD)]}),
        ("request_channel_info", (GUILD, ["status"]), {}, 43, {"guild_id": str(GUILD), "fields": ["status"]}),
    ],
)
def test_each_command_is_sent_as_given(
    gateway: LocalGateway, make_client: MakeClient, method: str, arguments: Any, options: Any, op: int, data: Any
) -> None:
    client = start(make_client(gateway))
    getattr(client, method)(*arguments, **options, timeout=5)  # waits for READY
    assert gateway.expect(op).data == data


def test_commands_are_answered(gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents) -> None:
    client = make_client(gateway)
    answers = record_events(
        client, "GUILD_MEMBERS_CHUNK", "VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "SOUNDBOARD_SOUNDS", "CHANNEL_INFO"
    )
    guild = gateway.guilds[0]
    voice = next(channel["id"] for channel in guild["channels"] if channel["type"] == 2)
    with client:
        client.request_guild_members(guild["id"], nonce="n")
        assert answers.data()["nonce"] == "n"
        client.voice_state_update(guild["id"], voice)
        assert {answers.next()[0], answers.next()[0]} == {"VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE"}
        client.request_soundboard_sounds([guild["id"]])
        assert answers.data()["guild_id"] == guild["id"]
        client.request_channel_info(guild["id"], ["status"])
        assert answers.data()["guild_id"] == guild["id"]


def test_an_oversized_command_is_refused_before_it_is_sent(gateway: LocalGateway, make_client: MakeClient) -> None:
    with make_client(gateway) as client:
        assert client.wait_until_ready(5)
        with pytest.raises(ValueError, match="4096") as raised:
            client.send_packet(8, {"guild_id": "1", "query": "x" * 4096, "limit": 0})
        assert isinstance(raised.value, PayloadTooLarge)
        assert raised.value.size > raised.value.limit == 4096
        with pytest.raises(ValueError, match="PRESENCE_UPDATE"):
            client.presence_update(status="online", activities=[{"name": "x" * 4096, "type": 0}])
        largest = 4096 - len('{"op":77,"d":""}')
        client.send_packet(77, "x" * largest)
        assert gateway.expect(77).data == "x" * largest


def test_a_command_is_encoded_once(gateway: LocalGateway, make_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = Options.encode

    def counting(options: Options, op: int, data: Any) -> bytes:
        encoded.append(int(op))
        return encode(options, op, data)

    with make_client(gateway) as client:
        assert client.wait_until_ready(5)
        monkeypatch.setattr(Options, "encode", counting)
        client.voice_state_update(GUILD, None)
        for number in range(7):  # 5 are sent at once, and the newest when the client is ready again
            client.presence_update(status="online", activities=[{"name": str(number), "type": 0}])
        gateway.drop()
        client.request_channel_info(GUILD, ["status"], timeout=5)
        gateway.expect("REQUEST_CHANNEL_INFO", 5)
    assert encoded == [4, *[3] * 7, 43]


@pytest.mark.parametrize("op", ["IDENTIFY", "RESUME", "HELLO", 0, 7, 9, 11, "NONSENSE", None, True, 1.5])
def test_invalid_opcodes_are_refused(gateway: LocalGateway, make_client: MakeClient, op: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="op_code"):
        make_client(gateway).send_packet(op, None)


@pytest.mark.parametrize("timeout", ["5", -1, float("nan"), True])
def test_invalid_timeouts_are_refused(gateway: LocalGateway, make_client: MakeClient, timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="timeout"):
        make_client(gateway).send_packet(1, None, timeout=timeout)


def test_a_command_waits_for_ready_until_its_timeout(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    with pytest.raises(NotConnected):
        client.presence_update(status="online")
    gateway.faults.no_hello()
    client.connect(async_=True)
    with pytest.raises(CommandTimeout, match=r"timeout=0\.2") as raised:
        client.voice_state_update(1, None, timeout=0.2)
    assert isinstance(raised.value, TimeoutError)
    with pytest.raises(CommandTimeout):
        client.presence_update(status="online", timeout=0)


@pytest.mark.parametrize("command", ["voice_state_update", "presence_update"])
def test_a_waiting_command_raises_when_the_client_closes(
    gateway: LocalGateway, make_client: MakeClient, command: str
) -> None:
    gateway.faults.no_hello()
    client, raised = make_client(gateway), []
    client.connect(async_=True)
    gateway.wait_connection(1)

    def send() -> None:
        try:
            if command == "presence_update":
                client.presence_update(status="online")
            else:
                client.voice_state_update(1, None)
        except NotConnected as error:
            raised.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    client.close()
    sender.join(5)
    assert len(raised) == 1


def test_the_rate_limit_reserves_room_for_heartbeats(gateway: LocalGateway, make_client: MakeClient) -> None:
    with make_client(gateway) as client:
        assert client.wait_until_ready(5)
        sent = 0
        with pytest.raises(CommandTimeout, match="120 events in 60 seconds"):
            while True:
                client.voice_state_update(GUILD, None, timeout=0.2)
                sent += 1
        assert sent == 120 - (2 + 1) - 1  # minus two heartbeats, a requested one, and IDENTIFY
        gateway.request_heartbeat()
        gateway.expect("HEARTBEAT")
        assert client.stats.reconnects == 0


@pytest.mark.slow
def test_presences_over_the_limit_are_replaced_by_the_newest(gateway: LocalGateway, make_client: MakeClient) -> None:
    with make_client(gateway) as client:
        assert client.wait_until_ready(5)
        client.presence_update(status="online")
        gateway.expect("PRESENCE_UPDATE")
        began = time.monotonic()
        for number in range(1, 20):
            client.presence_update(status="online", activities=[{"name": str(number), "type": 0}])
        assert time.monotonic() - began < 2
        names = [gateway.expect("PRESENCE_UPDATE").data["activities"][0]["name"] for _ in range(4)]
        assert names == ["1", "2", "3", "4"]
        gateway.expect("IDENTIFY")
        gateway.invalidate(resumable=False)
        presence = gateway.expect("IDENTIFY", 10).data["presence"]
        assert presence["activities"] == [{"name": "19", "type": 0}]


@pytest.mark.slow
def test_a_delayed_presence_is_sent_when_the_limit_allows(
    gateway: LocalGateway, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.shard.presence.PERIOD", 1.0)  # seconds
    with make_client(gateway) as client:
        assert client.wait_until_ready(5)
        began = time.monotonic()
        client.presence_update(status="online")
        gateway.expect("PRESENCE_UPDATE")
        for number in range(1, 7):
            client.presence_update(status="online", activities=[{"name": str(number), "type": 0}])
        for _ in range(4):
            gateway.expect("PRESENCE_UPDATE")
        newest = gateway.expect("PRESENCE_UPDATE", 5)
        assert newest.data["activities"][0]["name"] == "6"
        assert newest.at - began >= 1.0


def test_the_last_presence_outlives_close(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start(make_client(gateway, presence={"status": "idle"}))
    assert gateway.expect("IDENTIFY", 5).data["presence"]["status"] == "idle"
    client.presence_update(status="dnd", timeout=5)
    gateway.expect("PRESENCE_UPDATE")
    client.close()
    client.connect(async_=True)
    assert gateway.expect("IDENTIFY", 5).data["presence"]["status"] == "dnd"


def test_a_presence_that_a_drop_may_have_lost_is_sent_again(server: ScriptedServer, make_client: MakeClient) -> None:
    client, first = open_connection(make_client, server)
    first.login(NO_HEARTBEATS)
    client.presence_update(status="dnd", timeout=TIMEOUT)
    first.expect(3)  # the client does not know that it was read
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    second.resume(NO_HEARTBEATS)
    second.event("RESUMED")
    assert second.expect(3)["status"] == "dnd"


def test_a_presence_that_was_read_before_a_drop_is_not_sent_again(
    server: ScriptedServer, make_client: MakeClient
) -> None:
    client, first = open_connection(make_client, server)
    first.login(NO_HEARTBEATS)
    client.presence_update(status="dnd", timeout=TIMEOUT)
    first.expect(3)
    for number in (1, 2):  # at the first the client may not have noted yet that the presence was sent
        first.send(1)
        first.expect(1)
        first.send(11)
        wait_until(lambda number=number: len(client.latencies) == number)
    first.reset()
    second = server.open(RECONNECT_TIMEOUT)
    second.resume(NO_HEARTBEATS)
    second.event("RESUMED")
    assert client.wait_until_ready(TIMEOUT)
    client.voice_state_update(GUILD, None, timeout=TIMEOUT)
    second.expect(4)
    client.presence_update(status="idle", timeout=TIMEOUT)
    assert second.expect(3)["status"] == "idle"


def test_requests_without_the_needed_intent_are_warned_about(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    with make_client(gateway, intents=Intents.default()) as client:
        client.request_guild_members(GUILD, timeout=5)
        client.request_guild_members(GUILD, "a", 1, presences=True, timeout=5)
    assert "Intents.GUILD_MEMBERS" in caplog.text
    assert "Intents.GUILD_PRESENCES" in caplog.text


def test_many_threads_may_send_concurrently(gateway: LocalGateway, make_client: MakeClient) -> None:
    with make_client(gateway) as client:

        def send_ten(first: int) -> None:
            for number in range(first, first + 10):
                client.voice_state_update(number, None)

        senders = [threading.Thread(target=send_ten, args=(first,)) for first in range(0, 100, 10)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(10)
        got = sorted(int(gateway.expect("VOICE_STATE_UPDATE").data["guild_id"]) for _ in range(100))
        assert got == list(range(100))


def test_a_command_that_the_kernel_refuses_is_sent_once_over_the_next_connection(
    server: ScriptedServer, make_client: MakeClient, sockets_of: SocketsOf, caplog: pytest.LogCaptureFixture
) -> None:
    """The error passes, and the server notices nothing: the client has to end the connection."""
    sockets = sockets_of(RefusingSocket)
    client, first = open_connection(make_client, server)
    first.login(NO_HEARTBEATS)
    assert client.wait_until_ready(TIMEOUT)
    sockets[0].refuse = True
    sent = in_background(lambda: client.voice_state_update(GUILD, None, timeout=TIMEOUT))
    with pytest.raises(EOFError):
        first.receive()
    first.close()
    second = server.open(RECONNECT_TIMEOUT)
    second.resume(NO_HEARTBEATS)
    second.event("RESUMED")
    assert second.expect(4)["guild_id"] == str(GUILD)
    sent.result(TIMEOUT)
    assert f"the connection broke: {os.strerror(errno.ENOBUFS)}" in caplog.text
