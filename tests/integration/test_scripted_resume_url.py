"""Resume URLs that fail: the client then resumes at the base URL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from client_helpers import Cases, MakeClient, RecordEvents, open_connection
from scripted_server import RECONNECT_TIMEOUT, Peer, ScriptedServer

pytestmark = pytest.mark.usefixtures("no_token_in_the_log", "little_jitter")


def test_a_busy_resume_url_falls_back_to_the_base_url(server: ScriptedServer, make_client: MakeClient) -> None:
    with ScriptedServer() as elsewhere:
        client, first = open_connection(make_client, server)
        first.login(resume_gateway_url=f"{elsewhere.url}/there")
        assert client.wait_until_ready(5)
        first.reset()
        refused = elsewhere.accept(RECONNECT_TIMEOUT)
        assert refused.path == "/there"
        assert refused.query == first.query
        refused.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        refused.close()
        second = server.open(RECONNECT_TIMEOUT)
        assert second.query == first.query
        assert second.resume() == {"token": client._options.token, "session_id": "s1", "seq": 1}
        second.event("RESUMED")
        assert client.wait_until_ready(5)
        second.reset()
        assert elsewhere.open(RECONNECT_TIMEOUT).resume()["session_id"] == "s1"  # the next resume tries it again


FAILURES_BEFORE_HELLO: dict[str, Callable[[Peer], object]] = {
    "closes": lambda peer: peer.upgrade().send_close(1001),
    "drops": lambda peer: peer.upgrade().close(),
    "resets": lambda peer: peer.upgrade().reset(),
    "op 7": lambda peer: peer.upgrade().send(7),
    "no HELLO": lambda peer: peer.upgrade(),
    "bad HELLO": lambda peer: peer.upgrade().send(10),
    "401": lambda peer: peer.refuse("401 Unauthorized"),
    "403": lambda peer: peer.refuse("403 Forbidden"),
    "503": lambda peer: peer.refuse("503 Busy"),
}


def test_a_resume_url_that_fails_before_hello_falls_back_to_the_base_url(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.shard.connection.HELLO_WITHIN", 0.5)
    with contextlib.ExitStack() as stack:
        elsewhere = {case: stack.enter_context(ScriptedServer()) for case in FAILURES_BEFORE_HELLO}
        for case in FAILURES_BEFORE_HELLO:
            client = cases.start(case)
            first = cases.servers[case].open().login(resume_gateway_url=elsewhere[case].url)
            assert client.wait_until_ready(5), case
            first.reset()
        for case, fail in FAILURES_BEFORE_HELLO.items():
            fail(elsewhere[case].accept(RECONNECT_TIMEOUT))
        for case, client in cases.clients.items():
            second = cases.servers[case].open(RECONNECT_TIMEOUT)
            assert second.resume()["session_id"] == "s1", case
            second.event("RESUMED")
            assert client.wait_until_ready(5), case
            assert client.stats.identifies == 1, case


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_kept_session_is_resumed_at_the_base_url_if_the_resume_url_refuses(
    server: ScriptedServer, make_client: MakeClient, record_events: RecordEvents, status: str
) -> None:
    with ScriptedServer() as elsewhere:
        client, first = open_connection(make_client, server)
        ready = record_events(client, "READY")
        first.login(resume_gateway_url=elsewhere.url)
        ready.next()  # a session is kept only after READY was handled
        client.close(resumable=True)
        client.connect(async_=True)
        elsewhere.accept(RECONNECT_TIMEOUT).refuse(status)
        second = server.open(RECONNECT_TIMEOUT)
        second.resume()
        second.event("RESUMED")
        assert client.wait_until_ready(5)


def test_failures_before_hello_do_not_cost_the_session(
    server: ScriptedServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_DELAY", 0.01)
    monkeypatch.setattr("vox_gateway.protocol.reconnect_policy.MAX_FAILED_RESUMES", 2)
    with ScriptedServer() as elsewhere:
        client, first = open_connection(make_client, server)
        first.login(resume_gateway_url=elsewhere.url)
        assert client.wait_until_ready(5)
        first.reset()
        for target in (elsewhere, *[server] * 3):
            peer = target.open(RECONNECT_TIMEOUT)
            peer.send(7)
            peer.expect_close()
            peer.close()
        last = server.open(RECONNECT_TIMEOUT)
        assert last.resume()["session_id"] == "s1"
        last.event("RESUMED")
        assert client.wait_until_ready(5)
