"""Text from servers and proxies is sanitized wherever it is shown: printable, and on one line."""

from __future__ import annotations

import json
import logging
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_helpers import MakeClient, start
from log_handlers import LogRecorder, installed
from scripted_server import ScriptedServer
from support import read_head, running, serving

from vox_gateway import AuthenticationFailed, Client, ConnectFailed, Event, get_gateway_bot

pytestmark = pytest.mark.usefixtures("little_jitter")

TIMEOUT = 10.0
#: within the 123 bytes of a close reason
NASTY = "x\r\n\x1b[31m\x9b2J\u202e\u200b\u2028y"
WITH_SURROGATE = NASTY + "\ud800"
CLEAN = "x ?[31m?2J?? y"


@pytest.fixture
def log() -> Iterator[LogRecorder]:
    """Records the log at DEBUG."""
    with installed(LogRecorder(), logging.DEBUG) as recorder:
        yield recorder


def assert_clean(text: str) -> None:
    """Check that the only control characters are the library's own line breaks."""
    assert text.replace("\n", "").isprintable(), ascii(text)
    assert "\ny" not in text


def test_gateway_text_is_sanitized_for_display_and_passed_to_handlers_unchanged(
    server: ScriptedServer, make_client: MakeClient, log: LogRecorder
) -> None:
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()
    held, go = threading.Event(), threading.Event()
    client = make_client(server, slow_handler_warning=0.05)
    client.on("close", seen.put)

    @client.on("DISPATCH")
    def fail(payload: Any) -> None:
        if payload["t"] == WITH_SURROGATE:
            held.set()
            go.wait(TIMEOUT)
            raise ValueError(payload["d"])

    with client.stream() as events:
        client.connect(async_=True)
        peer = server.open().login(session_id=NASTY * 2, resume_gateway_url=server.url)
        peer.event(WITH_SURROGATE, NASTY)
        assert held.wait(TIMEOUT)
        log.wait("has been running")
        health = client.health()
        assert health["slow_handler"] == CLEAN + "?"
        assert "handler of " + CLEAN in client.explain()
        go.set()
        assert events.get(TIMEOUT).name == "READY"
        assert events.get(TIMEOUT)[:2] == Event(WITH_SURROGATE, NASTY, 2, 0)[:2]
        peer.send_close(4000, NASTY.encode())
        assert seen.get(timeout=TIMEOUT) == {"code": 4000, "reason": NASTY}
        server.open().hello().receive()
        assert CLEAN in client.health()["last_error"]
        client.close()
    for shown in (client.explain(), repr(client), repr(client.session), repr(events), str(client.health()), log.text):
        assert_clean(shown)
    assert "\n" not in client.health()["last_error"]
    assert CLEAN in log.text
    assert CLEAN in client.explain()


def test_a_fatal_close_has_a_sanitized_message_and_the_original_reason(
    server: ScriptedServer, make_client: MakeClient, log: LogRecorder
) -> None:
    client = make_client(server)
    with running(lambda: server.open().hello().send_close(4004, NASTY.encode())):
        with pytest.raises(AuthenticationFailed) as raised:
            client.connect()
    assert raised.value.reason == NASTY
    assert f"4004 ({CLEAN}): " in str(raised.value)
    assert_clean("".join(traceback.format_exception(raised.value)))
    assert_clean(log.text)
    assert CLEAN in client.explain()


ANSWERS = [
    b"HTTP/1.1 403 %s\r\n\r\n",
    b"HTTP/1.1 %s\r\n\r\n",
    b"%s\r\n\r\n",
    b"HTTP/1.1 403 no\r\n%s: x\r\nRetry-After: %s\r\n\r\n%s",
    b"HTTP/1.1 403 no\r\n%s\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    b"HTTP/1.1 101 OK\r\nUpgrade: %s\r\nConnection: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
    b"HTTP/1.1 302 no\r\nLocation: %s\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + json.dumps({"url": NASTY}).encode(),
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    + json.dumps(
        {
            "url": f"ws://{NASTY}",
            "shards": 1,
            "session_start_limit": {"total": 1, "remaining": 1, "reset_after": 1, "max_concurrency": 1},
        }
    ).encode(),
]
#: the part of it that fits into one header line
WIRE = "x\x1b[31m\x9b2J\u202e\u200by".encode()


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def answer_it(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(answer.replace(b"%s", WIRE))

    return answer_it


@pytest.mark.parametrize("answer", ANSWERS)
def test_responses_to_the_upgrade_are_sanitized(answer: bytes, log: LogRecorder) -> None:
    with serving(answering(answer)) as port:
        client = Client(token="t", url=f"ws://127.0.0.1:{port}")
        client.connect(async_=True)
        log.wait("no connection could be made", "refused the websocket upgrade")
        client.close()
    assert_clean(log.text)
    assert_clean(client.explain())


@pytest.mark.parametrize("answer", ANSWERS)
def test_responses_of_the_api_are_sanitized(answer: bytes) -> None:
    with serving(answering(answer)) as port, pytest.raises(ConnectFailed) as raised:
        get_gateway_bot("t", api_url=f"http://127.0.0.1:{port}")
    assert_clean(str(raised.value))
    assert_clean("".join(traceback.format_exception(raised.value)))


@pytest.mark.parametrize("answer", ANSWERS)
def test_responses_of_a_proxy_are_sanitized(answer: bytes) -> None:
    with serving(answering(answer)) as port, pytest.raises(ConnectFailed) as raised:
        get_gateway_bot("t", proxy=f"http://127.0.0.1:{port}", api_url="http://discord.invalid")
    assert_clean(str(raised.value))
    assert_clean("".join(traceback.format_exception(raised.value)))


def test_gateway_text_can_be_written_to_standard_error(
    server: ScriptedServer, make_client: MakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    with installed(logging.StreamHandler(sys.stderr)):
        client = start(make_client(server))
        server.open().hello().send_close(4000, NASTY.encode())
        server.open()
        client.close()
    assert CLEAN in capsys.readouterr().err
