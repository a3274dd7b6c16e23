"""The HTTP API of the local gateway: what a test expects of it, and what clients request."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from foreign_client import OpenClient
from tls_contexts import server_context

from vox_gateway.testing import HttpRequest, LocalGateway
from vox_gateway.testing.server import http_stream
from vox_gateway.testing.server.http_messages import HttpResponse
from vox_gateway.testing.server.http_stream import HttpStream
from vox_gateway.testing.server.response_table import Expected, Pattern, RateLimit, ResponseTable

TOKEN = "MTEw.secret.token"
MESSAGES = "/channels/{channel.id}/messages"
CALLBACK = "/interactions/{interaction.id}/{interaction.token}/callback"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bot {TOKEN}"
        yield session


# -- what is expected ---------------------------------------------------------------------------------------------


def test_an_expected_request_gets_its_response_and_is_recorded(
    gateway: LocalGateway, session: requests.Session
) -> None:
    gateway.http.expect("POST", MESSAGES, status=201, json={"id": "9"}, headers={"X-Made-Up": "yes"})
    url = f"{gateway.api_url}/channels/5/messages?wait=true"
    response = session.post(url, json={"content": "hello"}, timeout=5)
    assert (response.status_code, response.json()) == (201, {"id": "9"})
    assert response.headers["X-Made-Up"] == "yes"
    assert response.headers["Content-Type"] == "application/json"
    assert "Date" in response.headers
    (request,) = gateway.http.requests
    assert (request.method, request.path) == ("POST", "/api/v10/channels/5/messages")
    assert request.query == {"wait": "true"}
    assert request.json == {"content": "hello"}
    assert request.headers["authorization"] == f"Bot {TOKEN}"
    assert (request.status, request.problem) == (201, None)
    gateway.http.check()


@pytest.mark.parametrize("status", [200, 204, 304])
def test_a_refusal_need_not_have_a_body(gateway: LocalGateway, session: requests.Session, status: int) -> None:
    gateway.faults.refuse_request(status)
    response = session.get(f"{gateway.api_url}/gateway", timeout=5)
    assert (response.status_code, response.content) == (status, b"")


def test_the_headers_of_a_response_can_be_replaced(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("GET", "/x", json="<html>", headers={"content-type": "text/html"})
    assert session.get(f"{gateway.api_url}/x", timeout=5).headers["Content-Type"] == "text/html"


def test_responses_are_used_up_in_order(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("GET", "/users/@me", status=500)
    gateway.http.expect("GET", "/users/@me", status=503, json={"made": "up"}, times=2)
    found = [session.get(f"{gateway.api_url}/users/@me", timeout=5) for _ in range(4)]
    assert [response.status_code for response in found] == [500, 503, 503, 200]  # the last is the gateway's own
    assert found[0].json() == {"message": "500: Internal Server Error", "code": 0}
    assert found[1].json() == {"made": "up"}


def test_a_response_can_be_given_any_number_of_times(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("DELETE", "/channels/{channel.id}", status=204, times=None)
    gateway.http.check()  # none is a number too
    for number in range(3):
        response = session.delete(f"{gateway.api_url}/channels/{number}", timeout=5)
        assert (response.status_code, response.content) == (204, b"")
    gateway.http.check()


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v10"])
def test_paths_match_with_and_without_the_version(
    gateway: LocalGateway, session: requests.Session, prefix: str
) -> None:
    gateway.http.expect("PUT", "/api/v10/applications/{application.id}/commands", json=[])
    response = session.put(f"{gateway.http_url}{prefix}/applications/1/commands", json=[], timeout=5)
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize(
    ("method", "path", "matches"),
    [
        ("POST", "/channels/1/messages", True),
        ("GET", "/channels/1/messages", False),
        ("POST", "/channels/1/messages/2", False),
        ("POST", "/channels//messages", False),
        ("POST", "/channels/1/2/messages", False),
        ("POST", "/v1/channels/1/messages", False),
    ],
)
def test_a_parameter_is_one_segment(method: str, path: str, matches: bool) -> None:
    assert Pattern("POST", MESSAGES).matches(method, path) is matches


def test_what_is_not_a_parameter_is_literal() -> None:
    assert Pattern("PATCH", "/webhooks/{id}/{token}/messages/@original").matches(
        "PATCH", "/webhooks/1/t/messages/@original"
    )
    assert not Pattern("GET", "/a.c").matches("GET", "/abc")


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("FETCH", "/x"), {}, "invalid method='FETCH'"),
        (("get", "/x"), {}, "invalid method='get'"),
        (("GET", "x"), {}, "invalid path='x'"),
        (("GET", "/x?y=1"), {}, r"invalid path='/x\?y=1'"),
        (("GET", "/x"), {"status": 101}, "invalid status=101"),
        (("GET", "/x"), {"status": 600}, "invalid status=600"),
        (("GET", "/x"), {"status": 204, "json": {}}, "a response with status 204 has no body"),
        (("GET", "/x"), {"times": 0}, "invalid times=0"),
        (("GET", "/x"), {"headers": {"X": "a\r\nb"}}, "invalid headers: 'X'"),
        (("GET", "/x"), {"headers": {"X Y": "a"}}, "invalid headers: 'X Y'"),
        (("GET", "/x"), {"headers": {"X": 1}}, "invalid headers: 'X': 1"),
        (("GET", "/x"), {"headers": {"Content-length": "1"}}, "the gateway sets Content-length"),
        (("GET", "/x"), {"json": float("nan")}, "JSON compliant"),
    ],
)
def test_invalid_expectations_are_refused(arguments: tuple[str, str], options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LocalGateway().http.expect(*arguments, **options)


def test_a_body_that_json_cannot_represent_is_refused() -> None:
    with pytest.raises(TypeError):
        LocalGateway().http.expect("GET", "/x", json=object())


# -- what is not expected -----------------------------------------------------------------------------------------


def test_an_unexpected_request_is_not_found_and_reported(gateway: LocalGateway, session: requests.Session) -> None:
    response = session.post(f"{gateway.api_url}/interactions/1/{TOKEN}/callback", json={"type": 4}, timeout=5)
    assert (response.status_code, response.json()) == (404, {"message": "404: Not Found", "code": 0})
    (request,) = gateway.http.unexpected
    assert request.json == {"type": 4}
    with pytest.raises(AssertionError, match="/interactions/1/…/callback: 404>: nothing expects it") as failed:
        gateway.http.check()
    assert TOKEN not in str(failed.value)


def test_what_was_not_requested_is_reported(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("POST", MESSAGES, times=3)
    gateway.http.limit_rate("GET", "/gateway", 1)
    session.post(f"{gateway.api_url}/channels/5/messages", timeout=5)
    with pytest.raises(AssertionError, match=r"messages \(2 more\), GET /gateway \(to be rate limited\)"):
        gateway.http.check()


def test_a_body_that_is_not_json_is_refused(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("POST", MESSAGES)
    url, headers = f"{gateway.api_url}/channels/5/messages", {"Content-Type": "application/json; charset=utf-8"}
    response = session.post(url, data=b"{'content'}", headers=headers, timeout=5)
    assert response.status_code == 400
    assert response.json() == {"message": "The request body contains invalid JSON.", "code": 50109}
    (request,) = gateway.http.unexpected
    assert request.problem == "its body is not valid JSON"
    with pytest.raises(ValueError, match="Expecting"):
        _ = request.json


def test_no_representation_shows_a_token(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("PATCH", "/webhooks/{id}/{token}/messages/@original")
    session.patch(f"{gateway.api_url}/webhooks/1/{TOKEN}/messages/@original", json={"token": TOKEN}, timeout=5)
    (request,) = gateway.http.requests
    assert repr(request) == "<HttpRequest PATCH /api/v10/webhooks/1/…/messages/@original: 200>"
    assert repr(gateway.http) == "<HttpApi, 1 requests, 0 unexpected>"
    assert TOKEN not in repr(gateway)


# -- rate limits --------------------------------------------------------------------------------------------------


def test_a_rate_limit_is_announced_as_documented(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.limit_rate("POST", MESSAGES, 64.5)
    response = session.post(f"{gateway.api_url}/channels/5/messages", timeout=5)
    assert response.status_code == 429
    assert response.json() == {"message": "You are being rate limited.", "retry_after": 64.5, "global": False}
    headers = response.headers
    assert headers["Retry-After"] == "65"
    assert "Via" in headers  # without it, discord.py gives up
    assert headers["X-RateLimit-Limit"] == "1"
    assert headers["X-RateLimit-Remaining"] == "0"
    assert headers["X-RateLimit-Reset-After"] == "64.500"
    assert abs(float(headers["X-RateLimit-Reset"]) - time.time() - 64.5) < 60
    assert headers["X-RateLimit-Bucket"]
    assert headers["X-RateLimit-Scope"] == "user"
    assert "X-RateLimit-Global" not in headers
    assert gateway.http.unexpected == ()  # it could not know


def test_a_request_before_the_end_of_a_rate_limit_is_reported(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.limit_rate("POST", MESSAGES, 60)
    gateway.http.expect("POST", MESSAGES)
    found = [session.post(f"{gateway.api_url}/channels/5/messages", timeout=5) for _ in range(2)]
    assert [response.status_code for response in found] == [429, 429]
    assert 0 < found[1].json()["retry_after"] <= 60
    (request,) = gateway.http.unexpected
    assert "before the end of its rate limit" in (request.problem or "")


def test_a_client_that_waits_is_let_through(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.limit_rate("POST", MESSAGES, 0.05)
    gateway.http.expect("POST", MESSAGES, json={"id": "1"})
    url = f"{gateway.api_url}/channels/5/messages"
    limited = session.post(url, timeout=5)
    threading.Event().wait(limited.json()["retry_after"])
    assert session.post(url, timeout=5).json() == {"id": "1"}
    gateway.http.check()


def table(*limits: RateLimit) -> ResponseTable:
    made = ResponseTable()
    for limit in limits:
        made.limit(limit)
    made.expect(Expected(Pattern("POST", MESSAGES), HttpResponse(200), None))
    made.expect(Expected(Pattern("POST", CALLBACK), HttpResponse(200), None))
    return made


def status(table: ResponseTable, path: str, now: float) -> int:
    found = table.look_up("POST", path, now, 0.0)
    return 0 if found is None else found.response.status


def test_the_global_rate_limit_is_for_all_routes_but_interactions() -> None:
    limited = table(RateLimit(Pattern("POST", "/channels/1/messages"), 10, "global"))
    assert status(limited, "/channels/2/messages", 0) == 200
    found = limited.look_up("POST", "/channels/1/messages", 0, 0.0)
    assert found is not None
    headers = dict(found.response.headers)
    assert headers["X-RateLimit-Global"] == "true"
    assert headers["X-RateLimit-Scope"] == "global"
    assert "X-RateLimit-Bucket" not in headers
    assert b'"global": true' in found.response.body
    assert status(limited, "/channels/2/messages", 9.9) == 429
    assert status(limited, "/api/v10/interactions/1/t/callback", 9.9) == 200
    assert status(limited, "/channels/2/messages", 10) == 200


def test_a_second_rate_limit_begins_after_the_first() -> None:
    limited = table(*[RateLimit(Pattern("POST", MESSAGES), 10, "shared") for _ in range(2)])
    assert [status(limited, "/channels/1/messages", now) for now in (0, 9, 11, 20, 22)] == [429, 429, 429, 429, 200]
    assert limited.missing() == []


def test_a_rate_limit_is_rounded_up() -> None:
    limited = table(RateLimit(Pattern("POST", MESSAGES), 1.0001, "user"))
    found = limited.look_up("POST", "/channels/1/messages", 0, 0.0)
    assert found is not None
    assert b'"retry_after": 1.001' in found.response.body


@pytest.mark.parametrize(
    ("retry_after", "scope", "words"),
    [(0, "user", "retry_after=0"), (float("inf"), "user", "retry_after=inf"), (1, "bot", "scope='bot'")],
)
def test_invalid_rate_limits_are_refused(retry_after: float, scope: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"invalid {words}"):
        LocalGateway().http.limit_rate("GET", "/x", retry_after, scope=scope)


# -- waiting ------------------------------------------------------------------------------------------------------


def test_waiting_takes_each_request_once(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("POST", MESSAGES, times=None)

    def send() -> None:
        for content in ("one", "two", "three"):
            session.post(f"{gateway.api_url}/channels/5/messages", json={"content": content}, timeout=5)

    sender = threading.Thread(target=send, name="test-sender")
    sender.start()
    third = gateway.http.wait_for_request("POST", MESSAGES, where=lambda request: request.json["content"] == "three")
    contents = [gateway.http.wait_for_request("POST", MESSAGES).json["content"] for _ in range(2)]
    sender.join()
    assert third.json == {"content": "three"}
    assert contents == ["one", "two"]
    with pytest.raises(AssertionError, match=r"no POST .* came within 0.01 s; last requests: <HttpRequest POST"):
        gateway.http.wait_for_request("POST", MESSAGES, timeout=0.01)


def test_waiting_needs_a_valid_path(gateway: LocalGateway) -> None:
    with pytest.raises(ValueError, match="invalid path="):
        gateway.http.wait_for_request("GET", "gateway")


# -- HTTP itself --------------------------------------------------------------------------------------------------


def test_a_session_keeps_its_connection(
    gateway: LocalGateway, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "urllib3")
    gateway.http.expect("POST", MESSAGES, times=None)
    for size in (0, 1, 70_000, 1_000_000, 2):
        response = session.post(f"{gateway.api_url}/channels/5/messages", json={"content": "x" * size}, timeout=5)
        assert response.status_code == 200
    assert [len(request.json["content"]) for request in gateway.http.requests] == [0, 1, 70_000, 1_000_000, 2]
    assert len([text for text in caplog.messages if "Starting new HTTP connection" in text]) == 1


def test_a_chunked_body_is_read(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("POST", MESSAGES)
    chunks = iter([b"one ", b"two"])
    session.post(f"{gateway.api_url}/channels/5/messages", data=chunks, timeout=5)
    assert gateway.http.requests[0].body == b"one two"


def test_a_file_is_recorded_as_it_was_sent(gateway: LocalGateway, session: requests.Session) -> None:
    gateway.http.expect("POST", MESSAGES)
    files = {"files[0]": ("a.txt", io.BytesIO(b"content of a file"), "text/plain")}
    session.post(f"{gateway.api_url}/channels/5/messages", data={"payload_json": "{}"}, files=files, timeout=5)
    (request,) = gateway.http.requests
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"content of a file" in request.body
    assert request.json is None


def test_a_body_that_is_too_large_is_refused(
    gateway: LocalGateway, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_stream, "MAX_BODY", 1000)
    gateway.http.expect("POST", MESSAGES)
    url = f"{gateway.api_url}/channels/5/messages"
    response = session.post(url, data=b"x" * 300_000, timeout=5)
    assert (response.status_code, response.json()["code"]) == (413, 40005)
    (request,) = gateway.http.unexpected
    assert (request.body, request.problem) == (b"", "its body is too large")
    assert session.post(url, data=b"x" * 1000, timeout=5).status_code == 200


def test_tls_carries_http(session: requests.Session) -> None:
    with LocalGateway(ssl_context=server_context()) as gateway:
        gateway.http.expect("POST", MESSAGES, times=None)
        with pytest.warns(Warning, match="Unverified"):
            session.post(f"{gateway.api_url}/channels/5/messages", json={"content": "x"}, verify=False, timeout=5)
        assert gateway.http.requests[0].json == {"content": "x"}


def exchange(gateway: LocalGateway, connect: Callable[[LocalGateway], socket.socket], data: bytes) -> bytes:
    """Send bytes, and return everything until the gateway ends the connection."""
    sock = connect(gateway)
    sock.sendall(data)
    return rest(sock)


def rest(sock: socket.socket) -> bytes:
    """Receive everything until the gateway ends the connection."""
    with sock.makefile("rb") as reader:
        return reader.read()


RawSocket = Callable[[LocalGateway], socket.socket]


def test_pipelined_requests_are_answered_in_order(gateway: LocalGateway, raw_socket: RawSocket) -> None:
    gateway.http.expect("GET", "/a", json="first")
    gateway.http.expect("POST", "/b", json="second")
    data = (
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    answer = exchange(gateway, raw_socket, data)
    assert answer.index(b'"first"') < answer.index(b'"second"') < answer.index(b"404 Not Found")
    assert gateway.http.requests[1].body == b"{}"


def test_a_request_in_single_bytes_is_read(gateway: LocalGateway, raw_socket: RawSocket) -> None:
    gateway.http.expect("POST", "/b", json="done")
    sock = raw_socket(gateway)
    for byte in b"POST /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}":
        sock.sendall(bytes([byte]))
    assert rest(sock).endswith(b'"done"')


def test_a_client_may_ask_whether_to_send_its_body(gateway: LocalGateway, raw_socket: RawSocket) -> None:
    gateway.http.expect("POST", "/b", json="done")
    sock = raw_socket(gateway)
    sock.sendall(
        b"POST /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert sock.recv(64).startswith(b"HTTP/1.1 100")
    sock.sendall(b"{}")
    assert rest(sock).endswith(b'"done"')


def test_a_head_request_gets_no_body(gateway: LocalGateway, raw_socket: RawSocket) -> None:
    answer = exchange(gateway, raw_socket, b"HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("upgrade", [b"", b"Upgrade: websocket\r\n"])
def test_any_target_is_recorded(gateway: LocalGateway, raw_socket: RawSocket, upgrade: bytes) -> None:
    data = b"GET http://[x?a=1&b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + upgrade + b"\r\n"
    assert exchange(gateway, raw_socket, data).startswith(b"HTTP/1.1 4")
    record = gateway.connections[0] if upgrade else gateway.http.requests[0]
    assert (record.path, record.query) == ("http://[x", {"a": "1", "b": ""})


def test_http_1_0_ends_with_its_response(gateway: LocalGateway, raw_socket: RawSocket) -> None:
    assert b"200 OK" in exchange(gateway, raw_socket, b"GET /gateway HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400 "),  # no Host
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000, b"431 "),
    ],
)
def test_malformed_requests_are_refused(
    gateway: LocalGateway, raw_socket: RawSocket, data: bytes, status: bytes
) -> None:
    sock = raw_socket(gateway)
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)
    assert sock.recv(64).startswith(b"HTTP/1.1 " + status)
    assert gateway.http.requests == ()


def test_a_client_that_leaves_in_the_middle_of_a_body_is_not_recorded(
    gateway: LocalGateway, raw_socket: RawSocket, session: requests.Session
) -> None:
    sock = raw_socket(gateway)
    sock.sendall(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{}")
    sock.close()
    assert session.get(f"{gateway.api_url}/gateway", timeout=5).status_code == 200
    assert [request.method for request in gateway.http.requests] == ["GET"]


def test_a_websocket_can_follow_http_on_the_same_connection(gateway: LocalGateway, raw_socket: RawSocket) -> None:
    sock = raw_socket(gateway)
    sock.sendall(b"GET /gateway HTTP/1.1\r\nHost: x\r\n\r\n")
    while not (data := sock.recv(4096)).endswith(b"}"):
        assert data
    sock.sendall(
        b"GET /?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert sock.recv(4096).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert gateway.wait_connection().status == 101


def test_the_gateway_closes_idle_connections(session: requests.Session, open_client: OpenClient) -> None:
    with LocalGateway() as gateway:
        open_client(gateway).login()
        session.get(f"{gateway.api_url}/gateway", timeout=5)
    with pytest.raises(requests.ConnectionError):
        session.get(f"{gateway.api_url}/gateway", timeout=5)


def test_an_unanswered_request_holds_up_those_behind_it() -> None:
    sent: list[bytes] = []
    seen: list[HttpRequest] = []
    stream = HttpStream(respond=seen.append, upgrade=sent.append, write=sent.append, end=lambda: None)
    stream.receive(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    stream.receive(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [request.path for request in seen] == ["/a"]
    assert sent == []


def test_repeated_headers_are_joined() -> None:
    seen: list[HttpRequest] = []
    stream = HttpStream(respond=seen.append, upgrade=lambda data: None, write=lambda data: None, end=lambda: None)
    stream.receive(b"GET /a HTTP/1.1\r\nHost: x\r\nAccept: a\r\nACCEPT: b\r\n\r\n")
    assert seen[0].headers == {"host": "x", "accept": "a, b"}
