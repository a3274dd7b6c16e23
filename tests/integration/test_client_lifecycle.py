"""connect(), close() and the wait methods."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from client_helpers import MakeClient, RecordEvents, SendMessages, close_promptly, start, start_until_ready
from support import black_hole, wait_until

from vox_gateway import (
    AlreadyConnected,
    AuthenticationFailed,
    Client,
    ConnectionClosed,
    DisallowedIntents,
    IdentifyGate,
    Intents,
    InvalidIntents,
    InvalidShard,
    InvalidVersion,
    NotConnected,
    ShardingRequired,
    Status,
    UpgradeRefused,
)
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("little_jitter")

FATAL = {
    4004: AuthenticationFailed,
    4010: InvalidShard,
    4011: ShardingRequired,
    4012: InvalidVersion,
    4013: InvalidIntents,
    4014: DisallowedIntents,
}


def test_a_blocking_connect_returns_when_a_handler_closes(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    client.on("READY", lambda data: client.close())
    assert client.connect() is None
    assert client.status is Status.CLOSED
    assert gateway.expect_close().code == 1000


@pytest.mark.parametrize("seconds", [1e7, 1e10, pytest.param(10**400, id="huge")])
def test_a_long_connect_timeout_is_as_good_as_none(
    gateway: LocalGateway, make_client: MakeClient, seconds: float
) -> None:
    client = make_client(gateway, connect_timeout=seconds)
    start_until_ready(client)


def test_a_blocking_connect_waits_for_the_handler_that_closed(gateway: LocalGateway, make_client: MakeClient) -> None:
    client, done = make_client(gateway), []

    @client.on("READY")
    def last_words(data: Any) -> None:
        client.close()
        threading.Event().wait(0.6)  # longer than close() waits for a handler that did not call it
        done.append(True)

    client.connect()
    assert done == [True]


def test_a_blocking_connect_returns_when_another_thread_closes(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)

    def close_when_ready() -> None:
        assert client.wait_until_ready(5)
        client.close("enough", 4321)

    closer = threading.Thread(target=close_when_ready)
    closer.start()
    client.connect()
    closer.join()
    closed = gateway.expect_close()
    assert (closed.code, closed.reason) == (4321, "enough")


def test_connect_async_returns_the_daemon_thread(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    thread = client.connect(async_=True)
    assert thread is not None
    assert thread.daemon
    assert thread.is_alive()
    assert thread.name == "vox_gateway-0/1-reconnect"
    assert client.wait_until_ready(5)
    assert not client.wait_closed(0)
    client.close()
    assert client.wait_closed(0)
    assert not thread.is_alive()


def test_a_second_connect_is_refused_until_close(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start(make_client(gateway))
    with pytest.raises(AlreadyConnected, match="close"):
        client.connect()
    assert client.wait_until_ready(5)
    client.close()
    start_until_ready(client)
    assert client.stats.identifies == 2


def test_a_with_block_connects_and_closes(gateway: LocalGateway, make_client: MakeClient) -> None:
    with make_client(gateway) as client:
        assert client.wait_until_ready(5)
    assert gateway.expect_close().code == 1000


def test_a_with_block_raises_what_ended_the_client(make_client: MakeClient) -> None:
    with LocalGateway(token="another") as gateway, pytest.raises(AuthenticationFailed):
        with make_client(gateway) as client:
            assert not client.wait_until_ready(5)


@pytest.mark.parametrize(("code", "error"), FATAL.items())
def test_a_fatal_close_is_raised_with_its_type(
    gateway: LocalGateway, make_client: MakeClient, code: int, error: type[ConnectionClosed]
) -> None:
    gateway.faults.cut("identify", "close", code=code, reason="because")
    client = make_client(gateway)
    with pytest.raises(error, match="because") as raised:
        client.connect()
    assert (raised.value.code, raised.value.reason) == (code, "because")
    assert len(gateway.connections) == 1
    assert not client.session.resumable


def test_wait_closed_raises_a_fatal_close(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents
) -> None:
    gateway.faults.cut("identify", "close", code=4004)
    client = make_client(gateway)
    recorded = record_events(client, "open", "close", "error")
    client.connect(async_=True)
    with pytest.raises(AuthenticationFailed):
        client.wait_closed(5)
    assert recorded.next()[0] == "open"
    assert recorded.data()["code"] == 4004
    name, (error, event) = recorded.next()
    assert (name, event) == ("error", "close")
    assert isinstance(error, AuthenticationFailed)
    assert client.wait_until_ready(5) is False


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_upgrade_is_fatal_at_first_and_retried_later(
    gateway: LocalGateway, make_client: MakeClient, status: int
) -> None:
    gateway.faults.refuse_upgrade(status)
    client = make_client(gateway)
    with pytest.raises(UpgradeRefused, match=str(status)) as raised:
        client.connect()
    assert raised.value.status == status
    start_until_ready(client)
    gateway.faults.refuse_upgrade(status)
    gateway.drop("reset")
    assert gateway.expect("RESUME", 10)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_retried(gateway: LocalGateway, make_client: MakeClient, status: int) -> None:
    gateway.faults.refuse_upgrade(status)
    start_until_ready(make_client(gateway))


def test_a_busy_server_is_retried_after_retry_after(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.faults.refuse_upgrade(503, retry_after=0.5)
    start_until_ready(make_client(gateway))
    first, second = gateway.connections
    assert second.opened_at - first.opened_at >= 0.5
    assert "HTTP 503; retry after 0.5 seconds" in caplog.text


def test_a_client_connects_once_the_server_becomes_reachable(make_client: MakeClient) -> None:
    with LocalGateway() as gateway:
        gateway.stop_accepting()
        client = start(make_client(gateway))
        assert not client.wait_until_ready(0.1)
        gateway.accept_again()
        assert client.wait_until_ready(10)
        client.close()


@pytest.mark.usefixtures("unmeasured")
def test_ctrl_c_closes_cleanly_and_connect_returns(gateway: LocalGateway) -> None:
    script = (
        "import sys\n"
        "from vox_gateway import Client\n"
        f"client = Client(token='t', url={gateway.url!r})\n"
        "client.on('READY', lambda data: print('ready', flush=True))\n"
        "client.connect()\n"
        "print('returned')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as bot:
        try:
            assert bot.stdout is not None
            assert bot.stdout.readline() == "ready\n"
            bot.send_signal(signal.SIGINT)
            out, err = bot.communicate(timeout=10)
        finally:
            bot.kill()
    assert (out, err, bot.returncode) == ("returned\n", "", 0)
    assert gateway.expect_close().code == 1000


def test_a_script_that_ends_without_close_sends_a_close_frame(gateway: LocalGateway) -> None:
    script = (
        "from vox_gateway import Client\n"
        f"client = Client(token='t', url={gateway.url!r})\n"
        "client.connect(async_=True)\n"
        "assert client.wait_until_ready(5)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=20)
    assert gateway.expect_close().code == 1000


# -- close, in every state -----------------------------------------------------------------------------------------


def test_close_is_idempotent(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    client.close()
    start_until_ready(client)
    close_promptly(client)
    close_promptly(client)


def test_close_from_many_threads_at_once(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(gateway))
    closers = [threading.Thread(target=close_promptly, args=(client,)) for _ in range(10)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(5)
    assert gateway.expect_close().code == 1000


@pytest.mark.parametrize("fault", ["no_hello", "ignore_upgrade", "ignore_connection"])
def test_close_while_the_server_is_silent(gateway: LocalGateway, make_client: MakeClient, fault: str) -> None:
    getattr(gateway.faults, fault)()
    client = start(make_client(gateway))
    assert not client.wait_until_ready(0.2)
    close_promptly(client)


def test_close_while_the_server_does_not_read(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = start_until_ready(make_client(gateway))
    gateway.silence()
    gateway.stop_reading()
    close_promptly(client)


def test_close_during_the_reconnect_delay(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)  # the longest delay
    with LocalGateway() as gateway:
        gateway.stop_accepting()
        client = start(make_client(gateway))
        wait_until(lambda: client.status is Status.WAITING)
        close_promptly(client)


def test_close_while_waiting_to_identify(gateway: LocalGateway, make_client: MakeClient) -> None:
    gate = IdentifyGate(interval=60)
    gate.sent(0, object(), time.monotonic(), 0.0)
    client = start(make_client(gateway, identify_gate=gate))
    assert not client.wait_until_ready(0.1)
    wait_until(lambda: client.status is Status.WAITING)
    close_promptly(client)


def test_close_while_tcp_connects() -> None:
    with black_hole() as port:
        client = start(Client(token="t", url=f"ws://127.0.0.1:{port}"))
        assert not client.wait_until_ready(0.2)
        close_promptly(client)


@pytest.mark.parametrize("connect_timeout", [10.0, 0.2])
def test_a_hanging_name_lookup_delays_neither_close_nor_the_next_attempt(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch, make_client: MakeClient, connect_timeout: float
) -> None:
    answered, looked_up = threading.Event(), threading.Semaphore(0)
    real = socket.getaddrinfo

    def hang(*args: Any, **options: Any) -> Any:
        looked_up.release()
        answered.wait(20)
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    client = start(make_client(gateway, connect_timeout=connect_timeout))
    assert looked_up.acquire(timeout=5)
    if connect_timeout < 1:
        assert looked_up.acquire(timeout=5)  # the second attempt starts while the first still hangs
    close_promptly(client)
    answered.set()  # lets the abandoned readers end; the fixture `no_leaks` checks them
    assert len(gateway.connections) == 0


def test_a_blocked_handler_does_not_delay_close(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client, entered, leave = make_client(gateway), threading.Event(), threading.Event()

    @client.on("READY")
    def stuck(data: Any) -> None:
        entered.set()
        leave.wait(20)

    client.connect(async_=True)
    assert entered.wait(5)
    close_promptly(client)
    assert "the handler of READY" in caplog.text
    leave.set()


def test_close_resumable_keeps_the_session_and_replays_unhandled_events(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client, seen = make_client(gateway), []
    first, leave, last = threading.Event(), threading.Event(), threading.Event()

    @client.on("MESSAGE_CREATE")
    def slow(message: Any) -> None:
        seen.append(message["nonce"])
        first.set()
        leave.wait(20)
        if message["nonce"] == 9:
            last.set()

    start_until_ready(client)
    send_messages(gateway, range(10))
    assert first.wait(5)
    closer = threading.Thread(target=client.close, kwargs={"resumable": True})
    closer.start()
    assert gateway.expect_close().code == 4000
    leave.set()
    closer.join(5)
    assert seen == [0]
    assert client.session.resumable
    client.connect(async_=True)
    assert last.wait(5)
    assert seen == list(range(10))
    assert client.stats.identifies == 1
    client.close()
    assert not client.session.resumable


def test_close_can_ask_for_a_reconnect(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    client.close(reconnect=True)
    start_until_ready(client)
    client.close(reconnect=True)
    assert gateway.expect_close().code == 4000
    assert gateway.expect("RESUME", 5)
    assert client.wait_until_ready(5)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"code": 999}, ValueError),
        ({"code": 1005}, ValueError),
        ({"code": "1000"}, TypeError),
        ({"code": True}, TypeError),
        ({"reason": 5}, TypeError),
        ({"reason": "x" * 124}, ValueError),
    ],
)
def test_invalid_close_arguments_are_refused(
    gateway: LocalGateway, make_client: MakeClient, arguments: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(arguments))):
        make_client(gateway).close(**arguments)


def test_wait_methods_return_whether_the_state_was_reached(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    assert client.wait_closed() is True
    assert client.wait_until_ready(0) is False
    assert client.status is Status.CLOSED
    client.connect(async_=True)
    assert client.wait_until_ready(5) is True
    assert client.status is Status.READY
    client.close()
    assert client.wait_until_ready() is False
    with pytest.raises(NotConnected, match="connect"):
        client.send_packet("HEARTBEAT", None)


@pytest.mark.slow
def test_shards_with_the_same_key_identify_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the IdentifyGate that all clients of a process share by default."""
    monkeypatch.setattr("random.random", lambda: 0.3)  # as the first may be received late, which this makes up for
    with LocalGateway(shards=2) as gateway:
        clients = [Client(token="turns", url=gateway.url, shard=(shard, 2), intents=Intents.none()) for shard in (0, 1)]
        for client in clients:
            client.connect(async_=True)
        first, second = gateway.expect("IDENTIFY"), gateway.expect("IDENTIFY", 10)
        assert 5.0 <= second.at - first.at < 9.0
        assert all(client.wait_until_ready(5) for client in clients)
        gateway.drop("reset")  # RESUME does not wait
        resumes = [gateway.expect("RESUME", 4), gateway.expect("RESUME", 4)]
        assert len({resume.data["session_id"] for resume in resumes}) == 2
        for client in clients:
            client.close()


def test_shards_with_different_keys_identify_concurrently() -> None:
    with LocalGateway(shards=2, max_concurrency=2) as gateway:
        gate = IdentifyGate(max_concurrency=2)
        clients = [Client(token="t", url=gateway.url, shard=(shard, 2), identify_gate=gate) for shard in (0, 1)]
        for client in clients:
            client.connect(async_=True)
        assert all(client.wait_until_ready(4) for client in clients)
        for client in clients:
            client.close()
