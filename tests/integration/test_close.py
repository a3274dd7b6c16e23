"""close() returns within two seconds in every state, and leaks nothing."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_helpers import (
    CLOSE_TIMEOUT,
    MakeClient,
    OnLogLine,
    RecordEvents,
    SendMessages,
    close_promptly,
    start,
    start_until_ready,
)
from scripted_server import ScriptedServer, message, pieces
from support import wait_until
from websockets.frames import Opcode

from vox_gateway import Status
from vox_gateway.testing import LocalGateway

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Check that the block takes less than `seconds`."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


# -- unresponsive servers ------------------------------------------------------------------------------------------


def test_close_during_an_unanswered_tls_handshake(make_client: MakeClient) -> None:
    with ScriptedServer("wss") as server:
        client = start(make_client(server))
        peer = server.accept()
        assert peer.sock.recv(1) == b"\x16"  # the start of a ClientHello
        close_promptly(client, 1.0)
        peer.expect_end()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_close_while_the_proxy_is_silent(make_client: MakeClient, server: ScriptedServer, scheme: str) -> None:
    client = start(make_client(server, url=f"{scheme}://gateway.invalid/", proxy=server.url.replace("ws:", "http:")))
    peer = server.accept()
    assert b"CONNECT gateway.invalid:" in peer.sock.recv(4096)
    close_promptly(client, 1.0)
    peer.expect_end()


@pytest.mark.parametrize("sent", ["nothing", "hello", "ready", "half a message"])
def test_close_when_the_close_frame_is_not_answered(
    make_client: MakeClient, server: ScriptedServer, record_events: RecordEvents, sent: str
) -> None:
    client = make_client(server, compress=False)
    opened = record_events(client, "open")
    start(client)
    peer = server.open()
    opened.next()
    if sent == "hello":
        peer.hello().expect(2)
    elif sent != "nothing":
        peer.login()
        assert client.wait_until_ready(5)
    if sent == "half a message":
        peer.write(message(b"x" * 5_000_000, Opcode.TEXT)[:-1])
    close_promptly(client)
    assert peer.expect_close().code == 1000
    peer.expect_end()


def test_close_while_the_server_sends_without_end(make_client: MakeClient, server: ScriptedServer) -> None:
    client = start(make_client(server, compress=False))
    peer = server.open().login()
    assert client.wait_until_ready(5)
    much = peer.frame({"op": 0, "t": "NEWS", "s": 2, "d": None}) * 50_000

    def talk() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer.sock.sendall(much)

    talker = threading.Thread(target=talk)
    talker.start()
    close_promptly(client)
    talker.join(5)
    assert not talker.is_alive()


def test_close_with_full_send_buffers(make_client: MakeClient, record_events: RecordEvents) -> None:
    with ScriptedServer(receive_buffer=4096) as server:
        client = make_client(server, compress=False)
        recorded = record_events(client, "NEWS")
        start(client)
        peer = server.open().login()
        peer.write(message(b"?" * 125, Opcode.PING) * 30_000)  # replies of less than MAX_UNSENT
        peer.event("NEWS")
        recorded.data(20)  # all pings have been answered
        close_promptly(client)
        with pytest.raises((EOFError, TimeoutError)):
            while True:
                peer.receive(0.5)


def test_close_while_data_arrives_byte_by_byte(make_client: MakeClient, server: ScriptedServer) -> None:
    client = start(make_client(server, compress=False))
    peer = server.open().login()
    assert client.wait_until_ready(5)
    closer = threading.Thread(target=close_promptly, args=(client,))
    closer.start()
    with contextlib.suppress(OSError):
        for byte in pieces(message(b"x" * 100_000, Opcode.TEXT), 1):
            peer.write(byte)
            if not closer.is_alive():
                break
    closer.join(5)
    assert client.status is Status.CLOSED


def test_close_while_the_event_queue_is_full(
    gateway: LocalGateway,
    make_client: MakeClient,
    send_messages: SendMessages,
    on_log_line: OnLogLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vox_gateway.dispatch.event_queue.STUCK_AFTER", 0.05)
    client, stuck = make_client(gateway, backlog=5), threading.Event()
    entered, leave = threading.Event(), threading.Event()
    on_log_line("backlog=5", stuck.set)
    client.on("MESSAGE_CREATE", lambda data: (entered.set(), leave.wait(20)))
    start_until_ready(client)
    send_messages(gateway, range(1))
    assert entered.wait(5)  # first: the warning names the handler that runs
    send_messages(gateway, range(1, 100))
    assert stuck.wait(5)
    close_promptly(client)
    assert gateway.expect_close().code == 1000  # the reader did not wait for the handler
    leave.set()


def test_close_does_not_wait_for_an_event_that_is_being_decoded(
    gateway: LocalGateway, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def read(data: bytes) -> Any:
        if b'"SLOW"' in data:
            entered.set()
            leave.wait(20)
        return json.loads(data)

    client = make_client(gateway, json=read)
    client.on("SLOW", print)
    start_until_ready(client)
    gateway.dispatch("SLOW", {})
    assert entered.wait(5)
    close_promptly(client)
    leave.set()
    assert "close() does not wait for the dispatcher any longer" in caplog.text


def test_close_during_a_replay_keeps_the_sequence_number(
    make_client: MakeClient, server: ScriptedServer, record_events: RecordEvents
) -> None:
    client = make_client(server)
    recorded = record_events(client, "NEWS")
    start(client)
    first = server.open().login()
    assert client.wait_until_ready(5)
    first.reset()
    second = server.open()
    assert second.resume()["seq"] == 1
    second.seq = 1
    second.event("NEWS", 2)
    assert recorded.data() == 2
    wait_until(lambda: client.status is Status.RESUMING)
    close_promptly(client, resumable=True)
    second.close()
    start(client)
    third = server.open()
    assert third.resume()["seq"] == 2
    third.event("RESUMED")
    assert client.wait_until_ready(5)


# -- callers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["open", "HELLO", "READY", "close", "error"])
def test_any_handler_may_close_and_the_blocking_connect_returns(
    gateway: LocalGateway, make_client: MakeClient, event: str
) -> None:
    client = make_client(gateway)
    client.on(event, lambda *args: client.close())
    if event == "error":
        client.on("READY", lambda data: 1 / 0)
    if event == "close":
        gateway.faults.cut("ready")
    with within(5):
        client.connect()
    assert client.status is Status.CLOSED


def test_a_handler_may_close_and_connect_again(
    gateway: LocalGateway, make_client: MakeClient, send_messages: SendMessages
) -> None:
    client, seen, last = make_client(gateway), [], threading.Event()

    @client.on("MESSAGE_CREATE")
    def handle(data: Any) -> None:
        seen.append(data["nonce"])
        if data["nonce"] == 3:
            client.close(resumable=True)
            client.connect(async_=True)
        if data["nonce"] == 9:
            last.set()

    start_until_ready(client)
    send_messages(gateway, range(10))
    assert last.wait(5)
    assert seen == list(range(10))
    assert client.wait_until_ready(5)  # the events were replayed before RESUMED
    assert (client.stats.identifies, client.stats.resumes) == (1, 1)


def test_an_abandoned_handler_does_not_affect_a_later_run(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, send_messages: SendMessages
) -> None:
    client, entered, leave, returned = make_client(gateway), threading.Event(), threading.Event(), threading.Event()

    def stuck(data: Any) -> None:
        entered.set()
        leave.wait(20)
        returned.set()

    client.once("READY", stuck)
    start(client)
    assert entered.wait(5)
    close_promptly(client)
    messages = record_events(client, "MESSAGE_CREATE")
    start_until_ready(client)
    send_messages(gateway, range(3))
    assert [messages.data()["nonce"] for _ in range(3)] == [0, 1, 2]
    leave.set()
    assert returned.wait(5)
    send_messages(gateway, range(3, 5))
    assert [messages.data()["nonce"] for _ in range(2)] == [3, 4]
    assert client.status is Status.READY


def test_close_right_after_connect_returns(gateway: LocalGateway, make_client: MakeClient) -> None:
    client = make_client(gateway)
    for _ in range(20):
        start(client)
        close_promptly(client)
    start_until_ready(client)


def test_concurrent_connects_and_closes_leave_at_most_one_run(gateway: LocalGateway, make_client: MakeClient) -> None:
    client, begin = make_client(gateway), threading.Barrier(10)

    def connect() -> None:
        begin.wait(5)
        with contextlib.suppress(RuntimeError):  # already connected
            client.connect(async_=True)

    def close() -> None:
        begin.wait(5)
        client.close()

    threads = [threading.Thread(target=target) for target in (connect, close) * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    client.close()
    start_until_ready(client)
    assert len(gateway.wait_connected(1)) == 1


def test_repeated_reconnect_requests_lose_no_events(
    gateway: LocalGateway, make_client: MakeClient, record_events: RecordEvents, send_messages: SendMessages
) -> None:
    client = make_client(gateway)
    messages = record_events(client, "MESSAGE_CREATE")
    start_until_ready(client)
    for number in range(5):
        client.close(reconnect=True)
        send_messages(gateway, range(number, number + 1))
    assert [messages.data()["nonce"] for _ in range(5)] == list(range(5))
    assert client.stats.identifies == 1


# -- scripts --------------------------------------------------------------------------------------------------------

BOT = """
import signal, sys, threading
from vox_gateway import Client
client = Client(token='t', url=sys.argv[1])
{setup}
print('going', flush=True)
client.connect()
print('returned')
"""


@contextlib.contextmanager
def bot(url: str, setup: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """Run a bot in a process; the function returns its next line."""
    script = BOT.format(setup=setup)
    arguments = [sys.executable, "-c", script, url]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, lambda: process.stdout.readline().strip()  # type: ignore[union-attr]
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[str, str, int]:
    assert process.stdout is not None
    assert process.stderr is not None
    with within(CLOSE_TIMEOUT + 1):  # a margin for the exit of the interpreter
        process.wait(10)
    return process.stdout.read(), process.stderr.read(), process.returncode


def test_a_signal_handler_may_close(gateway: LocalGateway) -> None:
    setup = (
        "signal.signal(signal.SIGTERM, lambda *args: client.close())\n"
        "client.on('READY', lambda data: print('ready', flush=True))"
    )
    with bot(gateway.url, setup) as (process, line):
        assert (line(), line()) == ("going", "ready")
        process.send_signal(signal.SIGTERM)
        assert ended(process) == ("returned\n", "", 0)
    assert gateway.expect_close().code == 1000


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("state", ["upgrade", "hello", "backoff", "handler"])
def test_ctrl_c_ends_the_bot_in_every_state(state: str) -> None:
    with LocalGateway() as gateway:
        setup = ""
        if state == "upgrade":
            gateway.faults.ignore_upgrade()
        elif state == "hello":
            gateway.faults.no_hello()
        elif state == "backoff":
            gateway.faults.refuse_upgrade(503, times=None)
        else:
            setup = "client.on('READY', lambda d: (print('ready', flush=True), threading.Event().wait()))"
        with bot(gateway.url, setup) as (process, line):
            assert line() == "going"
            if state == "handler":
                assert line() == "ready"
            gateway.wait_connection(2 if state == "backoff" else 1, 10)
            process.send_signal(signal.SIGINT)
            out, err, code = ended(process)
        assert (out, code) == ("returned\n", 0)
        assert "Traceback" not in err


def test_ctrl_c_while_the_threads_start_ends_the_bot(gateway: LocalGateway) -> None:
    """The interrupt comes in the main thread as a thread starts."""
    setup = (
        "real = threading.Thread.start\n"
        "def start(thread):\n"
        "    real(thread)\n"
        "    if thread.name.endswith('-reconnect'): raise KeyboardInterrupt\n"
        "threading.Thread.start = start\n"
    )
    with bot(gateway.url, setup) as (process, line):
        assert line() == "going"
        assert ended(process) == ("returned\n", "", 0)


def test_a_signal_handler_may_close_during_connect(gateway: LocalGateway) -> None:
    setup = (
        "real = threading.Thread.start\n"
        "def start(thread):\n"
        "    real(thread)\n"
        "    if thread.name.endswith('-dispatcher'): client.close()\n"
        "threading.Thread.start = start\n"
    )
    with bot(gateway.url, setup) as (process, line):
        assert line() == "going"
        assert ended(process) == ("returned\n", "", 0)


def test_a_script_with_a_blocked_handler_ends(gateway: LocalGateway) -> None:
    setup = (
        "entered = threading.Event()\n"
        "client.on('READY', lambda data: (entered.set(), threading.Event().wait()))\n"
        "client.connect(async_=True)\n"
        "entered.wait()\n"
        "print('stuck', flush=True)\n"
        "sys.exit(3)"
    )
    with bot(gateway.url, setup) as (process, line):
        assert line() == "stuck"
        assert ended(process)[::2] == ("", 3)
    assert gateway.expect_close().code == 1000


def test_a_failed_tls_handshake_leaks_no_socket(make_client: MakeClient) -> None:
    """The server sends garbage or HTTP instead of TLS, or resets; the fixture `no_leaks` checks descriptors."""
    with ScriptedServer("wss") as server:
        client = start(make_client(server, ssl_context=ssl.create_default_context()))
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28"):
            peer = server.accept()
            peer.sock.recv(1)
            peer.write(answer)
            peer.close()
        server.accept().reset()
        close_promptly(client)


def test_close_while_the_server_does_not_accept(gateway: LocalGateway, make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = start(make_client(gateway, url=f"ws://127.0.0.1:{listener.getsockname()[1]}"))
        assert not client.wait_until_ready(0.1)
        close_promptly(client, 1.0)


WITHOUT_DESCRIPTORS = """
import os, resource, sys, threading
from vox_gateway import Client
client = Client(token='t', url=sys.argv[1])
ready = threading.Event()
client.on('READY', lambda data: ready.set())
client.connect(async_=True)
assert ready.wait(30)
free = os.dup(0)
os.close(free)
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
print(client.wait_until_ready(30), client.wait_until_guilds(0.01))
client.close()
print(client.status)
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
"""


def test_close_without_descriptors(gateway: LocalGateway) -> None:
    pytest.importorskip("resource")
    gateway.faults.withhold("GUILD_CREATE")
    command = [sys.executable, "-c", WITHOUT_DESCRIPTORS, gateway.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("True False\nclosed\n", "")
    assert gateway.expect_close().code == 1000
