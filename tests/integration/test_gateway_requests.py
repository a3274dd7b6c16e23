"""Requests and their responses: assembled, within the timeout, and across disconnects."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from client_helpers import MakeClient, OnLogLine, start, start_until_ready
from scripted_server import Peer, ScriptedServer

from vox_gateway import AuthenticationFailed, Intents, NotConnected, RateLimited, SavedSession
from vox_gateway.testing import LocalGateway, guild, member, user

TIMEOUT = 10.0
GUILD, OTHER_GUILD = "1200000000004194304", "1200000000008388608"
TEXT, VOICE, OTHER_VOICE = "1200000000000000011", "1200000000000000012", "1200000000000000032"
ADA, BRIAN = "1100000000000000002", "1100000000000000003"

Submit = Callable[..., Future[Any]]


@pytest.fixture
def submit() -> Iterator[Submit]:
    """Submits calls to a thread pool."""
    with ThreadPoolExecutor(16) as pool:
        yield pool.submit


@pytest.fixture
def large_gateway() -> Iterator[LocalGateway]:
    """A gateway with one guild of 2,500 members and the bot."""
    members = [member(user(10_000 + number, f"user{number}")) for number in range(2500)]
    with LocalGateway(
        guilds=[guild(GUILD, members=members)], identify_interval=0, member_request_interval=0.2
    ) as gateway:
        yield gateway


def ids(members: Iterable[dict[str, Any]]) -> list[str]:
    return [str(member["user"]["id"]) for member in members]


def member_requests(gateway: LocalGateway) -> int:
    """Return the number of member requests received."""
    return sum(payload.name == "REQUEST_GUILD_MEMBERS" for payload in gateway.received)


def chunk_for(gateway: LocalGateway) -> dict[str, Any]:
    """Return the response to the next member request."""
    nonce = gateway.expect("REQUEST_GUILD_MEMBERS").data["nonce"]
    return {"guild_id": GUILD, "members": [{"user": {"id": "0"}}], "chunk_index": 0, "chunk_count": 1, "nonce": nonce}


# -- members -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_fetch_guild_members_returns_all_members_of_a_large_guild(
    large_gateway: LocalGateway, make_client: MakeClient, encoding: str
) -> None:
    client = make_client(large_gateway, encoding=encoding)
    client.connect(async_=True)  # the request waits for READY
    members = client.fetch_guild_members(GUILD, presences=True)
    assert len(set(ids(members))) == 2501
    assert len(members.presences) == 2501
    assert members.not_found == []
    assert member_requests(large_gateway) == 1


def test_fetch_guild_members_by_name_and_by_id(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(gateway, intents=Intents.default()))
    assert ids(client.fetch_guild_members(GUILD, "br", 5)) == [BRIAN]
    members = client.fetch_guild_members(GUILD, user_ids=[int(ADA), 5])
    assert (ids(members), members.not_found) == ([ADA], ["5"])
    assert ids(client.fetch_guild_members(int(GUILD), user_ids=ADA)) == [ADA]
    assert not client.fetch_guild_members(GUILD, "nobody")


def test_more_ids_than_fit_into_one_request_are_split_into_several(
    large_gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = start_until_ready(make_client(large_gateway))
    wanted = range(10_000, 10_250)
    assert ids(client.fetch_guild_members(GUILD, user_ids=iter(wanted))) == [str(user_id) for user_id in wanted]
    assert member_requests(large_gateway) == 3


def test_a_rate_limited_request_is_repeated_after_retry_after(
    large_gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = start_until_ready(make_client(large_gateway))
    large_gateway.faults.limit_members(0.2)
    assert len(client.fetch_guild_members(GUILD)) == 2501
    assert member_requests(large_gateway) == 2


def test_a_refused_command_is_logged_with_guild_and_seconds(
    gateway: LocalGateway, make_client: MakeClient, on_log_line: OnLogLine, caplog: pytest.LogCaptureFixture
) -> None:
    warned = threading.Event()
    on_log_line(f"does not answer REQUEST_GUILD_MEMBERS for guild {GUILD} for 29.0 seconds", warned.set)
    client = start_until_ready(make_client(gateway))
    for _ in range(2):
        gateway.faults.limit_members(29)
        client.request_guild_members(GUILD)
        assert warned.wait(5)
        warned.clear()
    client.close()
    assert caplog.text.count("it was sent too often") == 2


def test_a_rate_limit_longer_than_the_timeout_raises_at_once(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(gateway))
    gateway.faults.limit_members(3000)
    with pytest.raises(RateLimited) as raised:
        client.fetch_guild_members(GUILD, timeout=2000)
    assert raised.value.retry_after == pytest.approx(3000, abs=500)
    assert isinstance(raised.value, TimeoutError)
    assert member_requests(gateway) == 1
    gateway.faults.limit_members(0.01, times=2)
    with pytest.raises(RateLimited):
        client.fetch_guild_members(GUILD, timeout=None)
    assert member_requests(gateway) == 3
    assert len(client.fetch_guild_members(GUILD, user_ids=[ADA])) == 1


def test_identical_requests_of_two_threads_are_sent_once(
    gateway: LocalGateway,
    make_client: MakeClient,
    submit: Submit,
    on_log_line: OnLogLine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="vox_gateway")
    client = start_until_ready(make_client(gateway))
    gateway.faults.withhold("GUILD_MEMBERS_CHUNK", times=None)
    joined = threading.Event()
    on_log_line("the request under way", joined.set)
    patient = submit(client.fetch_guild_members, GUILD, timeout=TIMEOUT)
    chunk = chunk_for(gateway)
    impatient = submit(client.fetch_guild_members, int(GUILD), timeout=0.05)
    assert joined.wait(TIMEOUT)
    with pytest.raises(TimeoutError, match="no chunk had come"):
        impatient.result(TIMEOUT)
    gateway.dispatch("GUILD_MEMBERS_CHUNK", chunk)
    assert ids(patient.result(TIMEOUT)) == ["0"]
    assert member_requests(gateway) == 1


def test_concurrent_requests_do_not_mix_their_responses(
    large_gateway: LocalGateway, make_client: MakeClient, submit: Submit
) -> None:
    client = start_until_ready(make_client(large_gateway))
    wanted = [[str(10_000 + number), str(10_900 - number)] for number in range(40)]
    answers = [submit(client.fetch_guild_members, GUILD, user_ids=user_ids, timeout=TIMEOUT) for user_ids in wanted]
    assert [sorted(ids(answer.result(TIMEOUT))) for answer in answers] == [sorted(user_ids) for user_ids in wanted]


@pytest.mark.slow
def test_a_timeout_error_reports_the_chunks_received_so_far(
    large_gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = start_until_ready(make_client(large_gateway))
    with pytest.raises(
        TimeoutError, match=r"members of guild 1 did not come within timeout=0\.1 seconds: .* is the bot in guild 1\?"
    ):
        client.fetch_guild_members(1, timeout=0.1)
    large_gateway.faults.withhold("GUILD_MEMBERS_CHUNK")
    with pytest.raises(TimeoutError, match="2 of 3 chunks had come"):
        client.fetch_guild_members(GUILD, timeout=3)


@pytest.mark.usefixtures("little_jitter")
def test_chunks_missed_during_a_disconnect_are_replayed(large_gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(large_gateway))
    large_gateway.faults.cut("event", after=2)
    assert len(set(ids(client.fetch_guild_members(GUILD)))) == 2501
    assert client.wait_until_ready(TIMEOUT)
    assert client.stats.resumes == 1
    assert member_requests(large_gateway) == 1


@pytest.mark.usefixtures("little_jitter")
def test_a_request_lost_with_the_connection_is_sent_again(
    gateway: LocalGateway, make_client: MakeClient, submit: Submit
) -> None:
    client = start_until_ready(make_client(gateway))
    gateway.faults.withhold("GUILD_MEMBERS_CHUNK")
    answer = submit(client.fetch_guild_members, GUILD, "ada", timeout=TIMEOUT)
    gateway.expect("REQUEST_GUILD_MEMBERS")
    gateway.drop("reset")
    assert ids(answer.result(TIMEOUT)) == [ADA]
    assert client.wait_until_ready(TIMEOUT)
    assert client.stats.resumes == 1
    assert member_requests(gateway) == 2


@pytest.mark.usefixtures("little_jitter")
def test_a_request_is_sent_again_in_a_new_session(
    large_gateway: LocalGateway, make_client: MakeClient, submit: Submit
) -> None:
    client = start_until_ready(make_client(large_gateway))
    large_gateway.faults.withhold("GUILD_MEMBERS_CHUNK", times=2)
    answer = submit(client.fetch_guild_members, GUILD, timeout=TIMEOUT)
    large_gateway.expect("REQUEST_GUILD_MEMBERS")
    large_gateway.expire_sessions()
    assert len(set(ids(answer.result(TIMEOUT)))) == 2501
    assert client.stats.identifies == 2


def test_closing_the_client_ends_a_pending_request(
    gateway: LocalGateway, make_client: MakeClient, submit: Submit
) -> None:
    client = make_client(gateway)
    with pytest.raises(NotConnected, match="call connect"):
        client.fetch_guild_members(GUILD)
    start_until_ready(client)
    gateway.faults.withhold("GUILD_MEMBERS_CHUNK", times=None)
    answer = submit(client.fetch_guild_members, GUILD, "ada", timeout=None)
    gateway.expect("REQUEST_GUILD_MEMBERS")
    client.close()
    with pytest.raises(NotConnected, match="did not come: the client was closed"):
        answer.result(TIMEOUT)
    with pytest.raises(NotConnected):
        client.fetch_guild_members(GUILD)
    start_until_ready(client)
    answer = submit(client.fetch_guild_members, GUILD, "ada", timeout=None)
    gateway.expect("REQUEST_GUILD_MEMBERS")
    gateway.drop("close", code=4004)
    with pytest.raises(AuthenticationFailed):
        answer.result(TIMEOUT)


def test_invalid_requests_are_refused(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = start_until_ready(make_client(gateway, intents=Intents.GUILDS))
    sharded = make_client(gateway, shard=(0, 2))
    for call, error in [
        (lambda: client.fetch_guild_members(GUILD), r"needs the intent Intents\.GUILD_MEMBERS"),
        (lambda: client.fetch_guild_members(GUILD, "", 5), r"needs the intent Intents\.GUILD_MEMBERS"),
        (lambda: client.join_voice(GUILD, VOICE), r"Intents\.GUILD_VOICE_STATES"),
        (lambda: client.leave_voice(GUILD), r"Intents\.GUILD_VOICE_STATES"),
        (lambda: sharded.fetch_guild_members(1 << 22), r"guild_id .*0 of 2, and 4194304 is of shard 1"),
        (lambda: sharded.join_voice(1 << 22, 5), "guild_id .*shard 1"),
        (lambda: sharded.fetch_soundboard_sounds([1, 1 << 22]), "guild_ids .*shard 1"),
        (lambda: sharded.fetch_channel_info(1 << 22, ["status"]), "guild_id .*shard 1"),
        (lambda: client.fetch_guild_members(GUILD, "x" * 5000), "4096"),
        (lambda: client.fetch_guild_members(GUILD, user_ids=[]), "user_ids"),
        (lambda: client.fetch_guild_members(GUILD, "x", timeout=-1), "timeout"),
        (lambda: client.fetch_soundboard_sounds([]), "guild_ids"),
    ]:
        with pytest.raises(ValueError, match=error):
            call()
    for call, error in [
        (lambda: client.join_voice(GUILD, None), "channel_id"),
        (lambda: client.fetch_soundboard_sounds(GUILD), "guild_ids"),
        (lambda: client.fetch_soundboard_sounds(5), "guild_ids"),
    ]:
        with pytest.raises(TypeError, match=error):
            call()
    assert [payload for payload in gateway.received if payload.op not in (1, 2)] == []
    assert not client.fetch_guild_members(GUILD, "ada", presences=True).presences
    assert "GUILD_PRESENCES" in caplog.text


def test_a_request_on_the_dispatcher_thread_is_refused_before_anything_is_sent(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = make_client(gateway)
    refused: queue.SimpleQueue[str] = queue.SimpleQueue()

    @client.on("READY")
    def wait(data: Any) -> None:
        for call in (
            lambda: client.fetch_guild_members(GUILD),
            lambda: client.join_voice(GUILD, VOICE),
            lambda: client.leave_voice(GUILD),
            lambda: client.fetch_soundboard_sounds([GUILD]),
            lambda: client.fetch_channel_info(GUILD, ["status"]),
        ):
            try:
                call()
            except RuntimeError as error:
                refused.put(str(error))

    start_until_ready(client)
    for _ in range(5):
        assert "must not wait for events on the thread that would bring them" in refused.get(timeout=TIMEOUT)
    assert [payload for payload in gateway.received if payload.op not in (1, 2)] == []


def test_a_handler_on_a_worker_may_send_requests(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway, workers=2)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @client.on("GUILD_CREATE")
    def fetch(guild: Any) -> None:
        answers.put(len(client.fetch_guild_members(guild["id"], timeout=TIMEOUT)))

    start_until_ready(client)
    assert {answers.get(timeout=TIMEOUT), answers.get(timeout=TIMEOUT)} == {2, 4}


# -- voice -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_a_bot_joins_and_leaves_a_voice_channel(gateway: LocalGateway, make_client: MakeClient, encoding: str) -> None:
    client = start(make_client(gateway, encoding=encoding))
    connection = client.join_voice(int(GUILD), VOICE, self_deaf=True)
    (session,) = gateway.sessions
    assert (connection.guild_id, connection.channel_id) == (GUILD, VOICE)
    assert connection.session_id == session.id
    assert connection.user_id == client.session.user_id == "1100000000000000001"
    assert connection.endpoint == "local-gateway.invalid:443"
    assert connection.token
    assert connection.token not in repr(connection)
    assert gateway.expect("VOICE_STATE_UPDATE").data["self_deaf"] is True

    assert client.join_voice(GUILD, VOICE, self_mute=True) == connection, "no voice server is sent if the bot stays"
    client.leave_voice(GUILD)
    assert gateway.guilds[0]["voice_states"] == []
    client.leave_voice(GUILD)  # the bot is in no channel, so no event follows
    again = client.join_voice(GUILD, VOICE)
    assert again.token != connection.token
    assert [gateway.expect("VOICE_STATE_UPDATE").data["channel_id"] for _ in range(4)] == [VOICE, None, None, VOICE]


def test_join_voice_waits_for_an_unavailable_voice_server(
    gateway: LocalGateway, make_client: MakeClient, submit: Submit
) -> None:
    client = start_until_ready(make_client(gateway))
    gateway.faults.withhold("VOICE_SERVER_UPDATE")
    connection = submit(client.join_voice, GUILD, VOICE)
    gateway.expect("VOICE_STATE_UPDATE")
    stranger = {"user_id": ADA, "channel_id": TEXT, "session_id": "theirs"}
    for name, data in [
        ("VOICE_SERVER_UPDATE", {"guild_id": GUILD, "token": "t", "endpoint": None}),
        ("VOICE_STATE_UPDATE", {"guild_id": GUILD, **stranger}),
        ("VOICE_SERVER_UPDATE", {"guild_id": OTHER_GUILD, "token": "theirs", "endpoint": "theirs:1"}),
        ("VOICE_SERVER_UPDATE", {"guild_id": GUILD, "token": "t", "endpoint": "late:443"}),
    ]:
        gateway.dispatch(name, data)
    assert connection.result(TIMEOUT).endpoint == "late:443"
    assert connection.result().session_id == client.session.id


def test_moving_without_a_new_voice_server_keeps_the_old_one(make_client: MakeClient) -> None:
    channels = [{"id": str(number), "name": "voice", "type": 2} for number in (21, 22)]
    with LocalGateway(guilds=[guild(GUILD, channels=channels)], identify_interval=0) as gateway:
        client = start_until_ready(make_client(gateway))
        first = client.join_voice(GUILD, 21)
        gateway.faults.withhold("VOICE_SERVER_UPDATE")
        moved = client.join_voice(GUILD, 22)
        assert (moved.channel_id, moved.token) == ("22", first.token)
        assert client.join_voice(GUILD, 21).token != first.token
        client.close()


def test_a_voice_timeout_names_the_likely_reason(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(gateway))
    with pytest.raises(TimeoutError, match="the bot is not in the channel; check that it may view and connect to it"):
        client.join_voice(GUILD, TEXT, timeout=0.1)
    with pytest.raises(TimeoutError, match="it may not have been in a voice channel there"):
        client.leave_voice(OTHER_GUILD, timeout=0.1)


def test_concurrent_voice_moves_are_serialized(gateway: LocalGateway, make_client: MakeClient, submit: Submit) -> None:
    client = start_until_ready(make_client(gateway))
    for _ in range(5):
        joined = [submit(client.join_voice, GUILD, VOICE) for _ in range(3)]
        joined += [submit(client.join_voice, OTHER_GUILD, OTHER_VOICE) for _ in range(3)]
        found = [call.result(TIMEOUT) for call in joined]
        assert [record.channel_id for record in found] == [VOICE] * 3 + [OTHER_VOICE] * 3
        for guild_id in (GUILD, OTHER_GUILD):
            submit(client.leave_voice, guild_id).result(TIMEOUT)


@pytest.mark.usefixtures("little_jitter")
def test_join_voice_completes_in_a_new_session(gateway: LocalGateway, make_client: MakeClient, submit: Submit) -> None:
    client = start_until_ready(make_client(gateway))
    gateway.faults.withhold("VOICE_SERVER_UPDATE")
    connection = submit(client.join_voice, GUILD, VOICE)
    first = gateway.expect("VOICE_STATE_UPDATE")
    gateway.guilds[0]["voice_states"].clear()  # as Discord does when a session ends
    gateway.expire_sessions()
    assert connection.result(TIMEOUT).session_id == client.session.id
    assert gateway.expect("VOICE_STATE_UPDATE").connection != first.connection


@pytest.mark.parametrize("is_known", [True, False])
def test_a_session_restored_from_a_file_knows_the_user_id(
    gateway: LocalGateway, make_client: MakeClient, tmp_path: Path, is_known: bool
) -> None:
    file = tmp_path / "session.json"
    before = make_client(gateway, session_file=file)
    with before.stream("GUILD_CREATE") as events:
        start_until_ready(before)
        events.get(TIMEOUT)  # READY has been handled
    before.close(resumable=True)
    if not is_known:  # as if READY had no user
        kept = SavedSession.from_json(file.read_bytes())
        file.write_text(replace(kept, user_id=None).to_json())
    client = start_until_ready(make_client(gateway, session_file=file))
    assert client.stats.resumes == 1
    assert client.session.user_id == ("1100000000000000001" if is_known else None)
    assert client.join_voice(GUILD, VOICE).user_id == "1100000000000000001"


# -- sounds and channels -----------------------------------------------------------------------------------------------


def test_fetch_soundboard_sounds_returns_the_sounds_of_each_guild(
    gateway: LocalGateway, make_client: MakeClient
) -> None:
    client = start_until_ready(make_client(gateway))
    sounds = client.fetch_soundboard_sounds(iter([int(GUILD), OTHER_GUILD]))
    assert [sound["name"] for sound in sounds[int(GUILD)]] == ["quack"]
    assert sounds[OTHER_GUILD] == []
    with pytest.raises(TimeoutError, match=r"[01] of 2 guilds answered; is the bot in "):
        client.fetch_soundboard_sounds([GUILD, 5], timeout=0.2)


def test_fetch_channel_info_returns_the_requested_fields(
    gateway: LocalGateway, make_client: MakeClient, submit: Submit
) -> None:
    client = start_until_ready(make_client(gateway))
    status = {"id": VOICE, "status": "Listening to rain"}
    assert client.fetch_channel_info(GUILD, "status") == [status]
    requests = [
        (fields, submit(client.fetch_channel_info, GUILD, fields))
        for fields in [["status"], ["voice_start_time"], ["voice_start_time", "status"]] * 4
    ]
    for fields, answer in requests:
        (channel,) = answer.result(TIMEOUT)
        assert set(channel) == {"id", *fields}


# -- malformed events --------------------------------------------------------------------------------------------------

MALFORMED: list[Any] = [None, 5, "x", [None], {"guild_id": [1]}, {"guild_id": GUILD, "channel_id": {}, "user_id": None}]


@pytest.mark.parametrize("malformed", MALFORMED)
def test_malformed_events_affect_neither_a_request_nor_later_events(
    gateway: LocalGateway, make_client: MakeClient, submit: Submit, malformed: Any
) -> None:
    client = start_until_ready(make_client(gateway))
    client.join_voice(GUILD, VOICE)  # starts the cache of voice states
    names = "GUILD_MEMBERS_CHUNK", "RATE_LIMITED", "VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "CHANNEL_INFO"
    for withheld in ("GUILD_MEMBERS_CHUNK", "CHANNEL_INFO"):
        gateway.faults.withhold(withheld)
    members = submit(client.fetch_guild_members, GUILD, timeout=TIMEOUT)
    channels = submit(client.fetch_channel_info, GUILD, ["status"], timeout=TIMEOUT)
    chunk = chunk_for(gateway)
    gateway.expect("REQUEST_CHANNEL_INFO")
    for name in names:
        gateway.dispatch(name, malformed, shard=0)
    gateway.dispatch("CHANNEL_INFO", {"guild_id": GUILD, "channels": [malformed, {"id": VOICE, "status": "x"}]})
    gateway.dispatch("GUILD_MEMBERS_CHUNK", {**chunk, "not_found": malformed, "presences": malformed})
    assert ids(members.result(TIMEOUT)) == ["0"]
    assert {"id": VOICE, "status": "x"} in channels.result(TIMEOUT)
    assert client.leave_voice(GUILD, timeout=TIMEOUT) is None


# -- requests that end the connection --------------------------------------------------------------------------------


def serve_and_close(server: ScriptedServer, op: int, code: int, reason: str, then: Callable[[Peer], None]) -> int:
    """Close each connection on which the client sends `op`, until it sends another opcode; return their number."""
    first = server.open().login(session_id="s", user={"id": "77"})
    count = 0
    peer = first
    while True:
        payload = peer.receive(TIMEOUT)
        if payload["op"] == 1:
            peer.send(11)
        elif payload["op"] != op:
            then(peer)
            return count
        else:
            count += 1
            peer.send_close(code, reason.encode())
            peer = server.open()
            peer.seq = count
            peer.resume()
            peer.event("RESUMED")


@pytest.mark.usefixtures("little_jitter")
@pytest.mark.parametrize(
    ("op", "call", "what"),
    [
        (8, lambda client: client.fetch_guild_members("1", timeout=None), "the members of guild 1"),
        (31, lambda client: client.fetch_soundboard_sounds(["1"], timeout=None), "the soundboard sounds of 1 guild"),
        (43, lambda client: client.fetch_channel_info("1", ["status"], timeout=None), "the channel info of guild 1"),
        (4, lambda client: client.join_voice("1", "5", timeout=None), "the voice connection of channel 5"),
        (4, lambda client: client.leave_voice("1", timeout=None), "the bot's leave from voice in guild 1"),
    ],
)
def test_a_request_that_ends_every_connection_is_abandoned(
    make_client: MakeClient, submit: Submit, op: int, call: Any, what: str
) -> None:
    with ScriptedServer() as server:
        client = make_client(server)
        served = submit(serve_and_close, server, op, 4001, "Unknown\r\n\x1b[31m opcode", Peer.close)
        start_until_ready(client)
        with pytest.raises(TimeoutError) as raised:
            call(client)
        error = str(raised.value)
        assert error.startswith(f"{what} did not come: ")
        assert "was sent 3 times" in error
        assert "last with close code 4001 (Unknown ?[31m opcode)" in error
        assert client.wait_until_ready(TIMEOUT), "the client goes on"
        client.presence_update(status="idle", timeout=TIMEOUT)
        assert served.result(TIMEOUT) == 3
        client.close()
