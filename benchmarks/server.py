"""A server process that is never the bottleneck: every byte is ready before anyone connects.

``python -m benchmarks.server`` prints its port, serves connection after connection, and ends with its standard input. A
connection is told HELLO, and after its IDENTIFY it gets READY and all events, as fast as it takes them or `--rate` in
each second. `GET` requests are answered as far as libraries ask before they connect. With `--shards` the events begin
when as many connections have identified, and no guilds come first, which would be the most of a short run.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import itertools
import json
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from . import corpus
from .wire import compressor, encoded, frame

__all__ = ["main"]

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHUNK = 1 << 20
#: seconds between READY of the last of several shards and the first event, so that none is read before the measuring
PAUSE = 0.5
T = TypeVar("T")
#: how a close frame begins
CLOSE = 0x88


class Server:
    """One format of one corpus."""

    def __init__(self, args: argparse.Namespace, port: int, tls: ssl.SSLContext | None) -> None:
        self.args = args
        self.tls = tls
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}"
        self.opening, self.flood = self.prepared()
        self.all_ready = threading.Barrier(args.shards or 1)

    def prepared(self) -> tuple[list[bytes], Iterable[bytes]]:
        """The frames of HELLO and READY, and those of the events."""
        args, pack = self.args, compressor(self.args.compress)
        text = args.encoding == "json" and args.compress is None

        def ready_to_go(messages: Iterator[bytes]) -> list[bytes]:
            return [frame(pack(encoded(message, args.encoding)), text) for message in messages]

        hello = {"t": None, "s": None, "op": 10, "d": {"heartbeat_interval": 41250, "_trace": []}}
        ready = {"t": "READY", "s": 1, "op": 0, "d": corpus.ready(self.url)}
        opening = ready_to_go(json.dumps(payload, separators=(",", ":")).encode() for payload in (hello, ready))
        # With a rate, events carry the time at which they are sent, and so are made then.
        if args.guild_size:
            return opening, Guilds(args.events, args.guild_size)
        if args.rate and not args.shards:
            return opening, []
        guilds = corpus.GUILDS if args.shards else 0
        return opening, ready_to_go(itertools.islice(corpus.messages(args.events + guilds), guilds, None))

    def serve(self, sock: socket.socket) -> None:
        """One connection, to its end."""
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            request = b""
            while b"\r\n\r\n" not in request:
                data = sock.recv(65536)
                if not data:
                    return
                request += data
            key = re.search(rb"sec-websocket-key: *(\S+)", request, re.IGNORECASE)
            if key is None:
                sock.sendall(self.answer(request.split()[1].decode()))
                return
            accept = base64.b64encode(hashlib.sha1(key[1] + MAGIC).digest())
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            sock.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + self.opening[0])
            self.talk(sock)

    def answer(self, path: str) -> bytes:
        """A plain request: nothing is asked that matters."""
        user = {**corpus.ready(self.url)["user"], "id": "1000000000000000001", "name": "bench"}
        body: dict[str, object] = user
        if "gateway" in path:
            shards = self.args.shards or 1
            limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": shards}
            body = {"url": self.url, "shards": shards, "session_start_limit": limit}
        elif "applications" in path:
            body = {
                "id": user["id"], "name": "bench", "description": "", "icon": None, "rpc_origins": [], "flags": 0,
                "bot_public": False, "bot_require_code_grant": False, "verify_key": "", "owner": user, "team": None,
                "summary": "", "hook": False,
            }  # fmt: skip
        text = json.dumps(body).encode()
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
        return f"{head}{len(text)}\r\n\r\n".encode() + text

    def talk(self, sock: socket.socket) -> None:
        """From IDENTIFY to the end of the events; heartbeats are not missed within so short a time."""
        sock.recv(65536)  # IDENTIFY, or a heartbeat before it
        reader = threading.Thread(target=drained, args=(sock,), daemon=True)
        if self.tls is None:  # over TLS the two directions would need a lock
            reader.start()
        sock.sendall(self.opening[1])
        number = self.all_ready.wait()
        if self.args.shards:
            time.sleep(PAUSE)
        if self.args.rate and self.args.shards:
            time.sleep(number / self.args.rate / self.args.shards)  # shards are not in step with each other
            for message in paced(self.flood, self.args.rate):
                sock.sendall(message)
        elif self.args.rate:
            self.trickle(sock)
        elif self.tls:
            for message in self.flood:
                sock.sendall(message)  # a record for each, as Discord's servers do
        else:
            for piece in chunks(self.flood):
                sock.sendall(piece)
        if self.tls is None:
            reader.join()
        else:
            drained(sock)

    def trickle(self, sock: socket.socket) -> None:
        """Events at a steady rate, each with the time of its sending in nanoseconds of the monotonic clock."""
        for number in paced(range(self.args.events), self.args.rate):
            data = {"sent": time.monotonic_ns(), "padding": "x" * 800}
            payload = {"t": "TIMED", "s": number + 2, "op": 0, "d": data}
            text = json.dumps(payload, separators=(",", ":")).encode()
            sock.sendall(frame(text, text=True))


def paced(items: Iterable[T], rate: float) -> Iterator[T]:
    """The items, so many in a second."""
    start = time.monotonic()
    for number, item in enumerate(items):
        delay = start + number / rate - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        yield item


class Guilds:
    """Frames of large GUILD_CREATEs, made as they are sent.

    Args:
        size: bytes of each, about.
    """

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        user = {"id": "80351110224678912", "username": "nelly", "bot": False}
        member = {"user": user, "roles": ["1", "2"], "nick": None}
        length = len(json.dumps(member, separators=(",", ":"))) + 1
        self._members = json.dumps([member] * (size // length), separators=(",", ":"))

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self._count):
            data = f'{{"id":"{number + 1}","members":{self._members}}}'
            text = f'{{"t":"GUILD_CREATE","s":{number + 2},"op":0,"d":{data}}}'
            yield frame(text.encode(), text=True)


def chunks(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The frames in big pieces."""
    piece: list[bytes] = []
    size = 0
    for one in frames:
        piece.append(one)
        size += len(one)
        if size >= CHUNK:
            yield b"".join(piece)
            piece, size = [], 0
    yield b"".join(piece)


def drained(sock: socket.socket) -> None:
    """Read until the other side ends, or says that it will: one that waits for an answer to that need not."""
    with contextlib.suppress(OSError):
        while (data := sock.recv(65536)) and data[0] != CLOSE:
            pass


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server")
    parser.add_argument("--events", type=int, default=corpus.EVENT_COUNT)
    parser.add_argument("--encoding", choices=["json", "etf"], default="json")
    parser.add_argument("--compress", choices=["zlib-stream", "zstd-stream", "payload"])
    parser.add_argument("--rate", type=float, help="events in a second; all at once without it")
    parser.add_argument("--shards", type=int, help="connections that wait for each other before their events")
    parser.add_argument("--guild-size", type=int, help="send GUILD_CREATEs of this many bytes, and nothing else")
    parser.add_argument("--ca", help="speak TLS, and write the authority's certificate here")
    args = parser.parse_args()
    if args.rate and not args.shards and (args.compress or args.encoding != "json"):
        parser.error("--rate goes with JSON and without compression")
    if args.guild_size and (args.compress or args.encoding != "json"):
        parser.error("--guild-size goes with JSON and without compression")
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    server = Server(args, port, tls_context(args.ca) if args.ca else None)
    print(server.url, flush=True)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=server.serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


def tls_context(ca_file: str) -> ssl.SSLContext:
    """A context with a certificate for 127.0.0.1, whose authority is written to `ca_file`."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


if __name__ == "__main__":
    main()
