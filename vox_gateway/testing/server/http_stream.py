"""The server's side of HTTP/1.1 on a connection: requests with bodies, keep-alive and pipelining.

h11 has the rules; this module does no I/O. A request for a websocket ends the stream: its bytes go to the websocket.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import h11

from ..records import HttpRequest
from .http_messages import BODILESS, HttpResponse, error_response, phrase, split_target

#: bytes of the largest body that is recorded. "The maximum request size when sending a message is 25 MiB"; a larger
#: body is read, dropped and refused. See: https://docs.discord.com/developers/reference#uploading-files
MAX_BODY = 25 * 1024 * 1024
#: bytes of the largest request line and headers
MAX_HEAD = 65_536


class HttpStream:
    """Parses requests and frames their responses.

    Args:
        respond: called with each complete request, in order; `None` leaves it and all that follow unanswered.
        upgrade: called with the bytes of a request for a websocket and all that follow it; the stream is over.
        write: called with bytes to send.
        end: called once, after the last response of the connection.
    """

    def __init__(
        self,
        *,
        respond: Callable[[HttpRequest], HttpResponse | None],
        upgrade: Callable[[bytes], None],
        write: Callable[[bytes], None],
        end: Callable[[], None],
    ) -> None:
        self._respond, self._upgrade, self._write, self._end = respond, upgrade, write, end
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._raw = bytearray()  # from the start of a request to at least the end of its head
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._is_too_large = False
        self._is_over = False

    def receive(self, data: bytes) -> None:
        """Parse data; answer each request that it completes."""
        if self._is_over:
            return
        if self._head is None:
            self._raw += data
        self._parser.receive_data(data)
        try:
            while not self._is_over and self._advance(self._parser.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._send(error_response(error.error_status_hint), closes=True)

    def _advance(self, event: h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]) -> bool:
        """Handle what was parsed; return whether there may be more."""
        if isinstance(event, h11.Request):
            self._head = event
            if _requests_websocket(event):
                self._is_over = True
                self._upgrade(bytes(self._raw))
            elif self._parser.they_are_waiting_for_100_continue:
                self._write(self._parser.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        elif isinstance(event, h11.Data):
            self._is_too_large = self._is_too_large or len(self._body) + len(event.data) > MAX_BODY
            if self._is_too_large:
                self._body.clear()
            else:
                self._body += event.data
        elif isinstance(event, h11.EndOfMessage):
            self._answer()
        else:
            return False
        return True

    def _answer(self) -> None:
        request = self._take_request()
        response = self._respond(request)
        if response is None:
            self._is_over = True
        else:
            self._send(response, sends_body=request.method != "HEAD")

    def _take_request(self) -> HttpRequest:
        assert self._head is not None
        path, query = split_target(self._head.target.decode("ascii"))
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._head.headers:  # h11 has the names in lower case
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        request = HttpRequest(
            method=self._head.method.decode("ascii"),
            path=path,
            query=query,
            headers=headers,
            body=bytes(self._body),
            status=413 if self._is_too_large else None,
            at=time.monotonic(),
        )
        self._body.clear()
        self._is_too_large = False
        return request

    def _send(self, response: HttpResponse, *, closes: bool = False, sends_body: bool = True) -> None:
        if self._parser.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._finish()
            return
        headers = list(response.headers)
        if response.status not in BODILESS:
            headers.append(("Content-Length", str(len(response.body))))
        if closes:
            headers.append(("Connection", "close"))
        head = h11.Response(status_code=response.status, headers=headers, reason=phrase(response.status).encode())
        events: list[h11.Event] = [head, h11.EndOfMessage()]
        if response.body and sends_body:
            events.insert(1, h11.Data(data=response.body))
        self._write(b"".join(self._parser.send(event) or b"" for event in events))
        if set(self._parser.states.values()) == {h11.DONE}:
            self._head, self._raw = None, bytearray(self._parser.trailing_data[0])
            self._parser.start_next_cycle()
        else:
            self._finish()

    def _finish(self) -> None:
        self._is_over = True
        self._end()


def _requests_websocket(head: h11.Request) -> bool:
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in head.headers)
