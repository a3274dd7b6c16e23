"""`explain`, `health` and `repr` in each state of a client."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import pytest
from client_helpers import TOKEN, MakeClient, OnLogLine, RecordEvents, SendMessages, start_until_ready
from support import wait_until

from vox_gateway import AuthenticationFailed, Client, IdentifyGate
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")


def history(client: Client) -> list[str]:
    """Return the lines of `explain()` without times, variable numbers, and the line about heartbeats."""
    lines = client.explain().splitlines()
    assert lines[-1].startswith("now: ")
    assert all(re.match(r" *[\d.]+ (s|min \d+ s) ago  \S", line) for line in lines[:-1])
    assert all(line.isprintable() for line in lines)
    session_id = client.session.id
    for secret in (TOKEN, session_id):
        assert not secret or secret not in client.explain() + repr(client)
    # A heartbeat may be acknowledged at any time.
    texts = [line.split(" ago  ")[-1] for line in lines if not re.search(r" heartbeats? acknowledged", line)]
    return [re.sub(r"\d+\.\d s", "N s", re.sub(r"session \w+…", "session S", text)) for text in texts]


def healthy(client: Client) -> dict[str, Any]:
    """Return `health()`, which must be serializable as JSON."""
    health = client.health()
    assert json.loads(json.dumps(health, allow_nan=False)) == health
    return health


LOGIN = [
    "connecting to 127.0.0.1, to begin a session",
    "connected",
    "asked for a new session",
    "ready: session S begun",
]
RESUME = ["connecting to 127.0.0.1, to resume", "connected"]


def start_with_guilds(client: Client) -> Client:
    """Connect, and wait for the two GUILD_CREATE events; the sequence number is then 3."""
    with client.stream("GUILD_CREATE") as guilds:
        client.connect(async_=True)
        for _ in range(2):
            guilds.get(10)
    return client


def test_explain_before_the_first_connect(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    assert client.explain() == "now: not connected; connect() begins a new session"
    assert healthy(client)["ok"] is False
    assert repr(client) == f"<Client shard=0/1 closed seq=None events_waiting=0 url='{gateway.url}'>"


def test_repr_and_status_work_during_construction(gateway: LocalGateway) -> None:
    class Watched(Client):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            seen.append(repr(self))
            assert self.status == "closed"
            self.close()  # as in a `__del__`
            assert self.wait_closed(0)

    seen: list[str] = []
    client = Watched(token="t", url=gateway.url)
    assert set(seen) == {"<Client not initialized>", repr(client)}
    assert repr(client).startswith("<Client shard=0/1 closed")


def test_repr_and_status_work_after_failed_construction() -> None:
    kept: list[Client] = []

    class Kept(Client):
        def __init__(self, **options: Any) -> None:
            kept.append(self)
            assert repr(self) == "<Client not initialized>"
            super().__init__(**options)

    with pytest.raises(ValueError, match="token"):
        Kept(token="")
    (client,) = kept
    assert repr(client) == "<Client not initialized>"
    assert client.status == "closed"
    client.close()


def test_explain_covers_a_run_from_connect_to_close(make_client: MakeClient, record_events: RecordEvents) -> None:
    with LocalGateway(heartbeat_interval=0.3, identify_interval=0) as gateway:
        client = make_client(gateway)
        acknowledged = record_events(client, "HEARTBEAT_ACK")
        start_with_guilds(client)
        acknowledged.next()
        acknowledged.next()
        # The first acknowledgement is processed before the second heartbeat is sent.
        beats = r"(first heartbeat acknowledged|\d heartbeats acknowledged, the first) in \d\.\d{3} s"
        wait_until(lambda: re.search(f"ago  {beats}", client.explain()))  # published a moment later
        assert history(client)[:-1] == LOGIN
        assert re.fullmatch("now: connected, waiting for events; next heartbeat in N s", history(client)[-1])
        health = healthy(client)
        assert (health["ok"], health["status"], health["shard"]) == (True, "ready", [0, 1])
        assert 0 <= health["latency"] < 5
        assert 0 <= health["since_heartbeat"] <= health["uptime"] < 30
        assert 0 <= health["since_event"] < 30
        assert (health["events"], health["identifies"], health["last_error"]) == (client.stats.events, 1, None)
        assert re.fullmatch(
            rf"<Client shard=0/1 ready latency=0\.\d{{3}}s seq=3 events_waiting=0 url='{gateway.url}'>", repr(client)
        )
        client.close()
        assert history(client)[-2:] == ["closed by close()", "now: not connected; connect() begins a new session"]
        health = healthy(client)
        assert (health["ok"], health["status"], health["uptime"]) == (False, "closed", None)


def test_explain_reports_a_kept_session_and_its_resume(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_with_guilds(make_client(gateway))
    client.close(resumable=True)
    assert history(client)[-2:] == [
        "closed by close(); session S at seq 3 is kept",
        "now: not connected; connect() resumes session S at seq 3",
    ]
    start_until_ready(client)
    assert history(client)[-5:-1] == [
        *RESUME,
        "asked to resume session S at seq 3",
        "resumed, with 0 events replayed",
    ]


def test_explain_reports_the_cause_of_a_disconnect_and_the_replayed_events(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages, on_log_line: OnLogLine
) -> None:
    client = start_with_guilds(make_client(gateway))
    failed = threading.Event()
    on_log_line("no connection could be made", failed.set)
    gateway.stop_accepting()
    gateway.drop("reset")
    send_messages(gateway, range(5))
    assert failed.wait(10)
    health = healthy(client)
    assert health["uptime"] is None
    assert health["ok"] is (health["downtime"] <= 30)
    assert health["last_error"].startswith("no connection could be made (")
    gateway.accept_again()
    gateway.expect("RESUME", 20)
    assert client.wait_until_ready(10)
    lines = history(client)
    assert lines[4].startswith("dropped because the connection was lost (")
    assert lines[4].endswith("; waiting N s before resuming") or lines[4].endswith("; resuming at once")
    assert any(line.startswith("no connection could be made (") for line in lines)
    assert lines[-3:-1] == ["asked to resume session S at seq 3", "resumed, with 5 events replayed"]
    health = healthy(client)
    assert (health["ok"], health["downtime"], health["resumes"]) == (True, None, 1)


def test_explain_reports_what_the_client_waits_for(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway, url=None, api_url=gateway.http_url)
    gateway.faults.refuse_request(429, retry_after=600)
    client.connect(async_=True)
    wait_until(lambda: client.status == "waiting" and "no connection" in client.explain())
    refused, now = history(client)
    assert refused.startswith("no connection could be made (")
    assert refused.endswith("; waiting 10 min 0 s before connecting with a new session")
    assert re.fullmatch(r"now: waiting (10 min 0 s|9 min \d+ s), then begins a new session", now)
    assert re.match(r"<Client shard=0/1 waiting for=\d{3}\.\ds seq=None", repr(client))
    health = healthy(client)
    assert (health["ok"], health["status"], health["downtime"]) == (False, "waiting", None)
    assert "429" in health["last_error"]
    client.close()
    assert history(client)[-2:] == ["closed by close()", "now: not connected; connect() begins a new session"]


def test_explain_reports_a_zombie_connection(make_client: MakeClient) -> None:
    with LocalGateway(heartbeat_interval=0.3, identify_interval=0) as gateway:
        client = start_with_guilds(make_client(gateway))
        gateway.silence()
        gateway.expect("RESUME", 10)
        assert client.wait_until_ready(5)
        (dropped,) = [line for line in history(client) if line.startswith("dropped")]
        reason = "the connection was lost (a heartbeat was not acknowledged, and nothing else arrived since)"
        assert dropped.startswith(f"dropped because {reason}; waiting")
        assert healthy(client)["last_error"] == reason


def test_a_requested_reconnect_is_not_an_error(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_with_guilds(make_client(gateway))
    gateway.reconnect()
    gateway.expect("RESUME", 10)
    assert client.wait_until_ready(5)
    client.close(reconnect=True)
    gateway.expect("RESUME", 10)
    assert client.wait_until_ready(5)
    dropped = [line for line in history(client) if line.startswith("dropped")]
    assert dropped[0].startswith("dropped because the server asked for a reconnect")
    assert dropped[1] == "dropped because close(reconnect=True) was called; resuming at once"
    assert healthy(client)["last_error"] is None


def test_explain_reports_a_fatal_close_and_what_to_do(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_with_guilds(make_client(gateway))
    gateway.drop("close", code=4004, reason="Authentication\nfailed")
    with pytest.raises(AuthenticationFailed):
        client.wait_closed(5)
    assert history(client)[-2].startswith(
        "given up: the gateway closed the connection with 4004 (Authentication failed):"
    )
    assert history(client)[-2].endswith("copy the bot's token again from the developer portal")
    health = healthy(client)
    assert (health["ok"], health["status"], health["downtime"]) == (False, "closed", None)
    assert "4004" in health["last_error"]


@pytest.mark.parametrize(
    ("options", "bound", "waiting"),
    [
        ({"backlog": 10}, "backlog=10", "10 events wait"),
        ({"backlog_bytes": 4000}, "backlog_bytes=4000", r"0\.0 MiB wait in \d+ events"),
        ({"backlog_bytes": 4000, "workers": 1}, "backlog_bytes=4000", r"0\.0 MiB wait in \d+ events"),
        ({"backlog_bytes": 4000, "encoding": "etf"}, "backlog_bytes=4000", r"0\.0 MiB wait in \d+ events"),
    ],
    ids=["events", "bytes", "workers", "etf"],
)
def test_explain_reports_a_full_event_queue_and_the_handler_it_waits_for(
    gateway: LocalGateway,
    make_client: MakeClient,
    send_messages: SendMessages,
    on_log_line: OnLogLine,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    bound: str,
    waiting: str,
) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.STUCK_AFTER", 0.05)
    client = make_client(gateway, slow_handler_warning=0.01, **options)
    entered, stuck, leave, last = threading.Event(), threading.Event(), threading.Event(), threading.Event()
    on_log_line(bound, stuck.set)

    @client.on("MESSAGE_CREATE")
    def slow(message: Any) -> None:
        entered.set()
        leave.wait(20)
        if message["nonce"] == -1:
            last.set()

    start_with_guilds(client)
    send_messages(gateway, range(1))
    assert entered.wait(10)  # first: the warning names the handler that runs
    send_messages(gateway, range(1, 200))
    assert stuck.wait(10)
    wait_until(lambda: client.health()["backlog_full"])  # published a moment after the warning
    lines = history(client)
    behind = "behind the handler of MESSAGE_CREATE"
    assert re.fullmatch(f"reading paused: the backlog is full, {waiting} {behind}", lines[-2])
    assert re.match(
        r"now: connected, reading paused since the backlog is full: \d+ events wait behind the handler of "
        r"MESSAGE_CREATE, at work for (N|\d+) s; next heartbeat in",
        lines[-1],
    )
    health = healthy(client)
    assert (health["ok"], health["backlog_full"], health["slow_handler"]) == (False, True, "MESSAGE_CREATE")
    assert health["slow_handler_seconds"] >= 0.01
    assert health["events_waiting"] == client.stats.events_waiting > 0
    assert "backlog=full" in repr(client)
    leave.set()
    send_messages(gateway, range(-1, 0))  # read after the end of the pause was recorded
    assert last.wait(10)
    wait_until(lambda: re.match(r"reading again, after (N|\d+) s", history(client)[-2]))
    health = healthy(client)
    assert (health["ok"], health["backlog_full"]) == (True, False)


def test_a_pause_ended_by_close_is_not_reported_as_resumed_reading(
    gateway: LocalGateway,
    make_client: MakeClient,
    send_messages: SendMessages,
    on_log_line: OnLogLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.STUCK_AFTER", 0.05)
    client = make_client(gateway, backlog=10)
    stuck, entered, leave = threading.Event(), threading.Event(), threading.Event()
    on_log_line("backlog=10", stuck.set)
    client.on("MESSAGE_CREATE", lambda message: (entered.set(), leave.wait(20)))
    start_with_guilds(client)
    send_messages(gateway, range(1))
    assert entered.wait(10)  # first: the warning names the handler that runs
    send_messages(gateway, range(1, 100))
    assert stuck.wait(10)
    client.close()
    assert history(client)[-2] == "closed by close()"
    assert not [line for line in history(client) if line.startswith("reading again")]
    leave.set()


def test_explain_reports_the_wait_for_the_identify_limit(
    gateway: LocalGateway, make_client: MakeClient, on_log_line: OnLogLine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="vox_gateway")
    gate, queued = IdentifyGate(interval=60), threading.Event()
    first = make_client(gateway, identify_gate=gate, shard=(0, 2))
    start_until_ready(first)
    on_log_line("turn to IDENTIFY", queued.set)
    second = make_client(gateway, identify_gate=gate, shard=(1, 2))
    second.connect(async_=True)
    assert queued.wait(5)
    lines = second.explain().splitlines()
    assert re.search(r"ago  waiting for its turn to IDENTIFY, (\d+ s|1 min 0 s)$", lines[0])
    assert re.match(r"now: waiting for its turn to IDENTIFY, (\d+ s|1 min 0 s)$", lines[1])
    assert re.match(r"<Client shard=1/2 waiting for=\d\d\.\ds seq=None", repr(second))
    assert healthy(second)["ok"] is False  # it was never ready


def test_explain_stays_short_after_many_reconnects(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_with_guilds(make_client(gateway))
    for _ in range(8):
        client.close(reconnect=True)
        gateway.expect("RESUME", 10)
        assert client.wait_until_ready(5)
    assert len(client.explain().splitlines()) <= 21
